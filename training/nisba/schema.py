"""Spans, entities, claims and documents: frozen, validated, offsets in code points of the raw text.

A document is one article. Its text is never altered; everything else points into it with ``[start, end)`` spans counted in
Unicode code points, so that ``text[start:end]`` is the annotated string. The rules that are checked here are those of
``seeds/GUIDELINE.md``. All the problems of a document are collected and raised once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal, get_args

import regex

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
EXCERPT = 60  # characters of offending text that a message shows
WORD = r"[\p{L}\p{N}\p{M}]"  # letters, digits and marks make orthographic words (tatweel is a letter to Unicode)
EDGE = r"[\s\p{Z}\p{C}\p{P}]"  # may not begin or end a span: white space, controls, bidi marks, punctuation, quotation marks
_WORD, _EDGE = regex.compile(WORD), regex.compile(EDGE)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document: which field, what about it, and the text concerned."""

    field: str
    message: str
    text: str = ""

    def __str__(self) -> str:
        shown = excerpt(self.text)
        return f"{self.field}: {self.message}" + (f": «{shown}»" if shown else "")


class SchemaError(ValueError):
    """Raised with every problem found, in ``problems``."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """``[start, end)`` in code points; never empty. Raises SchemaError."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if type(self.start) is not int or type(self.end) is not int:
            raise SchemaError([Problem("span", "offsets must be two integers", repr((self.start, self.end)))])
        if self.start < 0 or self.end <= self.start:
            raise SchemaError([Problem("span", f"[{self.start}, {self.end}) is reversed, empty or negative")])

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
        _raise(_choice("label", self.label, ENTITY_LABELS) + _score(self.score) + _flag("ambiguous", self.ambiguous))

    def to_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {"start": self.span.start, "end": self.span.end, "label": self.label}
        row |= {"ambiguous": True} if self.ambiguous else {}
        return row if self.score is None else row | {"score": self.score}

    @classmethod
    def from_dict(cls, row: Any) -> Entity:
        row = _mapping(row, {"start", "end", "label"}, {"score", "ambiguous"})
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
        problems = (
            _string("id", self.id)
            + _choice("type", self.type, CLAIM_TYPES)
            + _choice("source_type", self.source_type, SOURCE_TYPES)
            + _choice("stance", self.stance, STANCES)
            + _score(self.score)
            + _flag("core", self.core)
        )
        if self.speaker is not None:
            problems += _string("speaker", self.speaker)
        if not self.content:
            problems.append(Problem("content", "a claim needs content"))
        if (self.source_type == "implicit") != (not self.source):
            problems.append(Problem("source_type", "'implicit' if and only if there is no source", str(self.source_type)))
        for role in ROLES:
            for before, after in pairwise(self.role(role)):
                if after.start < before.end:
                    where = f"[{before.start}, {before.end}) and [{after.start}, {after.end})"
                    problems.append(Problem(role, f"fragments must be in text order and apart: {where}"))
        spans = sorted((span, role) for role in ROLES for span in self.role(role))
        for (before, first), (after, second) in pairwise(spans):
            if first != second and before.overlaps(after):
                problems.append(Problem(f"{first}, {second}", f"two roles share [{after.start}, {min(before.end, after.end)})"))
        _raise(problems)

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
        optional = {"cue", "source", "addressee", "speaker", "score", "core"}
        row = _mapping(row, {"id", "content", "type", "source_type", "stance"}, optional)
        problems: list[Problem] = []
        roles: dict[str, tuple[Span, ...]] = {}
        for role in ROLES:
            roles[role] = ()
            fragments = row.get(role, [])
            if not isinstance(fragments, list):
                problems.append(Problem(role, "must be a list of [start, end] pairs", repr(fragments)))
                continue
            for fragment in fragments:
                if not isinstance(fragment, list) or len(fragment) != 2:
                    problems.append(Problem(role, "must be a list of [start, end] pairs", repr(fragment)))
                    continue
                try:
                    roles[role] += (Span(*fragment),)
                except SchemaError as error:
                    problems += [Problem(role, p.message, p.text) for p in error.problems]
        _raise(problems)
        rest = {key: row.get(key) for key in ("id", "type", "source_type", "stance", "speaker", "score")}
        return cls(**roles, **rest, core=row.get("core", True))  # type: ignore[arg-type]


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
        problems = _string("id", self.id) + _text(self.text)
        _raise(problems + _meta(self.meta))
        _raise(_annotation(self.text, [(f"entities[{i}]", e) for i, e in enumerate(self.entities)], self.claims))

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
        row = _mapping(row, {"id", "text"}, {"meta", "entities", "claims", "schema"})
        problems = _string("id", row["id"]) + _text(row["text"])
        problems += _meta(row.get("meta", {}))
        entities: list[tuple[str, Entity]] = []
        claims: list[Claim] = []
        for i, item in enumerate(_list(row, "entities", problems)):
            where = f"entities[{i}]"
            try:
                entities.append((where, Entity.from_dict(item)))
            except SchemaError as error:
                problems += [Problem(f"{where}.{p.field}", p.message, p.text) for p in error.problems]
        for i, item in enumerate(_list(row, "claims", problems)):
            name = item.get("id") if isinstance(item, dict) else None
            where = f"claims[{i}]" if not isinstance(name, str) else f"claim {excerpt(name)}"
            try:
                claims.append(Claim.from_dict(item))
            except SchemaError as error:
                problems += [Problem(f"{where}.{p.field}", p.message, p.text) for p in error.problems]
        if isinstance(row["text"], str):
            problems += _annotation(row["text"], entities, claims)
        _raise(problems)
        return cls(row["id"], row["text"], tuple(e for _, e in entities), tuple(claims), row.get("meta", {}))


def excerpt(text: str) -> str:
    """At most EXCERPT characters of ``text`` on one line, safe to print."""
    head = text[: EXCERPT + 1].encode("utf-8", "backslashreplace").decode()
    head = "".join(c if c.isprintable() else " " for c in head)
    return head if len(head) <= EXCERPT else head[:EXCERPT] + "…"


@lru_cache(maxsize=65536)
def is_word_char(char: str) -> bool:
    return _WORD.match(char) is not None


@lru_cache(maxsize=65536)
def is_edge_char(char: str) -> bool:
    return _EDGE.match(char) is not None


def trim(text: str, start: int, end: int) -> Span | None:
    """The span without white space, punctuation and quotation marks at its edges; None when nothing else is in it."""
    while start < end and is_edge_char(text[start]):
        start += 1
    while start < end and is_edge_char(text[end - 1]):
        end -= 1
    return Span(start, end) if start < end else None


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


def _raise(problems: list[Problem]) -> None:
    if problems:
        raise SchemaError(problems)


def _string(name: str, value: Any) -> list[Problem]:
    if not isinstance(value, str) or not value.strip():
        return [Problem(name, "must be a string that is not empty", repr(value))]
    return _text(value, name)


def _text(value: Any, name: str = "text") -> list[Problem]:
    if not isinstance(value, str):
        return [Problem(name, "must be a string", repr(value))]
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        return [Problem(name, f"lone surrogate at {error.start}", value[max(0, error.start - 10) : error.start + 10])]
    return []


def _meta(value: Any) -> list[Problem]:
    if not isinstance(value, Mapping):
        return [Problem("meta", "must be an object", repr(value))]
    try:
        json.dumps(dict(value), ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        return [Problem("meta", "cannot be written as JSON in UTF-8", str(error))]
    layers = value.get("layers", [])
    if not isinstance(layers, list) or not all(isinstance(layer, str) and layer in LAYERS for layer in layers):
        return [Problem("meta.layers", f"must be a list of {', '.join(sorted(LAYERS))}", str(layers))]
    return []


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> list[Problem]:
    return [] if value in choices else [Problem(name, f"must be one of {', '.join(choices)}", repr(value))]


def _score(value: Any) -> list[Problem]:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1):
        return []
    return [Problem("score", "must be a number in [0, 1]", repr(value))]


def _flag(name: str, value: Any) -> list[Problem]:
    return [] if isinstance(value, bool) else [Problem(name, "must be true or false", repr(value))]


def _mapping(row: Any, needed: set[str], optional: set[str]) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise SchemaError([Problem("record", "must be an object", repr(row))])
    problems = [Problem(key, "is missing") for key in sorted(needed - row.keys())]
    problems += [Problem(excerpt(key), "is not a key of the format") for key in sorted(row.keys() - needed - optional)]
    _raise(problems)
    return row


def _list(row: dict[str, Any], name: str, problems: list[Problem]) -> list[Any]:
    value = row.get(name, [])
    if isinstance(value, list):
        return value
    problems.append(Problem(name, "must be a list", repr(value)))
    return []
