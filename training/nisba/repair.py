"""Repairs of predicted claims by rules of ``seeds/GUIDELINE.md`` (§2, §3) that look at several words or claims at once.

In order: no claim for a first-person verb inside a quotation; a verb takes its noun (`أعرب عن أمله`); a closing tag (`حسب تعبيره`)
joins its cue; a source or addressee takes all of a name; a participle borrows its sentence's source; who is named is a person.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace

import regex

from nisba.decode import claim_type, named, quoted
from nisba.lexicon import DIRECT, EXPRESS, FIRST_PERSON, NOUNS, bare, plain
from nisba.overlaps import Overlaps
from nisba.people import People
from nisba.schema import ROLES, Claim, Document, Role, Span, trim
from nisba.text import Quotation, sentences, words

_BY = r"(?:ب?حسب|وفق)\s+(?:تعبير|قول|تقدير|رأي|اعتراف|وصف)|على\s+حد\s+(?:تعبير|قول|وصف)"
TAG = regex.compile(rf"(?<!\p{{L}})(?:{_BY})(?:ه|ها|هم|هما)(?=[\s.،,؛\"»”]|$)")
PARTICIPLE = regex.compile(r"م\p{L}{2,}(?:ا|ة|ين)|(?:قائل|داع|داعي|ناف|نافي|لافت|آمل|ناقل|ناصح|جازم|حاث)(?:ا|ة|ين)")
_POSSESSED = regex.compile(r"\p{L}{3,}(?:ه|ها|هم|هما)")
NEAR = 64  # characters: more white space does not part a preposition from its noun
_GAP = regex.compile(r"[ \t،,\"»”]*")  # what may stand between a content and its closing tag, or the participle that follows it


def repair(document: Document) -> Document:
    """The document with its claims repaired; a second time changes nothing. Claims keep their ids, so numbers may be missing."""
    text = document.text
    marks, contents = quoted(text), _held(document.claims, "content")
    claims = [claim for claim in document.claims if not _own_words(text, claim, marks, contents)]
    cues = _held(claims, "cue")
    claims = [_with_noun(text, claim, cues) for claim in claims]
    claims = _tagged(text, claims)
    claims = [_whole_names(document, claim) for claim in claims]
    claims = _borrowed(text, claims)
    persons = People(document)
    places = {(entity.span,) for entity in document.entities if entity.label == "LOC"}  # `موسكو` in a person's wrong name
    theirs = {c.id for c in claims if c.source and c.source not in places and persons.whole(text, c.source)}
    claims = [replace(claim, source_type="person") if claim.id in theirs else claim for claim in claims]
    before, names = {claim.id: claim.content for claim in document.claims}, named(document.entities)
    for i, claim in enumerate(claims):
        if claim.content != before[claim.id]:
            claims[i] = replace(claim, type=claim_type(text, claim.content, marks, names, cue=claim.cue))
    different = {tuple(claim.role(role) for role in ROLES): claim for claim in reversed(claims)}
    return replace(document, claims=tuple(reversed(different.values())))


def _held(claims: Iterable[Claim], role: Role) -> Overlaps[Claim]:
    """Claims, to be asked for those that have a role at a place."""
    return Overlaps((span.start, span.end, claim) for claim in claims for span in claim.role(role))


def _own_words(text: str, claim: Claim, marks: Overlaps[Quotation], contents: Overlaps[Claim]) -> bool:
    """Whether the cue is a verb in the first person inside a quotation or another claim's content: the speaker's own words."""
    if not claim.cue or not _verb(_words(text, claim.cue)[0]) & FIRST_PERSON:
        return False
    place = claim.cue[0].start, claim.cue[0].end
    return any(mark.holds(claim.cue[0]) for mark in marks.of(*place)) or any(other is not claim for other in contents.of(*place))


def _with_noun(text: str, claim: Claim, cues: Overlaps[Claim]) -> Claim:
    """The claim whose cue has the noun that its verb needs (`عبّر عن إدانتها`, `وجّه دعوة`), which began its content."""
    cue, start = _words(text, claim.cue), claim.content[0].start
    content = [Span(start + word.start, start + word.end) for word in words(claim.content[0].of(text))]
    verb = {plain(form) for form in _verb(cue[0])} if cue else set()
    noun = None
    if verb & DIRECT and len(cue) == 1 and bare(content[0].of(text)) in NOUNS:
        noun = content[0]
    elif verb & EXPRESS and not any(_POSSESSED.fullmatch(bare(word)) for word in cue[1:]):
        near = max(0, start - NEAR)
        about = regex.search(r"(?<!\p{L})عن\s+$", text[near:start])
        led = content[0].of(text) == "عن" and len(content) > 1
        last = content[1] if led else content[0]
        if (about or led) and _POSSESSED.fullmatch(bare(last.of(text))):
            noun = Span(near + about.start() if about else start, last.end)
    rest = _without(text, claim.content, noun) if noun else ()
    if noun is None or not rest or any(noun.overlaps(span) for span in (*claim.source, *claim.addressee)):
        return claim
    if any(other is not claim for other in cues.of(noun.start, noun.end)):
        return claim
    return replace(claim, cue=_joined(text, [*_without(text, claim.cue, noun), noun]), content=rest)


def _tagged(text: str, claims: Sequence[Claim]) -> list[Claim]:
    """The claims with every free closing tag (`حسب تعبيره`) in the cue of the nearest one before it whose content reaches it."""
    claims = list(claims)
    taken = [_held(claims, role) for role in ("cue", "source", "addressee")]
    for match in TAG.finditer(text):
        tag = Span(*match.span())
        if any(held.of(tag.start, tag.end) for held in taken):
            continue
        before = [i for i, c in enumerate(claims) if c.cue and c.cue[-1].end <= tag.start and c.content[0].start < tag.start]
        closed = [i for i in before if claims[i].content[-1].end > tag.start or _follows(text, claims[i], tag.start)]
        if closed:
            i = max(closed, key=lambda i: claims[i].cue[-1].start)
            claims[i] = replace(claims[i], cue=(*claims[i].cue, tag), content=_without(text, claims[i].content, tag))
    return claims


def _follows(text: str, claim: Claim, at: int) -> bool:
    """Whether nothing but a comma or marks stand between the claim's content and ``at``."""
    return claim.content[-1].end <= at and _GAP.fullmatch(text, claim.content[-1].end, at) is not None


def _whole_names(document: Document, claim: Claim) -> Claim:
    """The claim whose source and addressee cut no name, as far as its other spans leave room."""
    for role in ("source", "addressee"):
        for span in claim.role(role):
            cut = [e.span for e in document.entities if e.span.overlaps(span)]
            whole = Span(min([span.start, *(name.start for name in cut)]), max([span.end, *(name.end for name in cut)]))
            if not any(whole.overlaps(other) for any_role in ROLES for other in claim.role(any_role) if other != span):
                spans = tuple(whole if part == span else part for part in claim.role(role))
                claim = replace(claim, source=spans) if role == "source" else replace(claim, addressee=spans)
    return claim


def _borrowed(text: str, claims: Sequence[Claim]) -> list[Claim]:
    """The claims with a source for each participle that lacks one: that of the last claim before it in its sentence, or of one
    whose content it follows, unless that lies in another's content and the participle does not."""
    starts, contents = [span.start for span in sentences(text)], _held(claims, "content")
    done: dict[str, Claim] = {}
    for claim in sorted(claims, key=lambda claim: (claim.cue or claim.content)[0]):
        cue, source, at = _words(text, claim.cue), claim.source, (claim.cue or claim.content)[0].start
        if len(cue) == 1 and not source and any(PARTICIPLE.fullmatch(form) for form in _verb(cue[0])):
            begin = starts[max(0, bisect_right(starts, at) - 1)]
            before = (c for c in reversed(done.values()) if c.cue and max(c.cue + c.source).end <= at)
            near = (c for c in before if min(c.cue + c.source).start >= begin or _follows(text, c, at))
            last = next((c for c in near if _level(c, at, contents)), None)
            spans = (*claim.content, *claim.addressee)
            if last is not None and last.source and not any(a.overlaps(b) for a in last.source for b in spans):
                claim = replace(claim, source=last.source, source_type=last.source_type)
        done[claim.id] = claim
    return [done[claim.id] for claim in claims]


def _level(claim: Claim, at: int, contents: Overlaps[Claim]) -> bool:
    """Whether every other claim whose content holds the cue of this one holds ``at`` as well."""
    cue = claim.cue[0]
    others = {other.id: other for other in contents.of(cue.start, cue.end) if other.id != claim.id}
    around = [span for other in others.values() for span in other.content if span.overlaps(cue)]
    return all(span.start <= at < span.end for span in around)


def _words(text: str, spans: Iterable[Span]) -> list[str]:
    return [word.of(span.of(text)) for span in spans for word in words(span.of(text))]


def _verb(word: str) -> set[str]:
    """A word without diacritics, and without the و or ف that it may begin with."""
    form = bare(word)
    return {form, form[1:]} if form[:1] in ("و", "ف") else {form}


def _without(text: str, spans: Sequence[Span], cut: Span) -> tuple[Span, ...]:
    """The spans without what they share with ``cut``, trimmed."""
    pieces = [(span.start, min(span.end, cut.start)) for span in spans] + [(max(span.start, cut.end), span.end) for span in spans]
    return tuple(sorted({piece for start, end in pieces if start < end and (piece := trim(text, start, end)) is not None}))


def _joined(text: str, spans: Iterable[Span]) -> tuple[Span, ...]:
    """The spans in text order, those with nothing but white space between them as one."""
    joined: list[Span] = []
    for span in sorted(spans):
        near = bool(joined) and not text[joined[-1].end : span.start].strip()
        joined[-1:] = [Span(joined[-1].start, span.end)] if near else [*joined[-1:], span]
    return tuple(joined)
