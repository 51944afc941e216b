"""msgpack, and zlib around it, unpacked in bounded memory whatever the bytes say.

A byte of msgpack can become an object of seventy, and a header can promise more than is there: how many values there are is counted
on the bytes before any is made. Format: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from reprlib import Repr
from typing import Any

from srsly import msgpack

from nisba.files import FormatError
from nisba.schema import excerpt

VALUES = 1 << 20  # strings, numbers, lists … in one message
# By the first byte of a value: the bytes of its length, then those of a value without one.
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_FIXED = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FIXED |= {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}  # extensions: a byte for the type
_LISTED = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}  # bytes of the count, values for each of it


def inflated(pieces: Iterable[bytes], most: int, name: str) -> bytearray:
    """What zlib packed; ``name`` stands in messages. Raises FormatError for other bytes and for over ``most`` bytes of content."""
    stream, inside, behind = zlib.decompressobj(), bytearray(), False
    for piece in pieces:
        behind = stream.eof
        if behind:
            break
        try:
            inside += stream.decompress(piece, most + 1 - len(inside))
        except zlib.error as error:
            raise FormatError([f"{name}: not a DocBin: {error}"]) from None
        if len(inside) > most:
            raise FormatError([f"{name}: holds more than {most:,} bytes"])
    if not stream.eof or stream.unused_data or behind:
        raise FormatError([f"{name}: not a whole DocBin: cut short, or something stands behind it"])
    return inside


def loaded(data: bytes | bytearray, at: str, *, use_list: bool = True) -> Any:
    """What a message holds; ``at`` stands in messages. Raises FormatError for what is none, and for more than VALUES values."""
    if not _few(data):
        raise FormatError([f"{at}: holds more than {VALUES:,} values"])
    try:
        return msgpack.loads(data, raw=False, use_list=use_list)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise FormatError([f"{at}: not msgpack: {error or type(error).__name__}"]) from None


def _few(data: bytes | bytearray) -> bool:
    """Whether there are no more than VALUES values, counting those that headers promise. Damage is left to msgpack to tell."""
    at, seen, promised = 0, 0, 1
    while at < len(data) and promised <= VALUES:
        if (seen := seen + 1) > VALUES:
            return False
        code = data[at]
        at += 1
        if code in _SIZED:
            size = _SIZED[code]
            at += size + int.from_bytes(data[at : at + size], "big") + (0xC7 <= code <= 0xC9)
        elif code in _LISTED:
            size, each = _LISTED[code]
            promised += each * int.from_bytes(data[at : at + size], "big")
            at += size
        elif 0x80 <= code < 0xA0:
            promised += (code & 15) * (2 if code < 0x90 else 1)
        elif 0xA0 <= code < 0xC0:
            at += code & 31
        else:
            at += _FIXED.get(code, 0)
    return promised <= VALUES


def shown(value: Any) -> str:
    """An excerpt of any value, without all of a large one being written out."""
    return excerpt(value[:100] if isinstance(value, str) else _SHORT.repr(value))


class _Short(Repr):
    """Lists as Python shows them, but the beginnings of large values only."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxdict = 20
        self.maxstring = self.maxother = self.maxlong = 200

    def repr_bytes(self, value: bytes, level: int) -> str:  # found by its name
        return repr(value[:100])


_SHORT = _Short()
