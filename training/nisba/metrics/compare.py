"""Two systems on the same gold documents: every measure of both, how sure the difference is, where it comes from.

Keys of the comparison, version 1: version, documents, measures {name: {a, b, difference, interval, p}} (percent; interval and p
null for one document or without resamples; names as in
``counts.measures``; interval: paired bootstrap, p: paired approximate randomisation, uncorrected for the number of measures),
changed [{id, wrong: {claims: [a, b], names: [a, b]}, fixed, new}], resampling {level, resamples, seed}. ``wrong`` are missed gold
items plus predicted ones that are not right (claims by soft80, names strictly); ``fixed`` is how many of these only a has,
``new`` how many only b has.
"""

from __future__ import annotations

from math import isnan
from typing import Any

import numpy as np

from nisba.metrics.counts import FOUND, GOLD, KEYS, OVERALL, PREDICTED, RIGHT, Counts, measures
from nisba.metrics.phenomena import SLICES
from nisba.metrics.report import MismatchError, Pairs, Tally, tally
from nisba.metrics.resampling import intervals, randomisation

VERSION = 1
WRONG = {"claims": ("claims.soft80", SLICES[0]), "names": ("names.strict", SLICES[0])}


def compare(ours: Pairs, theirs: Pairs, *, resamples: int, seed: int = 0) -> dict[str, Any]:
    """Compare a (``ours``) with b (``theirs``), paired with the same gold documents in the same order. Raises MismatchError."""
    if [gold.id for gold, _ in ours] != [gold.id for gold, _ in theirs]:
        raise MismatchError(["the two systems are paired with different gold documents"])
    tallies = tally(ours), tally(theirs)
    a, b = (counted.counts[:, :OVERALL] for counted in tallies)
    values = [measures(side.sum(axis=0, dtype=float)) for side in (a, b)]
    spans = intervals(np.concatenate([a, b], axis=1), _difference, resamples=resamples, seed=seed) if len(a) > 1 else {}
    chance = randomisation(a, b, measures, resamples=resamples, seed=seed) if resamples and len(a) > 1 else {}
    result = {}
    for key in values[0]:
        one, other = (float(side[key]) for side in values)
        known = not (isnan(one) or isnan(other))
        result[key[1]] = {
            "a": _percent(one),
            "b": _percent(other),
            "difference": _percent(other - one),
            "interval": [_percent(edge) for edge in spans[key]] if known and key in spans else None,
            "p": chance.get(key) if known else None,
        }
    return {
        "version": VERSION,
        "documents": len(a),
        "measures": result,
        "changed": _changed(*tallies),
        "resampling": {"level": 0.95, "resamples": resamples, "seed": seed},
    }


def _difference(sums: Counts) -> dict[Any, Counts]:
    a, b = np.split(sums, 2, axis=-2)
    one, other = measures(a), measures(b)
    return {key: other[key] - one[key] for key in one}


def _changed(a: Tally, b: Tally) -> list[dict[str, Any]]:
    """The documents where other claims or names are wrong, those with most differences first."""
    rows = []
    for i, name in enumerate(a.ids):
        wrong = {kind: [int(_wrong(side.counts[i, KEYS.index(key)])) for side in (a, b)] for kind, key in WRONG.items()}
        fixed, new = (a.wrong[i] - b.wrong[i]).total(), (b.wrong[i] - a.wrong[i]).total()
        if fixed or new:
            rows.append({"id": name, "wrong": wrong, "fixed": fixed, "new": new})
    return sorted(rows, key=lambda row: -(row["fixed"] + row["new"]))


def _wrong(counts: Counts) -> float:
    return float(counts[PREDICTED] - counts[RIGHT] + counts[GOLD] - counts[FOUND])


def _percent(value: float) -> float | None:
    return None if isnan(value) else round(100 * value, 2)
