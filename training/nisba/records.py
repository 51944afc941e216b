"""Records: the places of an input where documents should be, read one at a time in bounded memory, whatever the files hold.

A file's lines, rows or whole text become a ``Record`` each, in order; ``document`` makes a Document of one, or says why it cannot.
What is wrong with one place (or with the rest of a packed file) is told at that place and never stops the reading.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any

import regex

from nisba.formats.jsonl import load_row
from nisba.schema import Document, SchemaError, excerpt

TEXT, LINES, GZIP, ZSTANDARD, TABLE = ENDINGS = (".txt", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
LONGEST_LINE = 1 << 24  # bytes: what JSON's escapes can make of the longest text, and some more
LONGEST_TEXT = 1_000_000  # code points: several books; more would not fit beside a model
LONGEST_ID = 200  # characters of an id that a report shows
ROWS = 64  # of a table that are in memory at once
META = "meta"
_VISIBLE = regex.compile(r"[^\s\p{Z}\p{C}]")


class RecordError(ValueError):
    """Why a record is no document. ``id`` and ``line`` where they are known."""

    def __init__(self, reason: str, *, id: str | None = None, line: int | None = None):
        self.reason, self.id, self.line = reason, id, line
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where rows have their text and id. Without ``id`` it is ``id`` where a row has that, else the row's number."""

    text: str = "text"
    id: str | None = None

    @property
    def names(self) -> tuple[str, str, str]:
        """What is read of a table, if it is there."""
        return self.text, self.id or "id", META


@dataclass(frozen=True, slots=True)
class Record:
    """One place of an input.

    ``line`` is the line or row from 1, None for a whole text; ``name`` the id of a document that brings none; ``read`` the bytes of
    the file up to here; ``size`` about the bytes of ``data``: a text, a line of JSON, or a row. ``fault``: why there is no data.
    """

    file: str
    line: int | None
    name: str
    read: int
    size: int = 0
    data: bytes | dict[str, Any] | None = None
    fault: str = ""


def ending(path: Path) -> str | None:
    """The one of ENDINGS that the file's name has."""
    return next((end for end in reversed(ENDINGS) if path.name.lower().endswith(end)), None)


def read(path: Path, columns: Columns, *, file: str, prefix: str) -> Iterator[Record]:
    """The records of a file of one of ENDINGS. ``file`` is its name in reports, ``prefix`` stands before row numbers that serve as
    ids. Raises OSError where the system cannot read the file; what is wrong with its content is a record's fault."""
    kind = ending(path)
    if kind == TABLE:
        yield from _table(path, columns, file, prefix)
    elif kind == TEXT:
        size = path.stat().st_size
        yield text(path.read_bytes() if size <= LONGEST_LINE else None, size, file=file, name=_bare(path, file))
    else:
        with path.open("rb") as raw:
            yield from lines(_unpacked(raw, kind).readline, file=file, prefix=prefix, tell=raw.tell, packing=kind or "")


def text(data: bytes | None, size: int, *, file: str, name: str) -> Record:
    """A whole text as one record; ``data`` is None where it is longer than LONGEST_LINE."""
    fault = f"is longer than the most of {LONGEST_LINE:,} bytes" if data is None else ""
    return Record(file, None, name, size, len(data or b""), data, fault)


def lines(
    readline: Callable[[int], bytes],
    *,
    file: str,
    prefix: str,
    tell: Callable[[], int],
    first: int = 1,
    packing: str = "",
) -> Iterator[Record]:
    """A record for every line that is not blank. ``readline`` gives at most so many bytes, ``tell`` the bytes of the file read."""
    number = first
    try:
        for number in count(first):
            line = readline(LONGEST_LINE + 1)
            if not line:
                return
            if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                while (rest := readline(1 << 16)) and not rest.endswith(b"\n"):
                    pass
                yield Record(file, number, f"{prefix}{number}", tell(), fault=f"is longer than the most of {LONGEST_LINE:,} bytes")
            elif line.strip():
                yield Record(file, number, f"{prefix}{number}", tell(), len(line), line)
    except (EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the file's
        yield Record(file, number, f"{prefix}{number}", tell(), fault=f"not a whole {packing} file, lost from here on: {error}")


def rows(source: Iterable[dict[str, Any]], *, file: str) -> Iterator[Record]:
    """A record for every row of a table in memory or of a stream of rows."""
    for number, row in enumerate(source, 1):
        yield Record(file, number, str(number), 0, _size(row), row)


def document(record: Record, columns: Columns) -> Document:
    """The document of a record: its text, id and meta; annotation is left behind. Raises RecordError.

    Of a line of JSON ``meta`` must be an object. A table's column ``meta`` is taken where it holds an object as JSON text, as in
    nisba's own tables. Other columns are not carried along. A text of punctuation only is a document without words; one without
    any visible character is none.
    """
    if record.fault:
        raise RecordError(record.fault)
    if record.line is None:
        return _checked(record.name, _decoded(record.data), {})
    row = record.data
    if isinstance(row, bytes):
        try:
            row = load_row(row)
        except ValueError as error:
            raise RecordError(str(error)) from None
        if not isinstance(row, dict):
            raise RecordError(f"must be an object with the key «{excerpt(columns.text)}»: «{excerpt(repr(row))}»")
        meta = row.get(META, {})
    else:
        row = row or {}
        meta = _object(row.get(META))
    id = _id(row, columns, record.name)
    if columns.text not in row:
        raise RecordError(f"no «{excerpt(columns.text)}»; it has {excerpt(', '.join(row)) or 'nothing'}", id=id)
    return _checked(id, row[columns.text], meta)


def report(position: int, record: Record, error: RecordError) -> str:
    """One line of JSON about a record that is no document; ``position`` is its number in the whole input, from 1."""
    id = _given(record, error)
    if id is not None and len(id) > LONGEST_ID:
        id = id[:LONGEST_ID] + "…"
    told = {"file": record.file, "line": error.line or record.line, "id": id, "reason": error.reason}
    row = {"position": position} | {key: _plain(value) if isinstance(value, str) else value for key, value in told.items()}
    return json.dumps(row, ensure_ascii=False) + "\n"


def where(record: Record, error: RecordError) -> str:
    """The same for people: file, line, id, reason."""
    line = error.line or record.line
    parts = [excerpt(record.file) + (f":{line}" if line else ""), excerpt(_given(record, error) or ""), error.reason]
    return ": ".join(part for part in parts if part)


def _plain(text: str) -> str:
    """Without what UTF-8 cannot hold: half characters, and bytes of file names that are none."""
    return text.encode("utf-8", "backslashreplace").decode()


def _given(record: Record, error: RecordError) -> str | None:
    """The id, where it is not only the record's number or its file's name."""
    return None if error.id == record.name else error.id


def _checked(id: str, text: Any, meta: Any) -> Document:
    if isinstance(text, str) and len(text) > LONGEST_TEXT:
        raise RecordError(f"text: has {len(text):,} characters, the most is {LONGEST_TEXT:,}; cut it into articles", id=id)
    if isinstance(text, UnicodeDecodeError):
        raise RecordError(f"text: not UTF-8: byte 0x{text.object[text.start]:02x} at byte {text.start}", id=id)
    if isinstance(text, str) and not _VISIBLE.search(text):
        raise RecordError("holds no text", id=id)
    try:
        return Document(id, text, meta=meta)
    except SchemaError as error:
        raise RecordError(str(error), id=id) from None


def _id(row: dict[str, Any], columns: Columns, name: str) -> str:
    value = row.get(columns.id or "id")
    if columns.id is not None and columns.id not in row:
        raise RecordError(f"no «{excerpt(columns.id)}»; it has {excerpt(', '.join(row)) or 'nothing'}")
    if value is None:
        return name
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    raise RecordError(f"id: must be text or a whole number: «{excerpt(repr(value))}»")


def _object(value: Any) -> Any:
    """What a table's cell holds as JSON text, where that is an object."""
    try:
        found = json.loads(value) if isinstance(value, str) else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _decoded(data: Any) -> str:
    try:
        return bytes(data).decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        raise RecordError(reason, line=data.count(b"\n", 0, error.start) + 1) from None


def _unpacked(raw: IO[bytes], kind: str | None) -> IO[bytes]:
    if kind == GZIP:
        return gzip.open(raw)  # type: ignore[return-value]
    if kind == ZSTANDARD:
        import pyarrow as pa  # its reader tells a cut file from a whole one, and goes on over several frames

        return io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd"))
    return raw


def _table(path: Path, columns: Columns, file: str, prefix: str) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    size, number = path.stat().st_size, 0
    try:
        with pq.ParquetFile(path, buffer_size=1 << 16) as table:
            have = table.schema_arrow.names
            wanted = [name for name in columns.names if name in have]
            missing = [name for name in (columns.text, columns.id) if name is not None and name not in have]
            if missing:
                reason = f"no column «{excerpt(missing[0])}»; it has {excerpt(', '.join(have)) or 'none'}"
                yield Record(file, None, file, size, fault=reason)
                return
            for row in _rows(table, wanted):
                number += 1
                yield Record(file, number, f"{prefix}{number}", size * number // table.metadata.num_rows, _size(row), row)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        what = excerpt(str(error).strip())
        yield Record(file, number + 1, f"{prefix}{number + 1}", size, fault=f"not a whole parquet file, lost from here on: {what}")


def _rows(table: Any, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows of a table; a cell that is not UTF-8 holds the error. One group of rows at a time: else memory grows with them."""
    for group in range(table.metadata.num_row_groups):
        for batch in table.iter_batches(ROWS, row_groups=[group], columns=names, use_threads=False):
            for i in range(batch.num_rows):
                row: dict[str, Any] = {}
                for name in names:
                    try:
                        row[name] = batch.column(name)[i].as_py()
                    except UnicodeDecodeError as error:
                        row[name] = error
                yield row


def _size(row: dict[str, Any]) -> int:
    return sum(len(value) for value in row.values() if isinstance(value, str))


def _bare(path: Path, file: str) -> str:
    """The name without its ending: the id of a text."""
    return file[: -len(ending(path) or "") or None]
