"""Articles, their encodings and labels on disk: what is read again and again takes no memory that grows with the corpus.

A shelf's file has no name, so that nothing is left of it when the process ends, however it ends. An article lies there as a line of
JSON Lines, an encoding or its labels as a run of 32-bit numbers, the lists in it behind their lengths.
"""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar, overload

from nisba.encode import REACH, ClaimTarget, Encoded, Targets, Window
from nisba.formats import jsonl
from nisba.schema import LAYERS, Document

T = TypeVar("T")
G = TypeVar("G")
NUMBERS = "i"  # of four bytes each
ORDER = sorted(LAYERS)


@dataclass(frozen=True)
class Article:
    """What a batch needs of an ``Encoded``: all but the text."""

    words: range
    windows: list[Window]
    firsts: list[tuple[int, int]]
    sentence: list[int]
    quotation: list[int]

    def reach(self, anchor: int) -> range:
        """As that of ``Encoded``."""
        return range(max(0, anchor - REACH), min(len(self.words), anchor + REACH + 1))


class Shelf(Sequence[T], Generic[G, T]):
    """A sequence on disk, in ``folder`` (None: where temporary files go). Raises OSError where it cannot be written."""

    def __init__(self, pack: Callable[[G], bytes], unpack: Callable[[bytes], T], folder: Path | None):
        self._pack, self._unpack = pack, unpack
        self._file = tempfile.TemporaryFile(dir=folder, prefix=".nisba.", suffix=".partial", buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._ends = array("q", [0])

    def add(self, thing: G) -> None:
        """Put it behind the others."""
        packed = memoryview(self._pack(thing))
        self._ends.append(self._ends[-1] + len(packed))
        while packed:
            packed = packed[self._file.write(packed) :]

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        start, end = self._ends[place], self._ends[place + 1]
        return self._unpack(os.pread(self._file.fileno(), end - start, start))


def documents(folder: Path | None) -> Shelf[Document, Document]:
    """An empty shelf for articles."""
    return Shelf(lambda document: jsonl.dump(document).encode(), lambda line: Document.from_dict(json.loads(line)), folder)


def articles(folder: Path | None) -> Shelf[Encoded, Article]:
    """An empty shelf for encoded articles."""
    return Shelf(lambda encoded: packed(pack_article(encoded)), lambda data: unpack_article(numbers(data)), folder)


def labels(folder: Path | None) -> Shelf[Targets, Targets]:
    """An empty shelf for their labels; all of what they should hold must be held: ``lost_*`` are 0."""
    return Shelf(lambda told: packed(pack_targets(told)), lambda data: unpack_targets(numbers(data)), folder)


def packed(values: Iterable[int]) -> bytes:
    """Numbers as they lie on a shelf."""
    return array(NUMBERS, values).tobytes()


def numbers(data: bytes) -> Iterator[int]:
    """The inverse of ``packed``."""
    found = array(NUMBERS)
    found.frombytes(data)
    return iter(found)


def pack_article(encoded: Encoded) -> Iterator[int]:
    """Windows, each with the word that every sub-word belongs to, then the places, sentences and quotations of words."""
    yield len(encoded.windows)
    for window in encoded.windows:
        yield from counted(window.input_ids)
        yield from counted(window.owners)
    yield from counted([number for first in encoded.firsts for number in first])
    yield from counted(encoded.sentence)
    yield from counted(encoded.quotation)


def unpack_article(numbers: Iterator[int]) -> Article:
    """The inverse of ``pack_article``."""
    windows = [Window(taken(numbers), taken(numbers)) for _ in range(next(numbers))]
    firsts = taken(numbers)
    sentence, quotation = taken(numbers), taken(numbers)
    return Article(range(len(sentence)), windows, list(zip(firsts[::2], firsts[1::2], strict=True)), sentence, quotation)


def pack_targets(targets: Targets) -> Iterator[int]:
    """Layers as bits, names, and of every claim what is not O: most words are in no role."""
    yield sum(1 << bit for bit, layer in enumerate(ORDER) if layer in targets.layers)
    yield from counted(targets.names)
    yield len(targets.claims)
    for claim in targets.claims:
        yield from (claim.anchor, claim.source_type, claim.stance, len(claim.roles))
        yield from counted([number for place, tag in enumerate(claim.roles) if tag for number in (place, tag)])


def unpack_targets(numbers: Iterator[int]) -> Targets:
    """The inverse of ``pack_targets``."""
    bits, names = next(numbers), taken(numbers)
    claims = []
    for _ in range(next(numbers)):
        anchor, source_type, stance, reach = next(numbers), next(numbers), next(numbers), next(numbers)
        roles, told = [0] * reach, taken(numbers)
        for place, tag in zip(told[::2], told[1::2], strict=True):
            roles[place] = tag
        claims.append(ClaimTarget(anchor, roles, source_type, stance))
    return Targets(names, claims, 0, 0, frozenset(layer for bit, layer in enumerate(ORDER) if bits >> bit & 1))


def counted(numbers: Sequence[int]) -> Iterator[int]:
    """A list behind its length."""
    yield len(numbers)
    yield from numbers


def taken(numbers: Iterator[int]) -> list[int]:
    """The inverse of ``counted``."""
    return list(islice(numbers, next(numbers)))
