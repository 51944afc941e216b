"""Do claim scores mean what they say? Expected calibration error, reliability bins, precision and recall by threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

BINS = 10
POINTS = 200  # of the curve, at most


def calibration(scores: Sequence[float], right: Sequence[bool], gold: int) -> dict[str, Any] | None:
    """``ece``, ``bins``, ``average_precision`` and ``curve`` of scored claims; None where there are none.

    ECE = Σ_b n_b/n · |accuracy_b − mean score_b| over ten bins of equal width (Naeini et al. 2015, doi 10.1609/aaai.v29i1.9602).
    Curve: precision and recall of the claims whose score is at least ``threshold``; the pairing of claims is that of all
    predictions at every threshold. Average precision = Σ (R_i − R_{i−1}) P_i over distinct thresholds.

    Args:
        scores: of predicted claims, in [0, 1].
        right: whether each is correct (the soft score at 0.8).
        gold: how many gold claims there are.
    """
    if not len(scores):
        return None
    score, hit = np.asarray(scores, dtype=float), np.asarray(right, dtype=float)
    number = np.minimum((score * BINS).astype(int), BINS - 1)
    bins, error = [], 0.0
    for b in range(BINS):
        inside = number == b
        row = {"from": b / BINS, "to": (b + 1) / BINS, "claims": int(inside.sum()), "score": None, "accuracy": None}
        if row["claims"]:
            row |= {"score": float(score[inside].mean()), "accuracy": float(hit[inside].mean())}
            error += inside.mean() * abs(hit[inside].mean() - score[inside].mean())
        bins.append(row)
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)  # the last claim of each distinct score
    hits = hit[order].cumsum()[last]
    precision, recall = hits / (last + 1), hits / gold if gold else np.zeros(len(last))
    shown = np.unique(np.linspace(0, len(last) - 1, min(POINTS, len(last))).astype(int))
    return {
        "ece": float(error),
        "bins": bins,
        "average_precision": float((np.diff(recall, prepend=0.0) * precision).sum()),
        "curve": [
            {"threshold": float(score[order][last[i]]), "precision": float(precision[i]), "recall": float(recall[i])} for i in shown
        ],
    }
