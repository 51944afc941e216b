"""Score a model on annotated documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nisba.metrics import pair, report
from nisba.predict import Predictor
from nisba.schema import Document


def evaluate(predictor: Predictor, gold: Sequence[Document]) -> dict[str, Any]:
    """The report of ``metrics.report``, without intervals."""
    return report(pair(gold, predictor.stream(gold)))
