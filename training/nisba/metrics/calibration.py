"""Do claim scores mean what they say? Expected calibration error, reliability bins, precision and recall by threshold; and a line
that makes them mean it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit

EPSILON = 1e-4  # scores nearer to 0 or 1 count as this near
SLOPES = (0.05, 20.0)  # a score's order never changes
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


def platt(scores: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """The (slope, intercept) with which expit(slope · logit(score) + intercept) best says how often claims of a score are right.

    Maximum likelihood with Platt's targets (n₊ + 1)/(n₊ + 2) and 1/(n₋ + 2), which keep few claims from giving certainty
    (Platt 1999, Probabilistic outputs for support vector machines). (1, 0), which changes nothing, where there is no claim.
    """
    if not len(scores):
        return 1.0, 0.0
    x, hit = logit(np.clip(np.asarray(scores, dtype=float), EPSILON, 1 - EPSILON)), np.asarray(right, dtype=bool)
    target = np.where(hit, (hit.sum() + 1) / (hit.sum() + 2), 1 / ((~hit).sum() + 2))

    def loss(line: Any) -> float:
        z = line[0] * x + line[1]
        return -float((target * log_expit(z) + (1 - target) * log_expit(-z)).sum())

    slope, intercept = minimize(loss, (1.0, 0.0), bounds=[SLOPES, (-20.0, 20.0)]).x
    return float(slope), float(intercept)


def calibrated(score: float, line: tuple[float, float]) -> float:
    """A score on the line that ``platt`` gives; (1, 0) is the score itself."""
    if line == (1.0, 0.0):
        return score
    clipped = min(max(score, EPSILON), 1 - EPSILON)
    return float(expit(line[0] * logit(clipped) + line[1]))
