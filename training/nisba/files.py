"""Reading and writing: one error that lists all of a file's problems, strict UTF-8, files and folders that appear whole."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

# What a file says may move a terminal's cursor or begin a line of its own; no problem may.
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ")


class FormatError(ValueError):
    """A file that cannot be taken as it is. ``problems`` holds lines ``file:line: document id: field: what: «text»``, without
    control characters."""

    def __init__(self, problems: Iterable[str]):
        self.problems = tuple(problem.translate(_CONTROLS) for problem in problems)
        super().__init__("\n".join(self.problems))


def read_text(path: Path) -> str:
    """The whole file as text. Raises FormatError where it is not UTF-8, with the line of the first bad byte."""
    return decode(path.read_bytes(), str(path))


def decode(data: bytes, name: str) -> str:
    """Bytes as strict UTF-8, nothing changed. Raises FormatError with the line of the first bad byte."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError([f"{name}:{line}: not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"]) from None


@contextmanager
def atomic(path: Path) -> Iterator[IO[str]]:
    """A text stream whose file takes the place of ``path`` when the block ends well, and leaves no trace when it does not. Raises
    OSError, also where ``path`` is a device or a pipe: a file in its place would do harm."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "is no file that can be replaced", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=".nisba.", suffix=".partial")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # name what was asked for, not our own file
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as stream:
            os.fchmod(stream.fileno(), 0o666 & ~_umask())
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(partial)
        if isinstance(error, OSError) and error.filename == partial:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


@contextmanager
def atomic_folder(path: Path, *, marker: str) -> Iterator[Path]:
    """A new folder that takes the place of ``path`` when the block ends well, and leaves no trace when it does not.

    ``marker`` is a file that the block writes: a folder that holds something, but not that, is not ours to replace. Raises OSError.
    """
    if path.exists() and not (path / marker).is_file() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(errno.EEXIST, f"holds other files ({marker} is not among them); choose another folder", str(path))
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    old = path.with_name(f".{path.name}.old")
    try:
        yield partial
        for file in partial.rglob("*"):
            if file.is_file():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
        partial.chmod(0o777 & ~_umask())
        shutil.rmtree(old, ignore_errors=True)
        if path.exists():
            path.rename(old)
        partial.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if type(error) is Exception or type(error).__name__ == "SafetensorError":  # how the Rust libraries report a full disk
            raise OSError(errno.EIO, f"cannot be written: {error}", str(path)) from error
        raise


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cache() -> Path:
    """Where what is built or downloaded once is kept: ``$NISBA_CACHE``, else ``$XDG_CACHE_HOME/nisba``, else ``~/.cache/nisba``."""
    own, common = os.environ.get("NISBA_CACHE"), os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(own) if own else Path(common).expanduser() / "nisba"


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
