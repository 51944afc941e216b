"""Documents ↔ the feature structures of a CAS, whose types ``cas_types`` tells. All that a document holds has its place there.

What people annotate in INCEpTION is read as it stands: a claim that they added has no identifier and gets one, a claim on a span
that it also links as content has no cue, what is not in the index was deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from nisba.files import FormatError
from nisba.formats.bounded import load_row
from nisba.formats.cas_types import ARTICLE, CLAIM, FRAGMENT, LINK, NAME
from nisba.formats.fragments import named
from nisba.formats.offsets import Units
from nisba.formats.structures import Cas, Structure, Value
from nisba.schema import ROLES, Claim, Document, Entity, SchemaError, Span, excerpt


def structures(document: Document) -> tuple[list[Structure], list[int]]:
    """The structures of a document, ids from 2 on (1 is the text), and the ids of those that are to be in the index."""
    units = Units(document.text)
    rows: list[Structure] = []
    fragments: dict[Span, int] = {}

    def add(kind: str, **values: Value | None) -> int:
        rows.append(Structure(len(rows) + 2, kind, {key: value for key, value in values.items() if value is not None}))
        return rows[-1].id

    def place(span: Span) -> dict[str, Value]:
        return {"sofa": (1,), "begin": units.of(span.start), "end": units.of(span.end)}

    add(ARTICLE, sofa=(1,), identifier=document.id, meta=json.dumps(dict(document.meta), ensure_ascii=False, allow_nan=False))
    for entity in document.entities:
        score = None if entity.score is None else json.dumps(entity.score)
        add(NAME, **place(entity.span), label=entity.label, ambiguous=entity.ambiguous, score=score)
    for claim in document.claims:
        anchor = (claim.cue or claim.content)[0]
        links = []
        for role in ROLES:
            for span in claim.role(role):
                if role == "cue" and span == anchor:
                    continue
                if span not in fragments:
                    fragments[span] = add(FRAGMENT, **place(span))
                links.append(add(LINK, role=role, target=(fragments[span],)))
        add(
            CLAIM,
            **place(anchor),
            identifier=claim.id,
            claimType=claim.type,
            sourceType=claim.source_type,
            stance=claim.stance,
            speaker=claim.speaker,
            optional=not claim.core,
            score=None if claim.score is None else json.dumps(claim.score),
            roles=tuple(links),
        )
    return rows, [row.id for row in rows if row.type != LINK]


def document(cas: Cas, name: str) -> Document:
    """The document of a CAS; ``name`` is its id where it says none. Raises FormatError with everything that is wrong."""
    return _Reading(cas, name).document()


class _Reading:
    """One document under way, and what is wrong with it."""

    def __init__(self, cas: Cas, name: str):
        self.cas, self.name, self.text = cas, name, cas.text or ""
        self.units = Units(self.text)
        self.problems: list[str] = []

    def document(self) -> Document:
        """Raises FormatError."""
        meta = self._article()
        names = [(row, self._entity(row)) for row in self.cas.indexed(NAME)]
        claims = [(row, self._claim(row, name)) for row, name in self._identified()]
        self._raise()
        try:
            return Document(
                self.name, self.text, tuple(name for _, name in names if name), tuple(claim for _, claim in claims if claim), meta
            )
        except SchemaError as error:
            where = {f"entities[{i}]": row.where for i, (row, _) in enumerate(names)}
            where |= {f"claim {excerpt(claim.id)}": row.where for row, claim in claims if claim}
            for problem in error.problems:
                found = where.get(problem.field) or where.get(problem.field.rpartition(".")[0])
                self.problems.append(f"{found}: {problem}" if found else str(problem))
            raise self._error() from None

    def _error(self) -> FormatError:
        return FormatError(f"{excerpt(self.name)}: {problem}" for problem in self.problems)

    def _raise(self) -> None:
        if self.problems:
            raise self._error()

    def _article(self) -> dict[str, Any]:
        """``meta``; the id where the article has one."""
        articles = self.cas.indexed(ARTICLE)
        self.problems += [f"{row.where}: a second {ARTICLE}" for row in articles[1:]]
        meta: dict[str, Any] = {}
        for row in articles[:1]:
            try:
                self.name = row.string("identifier") or self.name
                value = load_row((row.string("meta") or "{}").encode())
                if not isinstance(value, dict):
                    raise row.error("meta", "must be a JSON object", value)
                meta = value
            except FormatError as error:
                self.problems += error.problems
            except ValueError as error:
                self.problems.append(f"{row.where}: {ARTICLE}.meta: {error}")
        return meta

    def _entity(self, row: Structure) -> Entity | None:
        try:
            label: Any = row.string("label")
            return Entity(self._span(row), label, self._score(row), row.flag("ambiguous"))
        except FormatError as error:
            self.problems += error.problems
        except SchemaError as error:
            self.problems += [f"{row.where}: {problem}" for problem in error.problems]
        return None

    def _identified(self) -> Iterable[tuple[Structure, str]]:
        """Every claim with its id; those that people added get the numbers that are free."""
        rows = self.cas.indexed(CLAIM)
        given: list[str | None] = []
        for row in rows:
            try:
                given.append(row.string("identifier"))
            except FormatError as error:
                self.problems += error.problems
                given.append(None)
        return zip(rows, named(given), strict=True)

    def _claim(self, row: Structure, name: str) -> Claim | None:
        try:
            anchor = self._span(row)
            found: dict[str, set[Span]] = {role: set() for role in ROLES}
            for link in self.cas.links(row):
                role = link.string("role")
                if role not in ROLES:
                    raise link.error("role", f"must be one of {', '.join(ROLES)}", role or "")
                found[role].add(self._span(self.cas.target(link, FRAGMENT)))
            if anchor not in found["content"]:
                found["cue"].add(anchor)
            values: dict[str, Any] = {role: tuple(sorted(found[role])) for role in ROLES}
            values |= {"type": row.string("claimType"), "source_type": row.string("sourceType")}
            values |= {"stance": row.string("stance"), "speaker": row.string("speaker"), "score": self._score(row)}
            return Claim(name, **values, core=not row.flag("optional"))
        except FormatError as error:
            self.problems += error.problems
        except SchemaError as error:
            self.problems += [f"{row.where}: claim {excerpt(name)}.{problem}" for problem in error.problems]
        return None

    def _span(self, row: Structure) -> Span:
        """Where an annotation lies, in code points. Raises FormatError, SchemaError."""
        if row.references("sofa") != (self.cas.sofa,):
            raise row.error("sofa", "is not in the text of the first view", row.values.get("sofa"))
        points = [self.units.point(row.number(edge)) for edge in ("begin", "end")]
        if points[0] is None or points[1] is None:
            inside = f"lies outside the text ({self.units.of(len(self.text))} UTF-16 units) or inside a character"
            raise row.error("begin, end", inside, f"{row.values.get('begin')}, {row.values.get('end')}")
        return Span(points[0], points[1])

    def _score(self, row: Structure) -> Any:
        text = row.string("score")
        try:
            return None if text is None else load_row(text.encode())
        except ValueError:
            raise row.error("score", "must be a number in [0, 1]", text) from None
