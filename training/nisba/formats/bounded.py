"""Reading in bounded memory whatever a file holds: lines, whole files and the elements of a JSON array, none over a limit."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from nisba.files import FormatError, decode
from nisba.schema import excerpt

LIMIT = 1 << 24  # bytes of a line or file, characters of an element: several books
CHUNK = 1 << 18  # bytes that are read at once
NEAR = 16  # characters: an error so near the end of what was read may be gone once more is read
_OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff")


class Readable(Protocol):
    """A file, packed or not."""

    def readline(self, size: int, /) -> bytes: ...


def lines(stream: Readable, name: str, limit: int = LIMIT) -> Iterator[bytes]:
    """Every line with its line end. ``name`` stands in messages. Raises FormatError at one over ``limit`` bytes: what follows
    may be as long again."""
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) > limit:
            raise FormatError([f"{name}:{number}: the line is longer than {limit:,} bytes: «{_start(line)}»"])
        yield line


def pieces(path: Path, limit: int = LIMIT) -> Iterator[bytes]:
    """A whole file, CHUNK bytes at most at a time. Raises FormatError for one over ``limit`` bytes, before the first piece where
    its size is known; OSError."""
    with path.open("rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size  # 0 for a pipe
        most = min(CHUNK, size + 1) if size else CHUNK  # asked for more, Python would set all of that aside, whatever is there
        read = 0
        while piece := stream.read(most):
            read += len(piece)
            if max(size, read) > limit:
                raise FormatError([f"{path}: is longer than {limit:,} bytes: «{_start(piece)}»"])
            yield piece


def whole(path: Path, limit: int = LIMIT) -> bytes:
    """All ``pieces`` of a file. Raises FormatError for one over ``limit`` bytes, OSError."""
    return b"".join(pieces(path, limit))


def text(path: Path, limit: int = LIMIT) -> str:
    """``whole`` as strict UTF-8, nothing changed. Raises FormatError, OSError."""
    return decode(whole(path, limit), str(path))


def json_text(raw: bytes, at: str) -> Any:
    """JSON as ``load_row`` takes it; ``at`` stands in messages. Raises FormatError."""
    try:
        return load_row(raw)
    except ValueError as error:
        raise FormatError([f"{at}: {error}"]) from None


def load_row(raw: bytes) -> Any:
    """One line or file as JSON. Raises ValueError for what is not strict: other encodings, cut lines, keys given twice, NaN,
    nesting beyond Python's depth."""
    if raw.startswith(codecs.BOM_UTF8):
        raise ValueError("begins with a byte order mark; save the file as UTF-8 without BOM")
    if raw[:2] in _OTHER_ENCODINGS:
        raise ValueError("is UTF-16; save the file as UTF-8")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte 0x{raw[error.start]:02x} at byte {error.start} of the line") from None
    try:
        return _STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(_unreadable(text, error)) from None
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None


def elements(stream: IO[bytes], name: str, limit: int = LIMIT) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number from 0, object) of every element of a file that is one JSON array of objects, however long the array is.

    As strict as ``load_row``. Raises FormatError, naming ``name`` and the element, where the file is anything else, is cut short,
    or has an element over ``limit`` characters.
    """
    source, number = _Source(stream, name), 0
    source.expect("[", "must be a JSON array of objects")
    source.at += 1
    while not (number == 0 and source.peek() == "]"):
        at = f"[{number}]: "
        source.expect("{", f"{at}must be an object")
        yield number, source.element(at, limit)
        number += 1
        if source.peek() == "]":
            break
        source.expect(",", f"{at}must be followed by , or ]")
        source.at += 1
    source.at += 1
    if source.peek():
        raise source.error("something stands behind the end of the array")


class _Source:
    """Text out of a stream, as much of it as is needed; ``at`` is where the next thing stands in it."""

    def __init__(self, stream: IO[bytes], name: str):
        self._stream, self._name, self._read = stream, name, 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.text, self.at, self._whole = "", 0, False
        head = stream.read(CHUNK)
        if head.startswith(codecs.BOM_UTF8):
            raise FormatError([f"{name}: begins with a byte order mark; save the file as UTF-8 without BOM"])
        if head[:2] in _OTHER_ENCODINGS:
            raise FormatError([f"{name}: is UTF-16; save the file as UTF-8"])
        self._take(head)

    def error(self, message: str) -> FormatError:
        rest = self.text[self.at : self.at + 100]
        return FormatError([f"{self._name}: {message}: {f'«{excerpt(rest)}»' if rest else 'the file ends here'}"])

    def peek(self) -> str:
        """The next character that is no white space, empty at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
                self.at += 1
            if self.at < len(self.text):
                return self.text[self.at]
            if self._whole:
                return ""
            self._more(CHUNK)

    def expect(self, sign: str, message: str) -> None:
        if self.peek() != sign:
            raise self.error(message)

    def element(self, at: str, limit: int) -> dict[str, Any]:
        """The object that begins here. What is cut by the end of what was read is parsed again with twice as much."""
        while True:
            try:
                row, end = _STRICT.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self.text) - NEAR
                if self._whole or not cut:
                    raise FormatError([f"{self._name}: {at}{_unreadable(self.text, error, self.at)}"]) from None
            except RecursionError:
                raise FormatError([f"{self._name}: {at}not JSON that can be read: nested too deeply"]) from None
            except ValueError as error:
                raise FormatError([f"{self._name}: {at}{error}"]) from None
            else:
                size, self.at = end - self.at, end
                if size <= limit:
                    element: dict[str, Any] = row
                    return element
                self.at -= size
            if len(self.text) - self.at > limit:
                raise self.error(f"{at}is longer than {limit:,} characters")
            self._more(max(CHUNK, len(self.text) - self.at))

    def _more(self, size: int) -> None:
        self._take(self._stream.read(size))

    def _take(self, data: bytes) -> None:
        self._whole = not data
        try:
            added = self._decoder.decode(data, final=self._whole)
        except UnicodeDecodeError as error:
            place = self._read + error.start - (len(error.object) - len(data))
            raise FormatError([f"{self._name}: not UTF-8: byte 0x{error.object[error.start]:02x} at offset {place}"]) from None
        self._read += len(data)
        self.text, self.at = self.text[self.at :] + added, 0


def _unreadable(text: str, error: json.JSONDecodeError, start: int = 0) -> str:
    near = excerpt(text[max(start, error.pos - 20) : error.pos + 20].strip())
    return f"not JSON: {error.msg} at character {error.pos - start}: «{near}»"


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"a key is given twice: «{excerpt(twice)}»")
    return row


def _constant(name: str) -> Any:
    raise ValueError(f"not JSON: «{name}» is no number")


def _start(data: bytes) -> str:
    return excerpt(data[:200].decode("utf-8", "replace"))


_STRICT = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)
