"""How far a run is and how fast: a bar where somebody watches, one line at the end for everybody."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from tqdm.auto import tqdm

from nisba.blocks import Done

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run has done. ``before``: documents of earlier runs of the same job; ``size`` and ``seconds`` are of this run: bytes
    of text in UTF-8, and wall time without the loading of the model."""

    documents: int
    errors: int
    before: int = 0
    size: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        before = f" ({self.before:,} of them before)" if self.before else ""
        return f"{self.documents:,} documents{before}, {self.errors:,} errors, {self.seconds:.1f} s, {self.speed}"

    @property
    def speed(self) -> str:
        seconds = max(self.seconds, 1e-3)
        return f"{(self.documents - self.before) / seconds:.1f} articles/s, {self.size / MEGABYTE / seconds:.3f} MB/s"


class Progress:
    """Counts, and shows a bar on standard error where that is a terminal: of the bytes of the input, so that it knows the time
    left, else of documents."""

    def __init__(self, total: int | None, *, documents: int = 0, errors: int = 0, show: bool = True):
        self.documents = self.before = documents
        self.errors, self.size, self.began = errors, 0, time.monotonic()
        self._known = bool(total)
        hidden = not show or not sys.stderr.isatty()
        if total:
            self._bar = tqdm(total=total, unit="B", unit_scale=True, disable=hidden)
        else:
            self._bar = tqdm(initial=documents, unit=" documents", disable=hidden)

    def add(self, done: Done, *, read: int) -> None:
        """Another block is done; ``read`` is where the input is now, in bytes."""
        self.documents += done.documents
        self.errors += len(done.complaints)
        self.size += done.size
        self._bar.set_postfix_str(f"{self.summary().speed}, {self.errors:,} errors", refresh=False)
        self._bar.update(read - self._bar.n if self._known else done.documents)

    def summary(self) -> Summary:
        return Summary(self.documents, self.errors, self.before, self.size, time.monotonic() - self.began)

    def close(self) -> None:
        self._bar.close()
