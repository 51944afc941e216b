"""Parts: the numbered files that together are a result, each made of the same rows every time, in a folder on any storage.

    OUT/part-00000.parquet …   documents, in order
    OUT/_errors/…              what is no document, of the parts that have any; in the end one file, OUT.errors.jsonl
    OUT/_JOB                   what the result is made of and with: only the same job may go on with it
    OUT/_SUCCESS               all parts are there, and no more are to come

A part may be done twice, or by two workers at once, and still counts once. Readers of folders pass over names with ``_`` in front.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow.parquet as pq
import regex
from pyarrow import fs

from nisba.blocks import Done
from nisba.inputs import InputError
from nisba.journal import JournalError, differences
from nisba.outputs import LINES, TABLE
from nisba.progress import Summary
from nisba.storage import HIDDEN, READERS, names, place, write

JOB, ERRORS, SUCCESS = "_JOB", "_errors", "_SUCCESS"
_PART = regex.compile(r"part-(\d{5,})\.(?:parquet|jsonl)")


class Parts:
    """The folder of a result of ``count`` parts; its name is a path or an address (``storage.place``)."""

    def __init__(self, name: str, count: int):
        self.name, self.count = name, count
        self.system, self.path = place(name)

    def begin(self, identity: Mapping[str, str], *, resume: bool = False, overwrite: bool = False) -> Summary | None:
        """Make the folder, or go on with it; what a finished job has done. Raises InputError, JournalError where it must not,
        OSError."""
        if self.system.get_file_info(self.path).type == fs.FileType.File:
            raise InputError(f"{self.name}: is a file; this engine writes a folder of {TABLE} files")
        found = names(self.system, self.path)
        if found and JOB not in found:
            raise JournalError(f"{self.name}: holds other files ({found[0]}); choose another folder")
        if found and overwrite:
            self.system.delete_dir_contents(self.path)
            found = []
        if not found:
            self._write(JOB, dict(identity))
            return None
        if not resume:
            what = "a finished result;" if SUCCESS in found else "a run that was interrupted; go on with --resume,"
            raise JournalError(f"{self.name}: holds {what} begin anew with --overwrite, or choose another folder")
        if lines := differences(self._read(JOB), dict(identity)):
            told = "".join(f"\n  {line}" for line in lines)
            raise JournalError(f"{self.name}: belongs to another job; begin anew with --overwrite{told}")
        if SUCCESS not in found:
            return None
        counts = self._read(SUCCESS)
        return Summary(counts["documents"], counts["errors"], counts["documents"])

    def done(self) -> set[int]:
        """The parts that are there."""
        return _numbers(names(self.system, self.path))

    def counts(self, numbers: Iterable[int]) -> tuple[int, int]:
        """How many documents, and how many records that are none, some of the parts have. Raises OSError."""
        wanted = set(numbers)
        with ThreadPoolExecutor(READERS) as pool:
            documents = sum(pool.map(lambda number: pq.read_metadata(self._part(number), filesystem=self.system).num_rows, wanted))
        return documents, sum(chunk.count(b"\n") for chunk in self._reports(wanted))

    def save(self, number: int, work: Iterable[Done]) -> tuple[int, int, int]:
        """Write what comes of the blocks of a part: (documents, records that are none, bytes of text). The documents come last:
        that they are there says that the part is done. Raises OSError."""
        documents = errors = size = 0
        with tempfile.TemporaryFile() as lines, tempfile.TemporaryFile() as reports:
            for done in work:
                lines.write(done.lines.encode())
                reports.write(done.reports.encode())
                documents, errors, size = documents + done.documents, errors + len(done.complaints), size + done.size
            lines.seek(0)
            reports.seek(0)
            if errors:
                write(self.system, self._errors(number), reports, form=LINES)
            write(self.system, self._part(number), lines, form=TABLE)
        return documents, errors, size

    def finish(self, summary: Summary) -> None:
        """Put the errors into one file, say that all is there, and remove what no longer serves. Raises OSError."""
        errors = f"{self.path}.errors.jsonl"
        if summary.errors:
            write(self.system, errors, self._reports(set(range(self.count))), form=LINES)
        elif self.system.get_file_info(errors).type == fs.FileType.File:
            self.system.delete_file(errors)  # of an earlier result
        self._write(SUCCESS, {"documents": summary.documents, "errors": summary.errors, "parts": self.count})
        for info in self.system.get_file_info(fs.FileSelector(self.path)):
            if info.base_name == ERRORS or info.base_name.startswith(HIDDEN):  # the latter of workers that were killed
                remove = self.system.delete_dir if info.type == fs.FileType.Directory else self.system.delete_file
                remove(info.path)

    def _part(self, number: int) -> str:
        return f"{self.path}/part-{number:05d}.parquet"

    def _errors(self, number: int) -> str:
        return f"{self.path}/{ERRORS}/part-{number:05d}.jsonl"

    def _reports(self, wanted: set[int]) -> Iterator[bytes]:
        """The errors of some of the parts in order, a piece of a file at a time."""
        for number in sorted(wanted & _numbers(names(self.system, f"{self.path}/{ERRORS}"))):
            with self.system.open_input_stream(self._errors(number)) as stream:
                while chunk := stream.read(1 << 20):
                    yield chunk

    def _read(self, name: str) -> Any:
        with self.system.open_input_stream(f"{self.path}/{name}") as stream:
            return json.loads(stream.read())

    def _write(self, name: str, row: Mapping[str, object]) -> None:
        line = json.dumps(row, ensure_ascii=False, indent=1) + "\n"
        write(self.system, f"{self.path}/{name}", [line.encode()], form=LINES)


def _numbers(found: Iterable[str]) -> set[int]:
    matches = (_PART.fullmatch(name) for name in found)
    return {int(match[1]) for match in matches if match}
