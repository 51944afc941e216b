"""Blocks: the records that are annotated together, always the same ones, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from nisba.formats import jsonl
from nisba.records import Columns, Record, RecordError, document, report, where
from nisba.schema import Document

Annotate = Callable[[Iterable[Document]], Iterator[Document]]
BLOCK = 64  # records: as many as a predictor reads ahead
BLOCK_BYTES = 1 << 20  # a block with this much is full: long texts come in smaller groups


class StrictError(ValueError):
    """The first record that is no document, where none is let pass."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a block: the lines of its documents, a line of JSON and one for people about each record that is none.

    ``size``: bytes of the documents' texts."""

    lines: str = ""
    reports: str = ""
    complaints: tuple[str, ...] = ()
    documents: int = 0
    size: int = 0


def blocks(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Records in groups of BLOCK, or fewer where they hold BLOCK_BYTES. A group depends on the records from its first on only."""
    block: list[Record] = []
    size = 0
    for record in records:
        block.append(record)
        size += record.size
        if len(block) == BLOCK or size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def annotated(block: Sequence[Record], columns: Columns, annotate: Annotate, *, before: int, strict: bool) -> Done:
    """``before``: how many records of the input come before the block. Raises StrictError."""
    found: list[Document] = []
    reports: list[str] = []
    complaints: list[str] = []
    for position, record in enumerate(block, before + 1):
        try:
            found.append(document(record, columns))
        except RecordError as error:
            if strict:
                raise StrictError(where(record, error)) from None
            reports.append(report(position, record, error))
            complaints.append(where(record, error))
    given = zip(found, annotate(found), strict=True) if found else ()
    lines = "".join(jsonl.dump(after) for _, after in given)
    size = sum(len(item.text.encode()) for item in found)
    return Done(lines, "".join(reports), tuple(complaints), len(found), size)
