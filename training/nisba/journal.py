"""The journal of a job: what it is over, and how far it has come, in one small file that is always whole.

It never says more than what is safely in the partial files: those are flushed to disk first. What lies beyond the lengths it gives
is cut off when the job goes on, so that a block is written once, whenever the process ended.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from nisba.schema import excerpt

FORMAT = 1
State = Literal["running", "complete", "finished"]


class JournalError(ValueError):
    """A job that cannot go on as it is asked to."""


@dataclass(frozen=True, slots=True)
class Journal:
    """``identity`` tells the job from others. Counts are of the blocks before ``blocks`` that are this process's own; ``records``
    are those of all blocks before. ``output`` and ``faults`` are the bytes of the partial files, once finished of the results.

    ``running``: blocks are missing; ``complete``: the result is; ``finished``: the result is in its place.
    """

    identity: dict[str, str]
    state: State = "running"
    blocks: int = 0
    records: int = 0
    documents: int = 0
    errors: int = 0
    output: int = 0
    faults: int = 0


def load(path: Path) -> Journal | None:
    """The journal, None where there is none. Raises JournalError for what is none of this version, OSError."""
    try:
        row = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        row = None
    if not isinstance(row, dict) or row.pop("format", None) != FORMAT:
        raise JournalError(f"{path}: not a journal of this version of nisba; remove it, or choose another output")
    try:
        return Journal(**row)
    except TypeError as error:
        raise JournalError(f"{path}: not a journal of this version of nisba: {excerpt(str(error))}") from None


def save(journal: Journal, path: Path) -> None:
    """Takes the place of the former in one step; a crash leaves the old or the new. Raises OSError."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("w", encoding="utf-8") as stream:
            json.dump({"format": FORMAT} | asdict(journal), stream, ensure_ascii=False, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(new, path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise


def differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """What two identities disagree on, a line each."""
    keys = dict.fromkeys([*before, *now])
    return [f"{key}: {before.get(key, '–')} then, {now.get(key, '–')} now" for key in keys if before.get(key) != now.get(key)]
