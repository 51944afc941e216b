"""The interchange format: JSON Lines, one document a line, UTF-8."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from nisba.files import FormatError
from nisba.formats.bounded import lines as bounded_lines
from nisba.formats.bounded import load_row as load_row
from nisba.formats.gather import write_texts
from nisba.formats.problems import few
from nisba.schema import Document, SchemaError, excerpt

LIMIT = 1 << 26  # bytes of a line: a text of many books with all that a model finds in it
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def read(path: Path) -> Iterator[Document]:
    """Every document of a file (``.gz``: packed), as a stream. A file with problems raises FormatError with all of them once its
    end is reached, or there are too many (``problems.few``)."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        try:
            yield from parse(bounded_lines(stream, str(path), LIMIT), str(path))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FormatError([f"{path}: not a whole gzip file: {error}"]) from None


def parse(lines: Iterable[bytes], name: str) -> Iterator[Document]:
    """``read`` for lines that come from anywhere; ``name`` stands in messages."""
    problems: list[str] = []
    seen: dict[str, int] = {}
    try:
        for number, raw in enumerate(lines, 1):
            few(problems)
            if not raw.strip():
                continue
            at = f"{name}:{number}"
            try:
                row = load_row(raw)
            except ValueError as error:
                problems.append(f"{at}: {error}")
                continue
            label = row["id"] if isinstance(row, dict) and isinstance(row.get("id"), str) else None
            prefix = f"{at}: {excerpt(label)}" if label else at
            try:
                document = Document.from_dict(row)
            except SchemaError as error:
                problems += [f"{prefix}: {problem}" for problem in error.problems]
                continue
            if document.id in seen:
                problems.append(f"{prefix}: id: given before, in line {seen[document.id]}: «{excerpt(document.id)}»")
                continue
            seen[document.id] = number
            yield document
    except FormatError as error:  # a line that is too long: the rest cannot be read; or enough problems
        problems = list(dict.fromkeys([*problems, *error.problems]))
    if not seen and not problems:
        problems.append(f"{name}: holds no document")
    if problems:
        raise FormatError(problems)


def write(documents: Iterable[Document], path: Path) -> int:
    """Write documents; the file appears whole or not at all. Returns how many there were."""
    return write_texts(map(dump, documents), path)


def losses(document: Document) -> list[str]:
    """Nothing is lost."""
    return []


def dump(document: Document) -> str:
    """One line of the format, with its line end."""
    return _JSON.encode(document.to_dict()) + "\n"
