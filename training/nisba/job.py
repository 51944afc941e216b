"""A job: texts in, annotated documents out, in constant memory, none lost and none twice, however often it is interrupted.

The input is cut into blocks (``blocks.py``), always the same ones, and each is annotated by itself, so that an answer never depends
on where a run began or on how many processes share the work. What is done is journalled (``journal.py``), a run that goes on begins
behind it, and the result takes its place whole (``shards.py``, ``outputs.py``).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import IO

from nisba import __version__, journal, outputs
from nisba.blocks import BLOCK, BLOCK_BYTES, Annotate, Done, StrictError, annotated, blocks
from nisba.inputs import Input, InputError
from nisba.journal import Journal, JournalError
from nisba.progress import Progress, Summary
from nisba.records import Columns
from nisba.shards import Places, Rank, ShardError, alone, beside, claimed, merged, others

EVERY = 1.0  # seconds between two entries of the journal
ERRORS = "errors.jsonl"
ALONE = Rank()


@dataclass(frozen=True, slots=True)
class Job:
    """What to do with an input. ``load`` gives the model once it is needed; ``model`` tells it, and what else decides its answers,
    from others; ``strict`` stops at the first record that is no document."""

    source: Input
    columns: Columns
    load: Callable[[], Annotate]
    model: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False

    def stream(self, write: Callable[[str], object]) -> Summary:
        """Annotate onto a stream; what is no document is told on standard error. Raises StrictError, InputError for no document."""
        annotate, position = self.load(), 0
        progress = Progress(self.source.size)
        try:
            for block in blocks(self.source.records()):
                done = annotated(block, self.columns, annotate, before=position, strict=self.strict)
                for complaint in done.complaints:
                    print(f"nisba: {complaint}", file=sys.stderr)
                write(done.lines)
                position += len(block)
                progress.add(done, read=block[-1].read)
        finally:
            progress.close()
        if not progress.documents:
            raise InputError(f"{self.source.source}: holds no document that can be read")
        return progress.summary()

    def run(self, output: Path, *, rank: Rank = ALONE, resume: bool = False, overwrite: bool = False) -> Summary:
        """Annotate into ``output``, with ``OUT.errors.jsonl`` beside it, or go on with that. Where ``resume`` is asked for, the
        journal stays in the end: who asks so may ask again, and is told that all is done.

        Raises InputError, JournalError, ShardError, StrictError, OSError, and KeyboardInterrupt with what to do next.
        """
        form = outputs.kind(output)
        places = Places(output, rank)
        identity = self.identity(form, rank)
        if "input" not in identity and (resume or rank.world > 1):
            why = "no run over it can go on" if resume else "several processes cannot share it"
            raise InputError(f"{self.source.source}: cannot be read a second time, so {why}; put it into a file")
        output.parent.mkdir(parents=True, exist_ok=True)
        clear(places, overwrite=overwrite)
        with claimed(places.partial) as stream, claimed(places.errors) as faults:
            entry = begin(places, identity, (stream, faults), resume=resume, overwrite=overwrite)
            try:
                summary = Summary(entry.documents, entry.errors, entry.documents)
                if entry.state == "running":
                    entry, summary = self._work(places, entry, stream, faults)
                if entry.state == "finished":
                    tidy(places, keep=resume)
                elif not finish(places, form, keep=resume):
                    raise InputError(f"{self.source.source}: holds no document that can be read")
            except (KeyboardInterrupt, OSError, StrictError) as error:
                raise hinted(error, places, resumes="input" in identity) from None
        return summary

    def identity(self, form: str, rank: Rank) -> dict[str, str]:
        """What decides the bytes of the result. Without ``input`` a run cannot go on later."""
        names = {"text column": self.columns.text, "id column": self.columns.id or "id, else the row's number"}
        cut = {"form": form, "processes": str(rank.world), "blocks": f"{BLOCK} records, {BLOCK_BYTES} bytes"}
        return {"nisba": __version__} | dict(self.model) | names | cut | (self.source.identity() or {})

    def _work(self, places: Places, entry: Journal, stream: IO[bytes], faults: IO[bytes]) -> tuple[Journal, Summary]:
        """All blocks that are not done. What a run has left behind its last entry is cut off first."""
        annotate = self.load()
        for file, size in ((stream, entry.output), (faults, entry.faults)):
            file.truncate(size)
            file.seek(size)
        journal.save(entry, places.journal)
        mark = "\n" if places.rank.world > 1 else ""
        progress = Progress(self.source.size, documents=entry.documents, errors=entry.errors, show=places.rank.number == 0)
        saved = time.monotonic()
        try:
            for block in blocks(islice(self.source.records(), entry.records, None)):
                done = Done()
                if places.rank.has(entry.blocks):
                    done = annotated(block, self.columns, annotate, before=entry.records, strict=self.strict)
                    stream.write((done.lines + mark).encode())
                    faults.write((done.reports + mark).encode())
                entry = replace(
                    entry,
                    blocks=entry.blocks + 1,
                    records=entry.records + len(block),
                    documents=entry.documents + done.documents,
                    errors=entry.errors + len(done.complaints),
                    output=stream.tell(),
                    faults=faults.tell(),
                )
                progress.add(done, read=block[-1].read)
                if time.monotonic() - saved >= EVERY:
                    commit(entry, places, stream, faults)
                    saved = time.monotonic()
            entry = replace(entry, state="complete")
            commit(entry, places, stream, faults)
        finally:
            progress.close()
        return entry, progress.summary()


def clear(places: Places, *, overwrite: bool) -> None:
    """Raises JournalError where another number of processes has left parts, or removes them."""
    if overwrite and places.rank.world > 1:
        raise JournalError(f"--overwrite is for one process; remove {places.output}.* before several start")
    for path in others(places):
        if not overwrite:
            raise JournalError(
                f"{path}: left by another number of processes; go on with as many as then and --resume, or with --overwrite anew"
            )
        with claimed(path):
            path.unlink()


def begin(
    places: Places, identity: dict[str, str], files: tuple[IO[bytes], IO[bytes]], *, resume: bool, overwrite: bool
) -> Journal:
    """Where the run begins. Raises JournalError where it must not."""
    output, sizes = places.output, [os.fstat(file.fileno()).st_size for file in files]
    started = sizes[0] > 0
    final = beside(output, "progress.json")
    entry = journal.load(places.journal) or journal.load(final)
    if entry is not None and entry.state == "finished":
        if resume and output.is_file():
            same(entry, identity, output, "without --resume it is made anew")
            if output.stat().st_size != entry.output:
                raise JournalError(f"{output}: is not as it was left; without --resume it is made anew")
            return entry
        entry, started = None, False  # what a part holds then is in the result
    elif entry is not None and not entry.blocks:
        entry, started = None, False  # nothing was done
    elif resume and output.is_file() and not started and not any(part.journal.exists() for part in places.all):
        raise JournalError(f"{output}: is there, and no run that could go on; without --resume it is made anew")
    if overwrite or (entry is None and not started):
        if places.journal != final:
            final.unlink(missing_ok=True)  # of an earlier result: whoever looks for this one's must not find it
        return Journal(identity)
    if entry is None:
        raise JournalError(f"{places.partial}: is in the way, and no journal says what it is; remove it, or give --overwrite")
    if not resume:
        raise JournalError(f"{places.partial}: a run that was interrupted; go on with --resume, or begin anew with --overwrite")
    same(entry, identity, places.partial, "begin anew with --overwrite")
    if entry.state == "running" and (sizes[0] < entry.output or sizes[1] < entry.faults):
        raise JournalError(f"{places.partial}: is shorter than its journal says; begin anew with --overwrite")
    return entry


def same(entry: Journal, identity: dict[str, str], path: Path, otherwise: str) -> None:
    if found := journal.differences(entry.identity, identity):
        lines = "".join(f"\n  {line}" for line in found)
        raise JournalError(f"{path}: belongs to another job; {otherwise}{lines}")


def commit(entry: Journal, places: Places, stream: IO[bytes], faults: IO[bytes]) -> None:
    """The parts to disk, then the journal that speaks of them."""
    for file in (stream, faults):
        file.flush()
        os.fsync(file.fileno())
    journal.save(entry, places.journal)


def finish(places: Places, form: str, *, keep: bool) -> bool:
    """Put the result into its place if all of it is there. False where it holds no document: then an older one stays.
    ``keep``: the journal. Raises JournalError, ShardError, OSError."""
    final = beside(places.output, "progress.json")
    with alone(beside(places.output, "lock")):
        entry = journal.load(final)
        if entry is None or entry.state != "finished":
            entries = [journal.load(part.journal) for part in places.all]
            whole = [item for item in entries if item is not None and item.state == "complete"]
            if not places.journal.exists():  # another has just put all together, and taken the journals away
                beside(places.output, "lock").unlink(missing_ok=True)
            if len(whole) < len(entries):
                return True  # others have blocks to do, and will see to it
            for part, item in zip(places.all, whole, strict=True):
                same(item, whole[0].identity, part.partial, "remove the parts and begin anew")
            entry = publish(places, whole, form)
            if entry.documents:
                journal.save(entry, final)
            else:
                final.unlink(missing_ok=True)
        tidy(places, keep=keep)
    return entry.documents > 0


def publish(places: Places, entries: list[Journal], form: str) -> Journal:
    """The errors, then the result. May be done again after an interruption: the parts stay until the journal says ``finished``."""
    output, errors = places.output, beside(places.output, ERRORS)
    total = replace(entries[0], state="finished")
    for entry in entries[1:]:
        total = replace(total, documents=total.documents + entry.documents, errors=total.errors + entry.errors)
    faults, parts = [part.errors for part in places.all], [part.partial for part in places.all]
    if total.errors:
        outputs.write(together(faults, total.blocks), errors, form=outputs.LINES)
    elif total.documents:
        errors.unlink(missing_ok=True)
    if not total.documents:
        return total
    if len(parts) > 1 or form != outputs.LINES:
        outputs.write(together(parts, total.blocks), output, form=form)
    elif parts[0].stat().st_size == total.output:
        os.replace(parts[0], output)
    elif not output.is_file() or output.stat().st_size != total.output:  # else it was put there just before the interruption
        raise ShardError(f"{parts[0]}: is shorter than its journal says; begin anew with --overwrite")
    return replace(total, output=output.stat().st_size, faults=errors.stat().st_size if total.errors else 0)


def together(parts: list[Path], blocks: int) -> Iterator[bytes]:
    """The lines of all parts in the order of the input."""
    return merged(parts, blocks) if len(parts) > 1 else outputs.copied(parts[0])


def tidy(places: Places, *, keep: bool) -> None:
    """Remove what a finished job needs no more. Its journal goes last: until then it tells that the result is whole."""
    final = beside(places.output, "progress.json")
    for part in places.all:
        for path in (part.partial, part.errors, part.journal):
            if path != final:
                path.unlink(missing_ok=True)
    for end in ("assembled.partial", f"{ERRORS}.assembled.partial", "lock"):
        beside(places.output, end).unlink(missing_ok=True)
    if not keep:
        final.unlink(missing_ok=True)


def hinted(error: BaseException, places: Places, *, resumes: bool) -> BaseException:
    """The same error, with what is kept and how to go on. Where nothing was done, nothing is kept."""
    entry = journal.load(places.journal)
    if entry is None or not entry.blocks:
        for path in (places.journal, places.partial, places.errors):
            path.unlink(missing_ok=True)
        return error
    after = "the same command with --resume goes on" if resumes else "it cannot go on: the input cannot be read a second time"
    hint = f"what is done is kept in {places.partial}; {after}"
    if isinstance(error, OSError):
        return OSError(error.errno, f"{error.strerror or error}; {hint}", error.filename or str(places.output))
    return type(error)(f"{error}; {hint}" if str(error) else f"interrupted; {hint}")
