"""Storage that many machines share, a disk or an object storage: parquet files read by ranges of rows, and files written whole.

Names are paths, or addresses that Arrow knows (``s3://bucket/folder``, ``gs://``, ``abfs://``, ``hdfs://``), with the credentials
that each machine finds in its own environment.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import regex
from pyarrow import fs

from nisba import outputs
from nisba.inputs import InputError
from nisba.records import ENDINGS, ROWS, TABLE, Columns, Record, rows
from nisba.schema import excerpt
from nisba.tables import cells

READERS = 16  # files whose footers are read at once: an object storage answers slowly, but many at a time
HIDDEN = "."  # begins the names of files that are not whole; readers of folders pass over such
_CREDENTIALS = regex.compile(r"^\w+://[^/@]*:[^/@]*@|[?&]\w*(?:key|secret|token|password)=", regex.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Table:
    """A file of the input. ``file`` is its name in reports, ``prefix`` stands before row numbers that serve as ids, ``size`` is in
    bytes. ``fault``: why nothing can be read of it; it then counts as one row, which is no document."""

    path: str
    file: str
    prefix: str
    rows: int
    size: int
    fault: str = ""


def place(name: str) -> tuple[fs.FileSystem, str]:
    """The file system of a path or address, and what the name is there. Raises InputError."""
    if "://" not in name:
        return fs.LocalFileSystem(), str(Path(name).absolute())
    if _CREDENTIALS.search(name):
        raise InputError(f"{name.split('://')[0]}://…: credentials belong into the environment, not into an address")
    try:
        system, path = fs.FileSystem.from_uri(name)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise InputError(f"{name}: not an address that can be used: {excerpt(str(error))}") from None
    return system, path.rstrip("/")


def tables(source: str, columns: Columns) -> tuple[Table, ...]:
    """The parquet files of a file or folder, in order of name, as far as their footers tell.

    Raises InputError where there is none, where a folder holds texts of other kinds, or where none has the columns; OSError.
    """
    system, root = place(source)
    here = system.get_file_info(root)
    if here.type == fs.FileType.NotFound:
        raise InputError(f"{source}: no such file or folder")
    files = [here] if here.type == fs.FileType.File else _files(system, root)
    other = next((info.path for info in files if not _is_table(info) and info.path.lower().endswith(ENDINGS)), None)
    if other is not None:
        raise InputError(f"{other}: this engine reads {TABLE} files only; convert it, or predict without an engine")
    files = [info for info in files if _is_table(info)]
    if not files:
        raise InputError(f"{source}: holds no {TABLE} file")
    with ThreadPoolExecutor(READERS) as pool:
        found = tuple(pool.map(lambda info: _table(system, info, root, columns), files))
    if all(table.fault for table in found):
        raise InputError(f"{source}: {found[0].file}: {found[0].fault}")
    if not sum(table.rows for table in found):
        raise InputError(f"{source}: holds no row")
    return found


def records(system: fs.FileSystem, found: Sequence[Table], columns: Columns, first: int, count: int) -> Iterator[Record]:
    """``count`` rows from number ``first`` on, counted from 0 over all tables. Where a file cannot be read on, what is asked of the
    rest of it is one record with a fault. Raises OSError where the storage fails."""
    for table, end in zip(found, accumulate(table.rows for table in found), strict=True):
        begin = end - table.rows
        start, stop = max(first - begin, 0), min(first + count - begin, table.rows)
        if start < stop:
            yield from _records(system, table, columns, start, stop)


def write(system: fs.FileSystem, path: str, lines: Iterable[bytes], *, form: str) -> None:
    """Lines of JSON as a file of one of ``outputs.ENDINGS``, there whole or not at all, however many write it. Raises OSError."""
    folder, name = path.rsplit("/", 1)
    local = isinstance(system, fs.LocalFileSystem)
    if local:
        Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=HIDDEN, dir=folder if local else None) as own:
        made = Path(own) / name
        outputs.write(lines, made, form=form)
        if local:
            os.replace(made, path)
        else:
            _send(system, made, path, f"{folder}/{HIDDEN}{uuid.uuid4().hex}.{name}")


def names(system: fs.FileSystem, folder: str) -> list[str]:
    """What a folder holds, in order; nothing where there is none."""
    found = system.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    return sorted(info.base_name for info in found if info.path.rstrip("/") != folder)


def _files(system: fs.FileSystem, root: str) -> list[fs.FileInfo]:
    found = system.get_file_info(fs.FileSelector(root, recursive=True))
    return sorted((info for info in found if info.type == fs.FileType.File), key=lambda info: info.path.split("/"))


def _is_table(info: fs.FileInfo) -> bool:
    path: str = info.path
    return path.lower().endswith(TABLE)


def _table(system: fs.FileSystem, info: fs.FileInfo, root: str, columns: Columns) -> Table:
    whole = info.path == root
    file = info.base_name if whole else info.path[len(root) + 1 :]
    prefix = "" if whole else f"{file[: -len(TABLE)]}:"
    try:
        footer = pq.read_metadata(info.path, filesystem=system)
    except (pa.ArrowException, OSError) as error:
        if _failed(system, error):
            raise
        return Table(info.path, file, prefix, 1, info.size, f"not a parquet file: {excerpt(str(error).strip())}")
    have = footer.schema.to_arrow_schema().names
    missing = [name for name in (columns.text, columns.id) if name is not None and name not in have]
    if missing:
        reason = f"no column «{excerpt(missing[0])}»; it has {excerpt(', '.join(have)) or 'none'}"
        return Table(info.path, file, prefix, 1, info.size, reason)
    return Table(info.path, file, prefix, footer.num_rows, info.size)


def _records(system: fs.FileSystem, table: Table, columns: Columns, start: int, stop: int) -> Iterator[Record]:
    if table.fault:
        yield Record(table.file, None, table.file, table.size, fault=table.fault)
        return
    number = start
    try:
        for record in rows(_cells(system, table, columns, start, stop), file=table.file):
            number = start + (record.line or 0)
            yield replace(record, line=number, name=f"{table.prefix}{number}")
    except (pa.ArrowException, OSError) as error:
        if _failed(system, error):
            raise
        reason = f"not a whole parquet file, lost from here on: {excerpt(str(error).strip())}"
        yield Record(table.file, number + 1, f"{table.prefix}{number + 1}", table.size, fault=reason)


def _cells(system: fs.FileSystem, table: Table, columns: Columns, start: int, stop: int) -> Iterator[dict[str, object]]:
    """Some of the rows of a file; row groups that hold none of them are not read."""
    with pq.ParquetFile(table.path, filesystem=system, buffer_size=1 << 20) as file:
        wanted = [name for name in columns.names if name in file.schema_arrow.names]
        ends = list(accumulate(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)))
        groups = [i for i, (first, last) in enumerate(pairwise([0, *ends])) if first < stop and last > start]
        at = [0, *ends][groups[0]]
        for batch in file.iter_batches(ROWS, row_groups=groups, columns=wanted):
            first, last = max(start - at, 0), min(stop - at, batch.num_rows)
            at += batch.num_rows
            if first < last:
                yield from cells(batch.slice(first, last - first), wanted)
            if at >= stop:
                return


def _failed(system: fs.FileSystem, error: Exception) -> bool:
    """Whether the storage is to blame, not what the file holds. Arrow gives no number for what a network did; so a broken file on
    an object storage may stop a run that would report it on a disk, and no outage can pass for a broken file."""
    return isinstance(error, OSError) and (error.errno is not None or not isinstance(system, fs.LocalFileSystem))


def _send(system: fs.FileSystem, made: Path, path: str, partial: str) -> None:
    with made.open("rb") as source, system.open_output_stream(partial) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    system.move(partial, path)
