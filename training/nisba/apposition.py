"""Names that stand beside a noun in an article: an office and who holds it, a kind of body and its name."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

import regex

from nisba.people import strip
from nisba.schema import Document, Span
from nisba.text import fold

REACH = 80  # characters on either side of a name in which an office may stand
OFFICE = 4  # words of an office that are compared
BETWEEN = 4  # words that may stand between the noun and the name
SAME = regex.compile(r"\s+(?:نفسه|نفسها|ذاته|ذاتها|نفسهم|عينه)$")
_BREAK = regex.compile(r"[.\n؛:]")


class Apposition:
    """What stands beside the names of an article. ``full`` has the fullest form of each."""

    def __init__(self, document: Document, full: Mapping[Span, str]):
        self._text, self._full = document.text, full
        self._entities = sorted(document.entities, key=lambda entity: entity.span.start)
        self._starts = [entity.span.start for entity in self._entities]
        self._mentions: dict[str, list[tuple[int, int]]] = {}
        self._persons: list[tuple[Span, str, list[str], str]] = []
        self._near: dict[str, list[int]] = {}  # word → numbers of the persons that it stands near
        for entity in document.entities:
            if entity.label == "PER":
                self._add(entity.span)

    def _add(self, span: Span) -> None:
        before = fold(self._text[max(0, span.start - REACH) : span.start]).replace("،", " ").split()
        after = fold(self._text[span.end : span.end + REACH]).strip()
        before = [_joined(word) for word in before]
        for word in {*before, *map(_joined, after.lstrip("، ").split()[:1])}:
            self._near.setdefault(word, []).append(len(self._persons))
        self._persons.append((span, fold(span.of(self._text)), before, after))

    def beside(self, office: str) -> str | None:
        """The name that the article sets beside an office: `وزير الصحة سالم الخصاونة` or `سالم الخصاونة، وزير الصحة`."""
        head = fold(office).split()
        for number in self._near.get(_joined(head[0]), ()) if head else ():
            span, name, before, after = self._persons[number]
            # As many words of the office as stand before the name, its first word at least.
            for size in range(min(len(head), OFFICE), 0, -1) if name not in fold(office) else ():
                wanted = [_joined(word) for word in head[:size]]
                starts = [i for i in range(len(before) - size + 1) if before[i : i + size] == wanted]
                if starts and len(before) - starts[-1] - size <= BETWEEN and (size >= 2 or len(head) == 1):
                    return self._full[span]
                if after.startswith("،") and after.lstrip("، ").split()[:size] == head[:size] and size >= 2:
                    return self._full[span]
        return None

    def behind(self, phrase: str, end: int, labels: Sequence[str]) -> str | None:
        """The name behind the last mention, before ``end``, of a definite noun: `الصحيفة` ("the paper"), `صحيفة «صدى الهضاب»`."""
        first = phrase.split()[0]
        if not first.startswith("ال") or len(SAME.sub("", phrase).split()) > 1:
            return None
        for start, stop in reversed(self._of(first.removeprefix("ال"))):
            if stop <= end and (name := self._named(start, stop, end, labels)) is not None:
                return name
        return None

    def _of(self, noun: str) -> list[tuple[int, int]]:
        """Where the article has a noun, with what may be attached to it."""
        if noun not in self._mentions:
            found = regex.finditer(rf"(?<!\p{{L}})[وفبك]?(?:ال|لل|ل)?{regex.escape(noun)}(?!\p{{L}})", self._text)
            self._mentions[noun] = [mention.span() for mention in found]
        return self._mentions[noun]

    def _named(self, start: int, stop: int, end: int, labels: Sequence[str]) -> str | None:
        for number in range(bisect_left(self._starts, start), len(self._starts)):
            entity = self._entities[number]
            between = self._text[stop : entity.span.start]
            if entity.span.start >= end or len(between.split()) > BETWEEN or _BREAK.search(between):
                return None
            if entity.label in labels:
                name = entity.span.of(self._text)
                if entity.span.start == start:  # the noun is the name's own first word: `وزارة الصحة`
                    name = strip(self._text, name, attached=True)
                return self._full.get(entity.span) or name
        return None


def _joined(word: str) -> str:
    """A word without the و that may join it to what stands before."""
    return word.removeprefix("و")
