"""Score a model on annotated documents."""

from __future__ import annotations

from collections.abc import Sequence

from nisba.metrics import pair
from nisba.metrics.report import Tally, tally
from nisba.predict import Predictor
from nisba.schema import Document


def evaluate(predictor: Predictor, gold: Sequence[Document]) -> Tally:
    """What there is to score in a model's predictions; ``metrics.report.summary`` makes the report of it."""
    return tally(pair(gold, predictor.stream(gold)))
