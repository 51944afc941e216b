"""Spans, entities, claims and documents: frozen, validated, offsets in code points of the raw text.

A document is one article. Its text is never altered; everything else points into it with ``[start, end)`` spans counted in
Unicode code points, so that ``text[start:end]`` is the annotated string. The rules that are checked here are those of
``seeds/GUIDELINE.md``. All the problems of a document are collected and raised once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, get_args

from nisba import fields
from nisba.characters import WORD as WORD
from nisba.characters import is_edge_char as is_edge_char
from nisba.characters import is_word_char as is_word_char
from nisba.characters import sound
from nisba.fields import EXCERPT as EXCERPT
from nisba.fields import Problem as Problem
from nisba.fields import SchemaError as SchemaError
from nisba.fields import excerpt as excerpt

EntityLabel = Literal["PER", "ORG", "LOC", "MISC"]
ClaimType = Literal["direct", "mixed", "indirect"]
SourceType = Literal["person", "role", "organization", "document", "anonymous", "group", "implicit"]
Stance = Literal["neutral", "assert", "doubt", "deny"]
Role = Literal["cue", "source", "content", "addressee"]

ENTITY_LABELS: tuple[EntityLabel, ...] = get_args(EntityLabel)
CLAIM_TYPES: tuple[ClaimType, ...] = get_args(ClaimType)
SOURCE_TYPES: tuple[SourceType, ...] = get_args(SourceType)
STANCES: tuple[Stance, ...] = get_args(Stance)
ROLES: tuple[Role, ...] = get_args(Role)
LAYERS = frozenset(("names", "roles", "attributes"))  # what may be annotated: names; claims' roles; their types, stances, speakers

VERSION = 1  # of the interchange format; a document may name it, as ``"schema": 1``
_DOCUMENT = frozenset(("id", "text"))  # the keys that an object of the interchange format needs, then all that it may have
_DOCUMENTS = _DOCUMENT | {"meta", "entities", "claims", "schema"}
_ENTITY = frozenset(("start", "end", "label"))
_ENTITIES = _ENTITY | {"score", "ambiguous"}
_CLAIM = frozenset(("id", "content", "type", "source_type", "stance"))
_set = object.__setattr__
_PAIRS = "must be a list of [start, end] pairs"
_CLAIMS = _CLAIM | {"cue", "source", "addressee", "speaker", "score", "core"}


@dataclass(frozen=True, slots=True, order=True, init=False)
class Span:
    """``[start, end)`` in code points; never empty. Raises SchemaError."""

    start: int
    end: int

    def __init__(self, start: int, end: int) -> None:  # corpora have millions of them: this takes half the time of a __post_init__
        if type(start) is not int or type(end) is not int:
            raise SchemaError([Problem("span", "offsets must be two integers", repr((start, end)))])
        if not 0 <= start < end:
            raise SchemaError([Problem("span", f"[{start}, {end}) is reversed, empty or negative")])
        _set(self, "start", start)
        _set(self, "end", end)

    def of(self, text: str) -> str:
        return text[self.start : self.end]

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Entity:
    """A name in the text. ``score`` in [0, 1] on predictions only. ``ambiguous``: scoring counts it neither for nor against."""

    span: Span
    label: EntityLabel
    score: float | None = None
    ambiguous: bool = False

    def __post_init__(self) -> None:
        if self.label in ENTITY_LABELS and self.score is None and self.ambiguous is False:
            return  # as nearly all are
        problems = fields.choice("label", self.label, ENTITY_LABELS) + fields.score(self.score)
        fields.raised(problems + fields.flag("ambiguous", self.ambiguous))

    def to_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {"start": self.span.start, "end": self.span.end, "label": self.label}
        row |= {"ambiguous": True} if self.ambiguous else {}
        return row if self.score is None else row | {"score": self.score}

    @classmethod
    def from_dict(cls, row: Any) -> Entity:
        row = fields.mapping(row, _ENTITY, _ENTITIES)
        return cls(Span(row["start"], row["end"]), row["label"], row.get("score"), row.get("ambiguous", False))


@dataclass(frozen=True, slots=True)
class Claim:
    """Something the article attributes to somebody. Each role is a tuple of spans in text order (fragments).

    ``core`` is false for an optional claim, on which annotators may differ: scoring counts it neither for nor against.
    """

    id: str
    content: tuple[Span, ...]
    cue: tuple[Span, ...] = ()
    source: tuple[Span, ...] = ()
    addressee: tuple[Span, ...] = ()
    type: ClaimType = "indirect"
    source_type: SourceType = "implicit"
    stance: Stance = "neutral"
    speaker: str | None = None
    score: float | None = None
    core: bool = True

    def __post_init__(self) -> None:
        if not (self._usual() and self._apart()):
            fields.raised([*self._field_problems(), *self._span_problems()])

    def _usual(self) -> bool:
        """Whether ``_field_problems`` surely finds nothing."""
        return (
            fields.plain(self.id)
            and self.type in CLAIM_TYPES
            and self.source_type in SOURCE_TYPES
            and self.stance in STANCES
            and (self.score is None or (type(self.score) is float and 0 <= self.score <= 1))
            and self.core is True
            and (self.speaker is None or fields.plain(self.speaker))
            and bool(self.content)
            and (self.source_type == "implicit") is not bool(self.source)
        )

    def _apart(self) -> bool:
        """Whether ``_span_problems`` finds nothing: every fragment is apart from all others, those of a role in text order."""
        content, cue, source, addressee = self.content, self.cue, self.source, self.addressee
        fragments = [(span.start, span.end) for span in (*content, *cue, *source, *addressee)]
        fragments.sort()
        last = 0
        for start, end in fragments:
            if start < last:
                return False
            last = end
        if len(content) < 2 and len(cue) < 2 and len(source) < 2 and len(addressee) < 2:
            return True  # as nearly always
        return all(before.start < after.start for spans in (content, cue, source, addressee) for before, after in pairwise(spans))

    def _field_problems(self) -> list[Problem]:
        problems = (
            fields.string("id", self.id)
            + fields.choice("type", self.type, CLAIM_TYPES)
            + fields.choice("source_type", self.source_type, SOURCE_TYPES)
            + fields.choice("stance", self.stance, STANCES)
            + fields.score(self.score)
            + fields.flag("core", self.core)
        )
        if self.speaker is not None:
            problems += fields.string("speaker", self.speaker)
        if not self.content:
            problems.append(Problem("content", "a claim needs content"))
        if (self.source_type == "implicit") != (not self.source):
            problems.append(Problem("source_type", "'implicit' if and only if there is no source", str(self.source_type)))
        return problems

    def _span_problems(self) -> list[Problem]:
        problems = []
        for role in ROLES:
            for before, after in pairwise(self.role(role)):
                if after.start < before.end:
                    where = f"[{before.start}, {before.end}) and [{after.start}, {after.end})"
                    problems.append(Problem(role, f"fragments must be in text order and apart: {where}"))
        spans = sorted((span, role) for role in ROLES for span in self.role(role))
        for (before, first), (after, second) in pairwise(spans):
            if first != second and before.overlaps(after):
                problems.append(Problem(f"{first}, {second}", f"two roles share [{after.start}, {min(before.end, after.end)})"))
        return problems

    def role(self, role: Role) -> tuple[Span, ...]:
        spans: tuple[Span, ...] = getattr(self, role)
        return spans

    def to_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {"id": self.id}
        row |= {role: [[span.start, span.end] for span in self.role(role)] for role in ROLES}
        row |= {"type": self.type, "source_type": self.source_type, "stance": self.stance, "speaker": self.speaker}
        row |= {} if self.core else {"core": False}
        return row if self.score is None else row | {"score": self.score}

    @classmethod
    def from_dict(cls, row: Any) -> Claim:
        row = fields.mapping(row, _CLAIM, _CLAIMS)
        get = row.get
        problems: list[Problem] = []
        cue, source, content, addressee = [_fragments(role, get(role, []), problems) for role in ROLES]
        fields.raised(problems)
        rest = (row["type"], row["source_type"], row["stance"], get("speaker"), get("score"), get("core", True))
        return cls(row["id"], content, cue, source, addressee, *rest)


@dataclass(frozen=True, slots=True)
class Document:
    """One article. ``meta`` is carried along untouched. Raises SchemaError with every problem found.

    ``meta["layers"]`` lists what is annotated where that is not all of LAYERS; the rest is unknown then, not absent.
    """

    id: str
    text: str
    entities: tuple[Entity, ...] = ()
    claims: tuple[Claim, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fields.raised(_own(self.id, self.text, self.meta))
        if not _annotation_sound(self.text, self.entities, self.claims):
            fields.raised(_annotation(self.text, [(f"entities[{i}]", e) for i, e in enumerate(self.entities)], self.claims))

    @property
    def layers(self) -> frozenset[str]:
        """What of LAYERS is annotated."""
        return frozenset(self.meta.get("layers", LAYERS))

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "text": self.text,
            "meta": dict(self.meta),
            "entities": [entity.to_dict() for entity in self.entities],
            "claims": [claim.to_dict() for claim in self.claims],
        }

    @classmethod
    def from_dict(cls, row: Any) -> Document:
        """Build from the interchange form. Raises SchemaError that lists all problems, not the first."""
        version = row.get("schema", VERSION) if isinstance(row, dict) else VERSION
        if type(version) is not int or version != VERSION:
            raise SchemaError([Problem("schema", f"this nisba reads version {VERSION}", repr(version))])
        row = fields.mapping(row, _DOCUMENT, _DOCUMENTS)
        problems: list[Problem] = []
        entities: list[tuple[str, Entity]] = []
        claims: list[Claim] = []
        for i, item in enumerate(fields.listed(row, "entities", problems)):
            where = f"entities[{i}]"
            try:
                entities.append((where, Entity.from_dict(item)))
            except SchemaError as error:
                problems += [Problem(f"{where}.{p.field}", p.message, p.text) for p in error.problems]
        for i, item in enumerate(fields.listed(row, "claims", problems)):
            name = item.get("id") if isinstance(item, dict) else None
            where = f"claims[{i}]" if not isinstance(name, str) else f"claim {excerpt(name)}"
            try:
                claims.append(Claim.from_dict(item))
            except SchemaError as error:
                problems += [Problem(f"{where}.{p.field}", p.message, p.text) for p in error.problems]
        if not problems:
            with suppress(SchemaError):  # it is told with all the others below
                return cls(row["id"], row["text"], tuple([e for _, e in entities]), tuple(claims), row.get("meta", {}))
        problems = _own(row["id"], row["text"], row.get("meta", {})) + problems
        if isinstance(row["text"], str):
            problems += _annotation(row["text"], entities, claims)
        raise SchemaError(problems)


def trim(text: str, start: int, end: int) -> Span | None:
    """The span without white space, punctuation and quotation marks at its edges; None when nothing else is in it."""
    while start < end and is_edge_char(text[start]):
        start += 1
    while start < end and is_edge_char(text[end - 1]):
        end -= 1
    return Span(start, end) if start < end else None


def _fragments(role: Role, value: Any, problems: list[Problem]) -> tuple[Span, ...]:
    """The spans of a role; what is wrong with them is added to ``problems``."""
    if not isinstance(value, list):
        problems.append(Problem(role, _PAIRS, repr(value)))
        return ()
    spans = []
    for fragment in value:
        if not isinstance(fragment, list) or len(fragment) != 2:
            problems.append(Problem(role, _PAIRS, repr(fragment)))
            continue
        try:
            spans.append(Span(fragment[0], fragment[1]))
        except SchemaError as error:
            problems += [Problem(role, p.message, p.text) for p in error.problems]
    return tuple(spans)


def _own(name: Any, text: Any, meta: Any) -> list[Problem]:
    """What is wrong with a document but for its annotation."""
    problems = fields.string("id", name) + fields.text(text)
    if meta == {} and type(meta) is dict:
        return problems
    problems += (unwritable := fields.writable("meta", meta))
    layers = [] if unwritable else meta.get("layers", [])
    if not isinstance(layers, list) or not all(isinstance(layer, str) and layer in LAYERS for layer in layers):
        problems.append(Problem("meta.layers", f"must be a list of {', '.join(sorted(LAYERS))}", str(layers)))
    return problems


def _annotation_sound(text: str, entities: Sequence[Entity], claims: Sequence[Claim]) -> bool:
    """Whether ``_annotation`` finds nothing."""
    names = sorted([(entity.span.start, entity.span.end) for entity in entities])
    if any(start < end for (_, end), (start, _) in pairwise(names)):
        return False
    if len({claim.id for claim in claims}) < len(claims):
        return False
    roles = [(*claim.content, *claim.cue, *claim.source, *claim.addressee) for claim in claims]
    return sound(text, {*names, *[(span.start, span.end) for spans in roles for span in spans]})


def _annotation(text: str, entities: Sequence[tuple[str, Entity]], claims: Sequence[Claim]) -> list[Problem]:
    """What is wrong between the annotation and the text: bounds, edges, words cut, names that overlap, ids given twice."""
    problems = [p for where, entity in entities for p in _span(text, where, entity.span)]
    in_order = sorted(entities, key=lambda item: item[1].span)
    for (_, before), (where, after) in pairwise(in_order):
        if before.span.overlaps(after.span):
            problems.append(Problem(where, "overlaps another entity", after.span.of(text)))
    seen: set[str] = set()
    for claim in claims:
        where = f"claim {excerpt(claim.id)}"
        if claim.id in seen:
            problems.append(Problem(f"{where}.id", "the id is given twice", claim.id))
        seen.add(claim.id)
        problems += [p for role in ROLES for span in claim.role(role) for p in _span(text, f"{where}.{role}", span)]
    if problems and any(ord(char) > 0xFFFF for char in text):
        problems.append(Problem("text", "has characters beyond U+FFFF: offsets must be code points, not UTF-16 units"))
    return problems


def _span(text: str, where: str, span: Span) -> list[Problem]:
    at = f"[{span.start}, {span.end})"
    if span.end > len(text):
        return [Problem(where, f"{at} runs beyond the end of the text ({len(text)} characters)", span.of(text))]
    problems = []
    if is_edge_char(text[span.start]) or is_edge_char(text[span.end - 1]):
        problems.append(Problem(where, f"{at} begins or ends with white space, punctuation or a control", span.of(text)))
    for edge in (span.start, span.end):
        if 0 < edge < len(text) and is_word_char(text[edge - 1]) and is_word_char(text[edge]):
            problems.append(Problem(where, f"{at} cuts a word at {edge}", text[max(0, edge - 15) : edge + 15]))
    return problems
