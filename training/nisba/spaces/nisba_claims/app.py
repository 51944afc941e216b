"""The Space: two boxes of documents, and their scores. ``python app.py`` serves it.

``evaluate`` has a widget for this, written for gradio 3 (``gradio.inputs``), which later versions of gradio do not have.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import evaluate
import gradio as gr  # type: ignore[import-not-found, unused-ignore]
from evaluate.utils.gradio import parse_readme

FOLDER = Path(__file__).parent
CLAIM = {"id": "c1", "cue": [[0, 4]], "source": [[5, 15]], "content": [[16, 29]], "type": "indirect", "source_type": "role"}
CLAIM |= {"stance": "neutral", "speaker": "وزير الصحة"}
DOCUMENT = {"id": "a1", "text": "وقال وزير الصحة إن اللقاح آمن.", "claims": [CLAIM]}
SHORTER = DOCUMENT | {"claims": [CLAIM | {"source": [[5, 9]]}]}
EXAMPLE = [json.dumps(document, ensure_ascii=False) for document in (SHORTER, DOCUMENT)]


def interface() -> Any:
    """The page. The module is loaded by its file: on a Space the folder does not bear its name."""
    metric = evaluate.load(str(FOLDER / "nisba_claims.py"), keep_in_memory=True)

    def score(predictions: str, references: str, resamples: float, seed: float) -> dict[str, Any]:
        sides = {"predictions": _rows(predictions), "references": _rows(references)}
        try:
            result: dict[str, Any] = metric.compute(**sides, resamples=int(resamples), seed=int(seed))
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return result

    return gr.Interface(
        fn=score,
        inputs=[
            *(gr.Textbox(lines=4, label=f"{side}: a document a line (JSON)") for side in ("Predictions", "References")),
            gr.Number(label="resamples", value=0, precision=0, minimum=0, maximum=1000),
            gr.Number(label="seed", value=0, precision=0, minimum=0),
        ],
        outputs=gr.JSON(label="Report"),
        examples=[[*EXAMPLE, 0, 0]],
        cache_examples=False,
        flagging_mode="never",
        title="nisba_claims",
        description=metric.description,
        article=parse_readme(FOLDER / "README.md"),
    )


def _rows(text: str) -> list[str]:
    """Lines end in a line feed only: JSON strings may hold the other characters that ``str.splitlines`` parts lines at."""
    return text.strip().split("\n")


if __name__ == "__main__":
    interface().launch()
