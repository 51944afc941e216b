"""What files from elsewhere need to become claims of ours: whole words without marks at their edges, and ids for claims without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from nisba.schema import Span, is_word_char, trim


def words_of(text: str, start: int, end: int) -> Span | None:
    """``[start, end)`` without marks and white space at its edges, with the whole of the words that it cuts; None where it holds no
    word at all."""
    span = trim(text, start, end)
    if span is None:
        return None
    start, end = span.start, span.end
    while start > 0 and is_word_char(text[start - 1]) and is_word_char(text[start]):
        start -= 1
    while end < len(text) and is_word_char(text[end - 1]) and is_word_char(text[end]):
        end += 1
    return Span(start, end)


def named(given: Sequence[str | None]) -> Iterator[str]:
    """The ids of claims, where None asks for one: the first of c1, c2, … that is free."""
    taken = {*given}
    fresh = (name for number in count(1) if (name := f"c{number}") not in taken)
    return (next(fresh) if name is None else name for name in given)
