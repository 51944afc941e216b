"""Some things of other sequences, in an order of their own, without a copy of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class Selection(Sequence[T]):
    """Each thing by the sequence that holds it and its index there."""

    places: Sequence[tuple[Sequence[T], int]] = ()

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Selection[T]: ...

    def __getitem__(self, place: int | slice) -> T | Selection[T]:
        if isinstance(place, slice):
            return Selection(self.places[place])
        things, index = self.places[place]
        return things[index]


def of(*sequences: Sequence[T]) -> Selection[T]:
    """All things of some sequences, one behind the other."""
    whole = (each.places if isinstance(each, Selection) else [(each, i) for i in range(len(each))] for each in sequences)
    return Selection([place for places in whole for place in places])


def picked(things: Sequence[T], indices: Iterable[int]) -> Selection[T]:
    """Those at some places, in that order."""
    places = of(things).places
    return Selection([places[i] for i in indices])
