"""The interchange format: JSON Lines, one document a line, UTF-8."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nisba.files import FormatError, atomic
from nisba.schema import Document, SchemaError, excerpt


def read(path: Path) -> Iterator[Document]:
    """Every document of a file (``.gz``: packed), as a stream. A file with problems raises FormatError with all of them once its
    end is reached."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        try:
            yield from parse(stream, str(path))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FormatError([f"{path}: not a whole gzip file: {error}"]) from None


def parse(lines: Iterable[bytes], name: str) -> Iterator[Document]:
    """``read`` for lines that come from anywhere; ``name`` stands in messages."""
    problems: list[str] = []
    seen: dict[str, int] = {}
    number = 0
    for number, raw in enumerate(lines, 1):
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
    if not seen and not problems:
        problems.append(f"{name}: holds no document")
    if problems:
        raise FormatError(problems)


def write(documents: Iterable[Document], path: Path) -> int:
    """Write documents; the file appears whole or not at all. Returns how many there were."""
    count = 0
    with atomic(path) as stream:
        for document in documents:
            stream.write(dump(document))
            count += 1
    return count


def dump(document: Document) -> str:
    """One line of the format, with its line end."""
    return json.dumps(document.to_dict(), ensure_ascii=False, allow_nan=False) + "\n"


def load_row(raw: bytes) -> Any:
    """One line as JSON. Raises ValueError for what JSON Lines is not: other encodings, cut lines, keys given twice, NaN."""
    if raw.startswith(b"\xef\xbb\xbf"):
        raise ValueError("begins with a byte order mark; save the file as UTF-8 without BOM")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError("is UTF-16; save the file as UTF-8")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte 0x{raw[error.start]:02x} at byte {error.start} of the line") from None
    try:
        return json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)
    except json.JSONDecodeError as error:
        near = excerpt(text[max(0, error.pos - 20) : error.pos + 20].strip())
        raise ValueError(f"not JSON: {error.msg} at character {error.pos}: «{near}»") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"a key is given twice: «{excerpt(twice)}»")
    return row


def _constant(name: str) -> Any:
    raise ValueError(f"not JSON: «{name}» is no number")
