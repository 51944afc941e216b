"""How far a figure can be trusted: bootstrap intervals and paired randomisation, both over documents, both seeded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
CHUNK = 250  # resamples at a time: bounds memory


def intervals(
    counts: Array, measure: Callable[[Array], Mapping[Any, Array]], *, resamples: int, seed: int, level: float = 0.95
) -> dict[Any, tuple[float, float]]:
    """Percentile bootstrap (Efron and Tibshirani 1993, ch. 13): documents are drawn with replacement, as many as there are.

    Args:
        counts: shape (documents, …); the sum over documents is what ``measure`` takes.
        measure: sums of shape (resamples, …) to values of shape (resamples,).

    Returns:
        Measure → (lower, upper). Resamples in which a measure is undefined are left out; measures never defined are missing.
    """
    rng = np.random.default_rng(seed)
    size = len(counts)
    flat = counts.reshape(size, -1)
    values: dict[Any, list[Array]] = {}
    for some in _chunks(resamples):
        drawn = rng.multinomial(size, np.full(size, 1 / size), size=some).astype(flat.dtype)
        for key, value in measure((drawn @ flat).reshape(some, *counts.shape[1:]).astype(float)).items():
            values.setdefault(key, []).append(value)
    tail = 100 * (1 - level) / 2
    result = {}
    for key, parts in values.items():
        known = np.concatenate(parts)
        known = known[~np.isnan(known)]
        if len(known):
            low, high = np.percentile(known, [tail, 100 - tail])
            result[key] = float(low), float(high)
    return result


def randomisation(
    ours: Array, theirs: Array, measure: Callable[[Array], Mapping[Any, Array]], *, resamples: int, seed: int
) -> dict[Any, float]:
    """Two-sided p-values of paired approximate randomisation (Noreen 1989; for F1 see Yeh 2000, https://aclanthology.org/C00-2137):
    in each resample the two systems' outputs change places on a random half of the documents; p = (1 + n) / (1 + resamples), n
    the resamples whose difference is at least as large as the one observed. An undefined difference counts as none.

    Args:
        ours, theirs: counts of the same documents in the same order, shape (documents, …).
        measure: as in ``intervals``.
    """
    rng = np.random.default_rng(seed)
    size = len(ours)
    one, other = (side.reshape(size, -1).astype(float) for side in (ours, theirs))  # doubles: ties must be seen as ties
    sums = one.sum(axis=0), other.sum(axis=0)
    observed = _differences(measure, *(total.reshape(1, *ours.shape[1:]) for total in sums))
    reached = dict.fromkeys(observed, 0)
    for some in _chunks(resamples):
        moved = rng.integers(0, 2, size=(some, size)).astype(float) @ (other - one)
        parts = sums[0] + moved, sums[1] - moved
        for key, value in _differences(measure, *(part.reshape(some, *ours.shape[1:]) for part in parts)).items():
            reached[key] += int((value >= observed[key] - 1e-12).sum())
    return {key: (1 + n) / (1 + resamples) for key, n in reached.items()}


def _differences(measure: Callable[[Array], Mapping[Any, Array]], one: Array, other: Array) -> dict[Any, Array]:
    ours, theirs = measure(one), measure(other)
    return {key: np.abs(np.nan_to_num(ours[key] - theirs[key])) for key in ours}


def _chunks(total: int) -> Iterator[int]:
    for start in range(0, total, CHUNK):
        yield min(CHUNK, total - start)
