"""What every reader shares: one error that lists all of a file's problems, and reading a file as strict UTF-8."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class FormatError(ValueError):
    """A file that cannot be taken as it is. ``problems`` holds lines ``file:line: document id: field: what: «text»``."""

    def __init__(self, problems: Iterable[str]):
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def read_text(path: Path) -> str:
    """The whole file as text. Raises FormatError where it is not UTF-8, with the line of the first bad byte."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError([f"{path}:{line}: not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"]) from None
