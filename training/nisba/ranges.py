"""What a sweep may choose from: a YAML file of settings and their ranges, every error at once.

::

    train.learning_rate: {log: [1e-5, 1e-3]}     # a number, small ones as likely as large ones
    train.warmup: {float: [0, 0.3]}              # a number
    train.freeze: {int: [0, 4]}                  # a whole number, both ends included
    model.layers: {choice: [6, 8, 12]}           # one of these
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from nisba import config
from nisba.schema import excerpt

Kind = Literal["log", "float", "int", "choice"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Value = bool | int | float | str | None
MOST = 1000  # choices of a setting
FIXED = {
    "output": "each trial has its own",
    "data": "scores on other articles do not compare",
    "train.metric": "scores by other measures do not compare",
}


class RangesError(ValueError):
    """Ranges that cannot be searched; the message lists everything wrong with them."""


@dataclass(frozen=True)
class Range:
    """What a setting may be: from the first of ``values`` to the last, both included, or for a ``choice`` one of them."""

    kind: Kind
    values: tuple[Value, ...]


def load(path: Path, settings: config.Config) -> dict[str, Range]:
    """The ranges of a file, by dotted key. Raises RangesError where it is none, or where ``settings`` could not take a value of
    theirs; OSError."""
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise RangesError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(given, dict) or not given:
        raise RangesError(f"{path}: must be a mapping of settings and their ranges, as train.learning_rate: {{log: [1e-5, 1e-3]}}")
    found: dict[str, Range] = {}
    problems: list[str] = []
    for key, value in given.items():
        try:
            found[str(key)] = one = parse(value)
        except ValueError as problem:
            problems.append(f"{path}: {excerpt(str(key))}: {problem}")
        else:
            problems += (f"{path}: {problem}" for problem in unfit(str(key), one, settings))
    if problems:
        raise RangesError("\n".join(problems))
    return found


def parse(value: Any) -> Range:
    """The range that plain values describe. Raises ValueError."""
    form = ", ".join(f"{{{kind}: […]}}" for kind in KINDS)
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in KINDS:
        raise ValueError(f"must be one of {form}: «{excerpt(str(value))}»")
    [(kind, values)] = value.items()
    values = values if isinstance(values, list) else [values]
    if kind == "choice":
        return Range("choice", _choices(values))
    low, high = _ends(kind, values)
    if not low < high:
        raise ValueError(f"{kind}: the first end must be below the second: «{excerpt(str(values))}»")
    if kind == "log" and low <= 0:
        raise ValueError(f"log: both ends must be above 0: «{excerpt(str(values))}»")
    return Range(kind, (low, high))


def _choices(values: list[Any]) -> tuple[Value, ...]:
    if not 1 < len(values) <= MOST:
        raise ValueError(f"choice: must have 2 to {MOST} values, not {len(values)}")
    for value in values:
        if not isinstance(value, Value) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"choice: each must be a number, a text, true, false or null: «{excerpt(str(value))}»")
    if len(set(map(str, values))) < len(values):
        raise ValueError("choice: a value is given twice")
    return tuple(values)


def _ends(kind: str, values: list[Any]) -> tuple[float, float]:
    if len(values) != 2:
        raise ValueError(f"{kind}: must have two ends, not {len(values)}")
    found: list[float] = []
    for value in values:
        try:
            if isinstance(value, bool) or not isinstance(value, int | float | str):  # YAML takes 1e-5 for a text
                raise TypeError
            number = int(str(value)) if kind == "int" else float(value)
        except (OverflowError, TypeError, ValueError):
            wanted = "whole numbers" if kind == "int" else "numbers"
            raise ValueError(f"{kind}: the ends must be {wanted}: «{excerpt(str(value))}»") from None
        if not math.isfinite(number) or abs(number) > 2**53:  # what JSON keeps whole
            raise ValueError(f"{kind}: the ends must lie within ±2^53: «{excerpt(str(value))}»")
        found.append(number)
    return found[0], found[1]


def unfit(key: str, found: Range, settings: config.Config) -> Iterator[str]:
    """Why a setting cannot take the values of a range, by itself."""
    fixed = next((why for name, why in FIXED.items() if key == name or key.startswith(f"{name}.")), None)
    if fixed is not None:
        yield f"{key}: cannot be searched: {fixed}"
        return
    told: set[str] = set()
    for value in found.values:
        try:
            chosen(settings, {key: value}, key)
        except config.ConfigError as error:
            told |= {line.removeprefix(f"{key}: ") for line in str(error).splitlines()}
    yield from sorted(told)


def chosen(settings: config.Config, values: Mapping[str, Value], where: str) -> config.Config:
    """The configuration with other values, by dotted key. Raises ConfigError with every problem; ``where`` opens each."""
    rows = settings.model_dump()
    for key, value in values.items():
        section = rows
        *above, last = key.split(".")
        for name in above:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise config.ConfigError(f"{where}: {key}: {name} is no section")
        section[last] = value
    return config.parse(rows, where)
