"""The Space: two boxes of tags, and their scores. ``python app.py`` serves it.

``evaluate`` has a widget for this, written for gradio 3 (``gradio.inputs``), which later versions of gradio do not have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import evaluate
import gradio as gr  # type: ignore[import-not-found, unused-ignore]
from evaluate.utils.gradio import parse_readme

FOLDER = Path(__file__).parent
EXAMPLE = ["B-PER I-PER O B-LOC\nO I-ORG", "B-PER I-PER O B-LOC\nO B-ORG"]


def interface() -> Any:
    """The page. The module is loaded by its file: on a Space the folder does not bear its name."""
    metric = evaluate.load(str(FOLDER / "nisba_names.py"), keep_in_memory=True)

    def score(predictions: str, references: str) -> dict[str, Any]:
        try:
            result: dict[str, Any] = metric.compute(predictions=_rows(predictions), references=_rows(references))
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return result

    return gr.Interface(
        fn=score,
        inputs=[
            gr.Textbox(lines=4, label=f"{side}: a sequence a line, spaces between tags") for side in ("Predictions", "References")
        ],
        outputs=gr.JSON(label="Scores"),
        examples=[EXAMPLE],
        cache_examples=False,
        flagging_mode="never",
        title="nisba_names",
        description=metric.description,
        article=parse_readme(FOLDER / "README.md"),
    )


def _rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().split("\n")]


if __name__ == "__main__":
    interface().launch()
