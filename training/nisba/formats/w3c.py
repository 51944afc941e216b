"""Web annotations, the W3C's model, as JSON-LD: an ``AnnotationPage`` a document, a page a line; or one page alone in a file.

The page has the document as ``nisba:identifier``, ``nisba:text`` and ``nisba:meta``, since the model knows texts only by address.
A name is an annotation whose body tags it (``PER``). A claim is one annotation: its bodies classify it by type, source type and
stance and identify its speaker; each of its targets is a fragment, with a ``nisba:role``. A target's selectors are the position, in
code points as the recommendation asks, and the quotation; where they disagree the file is refused (JavaScript counts UTF-16 units,
which ``repair`` undoes). Who annotated, and when, is not read. Nothing of ours is lost.
Format: https://www.w3.org/TR/annotation-model/, https://www.w3.org/TR/annotation-vocab/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from nisba.files import FormatError
from nisba.formats.bounded import LIMIT, lines, load_row, whole
from nisba.formats.fragments import named
from nisba.formats.gather import Row, gathered, write_texts
from nisba.formats.gather import named as naming
from nisba.formats.offsets import Quote, Repair, located
from nisba.formats.problems import few
from nisba.schema import (
    CLAIM_TYPES,
    ENTITY_LABELS,
    ROLES,
    SOURCE_TYPES,
    STANCES,
    Claim,
    Document,
    Entity,
    Problem,
    SchemaError,
    Span,
    excerpt,
)

T = TypeVar("T")
CONTEXT = ["http://www.w3.org/ns/anno.jsonld", {"nisba": "urn:x-nisba:", "nisba:meta": {"@id": "nisba:meta", "@type": "@json"}}]
PAGE, POSITION, QUOTATION = "AnnotationPage", "TextPositionSelector", "TextQuoteSelector"
AROUND = 20  # characters before and behind a quotation that are quoted with it
CHOICES = {"type": CLAIM_TYPES, "source_type": SOURCE_TYPES, "stance": STANCES}  # no value is in two of them


def write(documents: Iterable[Document], path: Path) -> int:
    """Write a page a line; the file appears whole or not at all. Returns how many there were."""
    return write_texts((json.dumps(page(document), ensure_ascii=False, allow_nan=False) + "\n" for document in documents), path)


def losses(document: Document) -> list[str]:
    """Nothing is lost."""
    return []


def page(document: Document) -> dict[str, Any]:
    """A document as an ``AnnotationPage``."""
    source = f"urn:x-nisba:document:{quote(document.id, safe='')}"
    items = []
    for number, entity in enumerate(document.entities, 1):
        body = _body("tagging", entity.label)
        item = _annotation(f"{source}#name-{number}", "tagging", body, _target(document, source, entity.span), entity.score)
        items.append(item | ({"nisba:ambiguous": True} if entity.ambiguous else {}))
    for number, claim in enumerate(document.claims, 1):
        bodies = [_body("classifying", value) for value in (claim.type, claim.source_type, claim.stance)]
        bodies += [] if claim.speaker is None else [_body("identifying", claim.speaker)]
        targets = [_target(document, source, span) | {"nisba:role": role} for role in ROLES for span in claim.role(role)]
        item = _annotation(f"{source}#claim-{number}", "classifying", bodies, targets, claim.score)
        items.append(item | {"nisba:identifier": claim.id} | ({} if claim.core else {"nisba:optional": True}))
    return {
        "@context": CONTEXT,
        "id": f"{source}#page",
        "type": PAGE,
        "nisba:identifier": document.id,
        "nisba:text": document.text,
        "nisba:meta": dict(document.meta),
        "items": items,
    }


def _body(purpose: str, value: str) -> dict[str, str]:
    return {"type": "TextualBody", "purpose": purpose, "value": value}


def _annotation(name: str, motivation: str, body: Any, target: Any, score: float | None) -> dict[str, Any]:
    row = {"id": name, "type": "Annotation", "motivation": motivation, "body": body, "target": target}
    return row if score is None else row | {"nisba:score": score}


def _target(document: Document, source: str, span: Span) -> dict[str, Any]:
    before, behind = document.text[max(0, span.start - AROUND) : span.start], document.text[span.end : span.end + AROUND]
    quotation = {"type": QUOTATION, "exact": span.of(document.text), "prefix": before, "suffix": behind}
    return {
        "type": "SpecificResource",
        "source": source,
        "selector": [{"type": POSITION, "start": span.start, "end": span.end}, quotation],
    }


def read(path: Path, *, repair: Repair | None = None) -> Iterator[Document]:
    """The document of every page, as a stream. Raises FormatError with all problems once the end is reached, OSError."""
    yield from gathered(_rows(path), lambda raw, number: _document(load_row(raw), f"{path.stem}-{number}", repair), str(path))


def _rows(path: Path) -> Iterator[Row]:
    """A page a line; the whole file where its first line is no more than the opening of one."""
    with path.open("rb") as stream:
        alone = stream.readline(LIMIT).strip() == b"{"
        stream.seek(0)
        if alone:
            yield str(path), 1, whole(path)
        else:
            yield from ((f"{path}:{number}", number, raw) for number, raw in enumerate(lines(stream, str(path)), 1) if raw.strip())


def _document(row: Any, fallback: str, repair: Repair | None) -> Document:
    """Raises FormatError, ValueError."""
    if not isinstance(row, dict) or row.get("type") != PAGE or not isinstance(row.get("items"), list):
        raise ValueError(f"must be an {PAGE} with items: «{excerpt(str(row))}»")
    text, name = row.get("nisba:text"), row.get("nisba:identifier", fallback)
    if not isinstance(text, str):
        raise ValueError("the page has no nisba:text, without which positions mean nothing")  # noqa: TRY004
    reading = _Reading()
    try:
        for number, item in enumerate(row["items"]):
            few(reading.problems)
            reading.item(f"items[{number}]", item)
        spans, wrong = located(text, reading.quotes, repair)
        if reading.problems or wrong:
            raise FormatError(reading.problems + wrong)
        return Document(name, text, reading.entities(spans), reading.claims(spans), row.get("nisba:meta", {}))
    except FormatError as error:
        raise FormatError(f"{excerpt(str(name))}: {problem}" for problem in error.problems) from None
    except SchemaError as error:
        raise naming(str(name), error) from None


class _Reading:
    """The annotations of a page: places first, since all of a page must agree on what they count."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.quotes: list[Quote] = []
        self._names: list[tuple[str, int, dict[str, Any]]] = []
        self._claims: list[tuple[str, dict[str, list[int]], dict[str, Any]]] = []  # roles: indices of quotes

    def item(self, where: str, item: Any) -> None:
        """Take an annotation, or what is wrong with it."""
        try:
            said = [(body.get("purpose"), body.get("value")) for body in _objects(item, "body")]
            targets = _objects(item, "target")
            places = [self._place(f"{where}.target[{i}]", target) for i, target in enumerate(targets)]
            values = {"score": item.get("nisba:score")}
            if len(said) == len(places) == 1 and said[0][0] == "tagging" and said[0][1] in ENTITY_LABELS:
                values |= {"label": said[0][1], "ambiguous": _flag(item, "nisba:ambiguous")}
                self._names.append((where, places[0], values))
            else:
                values |= _chosen(said) | {"id": _identifier(item), "core": not _flag(item, "nisba:optional")}
                self._claims.append((where, _roles(targets, places), values))
        except ValueError as error:
            self.problems.append(f"{where}: {error}")

    def _place(self, where: str, target: dict[str, Any]) -> int:
        """The number of the quote that a target is."""
        selectors = {str(selector.get("type")): selector for selector in _objects(target, "selector")}
        position, quotation = selectors.get(POSITION, {}), selectors.get(QUOTATION, {})
        start, end, exact = position.get("start"), position.get("end"), quotation.get("exact")
        if type(start) is not int or type(end) is not int or not isinstance(exact, str):
            raise ValueError(f"target: needs a {POSITION} and a {QUOTATION}: «{excerpt(str(target.get('selector')))}»")
        self.quotes.append((start, end, exact, where))
        return len(self.quotes) - 1

    def entities(self, spans: list[tuple[int, int]]) -> tuple[Entity, ...]:
        """The names, where the quotes lie at ``spans``. Raises SchemaError."""
        return _built([(where, partial(_entity, spans[i], values)) for where, i, values in self._names])

    def claims(self, spans: list[tuple[int, int]]) -> tuple[Claim, ...]:
        """The claims, where the quotes lie at ``spans``. Raises SchemaError."""

        def claim(name: str, roles: dict[str, list[int]], values: dict[str, Any]) -> Claim:
            fragments: dict[str, Any] = {role: tuple(sorted(Span(*spans[i]) for i in roles[role])) for role in ROLES}
            return Claim(**fragments | values | {"id": name})

        names = named([values["id"] for _, _, values in self._claims])
        parts = [
            (where, partial(claim, name, roles, values)) for name, (where, roles, values) in zip(names, self._claims, strict=True)
        ]
        return _built(parts)


def _entity(place: tuple[int, int], values: dict[str, Any]) -> Entity:
    return Entity(Span(*place), **values)


def _built(parts: Sequence[tuple[str, Callable[[], T]]]) -> tuple[T, ...]:
    """All parts; raises SchemaError with what is wrong with any of them."""
    built, problems = [], []
    for where, build in parts:
        try:
            built.append(build())
        except SchemaError as error:
            problems += [Problem(f"{where}: {problem.field}", problem.message, problem.text) for problem in error.problems]
    if problems:
        raise SchemaError(problems)
    return tuple(built)


def _objects(row: Any, key: str) -> list[dict[str, Any]]:
    """The value of a key that may hold one object or several. Raises ValueError."""
    value = row.get(key, []) if isinstance(row, dict) else row
    found = value if isinstance(value, list) else [value]
    if not isinstance(row, dict) or not all(isinstance(item, dict) for item in found):
        raise ValueError(f"{key}: must be an object or a list of objects: «{excerpt(str(value))}»")
    return found


def _chosen(said: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """What the bodies of a claim say of it. Raises ValueError for anything else."""
    values: dict[str, Any] = {}
    for purpose, value in said:
        field = "speaker" if purpose == "identifying" else next((f for f, choices in CHOICES.items() if value in choices), "")
        if purpose not in ("identifying", "classifying") or not field or field in values:
            raise ValueError(f"body: says nothing that names and claims have, or says it twice: «{excerpt(f'{purpose}: {value}')}»")
        values[field] = value
    missing = [field for field in CHOICES if field not in values]
    if missing:
        raise ValueError(f"body: is neither a name's nor a claim's; a claim lacks its {', '.join(missing)}")
    return values


def _flag(item: dict[str, Any], key: str) -> bool:
    value = item.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{key}: must be true or false: «{excerpt(str(value))}»")  # noqa: TRY004
    return value


def _identifier(item: dict[str, Any]) -> str | None:
    name = item.get("nisba:identifier")
    if name is not None and not isinstance(name, str):
        raise ValueError(f"nisba:identifier: must be a string: «{excerpt(str(name))}»")
    return name


def _roles(targets: Sequence[dict[str, Any]], places: Sequence[int]) -> dict[str, list[int]]:
    roles: dict[str, list[int]] = {role: [] for role in ROLES}
    for target, place in zip(targets, places, strict=True):
        if target.get("nisba:role") not in ROLES:
            raise ValueError(f"target: nisba:role must be one of {', '.join(ROLES)}: «{excerpt(str(target.get('nisba:role')))}»")
        roles[target["nisba:role"]].append(place)
    return roles
