"""How much of what is wrong with a file is told: all of it, as far as anybody would read it."""

from __future__ import annotations

from nisba.files import FormatError

MOST = 1000  # problems of a file that are listed before its reading ends


def few(problems: list[str]) -> None:
    """Raises FormatError with ``problems`` where they have become too many to go on."""
    if len(problems) >= MOST:
        raise FormatError([*problems, f"and perhaps more: reading ended after {MOST:,} problems"])
