"""Score a model on annotated documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nisba.metrics import pair, report
from nisba.predict import Predictor
from nisba.schema import Document


def evaluate(predictor: Predictor, gold: Sequence[Document]) -> tuple[dict[str, Any], list[tuple[Document, Document]]]:
    """The report of ``metrics.report``, without intervals, and the pairs of gold and predicted documents that it is of."""
    pairs = pair(gold, predictor.stream(gold))
    return report(pairs), pairs
