"""Arabic text without losing an offset: words, sentences, quotation marks, and cleaning as a tokenizer's normalizer.

The cleaning is AraBERT v0.2's preprocessing (Antoun et al. 2020, https://aclanthology.org/2020.osact-1.2), written anew for the
``tokenizers`` library: what changes characters is a normalizer, what only sets them apart is a pre-tokenizer (inserting spaces
would blur the offsets). Both keep the map to the raw text and are saved inside ``tokenizer.json``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import regex
from tokenizers import Regex, normalizers, pre_tokenizers

from nisba.schema import WORD, Span, is_word_char

_NOT_IN_WORD = rf"(?<!{WORD})"
_WORD_ENDS = rf"(?!{WORD})"
# Bounded repetitions: no input makes these quadratic.
URL = rf"{_NOT_IN_WORD}(?:https?://|www\.)[A-Za-z0-9\-._~:/?#@!$&'*+,;=%]{{1,2000}}(?<=[A-Za-z0-9]){_WORD_ENDS}"
_DOMAIN = r"[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,8}(?<=[A-Za-z0-9])"
EMAIL = rf"{_NOT_IN_WORD}(?=[A-Za-z0-9])[A-Za-z0-9._%+\-]{{1,64}}@{_DOMAIN}{_WORD_ENDS}"
MENTION = rf"(?<![A-Za-z0-9._@])@[\p{{L}}\p{{N}}_]{{1,50}}(?<=[\p{{L}}\p{{N}}]){_WORD_ENDS}"
PLACEHOLDERS = ("رابط", "بريد", "مستخدم")  # link, mail, user

_FOLDED = str.maketrans("أإآٱةى", "ااااهي", "ـ" + "".join(map(chr, range(0x64B, 0x653))))
_WORDS = regex.compile(rf"{URL}|{EMAIL}|{WORD}+|[^\s\p{{Z}}\p{{C}}]")
_TOKENS = regex.compile(rf"{WORD}+|\S")
_SENTENCE_END = regex.compile(r"[.!?؟…]+[»”\"’'›)\]]*(?=\s|$)|\n")


def words(text: str) -> list[Span]:
    """The units that are labelled: orthographic words, addresses (URL, e-mail) as one, other visible characters singly.

    Every edge that the schema lets a span have is the edge of a word, except inside addresses; and a word that begins or ends
    with something that no span may is a single punctuation mark.
    """
    return [Span(*match.span()) for match in _WORDS.finditer(text)]


def tokens(text: str) -> list[Span]:
    """The tokens of scoring: runs of letters, digits and marks; every other non-space character alone."""
    return [Span(*match.span()) for match in _TOKENS.finditer(text)]


def sentences(text: str) -> list[Span]:
    """Sentences end at . ! ? ؟ … (with closing marks, before white space) and at line ends. They cover all visible text."""
    spans, start = [], 0
    for end in [match.end() for match in _SENTENCE_END.finditer(text)] + [len(text)]:
        if text[start:end].strip():
            spans.append(Span(start, end))
            start = end
    if spans and spans[-1].end < len(text):
        spans[-1] = Span(spans[-1].start, len(text))
    return spans


def fold(text: str) -> str:
    """The spelling in which names are compared: alef, ta marbuta and ya alike, no diacritics or tatweel, single spaces."""
    return " ".join(text.translate(_FOLDED).split())


def same_name(one: str | None, other: str | None) -> bool:
    """Names alike but for the spelling of alef, ta marbuta and ya, diacritics, tatweel and spacing."""
    if one is None or other is None:
        return one is other
    return fold(one) == fold(other)


def cleaning(*, brackets: bool) -> normalizers.Normalizer:
    """Strips tashkeel and tatweel, maps addresses, Arabic-Indic digits and ``/``, shortens runs of a non-digit to two.

    ``brackets``: an address becomes ``[رابط]`` as in AraBERT's vocabulary, else the plain word.
    """
    names = [f"[{word}]" if brackets else word for word in PLACEHOLDERS]
    address = dict(zip((URL, EMAIL, MENTION), names, strict=True))
    replace = normalizers.Replace
    steps = [replace(Regex(r"[\u064B-\u0652\u0640]"), "")]
    steps += [replace(Regex(pattern), word) for pattern, word in address.items()]
    steps += [replace(chr(0x660 + digit), str(digit)) for digit in range(10)]
    steps += [replace(Regex(r"(\D)\1\K\1+"), ""), replace("/", "-")]
    return normalizers.Sequence(steps)


def splitting() -> list[pre_tokenizers.PreTokenizer]:
    """Sets apart every character that is no letter, digit or mark, and digits from the Arabic letters that they touch."""
    letter = r"[\u0621-\u063A\u0641-\u064A]"
    return [
        pre_tokenizers.WhitespaceSplit(),
        pre_tokenizers.Split(Regex(r"[^\p{L}\p{N}\p{M}]"), "isolated"),
        pre_tokenizers.Split(Regex(rf"\d+(?={letter})|(?<={letter})\d+"), "isolated"),
    ]


@dataclass(frozen=True, slots=True)
class Quotation:
    """A quotation from its opening mark to behind its closing mark; to the end of the line where it is never closed."""

    start: int
    end: int
    mark: int  # characters of one mark: 2 for (( ))
    closed: bool

    def holds(self, span: Span) -> bool:
        return self.start < span.start and span.end <= self.end


_FAMILIES = {"«": "«»", "»": "«»", "‹": "‹›", "›": "‹›", "“": "“”", "”": "“”", "„": "“”", "‟": "“”", '"': '""', "＂": '""'}
_FAMILIES |= {"'": "''", "‘": "''", "’": "''", "((": "(())", "))": "(())"}
_OPENERS = set("«‹“„‘") | {"(("}
_CLOSERS = set("»›”’") | {"))"}
_MARKS = regex.compile(r"\(\(|\)\)|[«»‹›“”„‟\"＂'‘’]")


def quotations(text: str) -> list[Quotation]:
    """Pairs of quotation marks, in text order, by kind of mark; reversed (``» «``, ``” ”``) and odd marks are taken as they come.

    Within a line, marks of one kind that nest properly are paired as they nest; otherwise they open and close in turn, as the
    space around them suggests, and one that fits nowhere is passed over. A quotation that a line leaves open goes on to the
    next line's unpaired closing glyph of its kind, or else ends with its line.
    """
    found: list[Quotation] = []
    open_from: dict[str, Quotation] = {}
    for line in regex.finditer(r"[^\n]+", text):
        by_family: dict[str, list[regex.Match[str]]] = {}
        for match in _MARKS.finditer(text, line.start(), line.end()):
            if not _apostrophe(text, match):
                by_family.setdefault(_FAMILIES[match.group()], []).append(match)
        still_open: dict[str, Quotation] = {}
        for family, marks in by_family.items():
            before = open_from.get(family)
            if before and marks[0].group() in _CLOSERS and len(marks) % 2 == 1:
                found.remove(before)
                found.append(Quotation(before.start, marks[0].end(), before.mark, True))
                marks = marks[1:]
            pairs = _nested(marks) or _in_turn(text, marks)
            for opening, closing in pairs:
                width = len(opening.group())
                if closing is None:
                    left = Quotation(opening.start(), line.end(), width, False)
                    still_open[family] = left
                    found.append(left)
                else:
                    found.append(Quotation(opening.start(), closing.end(), width, True))
        open_from = still_open
    return sorted(found, key=lambda quotation: (quotation.start, -quotation.end))


# Costs of reading a mark: against the space around it, where that is unclear; passed over; an opening that another follows, or
# that its line leaves open. Set on the types of claims in the seeds and in ANT's training part.
AGAINST, UNCLEAR, STRAY, LEFT, LAST = 3, 1, 4, 5, 3
_PREFIX = regex.compile(rf"{_NOT_IN_WORD}[وف]?[بلك]ـ$")  # `بـ”`: a clitic drawn out in front of an opening mark
Pair = tuple["regex.Match[str]", "regex.Match[str] | None"]


def _nested(marks: list[regex.Match[str]]) -> list[Pair]:
    """The pairs where opening and closing glyphs nest without fault; empty otherwise."""
    stack: list[regex.Match[str]] = []
    pairs: list[Pair] = []
    for mark in marks:
        if mark.group() in _OPENERS:
            stack.append(mark)
        elif mark.group() in _CLOSERS and stack:
            pairs.append((stack.pop(), mark))
        else:
            return []
    return [] if stack else pairs


def _in_turn(text: str, marks: list[regex.Match[str]]) -> list[Pair]:
    """The pairs of least cost: a mark opens or closes for less where the space around it says so, and may be passed over, for
    more. So one mark too many or too few does not turn the rest of its line inside out. Shortest path, outside and inside."""
    outside: tuple[float, tuple[Pair, ...]] = (0, ())
    inside: tuple[float, tuple[Pair, ...]] = (math.inf, ())
    for mark in marks:
        opening, closing = _looks(text, mark)
        (out, shut), (within, begun) = outside, inside
        closed = (*begun[:-1], (begun[-1][0], mark)) if begun else ()
        outside = min((out + STRAY, shut), (within + closing, closed), key=_cost)
        fresh: Pair = (mark, None)
        inside = min(
            (out + opening, (*shut, fresh)), (within + STRAY, begun), (within + LEFT + opening, (*begun, fresh)), key=_cost
        )
    return list(min(outside, (inside[0] + LAST, inside[1]), key=_cost)[1])


def _looks(text: str, mark: regex.Match[str]) -> tuple[int, int]:
    """What it costs to take a mark for an opening and for a closing one."""
    before, after = text[mark.start() - 1 : mark.start()], text[mark.end() : mark.end() + 1]
    clitic = _PREFIX.search(text, max(0, mark.start() - 3), mark.start()) is not None
    touches = not clitic and before != "" and not before.isspace() and before not in "([:"
    leads = after != "" and (is_word_char(after) or after in "([.…")
    if leads == touches:
        return UNCLEAR, UNCLEAR
    return (0, AGAINST) if leads else (AGAINST, 0)


def _cost(path: tuple[float, tuple[Pair, ...]]) -> float:
    return path[0]


def _apostrophe(text: str, match: regex.Match[str]) -> bool:
    """A single mark between two letters is an apostrophe."""
    return (
        match.group() in "'’‘"
        and match.start() > 0
        and match.end() < len(text)
        and is_word_char(text[match.start() - 1])
        and is_word_char(text[match.end()])
    )
