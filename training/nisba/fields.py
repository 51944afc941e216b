"""What can be wrong with a field of a document: checks that give every problem of a value, and the error that lists them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

EXCERPT = 60  # characters of offending text that a message shows
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document: which field, what about it, and the text concerned."""

    field: str
    message: str
    text: str = ""

    def __str__(self) -> str:
        shown = excerpt(self.text)
        return f"{self.field}: {self.message}" + (f": «{shown}»" if shown else "")


class SchemaError(ValueError):
    """Raised with every problem found, in ``problems``."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def excerpt(text: str) -> str:
    """At most EXCERPT characters of ``text`` on one line, safe to print."""
    if len(text) <= EXCERPT and text.isprintable():
        return text
    head = text[: EXCERPT + 1].encode("utf-8", "backslashreplace").decode()
    head = "".join(c if c.isprintable() else " " for c in head)
    return head if len(head) <= EXCERPT else head[:EXCERPT] + "…"


def raised(problems: Iterable[Problem]) -> None:
    """Raises SchemaError where there are any."""
    if found := [*problems]:
        raise SchemaError(found)


def string(name: str, value: Any) -> list[Problem]:
    """A string that is not empty and that UTF-8 can hold."""
    if not isinstance(value, str) or not value.strip():
        return [Problem(name, "must be a string that is not empty", repr(value))]
    return text(value, name)


def plain(value: Any) -> bool:
    """Whether ``string`` surely finds nothing; not every good string is plain. What can be printed has no surrogate in it."""
    return type(value) is str and value.isprintable() and not value.isspace() and value != ""


def text(value: Any, name: str = "text") -> list[Problem]:
    """A string that UTF-8 can hold."""
    if not isinstance(value, str):
        return [Problem(name, "must be a string", repr(value))]
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        return [Problem(name, f"lone surrogate at {error.start}", value[max(0, error.start - 10) : error.start + 10])]
    return []


def writable(name: str, value: Any) -> list[Problem]:
    """An object that JSON in UTF-8 can hold."""
    if not isinstance(value, Mapping):
        return [Problem(name, "must be an object", repr(value))]
    try:
        _JSON.encode(dict(value)).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        return [Problem(name, "cannot be written as JSON in UTF-8", str(error))]
    return []


def choice(name: str, value: Any, choices: tuple[str, ...]) -> list[Problem]:
    """One of ``choices``."""
    return [] if value in choices else [Problem(name, f"must be one of {', '.join(choices)}", repr(value))]


def score(value: Any) -> list[Problem]:
    """A number in [0, 1], or None."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1):
        return []
    return [Problem("score", "must be a number in [0, 1]", repr(value))]


def flag(name: str, value: Any) -> list[Problem]:
    """True or false."""
    return [] if isinstance(value, bool) else [Problem(name, "must be true or false", repr(value))]


def mapping(row: Any, needed: Set[str], allowed: Set[str]) -> dict[str, Any]:
    """``row``, an object with all the keys of ``needed`` and no others than those of ``allowed``. Raises SchemaError."""
    if isinstance(row, dict) and needed <= row.keys() <= allowed:
        return row
    if not isinstance(row, dict):
        raise SchemaError([Problem("record", "must be an object", repr(row))])
    missing = [Problem(key, "is missing") for key in sorted(needed - row.keys())]
    raise SchemaError([*missing, *(Problem(excerpt(key), "is not a key of the format") for key in sorted(row.keys() - allowed))])


def listed(row: dict[str, Any], name: str, problems: list[Problem]) -> list[Any]:
    """The list that may stand under ``name``; what is wrong with it is added to ``problems``."""
    value = row.get(name, [])
    if isinstance(value, list):
        return value
    problems.append(Problem(name, "must be a list", repr(value)))
    return []
