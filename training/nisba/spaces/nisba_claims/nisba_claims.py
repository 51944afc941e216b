"""Who said what: the scores of ``nisba.metrics`` over documents in nisba's interchange format. ``evaluate.load`` runs this file.

The loader reads import lines one by one: one module each, and no comment behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from nisba.formats import jsonl
from nisba.metrics import pair, report
from nisba.schema import Document

DESCRIPTION = """\
Scores claim attribution: who says what in an article, with the cue, the source, what is said, whom it is told, the speaker's name
and attributes of the claim, and the names in the text. Documents are lines of nisba's interchange format (JSON Lines).
"""
INPUTS = """
Args:
    predictions: strings, each a document in nisba's interchange format: a JSON object with id, text, entities and claims.
    references: the annotated documents, of the same ids and texts, in any order.
    resamples: of the bootstrap that gives 95 % intervals; 0 for none.
    seed: of the bootstrap.

Returns:
    the report of nisba.metrics.report: a mapping that can be written as JSON, with ratios in percent.

Raises:
    ValueError: an item that is no document. The message names all of them by side and number, counted from 1.
    MismatchError (a ValueError of nisba.metrics): the sides do not have the same documents.
"""
CITATION = """\
@software{nisba,
  title = {nisba: names and claim attribution in {A}rabic news},
  author = {{The nisba authors}},
  year = {2026}
}
"""


class NisbaClaims(evaluate.Metric):  # type: ignore[misc]
    """See INPUTS."""

    def _info(self) -> evaluate.MetricInfo:
        line = datasets.Value("string")
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS,
            features=datasets.Features({"predictions": line, "references": line}),
        )

    def _compute(
        self, *, predictions: Sequence[str], references: Sequence[str], resamples: int = 0, seed: int = 0
    ) -> dict[str, Any]:
        problems: list[str] = []
        gold, predicted = (_documents(*side, problems) for side in (("references", references), ("predictions", predictions)))
        if problems:
            raise ValueError("\n".join(problems))
        return report(pair(gold, predicted), resamples=resamples, seed=seed)


def _documents(side: str, lines: Sequence[str | None], problems: list[str]) -> list[Document]:
    documents = []
    for number, line in enumerate(lines, 1):
        try:
            documents.append(Document.from_dict(jsonl.load_row((line or "").encode())))
        except ValueError as error:  # a SchemaError is one
            problems.append(f"{side}, item {number}: {error}")
    return documents
