"""Kinds of characters: those of words, those that may not begin or end a span, and whether places of a text respect them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import regex

WORD = r"[\p{L}\p{N}\p{M}]"  # letters, digits and marks make orthographic words (tatweel is a letter to Unicode)
EDGE = r"[\s\p{Z}\p{C}\p{P}]"  # may not begin or end a span: white space, controls, bidi marks, punctuation, quotation marks
_WORD, _EDGE = regex.compile(WORD), regex.compile(EDGE)
_MOST = 1 << 16  # characters whose kind is kept


@lru_cache(maxsize=_MOST)
def is_word_char(char: str) -> bool:
    """Whether a character is one of a word."""
    return _WORD.match(char) is not None


@lru_cache(maxsize=_MOST)
def is_edge_char(char: str) -> bool:
    """Whether no span may begin or end with a character."""
    return _EDGE.match(char) is not None


def sound(text: str, places: Iterable[tuple[int, int]]) -> bool:
    """Whether every place, ``[start, end)`` with 0 ≤ start < end, is inside the text, has no edge characters at its ends and
    cuts no word."""
    size, kinds = len(text), _KINDS
    for start, end in places:
        if end > size:
            return False
        first, last = kinds[text[start]], kinds[text[end - 1]]
        if first == _EDGES or last == _EDGES:
            return False
        if first == _WORDS and start and kinds[text[start - 1]] == _WORDS:
            return False
        if last == _WORDS and end < size and kinds[text[end]] == _WORDS:
            return False
    return True


class _Kinds(dict[str, int]):
    """The kind of every character that was met: a look-up costs half of what a call does."""

    def __missing__(self, char: str) -> int:
        kind = _WORDS if is_word_char(char) else _EDGES if is_edge_char(char) else _OTHERS
        if len(self) < _MOST:
            self[char] = kind
        return kind


_OTHERS, _WORDS, _EDGES = 0, 1, 2  # no character of words is one of edges
_KINDS = _Kinds()
