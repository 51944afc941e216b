"""What commands read: texts and annotated articles from files, folders and standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from nisba.files import FormatError, decode
from nisba.formats import jsonl
from nisba.schema import Document, SchemaError, excerpt, trim

TEXT, LINES = ".txt", ".jsonl"


class InputError(ValueError):
    """An input that is not there, cannot be read, or holds nothing."""


def documents(source: str) -> Iterator[Document]:
    """The texts of an input: a ``.txt`` file is one document, a ``.jsonl`` file one a line, a folder its files in order of name,
    ``-`` standard input (JSON Lines when its first character is ``{``, else one text). Raises InputError, FormatError."""
    if source == "-":
        stream = sys.stdin.buffer
        lines = [stream.readline()]
        while lines[-1] and not lines[-1].strip():
            lines.append(stream.readline())
        if lines[-1].lstrip().startswith(b"{"):
            yield from jsonl.parse(chain(lines, stream), "standard input")
        else:
            yield text_document("stdin", decode(b"".join(lines) + stream.read(), "standard input"), "standard input")
        return
    path = Path(source)
    if not path.exists():
        raise InputError(f"{source}: no such file or folder")
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in (TEXT, LINES) and p.is_file())
        if not files:
            raise InputError(f"{source}: holds no {TEXT} or {LINES} file")
        seen: set[str] = set()
        for file in files:
            for document in file_documents(file, file.relative_to(path).with_suffix("").as_posix()):
                if document.id in seen:
                    raise InputError(f"{file}: the document id is given twice in {source}: «{excerpt(document.id)}»")
                seen.add(document.id)
                yield document
    else:
        yield from file_documents(path, path.stem)


def file_documents(path: Path, name: str) -> Iterator[Document]:
    if path.suffix == LINES:
        yield from jsonl.read(path)
    else:
        yield text_document(name, decode(path.read_bytes(), str(path)), str(path))


def text_document(name: str, text: str, where: str) -> Document:
    if trim(text, 0, len(text)) is None:
        raise InputError(f"{where}: holds no text")
    try:
        return Document(name, text)
    except SchemaError as error:
        raise InputError(f"{where}: {error}") from error


def read_all(*paths: Path) -> list[list[Document]]:
    """The documents of several files. Raises FormatError with the problems of all of them."""
    files: list[list[Document]] = []
    problems: list[str] = []
    for path in paths:
        try:
            files.append(list(jsonl.read(path)))
        except FormatError as error:
            problems += error.problems
    if problems:
        raise FormatError(problems)
    return files


def articles(model: str, name: str | None) -> Path:
    """The file of ``--data``: an existing file, or a split that the model's run has kept."""
    if name and Path(name).is_file():
        return Path(name)
    if not Path(model).exists():
        raise InputError(f"{model}: no such model folder; for a model of the hub give annotated articles with --data FILE")
    folder = Path(model).parent / "data" / "documents"
    file = folder / f"{name or 'test'}.jsonl"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.jsonl"))) or "none"
        raise InputError(f"{name or file}: no file, and no split of the model's run (its splits: {known}); give a file with --data")
    return file
