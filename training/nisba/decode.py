"""Scores → annotation: constrained decoding of tags, claims from anchors, the type from quotation marks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import regex

from nisba.encode import Encoded, roles_of
from nisba.labels import NAME_TAGS, ROLE_TAGS, allowed, untag
from nisba.overlaps import Overlaps
from nisba.schema import SOURCE_TYPES, STANCES, Claim, ClaimType, Entity, SourceType, Span, trim
from nisba.text import Quotation, quotations, words

Floats = npt.NDArray[np.floating]
_ALLOWED = {tags: np.where(np.array(allowed(tags)), 0.0, -np.inf) for tags in (NAME_TAGS, ROLE_TAGS)}
FRAGMENT = 2.0  # nats that each fragment of a content costs: few contents have several, many predicted ones had a stray one
COMPLEMENTIZER = regex.compile(r"[بو]?[أإا]نّ?(?:ه|ها|هم|هما|هن|نا|ني|ي|ك|كم)?|[وف]?[بلك]ـ*")  # that, that he, …; a clitic by itself


def viterbi(scores: Floats, tags: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """The best allowed sequences of tags for log-probabilities, sequences × words × tags → sequences × words (Viterbi 1967)."""
    count, length, _ = scores.shape
    path = np.zeros((count, length), dtype=np.int64)
    if not path.size:
        return path
    moves = _ALLOWED[tags]
    best = scores[:, 0] + moves[-1]
    back = np.zeros(scores.shape, dtype=np.int64)
    for i in range(1, length):
        step = best[:, :, None] + moves[:-1]
        back[:, i] = step.argmax(1)
        best = step.max(1) + scores[:, i]
    path[:, -1] = best.argmax(1)
    for i in range(length - 1, 0, -1):
        path[:, i - 1] = back[np.arange(count), i, path[:, i]]
    return path


def entities(encoded: Encoded, scores: Floats) -> tuple[Entity, ...]:
    """Names from log-probabilities, words × NAME_TAGS. An entity's score is the geometric mean of its words' probabilities."""
    if not np.any(scores.argmax(1)):
        return ()
    tags = viterbi(scores[None], NAME_TAGS)[0].tolist()
    found = []
    for first, behind, label in untag(tags, NAME_TAGS):
        span = trim(encoded.document.text, encoded.words[first].start, encoded.words[behind - 1].end)
        if span is not None:
            chosen = scores[np.arange(first, behind), tags[first:behind]]
            found.append(Entity(span, label, _probability(chosen.mean())))  # type: ignore[arg-type]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model says of one anchor: its word and probability, log-probabilities of role tags over the words in reach with
    the best path through them, and logits of source type and stance."""

    anchor: int
    probability: float
    scores: Floats
    tags: list[int]
    source_types: Floats
    stances: Floats


def claims(encoded: Encoded, readings: Iterable[Reading], names: Sequence[Entity]) -> tuple[Claim, ...]:
    """Claims, in text order. An anchor without content is none; of two that share a word of their cues, or have the same roles,
    the better scored stays. The score is the anchor's probability times the geometric mean of those of the tagged words."""
    text = encoded.document.text
    marks, there = quoted(text), named(names)
    found = []
    for reading in readings:
        spans = roles_of(encoded, reading.anchor, reading.tags)
        if spans["content"]:
            tags = np.array(reading.tags)
            chosen = reading.scores[np.arange(len(tags)), tags][tags > 0]
            found.append((reading.probability * _probability(chosen.mean()), spans, reading))
    kept: list[tuple[float, dict[str, tuple[Span, ...]], Reading]] = []
    known: set[tuple[tuple[Span, ...], ...]] = set()
    cued: set[int] = set()
    for candidate in sorted(found, key=lambda item: -item[0]):
        roles = tuple(candidate[1].values())
        cue = {point for span in candidate[1]["cue"] for point in range(span.start, span.end)}
        if roles not in known and cued.isdisjoint(cue):
            kept.append(candidate)
            known.add(roles)
            cued |= cue
    kept.sort(key=lambda item: min(span for role in item[1].values() for span in role))
    return tuple(
        Claim(
            id=f"c{number}",
            **spans,  # type: ignore[arg-type]
            type=claim_type(text, spans["content"], marks, there, cue=spans["cue"]),
            source_type=_source_type(reading) if spans["source"] else "implicit",
            stance=STANCES[int(reading.stances.argmax())],
            score=round(score, 4),
        )
        for number, (score, spans, reading) in enumerate(kept, 1)
    )


def priced(scores: Floats) -> Floats:
    """Log-probabilities of role tags (… × ROLE_TAGS) in which each fragment of content has its price."""
    price = np.zeros(len(ROLE_TAGS), dtype=scores.dtype)
    price[ROLE_TAGS.index("B-content")] = FRAGMENT
    return scores - price


def one_phrase(scores: Floats, path: Sequence[int]) -> npt.NDArray[np.int64]:
    """The path with one fragment of the source and one of the addressee: the one whose words' odds against O are the greatest.

    A source is one noun phrase (so in all annotated articles); a second fragment is a stray word.
    """
    tags = np.array(path, dtype=np.int64)
    fragments: dict[str, list[tuple[float, int, int]]] = {}
    for first, behind, role in untag(tags.tolist(), ROLE_TAGS):
        odds = scores[np.arange(first, behind), tags[first:behind]] - scores[first:behind, 0]
        fragments.setdefault(role, []).append((float(odds.sum()), first, behind))
    for role in ("source", "addressee"):
        for _, first, behind in sorted(fragments.get(role, []), reverse=True)[1:]:
            tags[first:behind] = 0
    return tags


def _source_type(reading: Reading) -> SourceType:
    """The best type but ``implicit``, which is what a claim without source words has."""
    order = np.argsort(-reading.source_types)
    return next(SOURCE_TYPES[i] for i in order if SOURCE_TYPES[i] != "implicit")


def quoted(text: str) -> Overlaps[Quotation]:
    """The quotations of a text, to be asked for those at a place."""
    return Overlaps((mark.start, mark.end, mark) for mark in quotations(text))


def named(names: Iterable[Entity]) -> Overlaps[Entity]:
    """Names, to be asked for those at a place."""
    return Overlaps((name.span.start, name.span.end, name) for name in names)


def claim_type(
    text: str, content: Sequence[Span], marks: Overlaps[Quotation], names: Overlaps[Entity], *, cue: Sequence[Span]
) -> ClaimType:
    """The type by quotation marks. Those that hold the claim's own cue are of a claim around it and do not count.

    ``direct``: all words of the content, its complementizer aside, lie in marks, or it follows a colon to which nothing but white
    space stands between. ``mixed``: a quotation of two words or more, that is not a name, lies in it. Else ``indirect``.
    """
    spans = [
        Span(span.start + word.start, span.start + word.end)
        for span in content
        for word in words(text[span.start : span.end])
        if trim(text, span.start + word.start, span.start + word.end)
    ]
    place = content[0].start, content[-1].end
    around = [mark for mark in marks.of(*place) if not any(mark.holds(span) for span in cue)]
    wholes = {(entity.span.start, entity.span.end) for entity in names.of(*place)}
    inside = [any(mark.holds(span) for mark in around) for span in spans]
    if spans and COMPLEMENTIZER.fullmatch(spans[0].of(text)):
        inside = inside[1:]
    if inside and all(inside):
        return "direct"
    before = content[0].start
    while text[before - 1 : before] in (" ", "\t"):
        before -= 1
    if text[before - 1 : before] == ":":
        return "direct"
    for mark in around:
        held = [span for span in spans if mark.holds(span)]
        if len(held) >= 2 and (held[0].start, held[-1].end) not in wholes:
            return "mixed"
    return "indirect"


def _probability(log: float) -> float:
    return round(min(1.0, math.exp(float(log))), 4)
