"""Likely slips in annotated articles that the schema allows: ``nisba check --lint``.

Each kind of finding is a question to the annotator, not an error. What is meant as it stands is marked in the article itself,
in ``meta["intended"]`` (in the mark-up a header line ``intended:``), as ``kind: text`` separated by semicolons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import regex

from nisba.lexicon import is_reporting_verb
from nisba.schema import Claim, Document, Span, excerpt, is_word_char
from nisba.text import EMAIL, URL, Quotation, fold, quotations, tokens

KINDS = {
    "unclaimed": "a reporting verb outside every claim's cue",
    "cut content": "content that breaks off inside a quotation it has opened, or inside an address",
    "cue twice": "the same cue words in two claims",
    "long source": "a source of more than 25 words",
    "unquoted direct": "a direct claim with neither marks nor a colon",
    "untagged name": "a name annotated elsewhere in the article, but not here",
    "idle intended": "a mark that no finding answers to",
}
LONG = 25  # words of a source
WORDS = 3  # of a finding that a mark quotes
GLYPHS = "«»“”„\"‹›'‘’("
PREFIXES = ("", "و", "ف", "ب", "ل", "ك", "وب", "ول", "فل", "فب")  # clitics in front of a name


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One likely slip: where it is (None: nowhere in the text), its kind, and the words concerned."""

    span: Span | None
    kind: str
    text: str

    def __str__(self) -> str:
        place = f"[{self.span.start}, {self.span.end}): " if self.span else ""
        return f"{place}{self.kind}: {KINDS[self.kind]}: «{excerpt(self.text)}»"


def lint(document: Document) -> list[Finding]:
    """The findings of one article that it does not mark as intended, in text order."""
    text = document.text
    intended = marks(document)
    found = [
        Finding(span, kind, span.of(text))
        for kind, spans in (
            ("unclaimed", _unclaimed(document)),
            ("cut content", _cut(document)),
            ("cue twice", _twice(document)),
            ("long source", _long(document)),
            ("unquoted direct", _unquoted(document)),
            ("untagged name", _untagged(document)),
        )
        for span in spans
    ]
    wanted = {(finding.kind, _key(finding.text)) for finding in found}
    left = [finding for finding in found if (finding.kind, _key(finding.text)) not in intended]
    idle = [Finding(None, "idle intended", f"{kind}: {text}") for kind, text in intended if (kind, text) not in wanted]
    return sorted(left, key=lambda finding: (finding.span or Span(0, 1), finding.kind)) + idle


def marks(document: Document) -> list[tuple[str, str]]:
    """What the article marks as intended: (kind, text as ``lint`` compares it)."""
    given = document.meta.get("intended")
    pairs = [entry.partition(":") for entry in (given.split(";") if isinstance(given, str) else []) if entry.strip()]
    return [(kind.strip(), _key(text)) for kind, _, text in pairs]


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
            if any(address.start < edge < address.end for address in addresses for edge in (span.start, span.end)) or any(
                _breaks_off(text, claim, span, mark) for mark in pairs
            ):
                yield span


def _breaks_off(text: str, claim: Claim, span: Span, mark: Quotation) -> bool:
    """Whether a fragment that begins with or before a quotation ends among its words, and no other fragment goes on there."""
    opened = span.start <= mark.start + mark.mark and mark.start < span.end
    rest = range(span.end, mark.end - mark.mark)
    if not opened or not any(is_word_char(text[i]) for i in rest):
        return False
    return not any(mark.start < other.start < mark.end for other in claim.content if other != span)


def _twice(document: Document) -> Iterator[Span]:
    seen: set[tuple[Span, ...]] = set()
    for claim in document.claims:
        if claim.cue and claim.cue in seen:
            yield claim.cue[0]
        seen.add(claim.cue)


def _long(document: Document) -> Iterator[Span]:
    for claim in document.claims:
        if sum(len(span.of(document.text).split()) for span in claim.source) > LONG:
            yield claim.source[0]


def _unquoted(document: Document) -> Iterator[Span]:
    text, pairs = document.text, quotations(document.text)
    for claim in document.claims:
        first = claim.content[0]
        quoted = any(mark.start < span.end and span.start < mark.end for mark in pairs for span in claim.content)
        behind_mark = any(glyph in text[max(0, first.start - 3) : first.start] for glyph in ":" + GLYPHS)
        if claim.type == "direct" and not quoted and not behind_mark:
            yield first


def _untagged(document: Document) -> Iterator[Span]:
    text = document.text
    units = tokens(text)
    plain = [fold(unit.of(text)) for unit in units]
    taken = [entity.span for entity in document.entities]
    names = {tuple(fold(unit.of(span.of(text))) for unit in tokens(span.of(text))) for span in taken}
    names = {name for name in names if len("".join(name)) > 2}
    bare = {(word[len(prefix) :], *rest) for word, *rest in names for prefix in PREFIXES if word.startswith(prefix)} & names
    by_first: dict[str, list[tuple[str, ...]]] = {}
    for name in bare:
        for prefix in PREFIXES:
            by_first.setdefault(prefix + name[0], []).append(name)
    for i, word in enumerate(plain):
        for name in sorted(by_first.get(word, ()), key=len, reverse=True):
            if tuple(plain[i + 1 : i + len(name)]) == name[1:]:
                span = Span(units[i].start, units[i + len(name) - 1].end)
                if not any(span.overlaps(other) for other in taken):
                    yield span
                break
