"""Intervals and p-values against scipy and against exhaustive enumeration."""

import itertools

import numpy as np
import pytest
from scipy import stats

from nisba.metrics.resampling import intervals, randomisation


def ratio(sums):
    with np.errstate(invalid="ignore"):
        return {"ratio": sums[..., 0] / sums[..., 1]}


def counts(seed, size):
    rng = np.random.default_rng(seed)
    total = rng.integers(1, 20, size)
    return np.stack([rng.binomial(total, 0.7), total], axis=1).astype(np.float32)


def test_intervals_agree_with_scipy():
    data = counts(0, 60)
    low, high = intervals(data, ratio, resamples=4000, seed=0)["ratio"]
    theirs = stats.bootstrap(
        (data[:, 0], data[:, 1]),
        lambda right, total, axis: right.sum(axis=axis) / total.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.002)  # a 90 % interval is 0.005 narrower
    assert low < data[:, 0].sum() / data[:, 1].sum() < high


def test_intervals_are_seeded_and_narrow_with_more_documents():
    few, many = counts(0, 20), np.concatenate([counts(0, 20)] * 20)
    assert intervals(few, ratio, resamples=300, seed=5) == intervals(few, ratio, resamples=300, seed=5)
    assert intervals(few, ratio, resamples=300, seed=5) != intervals(few, ratio, resamples=300, seed=6)
    (low, high), (lower, upper) = (intervals(data, ratio, resamples=600, seed=0)["ratio"] for data in (few, many))
    assert upper - lower < (high - low) / 3


def test_equal_documents_have_no_spread_and_undefined_measures_no_interval():
    assert intervals(np.tile([3.0, 4.0], (9, 1)), ratio, resamples=50, seed=0)["ratio"] == (0.75, 0.75)
    assert intervals(np.zeros((9, 2)), ratio, resamples=50, seed=0) == {}
    half = np.array([[1.0, 1.0], [0.0, 0.0]])  # in some resamples there is nothing to divide by
    assert intervals(half, ratio, resamples=50, seed=0)["ratio"] == (1, 1)


def test_randomisation_agrees_with_enumeration():
    ours, theirs = counts(2, 9), counts(3, 9)
    theirs[:, 1] = ours[:, 1]
    theirs[:, 0] = np.minimum(theirs[:, 0], theirs[:, 1])
    gap = abs(ours[:, 0].sum() - theirs[:, 0].sum())
    swaps = np.array(list(itertools.product([0, 1], repeat=9)))
    moved = swaps @ (theirs - ours)[:, 0]
    reached = np.abs(ours[:, 0].sum() + moved - (theirs[:, 0].sum() - moved)) >= gap
    assert 0.02 < reached.mean() < 0.98
    p = randomisation(ours, theirs, ratio, resamples=8000, seed=0)["ratio"]
    assert p == pytest.approx(reached.mean(), abs=0.02)


def test_equal_systems_differ_by_chance_alone_and_clear_ones_do_not():
    data = counts(4, 40)
    assert randomisation(data, data, ratio, resamples=100, seed=0)["ratio"] == 1
    worse = data - [[1, 0]]
    assert randomisation(data, worse, ratio, resamples=999, seed=0)["ratio"] == 0.001  # no smaller p than 1 / (1 + resamples)
    assert randomisation(data, worse, ratio, resamples=99, seed=3) == randomisation(data, worse, ratio, resamples=99, seed=3)


def test_p_values_hold_their_level():
    """Under the null hypothesis a p-value of at most 0.1 comes up about once in ten."""
    low = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        one, other = (np.stack([rng.binomial(10, 0.6, 25), np.full(25, 10)], axis=1).astype(float) for _ in range(2))
        low += randomisation(one, other, ratio, resamples=199, seed=seed)["ratio"] <= 0.1
    assert 8 <= low <= 34
