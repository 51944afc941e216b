"""What commands read: texts and annotated articles from files, folders, standard input and datasets."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from nisba.files import FormatError, digest
from nisba.formats import jsonl
from nisba.records import ENDINGS, LONGEST_LINE, Columns, Record, ending, lines, read, rows, text
from nisba.schema import Document, SchemaError, trim

DATASETS = "datasets:"
TEXT, LINES = ENDINGS[:2]
BLANK = 1 << 16  # bytes of blank lines after which standard input is a text


class InputError(ValueError):
    """An input that is not there, cannot be read, or holds nothing."""


class Input(Protocol):
    """What ``nisba predict`` reads: records in an order that is always the same."""

    @property
    def source(self) -> str: ...

    @property
    def size(self) -> int | None:
        """Bytes of all files, None where that is not known."""

    def records(self) -> Iterator[Record]: ...

    def identity(self) -> dict[str, str] | None:
        """What tells this input from another; None where it cannot be read a second time."""


@dataclass(frozen=True, slots=True)
class Files:
    """A file, or those of a folder in order of name. ``result``: a file that is not read, nor are those named after it."""

    source: str
    columns: Columns
    result: Path | None = None

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path, _, _ in self.files())

    def records(self) -> Iterator[Record]:
        before = 0
        for path, file, prefix in self.files():
            for record in read(path, self.columns, file=file, prefix=prefix):
                yield replace(record, read=before + record.read)
            before += path.stat().st_size

    def identity(self) -> dict[str, str]:
        """Raises OSError for a file that cannot be read."""
        hashed, number = hashlib.sha256(), 0
        for path, file, _ in self.files():
            number += 1
            hashed.update(f"{digest(path)} {file}\n".encode("utf-8", "surrogateescape"))
        return {"input": f"{number} files, {self.size:,} bytes, SHA-256 {hashed.hexdigest()}"}

    def files(self) -> Iterator[tuple[Path, str, str]]:
        """(path, its name in reports, what stands before row numbers as ids)."""
        root = Path(self.source)
        if root.is_dir():
            for path in walk(root):
                if ending(path) and not self._own(path):
                    file = path.relative_to(root).as_posix()
                    yield path, file, f"{file[: -len(ending(path) or '')]}:"
        else:
            yield root, root.name, ""

    def _own(self, path: Path) -> bool:
        result = self.result
        return (
            result is not None
            and (path.name == result.name or path.name.startswith(f"{result.name}."))
            and path.parent.resolve() == result.parent.resolve()
        )


@dataclass(frozen=True, slots=True)
class StandardInput:
    """JSON Lines where the first line that is not blank begins with ``{``, else one text."""

    source: str = "standard input"
    size: int | None = None

    def records(self) -> Iterator[Record]:
        stream = sys.stdin.buffer
        head, line, number = bytearray(), b"\n", 0
        while line and not line.strip() and len(head) < BLANK:
            line = stream.readline(LONGEST_LINE + 1)
            head += line
            number += 1
        if line.lstrip().startswith(b"{"):
            pending = [line]

            def readline(size: int) -> bytes:
                return pending.pop() if pending else stream.readline(size)

            yield from lines(readline, file=self.source, prefix="", tell=lambda: 0, first=number)
        else:
            data = bytes(head) + stream.read(max(0, LONGEST_LINE + 1 - len(head)))
            yield text(data if len(data) <= LONGEST_LINE else None, 0, file=self.source, name="stdin")

    def identity(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A split of a dataset of the Hugging Face Hub, or of a folder as the ``datasets`` library reads it, as a stream."""

    source: str
    columns: Columns
    rows: Iterable[dict[str, Any]]
    made_of: str | None  # its files with their revisions
    size: int | None = None

    def records(self) -> Iterator[Record]:
        try:
            yield from rows(self.rows, file=self.source)
        except Exception as error:  # the library raises what its many readers raise
            raise InputError(f"{self.source}: cannot be read on: {_first_line(error)}") from error

    def identity(self) -> dict[str, str] | None:
        return None if self.made_of is None else {"input": f"{self.source}, files and revisions {self.made_of}"}


def open_input(source: str, columns: Columns, *, result: Path | None = None) -> Input:
    """The input of a name: a file of one of ENDINGS, a folder of them, ``-`` for standard input, or ``datasets:NAME[:SPLIT]``.

    Raises InputError where there is none; ``result``, the file that is to be written, must not be the one that is read.
    """
    if source == "-":
        return StandardInput()
    if source.startswith(DATASETS):
        return hub_dataset(source, columns)
    path = Path(source)
    if not path.exists():
        raise InputError(f"{source}: no such file or folder")
    if path.is_dir():
        files = Files(source, columns, result)
        if next(files.files(), None) is None:
            raise InputError(f"{source}: holds no {TEXT} or {LINES} file, nor any of {', '.join(ENDINGS[2:])}")
        return files
    if ending(path) is None:
        raise InputError(f"{source}: cannot tell what it holds; the name must end in one of {', '.join(ENDINGS)}")
    if result is not None and path.resolve() == result.resolve():
        raise InputError(f"{source}: is read by this command; give another name for the result")
    return Files(source, columns)


def hub_dataset(source: str, columns: Columns) -> HubDataset:
    """``datasets:NAME[:SPLIT]``; the split may be left out where there is only one. Raises InputError."""
    import datasets

    name, split = source.removeprefix(DATASETS), None
    if ":" in name and not Path(name).exists():
        name, split = name.rsplit(":", 1)
    try:
        builder = datasets.load_dataset_builder(name)
        parts = builder.as_streaming_dataset()
    except Exception as error:  # hub, network, format: the library raises what its many parts raise
        raise InputError(f"{source}: cannot be loaded: {_first_line(error)}") from error
    if split is None and len(parts) == 1:
        split = next(iter(parts))
    if split not in parts:
        raise InputError(f"{source}: name one of its splits, as {DATASETS}{name}:{next(iter(parts))}; it has {', '.join(parts)}")
    stream, have = parts[split], parts[split].column_names
    if have is not None:
        missing = [column for column in (columns.text, columns.id) if column is not None and column not in have]
        if missing:
            raise InputError(f"{source}: no column «{missing[0]}»; it has {', '.join(have)}")
        stream = stream.select_columns([column for column in columns.names if column in have])
    files = (builder.config.data_files or {}).get(split)
    made_of = None
    if files:
        made_of = hashlib.sha256(repr((list(map(str, files)), files.origin_metadata)).encode()).hexdigest()
    return HubDataset(source, columns, stream, made_of)


def walk(folder: Path) -> Iterator[Path]:
    """All files below a folder in order of their names; links to folders are not followed."""
    with os.scandir(folder) as entries:
        names = sorted((entry.name, entry.is_dir(follow_symlinks=False), entry.is_file()) for entry in entries)
    for name, is_folder, is_file in names:
        if is_folder:
            yield from walk(folder / name)
        elif is_file:
            yield folder / name


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


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
