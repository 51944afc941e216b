"""Prodigy: tasks with tokens, spans and relations, one a line (https://prodi.gy/docs/api-interfaces#relations).

::

    {"text": "…", "tokens": [{"text": "وقال", "start": 0, "end": 4, "id": 0, "ws": true, "disabled": false}, …],
     "spans": [{"id": 0, "start": 0, "end": 4, "token_start": 0, "token_end": 0, "label": "cue:neutral", "text": "وقال"}, …],
     "relations": [{"head": 7, "child": 0, "head_span": {…}, "child_span": {…}, "label": "claim"}], "nisba": "…"}

How regions and links make a document, and what the labels are called, is told in ``regions``; what Prodigy shows no place for is
under ``nisba`` (see ``carried``). ``head`` and ``child`` are the last tokens of the two spans, which ``head_span`` and
``child_span`` repeat. A span is known by its ``id`` where there is one, else by where it is and its label; else the token must lie
at the end of one span only. Of what people saved, ``accept`` counts (and has no scores); a task that was rejected or ignored
becomes a document in which nothing is annotated. So does one without ``spans`` (text classification, say): whether anybody looked
for names, nothing tells. Where there are only names, and no ``relations``, names are all that is annotated. Spans that somebody was
shown one at a time, to say yes or no to (``ner.teach``; the views ``ner`` and ``spans``), are refused: they tell nothing of the
rest of the text. ``meta`` and keys of one's own are the document's ``meta``.

Tokens are words and single other characters, so that every span ends with one. The tool's relations view draws no spans that
overlap; its spans view does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import regex

from nisba.files import FormatError
from nisba.formats.bounded import LIMIT
from nisba.formats.carried import KEY, pack
from nisba.formats.gather import json_lines, named, opened, write_json_lines
from nisba.formats.linked import compose
from nisba.formats.offsets import Quote, Repair, located
from nisba.formats.regions import LABELS, LINK, NAMED, Region, draw, name
from nisba.schema import ENTITY_LABELS, WORD, Document, SchemaError, excerpt

_OWN = frozenset(("id", "text", "tokens", "spans", "relations", "meta", "answer", KEY))
_TOKENS = regex.compile(rf"{WORD}+|.", regex.DOTALL)
_Key = tuple[int | str | None, ...]
_LONGEST = 4 * LIMIT  # bytes of a line: every word is there once more, with some eighty bytes around it
_ANSWERS = ("accept", "reject", "ignore")
_SINGLE = ("ner", "spans")  # views in which nothing can be marked


def read(path: Path, *, repair: Repair | None = None) -> Iterator[Document]:
    """Every line as a document, as a stream. ``repair``: see ``offsets``. Raises FormatError with all of the file's problems once
    its end is reached, OSError."""
    yield from json_lines(path, lambda row, number: _document(row, f"{path.stem}-{number}", repair), limit=_LONGEST)


def write(documents: Iterable[Document], path: Path) -> int:
    """Write documents as tasks; the file appears whole or not at all. Returns how many there were."""
    return write_json_lines(map(_task, documents), path)


def losses(document: Document) -> list[str]:
    """What the format cannot hold of a document: nothing."""
    return []


def tokens(text: str) -> list[dict[str, Any]]:
    """The text as Prodigy and spaCy have it: pieces that, each with a space behind it where ``ws`` says so, make the text again."""
    found: list[dict[str, Any]] = []
    for match in _TOKENS.finditer(text):
        if match[0] == " " and found and not found[-1]["ws"]:
            found[-1]["ws"] = True
        else:
            start, end = match.span()
            found.append({"text": match[0], "start": start, "end": end, "id": len(found), "ws": False, "disabled": False})
    return found


def _task(document: Document) -> dict[str, Any]:
    regions, links = draw(document)
    pieces = tokens(document.text)
    starts = {piece["start"]: piece["id"] for piece in pieces}
    ends = {piece["end"]: piece["id"] for piece in pieces}
    spans = [
        {"id": i, "start": region.start, "end": region.end, "token_start": starts[region.start], "token_end": ends[region.end]}
        | {"label": name(region), "text": document.text[region.start : region.end]}
        for i, region in enumerate(regions)
    ]
    relations = [
        {"head": spans[one]["token_end"], "child": spans[other]["token_end"]}
        | {"head_span": _end(spans[one]), "child_span": _end(spans[other]), "label": LINK}
        for one, other in links
    ]
    return {"text": document.text, "tokens": pieces, "spans": spans, "relations": relations, KEY: pack(document)}


def _end(span: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in span.items() if key != "text"}


def _document(row: Mapping[str, Any], number: str, repair: Repair | None) -> Document:
    """``number`` names what has no name. Raises FormatError."""
    shown = row.get("id", row["meta"].get("id", number) if isinstance(row.get("meta"), dict) else number)
    title, before = opened(row, shown, number)
    text, answer = row.get("text"), row.get("answer")
    problems: list[str] = []
    if not isinstance(text, str):
        problems.append(f"text: must be a string: «{excerpt(str(text))}»")
    if answer is not None and answer not in _ANSWERS:
        problems.append(f"answer: must be {', '.join(_ANSWERS)}: «{excerpt(str(answer))}»")
    refused = answer in ("reject", "ignore")
    if row.get("_view_id") in _SINGLE and KEY not in row and not refused:
        what = "a yes to single spans tells nothing of the rest of the text; complete them in Prodigy (ner.silver-to-gold)"
        problems.append(f"_view_id: {what}: «{row['_view_id']}»")
    spans, relations = ([], []) if refused else (_listed(row, key, problems) for key in ("spans", "relations"))
    regions = _regions(text, row, spans, repair, problems) if isinstance(text, str) and not problems else []
    links = _links(relations, spans, problems) if not problems else []
    if problems or not isinstance(text, str):
        raise FormatError(f"{excerpt(title)}: {line}" for line in problems)
    meta = dict(before.meta) if before else {}
    meta |= row["meta"] if isinstance(row.get("meta"), dict) else {}
    meta |= {key: value for key, value in row.items() if key not in _OWN and not key.startswith("_")}
    if refused:
        meta["layers"] = []
    elif not before and "relations" not in row and all(region.label in ENTITY_LABELS for region in regions):
        meta = {"layers": ["names"] if isinstance(row.get("spans"), list) else []} | meta
    confirmed = answer == "accept"
    before = before.without_scores() if before and confirmed else before
    try:
        return compose(title, text, regions, links, before=before, meta=meta, confirmed=confirmed)
    except SchemaError as error:
        raise named(title, error) from None


def _listed(row: Mapping[str, Any], key: str, problems: list[str]) -> list[dict[str, Any]]:
    items = row.get(key) or []
    if not isinstance(items, list):
        problems.append(f"{key}: must be a list: «{excerpt(str(items))}»")
        return []
    problems += [f"{key}[{i}]: must be an object: «{excerpt(str(x))}»" for i, x in enumerate(items) if not isinstance(x, dict)]
    return items


def _regions(
    text: str, row: Mapping[str, Any], spans: Sequence[Mapping[str, Any]], repair: Repair | None, problems: list[str]
) -> list[Region]:
    """The spans as regions, checked against what they or their tokens quote."""
    quotes: list[Quote] = []
    labels: list[tuple[str, str | None, bool]] = []
    for i, span in enumerate(spans):
        where, start, end, label = f"spans[{i}]", span.get("start"), span.get("end"), span.get("label")
        if type(start) is not int or type(end) is not int:
            problems.append(f"{where}: start and end must be integers: «{excerpt(str(span))}»")
            continue
        if not isinstance(label, str) or label not in NAMED:
            problems.append(f"{where}: is not a label of nisba's ({', '.join(LABELS)}): «{excerpt(str(label))}»")
            continue
        quoted = span.get("text", _tokens_of(row, span))
        if not isinstance(quoted, str) and repair:
            problems.append(f"{where}: quotes nothing, so nobody can tell whether the offsets need a repair")
        quotes.append((start, end, quoted if isinstance(quoted, str) else text[start:end], where))
        labels.append(NAMED[label])
    places, wrong = located(text, quotes, repair) if quotes else ([], [])
    problems += wrong
    return [
        Region(start, end, label, choice, doubt, where=where)
        for (start, end), (label, choice, doubt), (_, _, _, where) in zip(places, labels, quotes, strict=False)
    ]


def _tokens_of(row: Mapping[str, Any], span: Mapping[str, Any]) -> str | None:
    """What the tokens say is in a span that does not say so itself."""
    pieces, first, last = row.get("tokens"), span.get("token_start"), span.get("token_end")
    if not isinstance(pieces, list) or type(first) is not int or type(last) is not int or not 0 <= first <= last < len(pieces):
        return None
    try:
        return "".join(piece["text"] + " " * bool(piece.get("ws", True)) for piece in pieces[first : last + 1]).removesuffix(" ")
    except (TypeError, KeyError, AttributeError):
        return None


def _links(
    relations: Sequence[Mapping[str, Any]], spans: Sequence[Mapping[str, Any]], problems: list[str]
) -> list[tuple[int, int]]:
    index: dict[_Key, list[int]] = defaultdict(list)
    for i, span in enumerate(spans):
        for key in _keys(span, span.get("token_end")):
            index[key].append(i)
    links = []
    for i, relation in enumerate(relations):
        if relation.get("label") != LINK:
            problems.append(f"relations[{i}]: a relation that nisba has no place for: «{excerpt(str(relation.get('label')))}»")
            continue
        ends: list[int] = []
        for end in ("head", "child"):
            given = relation.get(f"{end}_span")
            span = given if isinstance(given, dict) else {}
            alike = [index[key] for key in _keys(span, relation.get(end)) if key in index]
            ends += next((found for found in alike if len(found) == 1), [])
            if not any(len(found) == 1 for found in alike):
                what = "several spans are alike there" if alike else "no span is there"
                problems.append(f"relations[{i}].{end}: {what}: «{excerpt(str(given or relation.get(end)))}»")
        if len(ends) == 2:
            links.append((ends[0], ends[1]))
    return links


def _keys(span: Mapping[str, Any], token: Any) -> list[_Key]:
    """What a span can be told by, the surest first."""
    values = [value if isinstance(value, int | str) else None for value in map(span.get, ("start", "end", "label", "id"))]
    keys: list[_Key] = [tuple(values[:count]) for count in (4, 3, 2)] if values[0] is not None else []
    return [*keys, ("token", token)] if isinstance(token, int) else keys
