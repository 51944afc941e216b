"""Zip archives from elsewhere, read in memory, member by member: nothing is unpacked to disk, nor beyond a limit at all."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath

from nisba.files import FormatError
from nisba.schema import excerpt

MEMBERS = 1 << 18  # files in an archive
TOTAL = 1 << 32  # bytes that are unpacked of one archive, in all
_FAULTS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)  # of the libraries

Read = Callable[[], bytes]


@contextmanager
def opened(source: Path | bytes, limit: int) -> Iterator[list[tuple[PurePosixPath, Read]]]:
    """(path inside, what unpacks it) of every file of an archive, by name, as long as the block lasts. What file managers leave
    behind (``__MACOSX``, hidden files) is passed over.

    Raises:
        FormatError: for what is no archive, holds too many files, or has names that lead outside. Unpacking raises it for a member
            that is damaged, encrypted or over ``limit`` bytes, and once TOTAL is reached.
        OSError: where the file cannot be read.
    """
    stream = source.open("rb") if isinstance(source, Path) else BytesIO(source)
    with stream:
        try:
            archive = zipfile.ZipFile(stream)
            infos = sorted(archive.infolist(), key=lambda info: info.filename)
        except _FAULTS as error:
            raise FormatError([f"not a zip archive that can be read: {error}"]) from None
        if len(infos) > MEMBERS:
            raise FormatError([f"holds more than {MEMBERS:,} files"])
        with archive:
            unpack = _Unpacking(archive, limit)
            yield [(_path(info), partial(unpack.read, info)) for info in infos if not info.is_dir() and not _hidden(info)]


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    path = PurePosixPath(info.filename)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in info.filename or ":" in path.parts[0]:
        raise FormatError([f"a name in the archive leads outside: «{excerpt(info.filename)}»"])
    return path


def _hidden(info: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(info.filename).parts
    return "__MACOSX" in parts or any(part.startswith(".") and part != ".." for part in parts)


class _Unpacking:
    """What may still be unpacked of an archive."""

    def __init__(self, archive: zipfile.ZipFile, limit: int):
        self._archive, self._limit, self._left = archive, limit, TOTAL

    def read(self, info: zipfile.ZipInfo) -> bytes:
        try:
            with self._archive.open(info) as stream:
                data = stream.read(self._limit + 1)
        except _FAULTS as error:
            raise FormatError([f"cannot be unpacked: {error}"]) from None
        self._left -= len(data)
        if len(data) > self._limit or self._left < 0:
            most = f"is longer than {self._limit:,} bytes" if self._left >= 0 else f"the archive holds more than {TOTAL:,} bytes"
            raise FormatError([most])
        return data
