"""The bytes of a DocBin: msgpack, packed with zlib; words, labels and ids are numbers, the 64-bit hashes of strings that it lists.

They are read here, not by spaCy: spaCy hands what it finds to code in C that trusts it. No part is ever unpickled, and nothing is
unpacked beyond a limit. Strings are hashed by spaCy, so that reading needs it too.
Format: https://spacy.io/api/docbin#section-data, https://spacy.io/api/spangroup (to_bytes)
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH
from spacy.strings import StringStore

from nisba.files import FormatError
from nisba.formats.bounded import LIMIT
from nisba.formats.carried import KEY
from nisba.formats.packing import inflated, loaded, shown

UNPACKED = 1 << 28  # bytes of what is in it: two million words, whatever attributes are stored
WORDS = 1 << 21  # of a document
_SPAN = struct.Struct(">QQQllll")  # ID, knowledge base ID, label, first token, behind the last, first character, behind the last
_INSIDE, _OUTSIDE, _BEGINS = 1, 2, 3  # ENT_IOB; 0 is unknown

Strings = Callable[[int, str], str]


@dataclass(frozen=True, slots=True)
class Packed:
    """What is ours of one document: offsets in characters. ``marked``: it is known of some token whether it is in a name."""

    text: str
    spaced: bool  # where words have spaces between them is known
    marked: bool
    entities: list[tuple[int, int, str]]
    groups: Mapping[str, list[tuple[int, int, str, str]]]  # start, end, label, ID
    carried: str | None


def unpacked(pieces: Iterable[bytes], name: str) -> Iterator[Packed | FormatError]:
    """Every document of a file that comes in pieces, or what is wrong with it. Raises FormatError where something is wrong with the
    file as a whole, which ``name`` stands for; what ``pieces`` raises is raised as it is."""
    inside = inflated(pieces, UNPACKED, name)
    try:
        message = loaded(inside, "the file")
        del inside  # what is in it was copied
        if not isinstance(message, dict):
            raise FormatError([f"not a DocBin: «{shown(message)}»"])
        reading = _Reading(message)
    except FormatError as error:
        raise FormatError(f"{name}: {problem}" for problem in error.problems) from None
    for number in range(1, len(reading.lengths) + 1):
        try:
            yield reading.document(number)
        except FormatError as error:
            yield error


class _Reading:
    """A DocBin, checked as far as all of its documents share it. Documents are to be asked for in order."""

    def __init__(self, message: dict[str, Any]):
        self._message, self._strings, self._last = message, {0: ""}, 0
        store = StringStore()
        for string in _list(message, "strings", str):
            self._strings[store.add(string)] = string
        attributes = _list(message, "attrs", int)
        if ORTH not in attributes:
            raise FormatError(["attrs: words (ORTH) are not among them"])
        counts = _array(message, "lengths", "<i4")
        self.lengths = counts.tolist()
        total = int(counts.sum(dtype=np.int64))
        rows, self._spaces = _array(message, "tokens", "<u8"), _array(message, "spaces", "?")
        if (counts < 0).any() or rows.size != total * len(attributes) or self._spaces.size != total:
            sizes = f"{total}, {rows.size} / {len(attributes)}, {self._spaces.size}"
            raise FormatError([f"lengths, tokens and spaces do not fit each other: {sizes}"])
        rows = rows.reshape(total, len(attributes))
        none = np.zeros(total, dtype=rows.dtype)
        columns = [rows[:, attributes.index(a)] if a in attributes else none for a in (ORTH, ENT_IOB, ENT_TYPE)]
        self._words, self._marks, self._types = columns

    def document(self, number: int) -> Packed:
        """The next document; ``number`` counts from 1. Raises FormatError."""
        length = self.lengths[number - 1]
        if length > WORDS:
            raise FormatError([f"lengths: has more than {WORDS:,} words"])
        here, self._last = slice(self._last, self._last + length), self._last + length
        words = [self._name(word, "a word") for word in self._words[here].tolist()]
        spaced = self._of(number, "flags", dict, {}).get("has_unknown_spaces") is not True
        behind = self._spaces[here].tolist() if spaced else [True] * length
        edges = _edges(words, behind)
        if edges and edges[-1][1] > LIMIT:
            raise FormatError([f"is longer than {LIMIT:,} characters"])
        text = "".join(word + " " * space for word, space in zip(words, behind, strict=True))
        marks, types = self._marks[here].tolist(), self._types[here].tolist()
        entities = _entities(edges, marks, types, self._name)
        groups = _groups(self._of(number, "span_groups", bytes, b""), edges, self._name)
        return Packed(text, spaced, any(marks), entities, groups, _user_data(self._of(number, "user_data", bytes, b"")))

    def _name(self, number: int, what: str) -> str:
        if number not in self._strings:
            raise FormatError([f"{what}: no string of the file has the number {number}"])
        return self._strings[number]

    def _of(self, number: int, key: str, kind: type, default: Any) -> Any:
        """What a list that may be missing, or hold nothing for a document, has for it."""
        value = self._message.get(key, [])
        item = value[number - 1] if isinstance(value, list) and number <= len(value) else None
        if not isinstance(value, list) or not isinstance(item, kind | None):
            raise FormatError([f"{key}: must be a list of {kind.__name__}: «{shown(item)}»"])
        return default if item is None else item


def _list(message: dict[str, Any], key: str, kind: type) -> list[Any]:
    value = message.get(key)
    if not isinstance(value, list) or not all(type(item) is kind for item in value):
        raise FormatError([f"{key}: must be a list of {kind.__name__}: «{shown(value)}»"])
    return value


def _array(message: dict[str, Any], key: str, kind: str) -> np.ndarray[Any, Any]:
    value = message.get(key)
    if not isinstance(value, bytes) or len(value) % np.dtype(kind).itemsize:
        raise FormatError([f"{key}: must be bytes, {np.dtype(kind).itemsize} for each number: «{shown(value)}»"])
    return np.frombuffer(value, dtype=kind)


def _edges(words: list[str], behind: list[bool]) -> list[tuple[int, int]]:
    edges, last = [], 0
    for word, space in zip(words, behind, strict=True):
        edges.append((last, last + len(word)))
        last += len(word) + space
    return edges


def _entities(edges: list[tuple[int, int]], marks: list[int], types: list[int], name: Strings) -> list[tuple[int, int, str]]:
    """A token inside begins an entity where none of its type is open, as in spaCy."""
    found: list[tuple[int, int, str]] = []
    open_type = None
    for (start, end), mark, kind in zip(edges, marks, types, strict=True):
        if mark == _INSIDE and kind == open_type:
            found[-1] = (found[-1][0], end, found[-1][2])
        elif mark in (_INSIDE, _BEGINS) and kind:
            found.append((start, end, name(kind, "an entity")))
        open_type = kind if mark in (_INSIDE, _BEGINS) else None
    return found


def _groups(data: bytes, edges: list[tuple[int, int]], name: Strings) -> dict[str, list[tuple[int, int, str, str]]]:
    """Our group of spans; others are others' business."""
    message = loaded(data, "span_groups") if data else []
    groups = message if isinstance(message, dict) else dict.fromkeys(message, ()) if isinstance(message, list) else None
    if groups is None or not all(isinstance(key, bytes) for key in groups):
        raise FormatError([f"span_groups: must be groups as bytes: «{shown(message)}»"])
    for key, names in groups.items():
        group = loaded(key, "span_groups")
        if not isinstance(group, dict) or not isinstance(group.get("spans"), list):
            raise FormatError([f"span_groups: a group must have spans: «{shown(group)}»"])
        if KEY in (names or [group.get("name")]):
            return {KEY: [_span(span, edges, name, f"spans[{KEY!r}][{i}]") for i, span in enumerate(group["spans"])]}
    return {}


def _span(data: Any, edges: list[tuple[int, int]], name: Strings, at: str) -> tuple[int, int, str, str]:
    if not isinstance(data, bytes) or len(data) != _SPAN.size:
        raise FormatError([f"{at}: must be {_SPAN.size} bytes: «{shown(data)}»"])
    identity, _, label, first, behind, start, end = _SPAN.unpack(data)
    if not 0 <= first < behind <= len(edges) or (edges[first][0], edges[behind - 1][1]) != (start, end):
        raise FormatError([f"{at}: tokens [{first}, {behind}) are not at [{start}, {end})"])
    return start, end, name(label, at), name(identity, at)


def _user_data(data: bytes) -> str | None:
    message = loaded(data, "user_data", use_list=False) if data else {}
    value = message.get(KEY) if isinstance(message, dict) else None
    if value is not None and not isinstance(value, str):
        raise FormatError([f"user_data: {KEY} must be the string that nisba wrote: «{shown(value)}»"])
    return value
