"""What WebAnno TSV writes for characters that mean something in it: in text, in the values of features, between values.

Format: https://inception-project.github.io/releases/latest/docs/user-guide.html (WebAnno TSV 3.x, reserved characters)
"""

from __future__ import annotations

import re

# Escaped by a letter, as in Java; other controls by a backslash before them. A vertical tab stands as it is.
_LETTERS = {"\t": "t", "\n": "n", "\f": "f", "\r": "r", "\b": "b"}
_CHARACTERS = {letter: char for char, letter in _LETTERS.items()}
_TEXT = re.compile(r"[\x00-\x0a\x0c-\x1f\\]")
_ESCAPED_TEXT = re.compile(r"\\([\x00-\x07\x0e-\x1ftnfrb\\])")
_JAVA = re.compile(r"\\(?:u+([0-9a-fA-F]{4})|(.))", re.DOTALL)
_VALUE = re.compile(r"->|[\\\[\]|_;\t\n*]")
_ESCAPED_VALUE = re.compile(r"\\(->|[\\\[\]|_;tn*])")
_PIECE = {mark: re.compile(rf"(?:[^\\{mark}]|\\.|\\\Z)*", re.DOTALL) for mark in "|;"}
_NUMBERED = re.compile(r"(.*)\[([0-9]{1,9}(?:_[0-9]{1,9})?)\]", re.DOTALL)


def text(plain: str) -> str:
    """A line of text as it stands behind ``#Text=``."""
    return _TEXT.sub(lambda match: "\\" + _LETTERS.get(match[0], match[0]), plain)


def plain_text(escaped: str, *, java: bool) -> str:
    """What ``text`` was made of; ``java`` for versions up to 3.1, which escape as Java sources do."""
    if java:
        plain = _JAVA.sub(lambda match: chr(int(match[1], 16)) if match[1] else _CHARACTERS.get(match[2], match[2]), escaped)
        return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # two escapes make one character
    return _ESCAPED_TEXT.sub(lambda match: _CHARACTERS.get(match[1], match[1]), escaped)


def value(plain: str) -> str:
    """A feature's value as it stands in a column. It must not hold a carriage return, which would end the line."""
    return _VALUE.sub(lambda match: "\\" + {"\t": "t", "\n": "n"}.get(match[0], match[0]), plain)


def plain_value(escaped: str) -> str | None:
    """What ``value`` was made of; None for the sign that a feature has none."""
    if escaped == "*":
        return None
    return _ESCAPED_VALUE.sub(lambda match: {"t": "\t", "n": "\n"}.get(match[1], match[1]), escaped)


def split(escaped: str, mark: str) -> list[str]:
    """The values between marks (``|`` between stacked annotations, ``;`` between slots) that are not escaped."""
    found, at = [], 0
    while True:
        match = _PIECE[mark].match(escaped, at)
        found.append(match[0] if match else "")
        at += len(found[-1]) + 1
        if at > len(escaped):
            return found


def numbered(escaped: str) -> tuple[str, str]:
    """A value without the number in brackets at its end, and that number; empty where there is none."""
    match = _NUMBERED.fullmatch(escaped) if escaped.endswith("]") and not escaped.endswith("\\]") else None
    return (match[1], match[2]) if match else (escaped, "")
