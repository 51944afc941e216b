"""The names of an article's persons and bodies: the fullest form of each, and who is meant by a part of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import regex

from nisba.schema import Document, Span
from nisba.text import fold

_KINDS = (
    "شركة صحيفة مجلة جريدة قناة إذاعة راديو محطة موقع وكالة منظمة حركة حزب نادي فريق مؤسسة مجموعة جمعية شبكة تطبيق بنك مصرف منصة "
    "دار مركز معهد مكتب صندوق جماعة تنظيم كتلة تيار"
)
KINDS = frozenset(map(fold, _KINDS.split()))
_HEADS = "وزارة هيئة اتحاد مرصد لجنة مجلس محكمة جامعة نقابة رابطة مديرية بلدية"
HEADS = KINDS | frozenset(map(fold, _HEADS.split()))
MARKS = "\"'«»“”"
SHORT = 4  # letters: in a word no longer than this ال or a particle may be the word's own


class People:
    """The names of the persons that an article speaks of."""

    def __init__(self, document: Document):
        text = document.text
        self.names = {e.span: strip(text, e.span.of(text), attached=True) for e in document.entities if e.label == "PER"}
        self._words = {name: set(fold(name).split()) for name in self.names.values()}
        self._order = {name: number for number, name in enumerate(self._words)}
        self._with = _by_word(self._words)

    def whole(self, text: str, source: Sequence[Span]) -> str | None:
        """The fullest of the names that holds all words of the source, an attached particle aside."""
        said = [word.strip(MARKS) for span in source for word in fold(span.of(text)).split()]
        if not said:  # tatweel alone
            return None
        heads = [said[0]]
        if said[0].startswith("لل"):
            heads.append("ال" + said[0][2:])
        elif said[0][:1] in tuple("وفبل") and len(said[0]) > SHORT:
            heads.append(said[0][1:])
        held = {name for head in heads for name in self._with.get(head, ()) if {head, *said[1:]} <= self._words[name]}
        return max(held, key=lambda name: (len(name.split()), -self._order[name]), default=None)


def completed(names: Mapping[Span, str]) -> dict[Span, str]:
    """Every name → the longest of the article's names that holds all its words, with or without ال; of equals the first."""
    units = {name: set(map(_indefinite, fold(name).split())) for name in dict.fromkeys(names.values())}
    longest_first = {name: units[name] for name in sorted(units, key=lambda name: -len(units[name]))}
    holding = _by_word(longest_first)
    fullest = {
        name: next(other for other in (holding[min(words)] if words else longest_first) if words <= units[other])
        for name, words in units.items()
    }
    return {span: fullest[name] for span, name in names.items()}


def _by_word(words: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Word → the names that have it, in their order."""
    names: dict[str, list[str]] = {}
    for name, its in words.items():
        for word in its:
            names.setdefault(word, []).append(name)
    return names


def _indefinite(word: str) -> str:
    return word.removeprefix("ال") if len(word) > SHORT else word


def strip(text: str, phrase: str, *, attached: bool) -> str:
    """Without the particles و ف ب ل ك that its first word carries: only where the rest is a word of the article or of HEADS."""
    first, _, rest = phrase.partition(" ")
    if not attached:
        return phrase
    candidates = []
    if first.startswith("لل"):
        candidates.append("ال" + first[2:])
    if first[:1] in "وفبلك" and len(first) > 3:
        candidates.append(first[1:])
    for candidate in candidates:
        if fold(candidate) in HEADS or _stands_alone(candidate, text):
            return f"{candidate} {rest}".strip()
    return phrase


def _stands_alone(word: str, text: str) -> bool:
    """Whether a word lies in the text with no letter beside it."""
    if not regex.search(r"\P{L}", word):
        return word in _runs(text)
    return regex.search(rf"(?<!\p{{L}}){regex.escape(word)}(?!\p{{L}})", text) is not None


@lru_cache(maxsize=4)
def _runs(text: str) -> frozenset[str]:
    """The text's runs of letters."""
    return frozenset(regex.findall(r"\p{L}+", text))
