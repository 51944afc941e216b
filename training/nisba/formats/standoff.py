"""Annotations without their text, for articles that somebody else publishes: JSON Lines, one document a line.

A line is a document of the interchange format whose ``text`` gives way to ``sha256``, the SHA-256 of the text in UTF-8, in
hexadecimal. ``read`` puts the texts back and refuses any other than the ones that were annotated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nisba.files import FormatError, atomic
from nisba.formats import jsonl
from nisba.schema import Document, SchemaError, excerpt


def digest(text: str) -> str:
    """The SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def write(documents: Iterable[Document], path: Path) -> int:
    """Write annotations alone; the file appears whole or not at all. Returns how many documents there were."""
    count = 0
    with atomic(path) as stream:
        for document in documents:
            row = document.to_dict()
            row = {"id": row.pop("id"), "sha256": digest(row.pop("text"))} | row
            stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count


def names(path: Path) -> set[str]:
    """The ids in a file, as far as its lines can be read (``read`` says what is wrong with the others)."""
    found = set()
    with path.open("rb") as stream:
        for raw in stream:
            with suppress(ValueError):
                row = jsonl.load_row(raw)
                if isinstance(row, dict) and isinstance(row.get("id"), str):
                    found.add(row["id"])
    return found


def read(path: Path, texts: Mapping[str, str]) -> Iterator[Document]:
    """Every document of a file with its text by id. Raises FormatError that lists all texts that are missing or differ, and all
    that is wrong with the annotations, once the end is reached."""
    problems: list[str] = []
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, 1):
            if not raw.strip():
                continue
            at = f"{path}:{number}"
            try:
                row = jsonl.load_row(raw)
                yield _join(row, texts)
            except SchemaError as error:
                problems += [f"{at}: {_name(row)}: {problem}" for problem in error.problems]
            except ValueError as error:
                problems.append(f"{at}: {error}")
    if problems:
        raise FormatError(problems)


def _join(row: Any, texts: Mapping[str, str]) -> Document:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not isinstance(row.get("sha256"), str) or "text" in row:
        raise ValueError("needs an id and a sha256, and no text")
    text = texts.get(row["id"])
    if text is None:
        raise ValueError(f"{excerpt(row['id'])}: the source has no such document")
    if digest(text) != row["sha256"]:
        raise ValueError(f"{excerpt(row['id'])}: the source's text is not the one that was annotated: «{excerpt(text)}»")
    return Document.from_dict({key: value for key, value in row.items() if key != "sha256"} | {"text": text})


def _name(row: Any) -> str:
    return excerpt(str(row.get("id"))) if isinstance(row, dict) else ""
