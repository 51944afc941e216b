"""Score a model on annotated documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nisba.metrics import pair, report
from nisba.predict import Predictor
from nisba.schema import Document


def evaluate(predictor: Predictor, gold: Sequence[Document]) -> tuple[dict[str, Any], list[Document]]:
    """The report of ``metrics.report`` and the predictions for the texts of ``gold``."""
    predicted = list(predictor.stream(gold))
    return report(pair(gold, predicted)), predicted
