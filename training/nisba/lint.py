"""Likely slips in annotated articles that the schema allows: ``nisba check --lint``.

Each kind of finding is a question to the annotator, not an error. What is meant as it stands is marked in the article itself,
in ``meta["intended"]`` (in the mark-up a header line ``intended:``), as ``kind: text`` separated by semicolons. A mark answers to
one finding; that of an untagged name to all findings of the name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import regex

from nisba.lexicon import is_reporting_verb
from nisba.schema import Claim, Document, Span, excerpt, is_word_char
from nisba.text import EMAIL, URL, Quotation, fold, quotations, tokens

KINDS = {
    "unclaimed": "a reporting verb outside every claim's cue",
    "cut content": "content that ends inside a quotation it has opened, or within a number, a compound or an address",
    "cue twice": "two claims share cue words",
    "long source": "a source of more than 25 words",
    "unquoted direct": "a direct claim with neither marks nor a colon",
    "untagged name": "a name annotated elsewhere in the article, but not here",
    "idle intended": "a mark that no finding answers to",
}
LONG = 25  # words of a source
WORDS = 3  # of a finding that a mark quotes
OPENERS = '«“”„"‹›»‘’('
IN_NUMBERS, IN_WORDS = ".,٫٬", "-'’\u200c"  # what may stand between two digits, or two letters, of one unit
PREFIXES = ("وب", "ول", "فل", "فب", "و", "ف", "ب", "ل", "ك")  # clitics in front of a name
SHORTEST = 4  # letters of a name that is looked for with other clitics, or none


@dataclass(frozen=True, slots=True)
class Finding:
    """One likely slip: where it is (None: nowhere in the text), its kind, and the words concerned."""

    span: Span | None
    kind: str
    text: str

    def __str__(self) -> str:
        place = f"[{self.span.start}, {self.span.end}): " if self.span else ""
        return f"{place}{self.kind}: {KINDS[self.kind]}: «{excerpt(self.text)}»"


def lint(document: Document) -> list[Finding]:
    """The findings of one article that it does not mark as intended, in text order; only of what is annotated (``layers``)."""
    text = document.text
    kinds = {"untagged name": _untagged} if "names" in document.layers else {}
    if "roles" in document.layers:
        kinds |= {"unclaimed": _unclaimed, "cut content": _cut, "cue twice": _twice, "long source": _long}
    if document.layers >= {"roles", "attributes"}:
        kinds["unquoted direct"] = _unquoted
    found = sorted({(span, kind) for kind, find in kinds.items() for span in find(document)})
    intended, left, answered = marks(document), [], set()
    for span, kind in found:
        mark = (kind, _key(span.of(text)))
        if not intended[mark]:
            left.append(Finding(span, kind, span.of(text)))
        elif kind != "untagged name":
            intended[mark] -= 1
        answered.add(mark)
    idle = [mark for mark in intended.elements() if mark[0] != "untagged name" or mark not in answered]
    return left + [Finding(None, "idle intended", f"{kind}: {words}") for kind, words in idle]


def marks(document: Document) -> Counter[tuple[str, str]]:
    """How many findings of a kind and with these first words the article marks as intended."""
    given = document.meta.get("intended", "")
    entries = given.split(";") if isinstance(given, str) else [str(given)]
    pairs = [entry.partition(":") for entry in entries if entry.strip()]
    return Counter((kind.strip(), _key(words)) for kind, _, words in pairs)


def _key(text: str) -> str:
    """How the words of a finding and of a mark are compared: the first WORDS of them, spelling folded."""
    return " ".join(fold(text.replace(";", " ").replace(":", " ")).split()[:WORDS])


def _unclaimed(document: Document) -> Iterator[Span]:
    cues = [span for claim in document.claims for span in claim.cue]
    for span in tokens(document.text):
        if is_reporting_verb(span.of(document.text)) and not any(span.overlaps(cue) for cue in cues):
            yield span


def _cut(document: Document) -> Iterator[Span]:
    text = document.text
    addresses = [Span(*match.span()) for pattern in (URL, EMAIL) for match in regex.finditer(pattern, text)]
    pairs = [mark for mark in quotations(text) if mark.closed]
    for claim in document.claims:
        for span in claim.content:
            edges = (span.start, span.end)
            if (
                any(address.start < edge < address.end for address in addresses for edge in edges)
                or any(_within(text, edge) for edge in edges)
                or any(_breaks_off(text, claim, span, mark) for mark in pairs)
            ):
                yield span


def _within(text: str, edge: int) -> bool:
    """Whether the sign at an edge joins the digits, or the word characters, on both sides of it."""
    for mark in (edge, edge - 1):
        around = text[mark - 1 : mark] + text[mark + 1 : mark + 2]
        if len(around) == 2 and 0 <= mark < len(text):
            if text[mark] in IN_NUMBERS and around.isdigit():
                return True
            if text[mark] in IN_WORDS and all(map(is_word_char, around)):
                return True
    return False


def _breaks_off(text: str, claim: Claim, span: Span, mark: Quotation) -> bool:
    """Whether a fragment ends among the words of a quotation, no further one of the claim follows there, and the first one there
    begins with the quotation's first word or before."""
    if not mark.start < span.end < mark.end - mark.mark or not any(map(is_word_char, text[span.end : mark.end - mark.mark])):
        return False
    inside = [other for other in claim.content if other.start < mark.end and mark.start < other.end]
    word = next((i for i in range(mark.start + mark.mark, mark.end) if is_word_char(text[i])), mark.end)
    return inside[-1] == span and inside[0].start <= word


def _twice(document: Document) -> Iterator[Span]:
    seen: list[Span] = []
    for claim in document.claims:
        yield from (span for span in claim.cue if any(span.overlaps(other) for other in seen))
        seen += claim.cue


def _long(document: Document) -> Iterator[Span]:
    for claim in document.claims:
        if sum(len(span.of(document.text).split()) for span in claim.source) > LONG:
            yield claim.source[0]


def _unquoted(document: Document) -> Iterator[Span]:
    text, pairs = document.text, quotations(document.text)
    for claim in document.claims:
        if claim.type == "direct" and not any(_quoted(text, span, pairs) for span in claim.content):
            yield claim.content[0]


def _quoted(text: str, span: Span, pairs: list[Quotation]) -> bool:
    """Whether a fragment lies in marks, or begins behind an opening mark or a colon, its first word perhaps between."""
    if any(mark.holds(span) for mark in pairs):
        return True
    before = text[: span.start].rstrip()
    if before.endswith(":") or (before and before[-1] in OPENERS):
        return True
    inside = [word for word in tokens(span.of(text)) if is_word_char(span.of(text)[word.start])]
    return len(inside) > 1 and any(glyph in span.of(text)[inside[0].end : inside[1].start] for glyph in OPENERS)


def _untagged(document: Document) -> Iterator[Span]:
    text = document.text
    units = tokens(text)
    plain = [fold(unit.of(text)) for unit in units]
    taken = [entity.span for entity in document.entities]
    by_first: dict[str, set[tuple[str, ...]]] = {}
    for name in {span.of(text) for span in taken}:
        word, *rest = (fold(unit.of(name)) for unit in tokens(name))
        for form in _without_clitics(word):
            if len(form + "".join(rest)) > (2 if form == word else SHORTEST - 1):
                by_first.setdefault(form, set()).add(tuple(rest))
    for i, word in enumerate(plain):
        behind = {rest for form in _without_clitics(word) for rest in by_first.get(form, ())}
        for following in sorted(behind, key=len, reverse=True):
            if tuple(plain[i + 1 : i + 1 + len(following)]) == following:
                span = Span(units[i].start, units[i + len(following)].end)
                if not any(span.overlaps(other) for other in taken):
                    yield span
                break


def _without_clitics(word: str) -> set[str]:
    """The word, and what is left of it behind each clitic it may begin with (`للأمم` gives `الأمم`), if that is long enough."""
    forms = {word} | {word[len(prefix) :] for prefix in PREFIXES if word.startswith(prefix)}
    forms |= {"ال" + form[1:] for form in set(forms) if form.startswith("ل")} if "لل" in word[:3] else set()
    return {form for form in forms if form == word or len(form) >= SHORTEST}
