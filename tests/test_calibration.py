import random

import pytest

from nisba.metrics import report
from nisba.metrics.calibration import calibrated, calibration, platt
from tests.small import document, spelt


def test_a_hand_computed_table():
    values = calibration([0.95, 0.95, 0.55, 0.55], [True, True, True, False], gold=4)
    # two bins of two claims: |1 − 0.95| and |0.5 − 0.55|, each half of all
    assert values["ece"] == pytest.approx(0.05)
    filled = [row for row in values["bins"] if row["claims"]]
    assert [(row["from"], row["claims"], row["accuracy"]) for row in filled] == [(0.5, 2, 0.5), (0.9, 2, 1)]
    assert values["curve"] == [
        {"threshold": 0.95, "precision": 1, "recall": 0.5},
        {"threshold": 0.55, "precision": 0.75, "recall": 0.75},
    ]
    assert values["average_precision"] == pytest.approx(0.5 * 1 + 0.25 * 0.75)


def test_edges():
    assert calibration([], [], gold=3) is None
    perfect = calibration([1.0, 0.0], [True, False], gold=1)
    assert perfect["ece"] == 0
    assert sum(row["claims"] for row in perfect["bins"]) == 2
    assert calibration([0.5], [False], gold=0)["average_precision"] == 0
    assert calibration([0.5], [False], gold=0)["bins"][5]["claims"] == 1  # bins are closed on the left
    long = calibration([i / 1000 for i in range(1000)], [True] * 1000, gold=1000)
    assert len(long["curve"]) == 200
    assert (long["curve"][0]["threshold"], long["curve"][-1]["recall"]) == (0.999, 1)


def test_scores_are_judged_by_the_soft_pairs_of_claims_that_count():
    gold = document(spelt("a", "qscccc"), spelt("o", "-------qcccc", core=False))
    predicted = document(
        spelt("x", "qscccc", score=0.8),
        spelt("y", "-------qcccc", score=0.3),  # optional: not judged
        spelt("z", "-c", score=0.6),
    )
    values = report([(gold, predicted)])["calibration"]
    assert values["ece"] == pytest.approx((0.2 + 0.6) / 2)
    unscored = document(*predicted.claims[:2], spelt("z", "-c"))
    assert report([(gold, unscored)])["calibration"] is None


def test_platt_finds_the_line_that_scores_were_bent_by():
    draw = random.Random(0)
    truth = [draw.random() for _ in range(20_000)]
    right = [draw.random() < p for p in truth]
    bent = [calibrated(p, (2.0, 1.0)) for p in truth]  # too sure
    slope, intercept = platt(bent, right)
    assert (slope, intercept) == (pytest.approx(0.5, abs=0.03), pytest.approx(-0.5, abs=0.05))
    before = calibration(bent, right, gold=1)["ece"]
    after = calibration([calibrated(score, (slope, intercept)) for score in bent], right, gold=1)["ece"]
    assert before > 0.1
    assert after < 0.02


def test_platt_of_few_or_extreme_scores():
    assert platt([], []) == (1.0, 0.0)
    line = platt([1.0, 1.0, 0.0], [True, True, True])
    assert 0.5 < calibrated(1.0, line) < 1
    slope, _ = platt([0.9, 0.8, 0.2, 0.1], [False, False, True, True])  # the wrong way round: order is kept all the same
    assert slope > 0
    scores = [calibrated(score / 100, (0.7, -0.4)) for score in range(1, 100)]
    assert scores == sorted(scores)
    assert calibrated(0.3, (1.0, 0.0)) == pytest.approx(0.3)
