"""Documents out of a file's rows, where one bad row hides no other: all problems are raised at the end, as one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nisba.files import FormatError, atomic
from nisba.formats.bounded import LIMIT, lines, load_row
from nisba.formats.carried import KEY, Carried, unpack
from nisba.formats.problems import few
from nisba.schema import Document, SchemaError, excerpt

Row = tuple[str, int, Any]  # where it stands (for messages), its number, what is there


def gathered(rows: Iterable[Row], build: Callable[[Any, int], Document], name: str) -> Iterator[Document]:
    """The document of every row, as a stream. ``build`` raises FormatError with lines that name the document. Raises FormatError at
    the end, or once there are too many (``problems.few``), with the problems of all rows, ids given twice, or that there is no row.
    A row that ends the file early is the last."""
    problems: list[str] = []
    seen: dict[str, int] = {}
    try:
        for at, number, row in rows:
            few(problems)
            try:
                document = build(row, number)
            except FormatError as error:
                problems += [f"{at}: {line}" for line in error.problems]
            except ValueError as error:
                problems.append(f"{at}: {error}")
            else:
                if document.id in seen:
                    problems.append(f"{at}: {excerpt(document.id)}: id: given before, as number {seen[document.id]}")
                else:
                    seen[document.id] = number
                    yield document
    except FormatError as error:
        problems = list(dict.fromkeys([*problems, *error.problems]))
    if not seen and not problems:
        problems.append(f"{name}: holds no document")
    if problems:
        raise FormatError(problems)


def json_lines(path: Path, build: Callable[[dict[str, Any], int], Document], *, limit: int = LIMIT) -> Iterator[Document]:
    """``gathered`` for a file of one JSON object a line, ``limit`` bytes at most; ``build`` takes it and the line's number."""

    def parsed(raw: bytes, number: int) -> Document:
        row = load_row(raw)
        if not isinstance(row, dict):
            raise FormatError([f"must be an object: «{excerpt(str(row))}»"])
        return build(row, number)

    with path.open("rb") as stream:
        numbered = enumerate(lines(stream, str(path), limit), 1)
        rows = ((f"{path}:{number}", number, raw) for number, raw in numbered if raw.strip())
        yield from gathered(rows, parsed, str(path))


def write_texts(texts: Iterable[str], path: Path) -> int:
    """Write one text after the other; the file appears whole or not at all. Returns how many there were."""
    count = 0
    with atomic(path) as stream:
        for text in texts:
            stream.write(text)
            count += 1
    return count


def write_json_lines(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """``write_texts`` for one JSON object a line."""
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return write_texts((encoder.encode(row) + "\n" for row in rows), path)


def opened(row: Mapping[str, Any], shown: Any, number: str) -> tuple[str, Carried | None]:
    """What messages call a tool's row, and what it carries: the id that it came with, else the one ``shown``, else its number.

    Raises FormatError where it carries something that nisba did not write.
    """
    title = str(shown) if isinstance(shown, str | int) else number
    try:
        before = unpack(row.get(KEY))
    except SchemaError as error:
        raise named(title, error) from None
    return (before.id if before and isinstance(before.id, str) else title), before


def named(document_id: str, error: SchemaError) -> FormatError:
    """The problems of a document as lines that name it."""
    return FormatError(f"{excerpt(document_id)}: {problem}" for problem in error.problems)
