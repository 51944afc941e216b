"""doccano: the JSON Lines with relations of a sequence labelling project, to import and as exported (https://github.com/doccano/doccano).

A line is a text with its ``entities`` and ``relations``::

    {"text": "…", "entities": [{"id": 0, "start_offset": 0, "end_offset": 4, "label": "cue:neutral"}, …],
     "relations": [{"id": 0, "from_id": 1, "to_id": 0, "type": "claim"}], "nisba": "…"}

How regions and links make a document, and what the labels are called, is told in ``regions``; ``configs/annotation/doccano`` has
the span types and the relation type to import. doccano numbers everything anew and gives back unknown keys as they were: what it
shows no place for is under ``nisba`` (see ``carried``), other unknown keys are ``meta``, comments ``meta["comments"]``. The project
must have relations and allow overlapping, else doccano drops what overlaps; it takes no empty text.

Layouts without relations are read too: ``label`` or ``labels`` with ``[start, end, label]``, the text perhaps as ``data``. They
hold names alone, or contents alone. A line without any of them is a document in which nothing is annotated (``meta["layers"]``).

doccano's editor counts UTF-16 units and quotes nothing (https://github.com/doccano/doccano/issues/2290). Files of nisba count so as
well. In others offsets are code points, as programs count, unless the repair ``utf16`` is asked for; where that is due, or cannot
be told, a problem says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import regex

from nisba.files import FormatError
from nisba.formats.carried import KEY, Carried, pack
from nisba.formats.gather import json_lines, named, opened, write_json_lines
from nisba.formats.linked import compose
from nisba.formats.offsets import Repair, Units
from nisba.formats.regions import LABELS, LINK, NAMED, Region, draw, name
from nisba.schema import ENTITY_LABELS, Document, SchemaError, excerpt, is_edge_char, is_word_char

_OWN = frozenset(("id", "text", "data", "entities", "relations", "label", "labels", "Comments", "comments", KEY))
_GRAPHEMES = regex.compile(r"\X")
_Entity = tuple[int, int, int, str, str]  # id, start, end, label, where it stands
_Place = tuple[int | None, int | None]
_NO_RELATIONS = "this layout has no relations to tell what it belongs to; export with relations"


def read(path: Path, *, repair: Repair | None = None) -> Iterator[Document]:
    """Every line as a document, as a stream. Raises FormatError with all of the file's problems once its end is reached, OSError.
    ``repair``: only ``utf16`` can be undone, where nisba did not write the file."""
    yield from json_lines(path, lambda row, number: _document(row, f"{path.stem}-{number}", repair))


def write(documents: Iterable[Document], path: Path) -> int:
    """Write documents to import; the file appears whole or not at all. Returns how many there were."""
    return write_json_lines(_rows(documents), path)


def losses(document: Document) -> list[str]:
    """What the format cannot hold of a document: nothing."""
    return []


def _rows(documents: Iterable[Document]) -> Iterator[dict[str, Any]]:
    """A line each. Numbers go on from line to line: some releases mix up what has one number in two lines."""
    entity, relation = count(), count()
    for document in documents:
        units = Units(document.text)
        regions, links = draw(document)
        entities = [
            {"id": next(entity), "start_offset": units.of(r.start), "end_offset": units.of(r.end), "label": name(r)}
            for r in regions
        ]
        relations = [
            {"id": next(relation), "from_id": entities[one]["id"], "to_id": entities[other]["id"], "type": LINK}
            for one, other in links
        ]
        yield {"text": document.text, "entities": entities, "relations": relations, KEY: pack(document)}


def _document(row: Mapping[str, Any], number: str, repair: Repair | None) -> Document:
    """``number`` names what has no name. Raises FormatError."""
    shown = row.get("id", number)
    title, before = opened(row, shown, number)
    problems: list[str] = []
    text = row.get("text", row.get("data"))
    if not isinstance(text, str):
        raise FormatError([f"{excerpt(title)}: text: must be a string: «{excerpt(str(text))}»"])
    entities, related = _entities(row, problems)
    regions = _regions(text, entities, before, repair, problems) if not problems else []
    links = _links(row, {entity[0]: i for i, entity in enumerate(entities)}, problems) if related and not problems else []
    if not related:
        odd = [region for region in regions if region.label not in (*ENTITY_LABELS, "content")]
        problems += [f"{r.where}: {r.label}: {_NO_RELATIONS}: «{excerpt(text[r.start : r.end])}»" for r in odd]
    if problems:
        raise FormatError(f"{excerpt(title)}: {line}" for line in problems)
    meta = _meta(row, before)
    if not before and not related and all(region.label in ENTITY_LABELS for region in regions):
        meta = {"layers": ["names"] if "label" in row or "labels" in row else []} | meta
    try:
        return compose(title, text, regions, links, before=before, meta=meta)
    except SchemaError as error:
        raise named(title, error) from None


def _meta(row: Mapping[str, Any], before: Carried | None) -> dict[str, Any]:
    """What nisba carried, with the keys that doccano knows nothing of. It fills columns that a line has not with null."""
    meta = dict(before.meta) if before else {}
    meta |= {key: value for key, value in row.items() if key not in _OWN and value is not None}
    comments = row.get("Comments") or row.get("comments")
    return meta | {"comments": comments} if comments else meta


def _entities(row: Mapping[str, Any], problems: list[str]) -> tuple[list[_Entity], bool]:
    """The labelled spans of either layout, in the file's units, and whether the layout has relations."""
    if "annotations" in row and "entities" not in row:
        problems.append(
            f"annotations: give labels by number; export as JSONL with text labels: «{excerpt(str(row['annotations']))}»"
        )
    related = "entities" in row
    keys = [key for key in ("entities", "labels", "label") if row.get(key)]
    if len(keys) > 1 or (row.get("relations") and not related):
        problems.append(
            f"{' and '.join(keys) or 'relations'}: are of two layouts; keep entities and relations: «{excerpt(', '.join(row))}»"
        )
    key = next(iter(keys), "entities")
    found: list[_Entity] = []
    given = row.get(key) or []
    for i, item in enumerate(given if isinstance(given, list) else [given]):
        where = f"{key}[{i}]"
        if isinstance(item, dict):
            start, end, label = (item.get(part) for part in ("start_offset", "end_offset", "label"))
            number = item.get("id", None if related else i)
        else:
            number, (start, end, label) = i, item if isinstance(item, list) and len(item) == 3 else (None, None, None)
        if type(start) is not int or type(end) is not int or not isinstance(number, int):
            problems.append(f"{where}: must have {'id, ' if related else ''}start, end and label: «{excerpt(str(item))}»")
        elif not isinstance(label, str) or label not in NAMED:
            problems.append(f"{where}: is not a label of nisba's ({', '.join(LABELS)}): «{excerpt(str(label))}»")
        else:
            found.append((number, start, end, label, where))
    first = {entity[0]: entity for entity in reversed(found)}
    problems += [f"{e[4]}: the id is given before, in {first[e[0]][4]}: «{e[0]}»" for e in found if first[e[0]] is not e]
    return found, related


def _links(row: Mapping[str, Any], index: Mapping[int, int], problems: list[str]) -> list[tuple[int, int]]:
    links = []
    given = row.get("relations") or []
    for i, item in enumerate(given if isinstance(given, list) else [given]):
        one, other, kind = (
            (item.get(part) for part in ("from_id", "to_id", "type")) if isinstance(item, dict) else (None, None, None)
        )
        if kind != LINK:
            problems.append(f"relations[{i}]: a relation that nisba has no place for: «{excerpt(str(item))}»")
        elif not isinstance(one, int) or not isinstance(other, int) or one not in index or other not in index:
            problems.append(f"relations[{i}]: relates what is not there: «{excerpt(f'{one} – {other}')}»")
        else:
            links.append((index[one], index[other]))
    return links


def _regions(
    text: str, entities: Sequence[_Entity], before: Carried | None, repair: Repair | None, problems: list[str]
) -> list[Region]:
    """The entities in code points of the text."""
    units = Units(text)
    as_units: list[_Place] = [(units.point(start), units.point(end)) for _, start, end, _, _ in entities]
    as_points: list[_Place] = [(start, end) for _, start, end, _, _ in entities]
    if repair in ("crlf", "bom"):
        problems.append(f"doccano quotes nothing, so a repair {repair} cannot be checked; utf16 is the only one")
    elif before is None and repair is None:
        problems += _doubts(text, as_points, as_units)
    places = as_points if before is None and repair is None else as_units
    regions = []
    for (_, start, end, label, where), (one, other) in zip(entities, places, strict=True):
        if one is None or other is None or not 0 <= one < other <= len(text):
            problems.append(f"{where}: [{start}, {end}) is reversed, empty, inside a character or outside the text")
        else:
            regions.append(Region(one, other, *NAMED[label], where=where))
    return regions


def _doubts(text: str, as_points: Sequence[_Place], as_units: Sequence[_Place]) -> list[str]:
    """What speaks against taking the offsets for code points: spans of whole words in other units."""
    fit = all(_fits(text, place) for place in as_points)
    if as_units != as_points and all(_fits(text, place) for place in as_units):
        doubt = "may count code points or UTF-16 units" if fit else "count UTF-16 units"
        remedy = "doccano's editor counts the latter: all of the document fit with --repair-offsets utf16"
        return [f"entities: the offsets {doubt}; {remedy}"]
    if fit:
        return []
    edges = [0, *(match.end() for match in _GRAPHEMES.finditer(text))]
    last = len(edges) - 1
    moved = [(edges[min(max(one or 0, 0), last)], edges[min(max(other or 0, 0), last)]) for one, other in as_points]
    if all(_fits(text, place) for place in moved):
        return ["entities: the offsets count graphemes: the project's option for that was on, and nisba does not read such files"]
    return []


def _fits(text: str, place: _Place) -> bool:
    """Whether a span holds whole words, without white space or punctuation at its edges."""
    start, end = place
    if (
        start is None
        or end is None
        or not 0 <= start < end <= len(text)
        or is_edge_char(text[start])
        or is_edge_char(text[end - 1])
    ):
        return False
    inner = (edge for edge in (start, end) if 0 < edge < len(text))
    return not any(is_word_char(text[edge - 1]) and is_word_char(text[edge]) for edge in inner)
