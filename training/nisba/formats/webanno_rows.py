"""A document as the rows of a WebAnno TSV file, whose layout ``nisba.formats.webanno_tsv`` tells."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from nisba.formats import webanno_escapes as escapes
from nisba.formats.cas_document import structures
from nisba.formats.cas_types import CLAIM, FRAGMENT, LINK, LINKS, NAME, TYPES
from nisba.formats.offsets import Units
from nisba.formats.structures import Structure, Value
from nisba.formats.webanno_table import FORMAT, ROLE, SENTENCE, TEXT
from nisba.schema import Document
from nisba.text import sentences, words

LAYERS = {layer: [name for name, reach in TYPES[layer].features.items() if reach != LINKS] for layer in (NAME, FRAGMENT, CLAIM)}
RETURN = "\u240d"  # the sign for a carriage return, which no value may hold
Unit = tuple[int, int, int]  # the token's index, begin, end


def rows(document: Document) -> Iterator[str]:
    """The lines of the file, without line ends. Offsets are UTF-16 units."""
    yield f"{FORMAT}3.3"
    for layer, features in LAYERS.items():
        slots = [f"{ROLE}{CLAIM}:roles_{LINK}", FRAGMENT] if layer == CLAIM else []
        yield f"#T_SP={layer}|" + "|".join([*features, *slots])
    yield from ["", ""]
    text = document.text
    spans = words(text)
    starts = [span.start for span in spans]
    heads = sorted({bisect_left(starts, sentence.start) for sentence in sentences(text)} - {len(spans)})
    found, _ = structures(document)
    returns = _returns(found)
    yield SENTENCE + escapes.text(_note(document, text[: starts[0]] if starts else "", returns))
    if not heads:
        yield from _lines(text)
        return
    units = Units(text)
    tokens = [(units.of(span.start), units.of(span.end)) for span in spans]
    grid = _Grid(found, tokens, heads, returns)
    for number, (head, after) in enumerate(pairwise([*heads, len(spans)])):
        if number:
            yield ""
        yield from _lines(text[starts[head] : starts[after] if after < len(starts) else len(text)])
        for i in range(head, after):
            for _, begin, end in grid.units(i):
                covered = text[units.point(begin) : units.point(end)]
                yield "\t".join([grid.name((i, begin, end)), f"{begin}-{end}", covered, *grid.cells((i, begin, end)), ""])


def _lines(text: str) -> Iterator[str]:
    return (TEXT + escapes.text(line) for line in text.split("\n"))


def _note(document: Document, lead: str, returns: Mapping[str, str]) -> str:
    """What no layer has a place for, as JSON."""
    row: dict[str, Any] = {"id": document.id, "meta": dict(document.meta), "lead": lead, "returns": returns}
    return json.dumps({key: value for key, value in row.items() if value}, ensure_ascii=False, allow_nan=False)


def _returns(found: Iterable[Structure]) -> dict[str, str]:
    """What values with carriage returns are in the file → what they are. No two values become one."""
    values = {value for mark in found for value in mark.values.values() if isinstance(value, str)}
    returns: dict[str, str] = {}
    for value in sorted(value for value in values if "\r" in value):
        shown = value.replace("\r", RETURN)
        while shown in values or shown in returns:
            shown += RETURN
        returns[shown] = value
    return returns


class _Grid:
    """Which annotations lie over which tokens or parts of tokens. Offsets are UTF-16 units."""

    def __init__(
        self, found: Sequence[Structure], tokens: Sequence[tuple[int, int]], heads: Sequence[int], returns: Mapping[str, str]
    ):
        self._tokens, self._heads = tokens, heads
        self._shown = {value: shown for shown, value in returns.items()}
        self._found = {mark.id: mark for mark in found}
        self._over: dict[Unit, list[Structure]] = {}
        self._first: dict[int, Unit] = {}
        self._parts: dict[int, list[Unit]] = {}
        begins, ends = [begin for begin, _ in tokens], [end for _, end in tokens]
        for mark in found:
            if mark.type in LAYERS:
                begin, end = mark.number("begin"), mark.number("end")
                for i in range(bisect_right(begins, begin) - 1, bisect_left(ends, end) + 1):
                    unit = (i, max(begin, begins[i]), min(end, ends[i]))
                    self._first.setdefault(mark.id, unit)
                    self._over.setdefault(unit, []).append(mark)
        for unit in sorted(self._over):
            if unit[1:] != tokens[unit[0]]:
                self._parts.setdefault(unit[0], []).append(unit)

    def units(self, token: int) -> list[Unit]:
        """A token and, behind it, its parts."""
        return [(token, *self._tokens[token]), *self._parts.get(token, ())]

    def name(self, unit: Unit) -> str:
        """``SENTENCE-TOKEN``, with ``.PART`` for a part of a token; all counted from 1."""
        sentence = bisect_right(self._heads, unit[0])
        name = f"{sentence}-{unit[0] - self._heads[sentence - 1] + 1}"
        return name if unit[1:] == self._tokens[unit[0]] else f"{name}.{self._parts[unit[0]].index(unit) + 1}"

    def cells(self, unit: Unit) -> Iterator[str]:
        """The columns of a unit: every annotation has a number, so that none is taken for another."""
        marks = self._over.get(unit, [])
        for layer, features in LAYERS.items():
            over = [mark for mark in marks if mark.type == layer]
            for feature in features or [""]:
                yield "|".join(f"{self._value(mark.values.get(feature))}[{mark.id}]" for mark in over) or "_"
            if layer == CLAIM:
                slots = [[self._found[i] for i in mark.references("roles")] for mark in over]
                yield (
                    "|".join(
                        f"{';'.join(str(link.values['role']) for link in links)}[{mark.id}]"
                        for mark, links in zip(over, slots, strict=True)
                    )
                    or "_"
                )
                yield "|".join(";".join(map(self._target, links)) for links in slots) or "_"

    def _value(self, value: Value | None) -> str:
        if value is None or isinstance(value, tuple):
            return "*"
        return str(value).lower() if isinstance(value, bool) else escapes.value(self._shown.get(str(value), str(value)))

    def _target(self, link: Structure) -> str:
        (target,) = link.references("target")
        return f"{self.name(self._first[target])}[{target}]"
