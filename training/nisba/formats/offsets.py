"""Spans that a file gives by offset and by the text they cover: checked against each other, and told in which units they fit.

Three slips are common enough to be undone on request. ``utf16``: offsets count UTF-16 units, as JavaScript and Java do, so that
every character beyond U+FFFF shifts what follows. ``crlf``: offsets were counted where a line end is one character and the text has
two, or the other way round. ``bom``: offsets were counted with a byte order mark that the text has not, or without one that it has.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Literal, get_args

from nisba.schema import excerpt

Repair = Literal["utf16", "crlf", "bom"]
REPAIRS: tuple[Repair, ...] = get_args(Repair)
Quote = tuple[int, int, str, str]  # start, end, the text that the file says is there, where the file says so (for messages)

BOM = "\ufeff"
CANDIDATES = 100  # places of a quoted text that are tried for a constant shift
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_LINE_END = re.compile("\r\n?|\n")


class Units:
    """Code points of a text ↔ UTF-16 units. A text without characters beyond U+FFFF costs one scan, whatever is asked."""

    def __init__(self, text: str):
        self._length = len(text)
        self._points = [match.start() for match in _ASTRAL.finditer(text)]
        self._units = [point + i for i, point in enumerate(self._points)]

    def of(self, point: int) -> int:
        """The UTF-16 offset of an offset in code points."""
        return point + bisect_left(self._points, point)

    def point(self, units: int) -> int | None:
        """The offset in code points of a UTF-16 offset; None inside a character or outside the text."""
        before = bisect_left(self._units, units)
        inside = before > 0 and self._units[before - 1] == units - 1
        point = units - before
        return None if inside or not 0 <= point <= self._length else point


def located(text: str, quotes: Sequence[Quote], repair: Repair | None = None) -> tuple[list[tuple[int, int]], list[str]]:
    """The quotes' spans in code points of ``text``, and what is wrong with them: one line a quote, which names the repair under
    which all of them would fit, or the number of characters by which all are off. Where anything is wrong there are no spans."""
    spans = [_span(text, quote, move) for move in [_move(text, repair)] for quote in quotes]
    wrong = [quote for quote, span in zip(quotes, spans, strict=True) if span is None]
    if not wrong:
        return [span for span in spans if span is not None], []
    hint = _hint(text, quotes, repair)
    return [], [
        f"{where}: [{start}, {end}) {_holds(text, start, end)}, not «{excerpt(quoted)}»{hint}"
        for start, end, quoted, where in wrong
    ]


def _span(text: str, quote: Quote, move: Callable[[int], int | None]) -> tuple[int, int] | None:
    """The span of a quote, None where its text is not there. Line ends count as alike: XML and some tools change them."""
    start, end = move(quote[0]), move(quote[1])
    if start is None or end is None or not 0 <= start < end <= len(text):
        return None
    found = text[start:end]
    return (start, end) if found == quote[2] or _unix(found) == _unix(quote[2]) else None


def _move(text: str, repair: Repair | None) -> Callable[[int], int | None]:
    """From the file's offsets to code points."""
    if repair == "utf16":
        return Units(text).point
    if repair == "bom":
        shift = 1 if text.startswith(BOM) else -1
        return lambda offset: offset + shift
    if repair == "crlf":
        return _line_ends(text)
    return lambda offset: offset


def _line_ends(text: str) -> Callable[[int], int | None]:
    """Where the text has CRLF, offsets counted each as one character; where it has none, they counted each LF as two."""
    breaks = [match.start() for match in re.finditer("\r\n", text)]
    if breaks:
        alone = [point - i for i, point in enumerate(breaks)]  # where the line ends are when each is one character
        return lambda offset: offset + bisect_left(alone, offset)
    lines = [match.start() for match in re.finditer("\n", text)]
    doubled = [point + i for i, point in enumerate(lines)]

    def point(offset: int) -> int | None:
        before = bisect_left(doubled, offset)
        return None if before and doubled[before - 1] == offset - 1 else offset - before

    return point


def _hint(text: str, quotes: Sequence[Quote], repair: Repair | None) -> str:
    """What would make all of the quotes fit, in words for the end of a message."""
    if repair and _fits(text, quotes, None):
        return f"; the offsets are right as they are: leave out --repair-offsets {repair}"
    for other in REPAIRS:
        if other != repair and _fits(text, quotes, other):
            return f"; all of the document fit with --repair-offsets {other}"
    shift = _shift(text, quotes)
    return "" if not shift else f"; all of the document would fit {abs(shift)} characters {'on' if shift > 0 else 'back'}"


def _fits(text: str, quotes: Sequence[Quote], repair: Repair | None) -> bool:
    move = _move(text, repair)
    return all(_span(text, quote, move) is not None for quote in quotes)


def _shift(text: str, quotes: Sequence[Quote]) -> int | None:
    """The one number of characters by which all quotes are off."""
    longest = max(quotes, key=lambda quote: len(quote[2]))
    if not longest[2]:
        return None
    at = -1
    for _ in range(CANDIDATES):
        at = text.find(longest[2], at + 1)
        if at < 0:
            break
        shift = at - longest[0]
        if all(_span(text, quote, lambda offset, shift=shift: offset + shift) is not None for quote in quotes):  # type: ignore[misc]
            return shift
    return None


def _holds(text: str, start: int, end: int) -> str:
    if not 0 <= start < end:
        return "is reversed, empty or negative"
    if end > len(text):
        return f"runs beyond the end of the text ({len(text)} characters)"
    return f"holds «{excerpt(text[start:end])}»"


def _unix(text: str) -> str:
    return _LINE_END.sub("\n", text)
