"""``nisba convert``: documents from one format to another, as a stream, with a report of all that the new one cannot hold."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast
from zipfile import is_zipfile

from tqdm.auto import tqdm

from nisba.formats.bounded import LIMIT
from nisba.formats.offsets import Repair
from nisba.formats.recognition import likely, recognise, written
from nisba.schema import Document, excerpt

QUOTING = ("brat", "citron", "doccano", "label-studio", "polnear", "prodigy", "w3c", "webanno-tsv")  # offsets can be checked
WRITABLE = ("brat", "cas", "conll", "doccano", "docbin", "jsonl", "label-studio", "prodigy", "w3c", "webanno-tsv")
READABLE = tuple(sorted((*WRITABLE, "citron", "markup", "polnear", "spkatt", "trec")))
EXTRAS = {"docbin": "docbin"}  # format → the extra that brings what it needs
WHOLE = ("markup", "trec")  # a file is read at once
LISTED = 100  # losses that are listed; all are counted
KINDS = 50  # kinds of losses that are told apart
_NUMBER = re.compile(r"^[0-9]+ ")


class ConvertError(ValueError):
    """A conversion that cannot be done as asked."""


class LossError(ConvertError):
    """What would be lost, and nobody said that it may be."""


class Format(Protocol):
    """A module of ``nisba.formats``."""

    read: Callable[..., Iterator[Document]]
    write: Callable[[Iterable[Document], Path], int]
    losses: Callable[[Document], list[str]]


class Losses:
    """What a format cannot hold of the documents that go by: counted by kind, and the first of it kept for the report."""

    def __init__(self, name: str):
        self._format, self._losses = name, module(name).losses
        self._things = self._documents = 0
        self._listed: list[str] = []
        self._kinds: Counter[str] = Counter()

    def watch(self, documents: Iterable[Document], *, allowed: bool) -> Iterator[Document]:
        """The same documents. Raises LossError behind the last where something would be lost and that is not allowed."""
        for document in documents:
            lost = self._losses(document)
            self._things += len(lost)
            self._documents += bool(lost)
            for line in lost:
                kind = _kind(line)
                self._kinds[kind if kind in self._kinds or len(self._kinds) < KINDS else "other"] += 1
            self._listed += [f"{excerpt(document.id)}: {line}" for line in lost[: max(0, LISTED - len(self._listed))]]
            yield document
        if self._things and not allowed:
            raise LossError(f"{self}\nnothing was written; --lossy writes the rest")

    def __bool__(self) -> bool:
        return self._things > 0

    def __str__(self) -> str:
        more = self._things - len(self._listed)
        head = f"{self._format} cannot hold {self._things:,} things of {self._documents:,} documents:"
        kinds = [f"  {count:,} × {kind}" for kind, count in self._kinds.most_common()]
        return "\n".join([head, *self._listed, *([f"… and {more:,} more"] if more else []), "in all:", *kinds])


def convert(
    source: Path, target: Path, *, form: str | None = None, to: str | None = None, repair: Repair | None = None, lossy: bool = False
) -> int:
    """Write the documents of ``source`` as ``target``, whole or not at all; returns how many there are. One at a time is in memory.

    ``form``, ``to``: one of READABLE, one of WRITABLE; by default what the source holds and what the target is called. ``repair``:
    see ``formats.offsets``. ``lossy``: write although something is lost, and report it on standard error. Raises ConvertError,
    FormatError, OSError.
    """
    if not source.exists():
        raise ConvertError(f"{source}: no such file or folder")
    return save(documents(source, form, repair=repair), target, to, source=source, lossy=lossy)


def documents(source: Path, form: str | None, *, repair: Repair | None = None) -> Iterator[Document]:
    """The documents of a file or folder of a format, by default of the one that is found there. Raises ConvertError at once."""
    name = form or recognise(source)
    if name is None:
        near = likely(source)
        raise ConvertError(
            f"{source}: cannot tell what it holds{', ' * bool(near)}{near}; say it with --from: {', '.join(READABLE)}"
        )
    if name in WHOLE and source.is_file() and not is_zipfile(source) and source.stat().st_size > LIMIT:
        raise ConvertError(f"{source}: is longer than {LIMIT:,} bytes; cut it into files of some articles each")
    if repair is None:
        return module(name).read(source)
    if name not in QUOTING:
        raise ConvertError(
            f"--repair-offsets: nothing in files of {name} shows what their offsets count; in those of {', '.join(QUOTING)} it does"
        )
    return module(name).read(source, repair=repair)


def save(found: Iterable[Document], target: Path, to: str | None, *, source: Path, lossy: bool = False) -> int:
    """Write documents that come from ``source``; see ``convert``."""
    name = to or written(target)
    if target.suffix.lower() in (".gz", ".zip", ".zst"):
        raise ConvertError(f"{target}: nothing is packed here; give a name without {target.suffix}")
    if name is None:
        raise ConvertError(f"{target}: its name does not say what to write; say it with --to: {', '.join(WRITABLE)}")
    if name not in WRITABLE:
        raise ConvertError(f"{name} can only be read; nisba writes {', '.join(WRITABLE)}")
    _apart(source, target)
    losses = Losses(name)
    watched = losses.watch(found, allowed=lossy)
    with tqdm(watched, unit=" documents", disable=not sys.stderr.isatty()) as shown:
        count = module(name).write(shown, target)
    if losses:
        print(f"nisba: {losses}", file=sys.stderr)
    return count


def module(name: str) -> Format:
    """The module of a format. Raises ConvertError where a package that it needs is missing."""
    try:
        return cast(Format, import_module(f"nisba.formats.{name.replace('-', '_')}"))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(name)
        if extra is None or (error.name or "").startswith("nisba"):
            raise
        raise ConvertError(f"{name}: needs the package {error.name}: pip install 'nisba[{extra}]'") from None


def _kind(line: str) -> str:
    """A loss without the claim, the name or the number that it is about."""
    thing, what = line.partition(" ")[0].rstrip(":"), line.rpartition(": ")[2]
    return f"{thing}: {_NUMBER.sub('', what)}"


def _apart(source: Path, target: Path) -> None:
    """Raises ConvertError where writing would touch what is read."""
    old, new = source.resolve(), target.resolve()
    if old == new or new in old.parents or (source.is_dir() and old in new.parents):
        raise ConvertError(f"{target}: is, holds or lies in what is read; give another name for the result")
