"""Spans to be asked for those at a place, in the time of what lies there and not of all of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


class Overlaps(Generic[T]):
    """Things with a start and an end (code points; the end lies behind), to be asked for those that share one with a span."""

    def __init__(self, things: Iterable[tuple[int, int, T]]):
        numbered = ((start, end, number, thing) for number, (start, end, thing) in enumerate(things))
        self._things = sorted(numbered, key=lambda item: item[:3])
        self._starts = [start for start, _, _, _ in self._things]
        self._reach = list(accumulate((end for _, end, _, _ in self._things), max))  # no earlier one ends behind

    def of(self, start: int, end: int) -> list[T]:
        """Those that share a code point with [start, end), in the order in which they were given."""
        found = []
        at = bisect_left(self._starts, end)
        while at and self._reach[at - 1] > start:
            at -= 1
            _, behind, number, thing = self._things[at]
            if behind > start:
                found.append((number, thing))
        return [thing for _, thing in sorted(found, key=lambda pair: pair[0])]
