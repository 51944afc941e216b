"""WebAnno TSV 3.x, as WebAnno and INCEpTION export and import it: one file a document. Lossless.

The layers are those of ``cas`` (``configs/annotation/inception/layers.json``, to be imported into the project before any document):
``nisba.Name``, and ``nisba.Claim`` with slots to ``nisba.Fragment``. Names in WebAnno's own layer for named entities are read as
well, where their value is one of our labels. Relations, chains and other layers have no place in a document;
``meta["webanno_layers"]`` says how many annotations each of them had.

Tokens are words, sentences ours; together they cover the text from the first word on, so that it comes back as it was. What the
layers do not hold stands as JSON in the id of the first sentence, which INCEpTION keeps: the document's id and meta, what stands
before the first word where that is not spaces, and values with carriage returns.

Offsets are UTF-16 units. Files of other tools that count code points are refused, unless the repair ``utf16`` is asked for.
Format: https://inception-project.github.io/releases/latest/docs/user-guide.html (WebAnno TSV 3.3 file format)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nisba.files import FormatError, atomic
from nisba.formats import ann, bounded, collection, webanno_table
from nisba.formats.bounded import load_row
from nisba.formats.cas_document import document as compose
from nisba.formats.cas_types import ARTICLE, CLAIM, FRAGMENT, LINK, NAME
from nisba.formats.offsets import Repair, Units
from nisba.formats.structures import Cas, Structure, Value
from nisba.formats.webanno_rows import rows
from nisba.formats.webanno_table import Mark, Table
from nisba.schema import Document, excerpt

ENDING = ".tsv"
SOFA = 1  # the number of the text
ENTITY = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
OTHERS = "webanno_layers"  # the key of meta for what was not taken
_TAKEN = {NAME: NAME, ENTITY: NAME, FRAGMENT: FRAGMENT, CLAIM: CLAIM}
_KEYS: dict[str, type] = {"id": str, "meta": dict, "lead": str, "returns": dict}


def read(path: Path, *, repair: Repair | None = None) -> Iterator[Document]:
    """The documents of a folder with its sub-folders, or of one file. One that carries no id is named after its file. Raises
    FormatError with everything that is wrong, once the end is reached."""
    if repair not in (None, "utf16"):
        raise FormatError([f"{path}: offsets in WebAnno TSV can be taken for code points (utf16), not repaired as {repair}"])
    problems: list[str] = []
    entries = collection.files(path, ENDING, problems) if path.is_dir() else [(path, path.stem)]

    def parse(file: Path, name: str) -> Document:
        return _document(bounded.text(file), str(file), name, points=repair is not None)

    yield from collection.read(entries, parse, problems, path)


def write(documents: Iterable[Document], path: Path) -> int:
    """Write a folder, or one document where ``path`` ends in ``.tsv``; whole or not at all. Returns how many documents there were.
    Raises FileExistsError where the folder holds anything else, or annotation that somebody has changed."""
    if path.suffix == ENDING:
        first, *others = documents
        if others:
            raise FormatError([f"{path}: a file holds one document, and there are {len(others) + 1}; name a folder"])
        with atomic(path) as stream:
            stream.writelines(f"{row}\n" for row in rows(first))
        return 1
    names, count = collection.Names(), 0
    with collection.folder(path, ENDING) as put:
        for count, document in enumerate(documents, 1):  # noqa: B007
            put(names.of(document.id) + ENDING, "".join(f"{row}\n" for row in rows(document)))
    return count


def losses(document: Document) -> list[str]:
    """Nothing is lost."""
    return []


def _document(raw: str, file: str, name: str, *, points: bool) -> Document:
    def at(line: int) -> str:
        return f"{file}:{line}: {excerpt(name)}"

    try:
        table = webanno_table.parse(raw, at, points=points)
    except FormatError as error:
        raise FormatError(f"{problem}{_hint(raw, at, points=points)}" for problem in error.problems) from None
    try:
        note = _note(table.note or "")
    except ValueError as error:
        line = next(i for i, row in enumerate(raw.split("\n"), 1) if row.startswith(webanno_table.SENTENCE))
        raise FormatError([f"{at(line)}: {error}: «{excerpt(table.note or '')}»"]) from None
    lead = note.get("lead", "")
    width = Units(lead).of(len(lead))
    if table.text.startswith(" " * width):
        table.text = lead + table.text[width:]
    try:
        return compose(_cas(table, note, points=points), name)
    except FormatError as error:
        raise FormatError(f"{file}: {problem}" for problem in error.problems) from None


def _hint(raw: str, at: ann.At, *, points: bool) -> str:
    """What would mend offsets that fit nowhere, in words for the end of a message."""
    try:
        webanno_table.parse(raw, at, points=not points)
    except FormatError:
        return ""
    if points:
        return "; the offsets are right as they are: leave out --repair-offsets utf16"
    return "; the offsets count code points, not UTF-16 units: all of the document fit with --repair-offsets utf16"


def _note(text: str) -> dict[str, Any]:
    """What was carried along in a sentence's id; nothing in ids of others. Raises ValueError."""
    row = load_row(text.encode()) if text.startswith("{") else {}
    if any(key not in _KEYS or not isinstance(value, _KEYS[key]) for key, value in row.items()):
        raise ValueError(f"the sentence's id is JSON, but not as nisba writes it (with {', '.join(_KEYS)})")
    return dict(row)


def _cas(table: Table, note: Mapping[str, Any], *, points: bool) -> Cas:
    """The annotations as the structures that ``cas`` reads. Raises FormatError for slots that lead to nothing."""
    others = Counter(table.others) + Counter(mark.layer for mark in table.marks if mark.layer not in _TAKEN)
    meta = note.get("meta", {}) | ({OTHERS: dict(sorted(others.items()))} if others else {})
    returns = note.get("returns", {})
    cas, units, problems = Cas(table.text, sofa=SOFA), Units(table.text), list[str]()
    ids: dict[int, int] = {}

    def add(kind: str, line: int, values: Mapping[str, Value | None]) -> int:
        number = len(cas.structures) + 1
        given = {key: value for key, value in values.items() if value is not None}
        cas.add(Structure(number, kind, given, f"line {line}"), problems)
        return number

    add(ARTICLE, 1, {"identifier": note.get("id"), "meta": json.dumps(meta)})
    for mark in _ordered(table.marks):
        begin, end = (units.of(mark.begin), units.of(mark.end)) if points else (mark.begin, mark.end)
        values: dict[str, Value | None] = {"sofa": (SOFA,), "begin": begin, "end": end}
        if mark.layer == ENTITY:
            values["label"] = mark.values.get("value")
        else:
            values |= {name: returns.get(value, value) for name, value in mark.values.items()}
        if mark.layer == CLAIM:
            targets = _targets(table, mark, ids, problems)
            values["roles"] = tuple(add(LINK, mark.line, {"role": role, "target": target}) for role, target in targets)
        ids[id(mark)] = add(_TAKEN[mark.layer], mark.line, values)
    if problems:
        raise FormatError(problems)
    cas.members = frozenset(cas.structures)
    return cas


def _ordered(marks: Sequence[Mark]) -> list[Mark]:
    """The annotations that are taken, claims last: by number where all of a layer have one, else as they stand in the text."""
    numbered = {layer: all(mark.number for mark in marks if mark.layer == layer) for layer in _TAKEN}
    taken = [mark for mark in marks if mark.layer in _TAKEN]
    return sorted(
        taken, key=lambda mark: (mark.layer == CLAIM, (mark.number,) if numbered[mark.layer] else (mark.begin, -mark.end))
    )


def _targets(table: Table, mark: Mark, ids: Mapping[int, int], problems: list[str]) -> Iterator[tuple[str | None, tuple[int, ...]]]:
    """Every slot's role and the structure that it leads to."""
    for role, unit, number in mark.slots:
        target = table.target(mark, unit, number)
        if target is None or id(target) not in ids:
            leads = "nothing" if target is None else f"a {excerpt(target.layer)}"
            given = f"{excerpt(str(role))} {excerpt(unit)}" + (f"[{number}]" if number else "")
            problems.append(f"line {mark.line}: a slot of {CLAIM} leads to {leads}: «{given}»")
        else:
            yield role, (ids[id(target)],)
