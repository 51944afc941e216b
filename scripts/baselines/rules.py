"""The rule system that newsrooms write first: ``python scripts/baselines/rules.py ARTICLES.jsonl -o FOUND.jsonl``.

A lexicon of reporting verbs, the words behind the verb as its subject, the clause or quotation behind that as what is said;
evidentials (`وفقا`, `بحسب`) with the clause around them; quotations followed by verb and subject. No names are looked for. Scored
like any other prediction: ``nisba evaluate --predictions FOUND.jsonl --gold ARTICLES.jsonl``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nisba.decode import COMPLEMENTIZER, claim_type, named
from nisba.formats import jsonl
from nisba.lexicon import LEMMAS, is_reporting_verb, plain
from nisba.overlaps import Overlaps
from nisba.schema import Claim, Document, SchemaError, SourceType, Span, is_word_char, trim
from nisba.speakers import resolve
from nisba.text import Quotation, quotations, sentences, words

LONGEST = 14  # words of a subject
SHORT = 3  # words of a quotation that is a name
STOPS = set(':،,؛.؟!«»“”"()')
EVIDENTIALS = {plain(word) for word in ("وفقا", "بحسب", "حسب", "وفق", "حسبما", "نقلا", "طبقا")}
PREPOSITIONS = {"على", "الى", "عن", "من", "في"}
ANONYMOUS = {plain(word) for word in ("مصدر", "مصادر", "مسؤول", "مسؤولون", "أحد", "بعض", "شخص", "شهود")}
DOCUMENTS = {plain(word) for word in ("بيان", "تقرير", "دراسة", "بلاغ", "وثيقة", "وثائق", "إحصاءات", "بيانات", "استطلاع")}
BODIES = {
    plain(word)
    for word in ("وزارة", "صحيفة", "وكالة", "شركة", "منظمة", "حكومة", "هيئة", "حزب", "جمعية", "محكمة", "الوزارة", "الحكومة")
}

Roles = dict[str, Span]


def annotate(document: Document) -> Document:
    """The article with the claims that the rules find."""
    text = document.text
    marks = [mark for mark in quotations(text) if mark.closed]
    there = Overlaps((mark.start, mark.end, mark) for mark in marks)
    claims: list[Claim] = []
    used: list[Span] = []
    for sentence in sentences(text):
        inside = [span for span in words(text) if sentence.start <= span.start < sentence.end]
        for roles in (*_verbs(text, inside, marks), *_evidentials(text, inside)):
            spans = {role: span for role, found in roles.items() if (span := trim(text, found.start, found.end)) is not None}
            if "content" not in spans or "cue" not in spans or any(spans["cue"].overlaps(other) for other in used):
                continue
            try:
                claim = Claim(
                    f"c{len(claims) + 1}",
                    **{role: (span,) for role, span in spans.items()},  # type: ignore[arg-type]
                    type=claim_type(text, [spans["content"]], there, named([]), cue=[spans["cue"]]),
                    source_type=_kind(spans["source"].of(text)) if "source" in spans else "implicit",
                    score=0.5,
                )
            except SchemaError:  # roles that cross
                continue
            claims.append(claim)
            used.append(spans["cue"])
    return resolve(replace(document, entities=(), claims=tuple(claims)))


def _verbs(text: str, inside: list[Span], marks: list[Quotation]) -> Iterator[Roles]:
    """Verb, subject, then `أن …`, `: …` or a quotation, to the sentence's or quotation's end; or a quotation, verb and subject."""
    for i, cue in enumerate(inside):
        word = plain(cue.of(text))
        stem = word.removeprefix("و").removeprefix("ف")
        if not is_reporting_verb(cue.of(text)) and not {stem, stem.removesuffix("ت"), stem.removesuffix("وا")} & LEMMAS:
            continue
        j = i + 1
        while j < len(inside) and j - i <= LONGEST and not _opens(text, inside[j], marks):
            j += 1
        subject = _upto(text, inside[i + 1 : j])
        roles: Roles = {"cue": cue} | ({"source": subject} if subject else {})
        before = next((mark for mark in marks if 0 <= cue.start - mark.end <= 2), None)
        if before is not None:
            yield roles | {"content": Span(before.start, before.end)}
            continue
        if j == len(inside) or j - i > LONGEST or inside[j].of(text) in ".؟!":
            continue
        end = inside[-1].end
        quoted = next((mark for mark in marks if inside[j].start <= mark.start <= inside[j].start + 3), None)
        if quoted is not None:
            end = quoted.end
        if subject is None and i > 0 and not word.startswith("و"):  # the subject stands in front
            subject = _upto(text, inside[max(0, i - LONGEST) : i], last=True)
            roles |= {"source": subject} if subject else {}
        yield roles | {"content": Span(inside[j].start, end)}


def _evidentials(text: str, inside: list[Span]) -> Iterator[Roles]:
    """`وفقا ل…` behind a clause, or in front of one and followed by a comma."""
    for i, cue in enumerate(inside):
        if plain(cue.of(text)) not in EVIDENTIALS:
            continue
        source = _upto(text, inside[i + 1 : i + 1 + LONGEST], prepositions=True)
        if source is None:
            continue
        if i > 2:
            yield {"cue": cue, "source": source, "content": Span(inside[0].start, inside[i - 1].end)}
        else:
            rest = [span for span in inside if span.start >= source.end]
            if len(rest) > 2:
                yield {"cue": cue, "source": source, "content": Span(rest[0].start, rest[-1].end)}


def _opens(text: str, span: Span, marks: list[Quotation]) -> bool:
    """Whether what is said begins here (`أن`, a colon, a quotation of more than three words), or the sentence ends."""
    word = span.of(text)
    if any(mark.start == span.start for mark in marks):
        return any(mark.start == span.start and len(text[mark.start : mark.end].split()) > SHORT for mark in marks)
    return word in ":.؟!" or COMPLEMENTIZER.fullmatch(word) is not None


def _upto(text: str, spans: list[Span], *, last: bool = False, prepositions: bool = False) -> Span | None:
    """The words before the first stop (after the last one: ``last``) or preposition, as one span."""
    kept: list[Span] = []
    for span in spans:
        word = span.of(text)
        if kept and word in '«»“”"':
            continue
        if word in STOPS or (not prepositions and not last and plain(word) in PREPOSITIONS):
            if not last:
                break
            kept = []
        elif is_word_char(word[0]):
            kept.append(span)
    return Span(kept[0].start, kept[-1].end) if kept else None


def _kind(source: str) -> SourceType:
    first = plain(source.split()[0]).removeprefix("ل").removeprefix("ال")
    kinds: dict[SourceType, set[str]] = {"anonymous": ANONYMOUS, "document": DOCUMENTS, "organization": BODIES}
    return next((kind for kind, nouns in kinds.items() if first in nouns or plain(source.split()[0]) in nouns), "person")


def main() -> None:
    parser = argparse.ArgumentParser(description="Claims by rules, as a baseline.")
    parser.add_argument("articles", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    print(f"{jsonl.write(map(annotate, jsonl.read(options.articles)), options.output)} documents: {options.output}")


if __name__ == "__main__":
    main()
