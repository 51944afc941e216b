"""What a server writes on standard error: its own few lines, and of an error only what kind it is and where it arose.

An error's message may hold the text that it is about, and so may what libraries print: a panic in the tokenizer's Rust quotes it on
standard error, past any Python. While the server runs, standard error is therefore this module's alone.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FRAMES = 6  # of a traceback, the innermost

log = logging.getLogger("nisba.serve")


def place(error: BaseException) -> str:
    """The kind of an error and the lines it came through, innermost first, without its message."""
    frames = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False)[-FRAMES:]
    lines = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames)]
    return f"{type(error).__name__} at {' < '.join(lines) or 'no line'}"


@contextmanager
def alone() -> Iterator[None]:
    """While the block runs, lines of ``log`` go to standard error and what anything else writes there goes nowhere."""
    sys.stderr.flush()
    before = os.dup(2)
    with open(os.dup(before), "w", encoding="utf-8", errors="backslashreplace") as stream:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("nisba serve: %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            log.removeHandler(handler)
