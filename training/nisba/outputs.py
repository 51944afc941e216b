"""Results on disk: JSON Lines, plain or packed, and parquet, made of lines in a stream; they appear whole or not at all.

The columns of the parquet table are those of a document (``Document.to_dict``), nested as there; ``meta`` is JSON text, because a
table has one layout for all rows and meta has none.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from nisba.inputs import InputError
from nisba.schema import ROLES
from nisba.shards import beside

LINES, GZIP, TABLE = ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")
PIECE = 1 << 18  # bytes of JSON that are in memory as Python's objects, several times as large
GROUP = 1 << 22  # bytes of JSON that make a row group, in memory in columns


def kind(path: Path) -> str:
    """The one of ENDINGS that the name has. Raises InputError where it has none, or where something else stands there."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file")
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is no file; without -o the result goes to standard output")
    found = next((end for end in reversed(ENDINGS) if path.name.lower().endswith(end)), None)
    if found is None:
        raise InputError(f"{path}: the name of the result must end in one of {', '.join(ENDINGS)}")
    return found


def write(lines: Iterable[bytes], path: Path, *, form: str) -> None:
    """Write lines of JSON to ``path`` as ``form``, one of ENDINGS. What stands there stays until all is written. Raises OSError."""
    new = beside(path, "assembled.partial")
    try:
        with new.open("wb") as stream:
            if form == TABLE:
                _table(lines, stream)
            elif form == GZIP:
                with gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as packed:  # no name, no time: the same bytes every time
                    packed.writelines(lines)
            else:
                stream.writelines(lines)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(new, path)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def copied(path: Path) -> Iterator[bytes]:
    """The lines of a file."""
    with path.open("rb") as stream:
        yield from stream


def schema() -> Any:
    """The columns of the table (``pyarrow.Schema``). Spans are [start, end) in code points of the text."""
    import pyarrow as pa

    entity = {"start": pa.int64(), "end": pa.int64(), "label": pa.string(), "score": pa.float64()}
    spans = pa.list_(pa.list_(pa.int64()))
    claim = {"id": pa.string()} | dict.fromkeys(ROLES, spans)
    claim |= dict.fromkeys(("type", "source_type", "stance", "speaker"), pa.string()) | {"score": pa.float64()}
    nested = {name: pa.list_(pa.struct(list(fields.items()))) for name, fields in (("entities", entity), ("claims", claim))}
    return pa.schema(list(({"id": pa.string(), "text": pa.string()} | nested | {"meta": pa.string()}).items()))


def _table(lines: Iterable[bytes], stream: IO[bytes]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    layout = schema()
    # Nobody looks for texts between two others, and the bounds of every group would stay in memory until the end.
    with pq.ParquetWriter(stream, layout, compression="zstd", write_statistics=False) as table:
        for group in _batches(lines, GROUP):
            pieces = [pa.Table.from_pylist([_row(line) for line in piece], layout) for piece in _batches(group, PIECE)]
            table.write_table(pa.concat_tables(pieces))
            del pieces
            pa.default_memory_pool().release_unused()  # it would hold on to more and more


def _batches(lines: Iterable[bytes], most: int) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size >= most:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _row(line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    return row | {"meta": json.dumps(row["meta"], ensure_ascii=False)}
