"""Shards: what each of several processes writes of one output, under which names, and how the parts become one again.

Blocks of the input go round: process r of n has the blocks r, r + n, r + 2n, … Its files stand beside the output ``OUT``:
``OUT.partial``, ``OUT.errors.partial`` and ``OUT.progress.json``, with ``rank-r-of-n`` in the names where n > 1. No process waits
for another; whoever finds all parts whole puts them together, so one that was killed can hold up nobody.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import regex

_SHARD = regex.compile(r"rank-(\d+)-of-(\d+)\.")


class ShardError(ValueError):
    """Parts of an output that stand in the way, or another process that is writing them."""


@dataclass(frozen=True, slots=True)
class Rank:
    """Which of how many processes this is; ``local`` counts on its machine."""

    number: int = 0
    world: int = 1
    local: int = 0

    def has(self, block: int) -> bool:
        return block % self.world == self.number

    def __str__(self) -> str:
        return "" if self.world == 1 else f"process {self.number} of {self.world}: "


def rank(environment: Mapping[str, str]) -> Rank:
    """As ``torchrun`` and ``accelerate launch`` tell it: RANK, WORLD_SIZE, LOCAL_RANK. Raises ShardError."""
    values = [environment.get(name, default) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))]
    if not all(value.isascii() and value.isdigit() for value in values) or int(values[0]) >= int(values[1]):
        raise ShardError(f"RANK, WORLD_SIZE and LOCAL_RANK must be numbers, the first below the second: {', '.join(values)}")
    return Rank(*map(int, values))


@dataclass(frozen=True, slots=True)
class Places:
    """The files of one process's part of ``output``."""

    output: Path
    rank: Rank

    @property
    def partial(self) -> Path:
        return self._named("partial")

    @property
    def errors(self) -> Path:
        return self._named("errors.partial")

    @property
    def journal(self) -> Path:
        return self._named("progress.json")

    @property
    def all(self) -> list[Places]:
        return [Places(self.output, Rank(number, self.rank.world)) for number in range(self.rank.world)]

    def _named(self, end: str) -> Path:
        part = "" if self.rank.world == 1 else f"rank-{self.rank.number}-of-{self.rank.world}."
        return beside(self.output, f"{part}{end}")


def beside(output: Path, end: str) -> Path:
    return output.with_name(f"{output.name}.{end}")


def others(places: Places) -> list[Path]:
    """Parts of the output that another number of processes has left."""
    output, world = places.output, places.rank.world
    found = []
    for path in output.parent.iterdir():
        if path.name.startswith(f"{output.name}."):
            end = path.name.removeprefix(f"{output.name}.")
            match = _SHARD.match(end)
            of = int(match[2]) if match else 1 if end in ("partial", "errors.partial") else world
            if of != world:
                found.append(path)
    return sorted(found)


@contextmanager
def claimed(path: Path) -> Iterator[IO[bytes]]:
    """The file, made where it is missing, for this process alone; it goes at the end if it is empty.

    Raises ShardError where another process has it."""
    stream = _locked(path)
    try:
        yield stream
    finally:
        with suppress(OSError):
            stream.flush()  # a full disk: what counts was written with the last entry of the journal
        if _same_file(stream, path) and not os.fstat(stream.fileno()).st_size:
            path.unlink(missing_ok=True)
        with suppress(OSError):
            stream.close()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Waits until no other process is in the block. ``path`` may be removed inside once nobody has anything left to do there."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def merged(parts: Sequence[Path], blocks: int) -> Iterator[bytes]:
    """The lines of all blocks in order. In a shard an empty line ends a block. Raises ShardError where one is cut short."""
    streams = [part.open("rb") for part in parts[:blocks]]  # with fewer blocks than processes the others wrote nothing
    try:
        for block in range(blocks):
            stream = streams[block % len(parts)]
            while (line := stream.readline()) != b"\n":
                if not line.endswith(b"\n"):
                    raise ShardError(f"{parts[block % len(parts)]}: is shorter than its journal says")
                yield line
    finally:
        for stream in streams:
            stream.close()


def _locked(path: Path) -> IO[bytes]:
    while True:
        stream = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")  # noqa: SIM115 - whoever claims it closes it
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            raise ShardError(f"{path}: another process is writing it") from None
        if _same_file(stream, path):
            return stream
        stream.close()  # whoever had it has put it into its place, or removed it, since it was opened


def _same_file(stream: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False
