"""Being asked to stop: SIGTERM and SIGUSR1, which schedulers as Slurm send a while before they take the machine away.

Training hears them as a wish and looks at it between steps. The programs that start it (``accelerate launch``, ``torchrun``) would
die of the signal, or kill what they started before it has saved: ``supervise`` runs them deaf and passes the wish on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
LEFT = "SIGINT,SIGHUP,SIGQUIT"  # what is left for torchrun to hear, where accelerate starts it too


class Stopped(RuntimeError):
    """Training was asked to stop and has saved where it stands: the same command goes on from there."""


class _Broken(BaseException):
    """Leaves the work of ``Interrupts.attempt``; a BaseException, so that no library swallows it."""


class Interrupts:
    """Within the block the signals end nothing, they set ``asked``. Only the main thread can hear them: in others the block changes
    nothing."""

    def __init__(self) -> None:
        self.asked = False
        self._breaking = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def attempt(self, work: Callable[[], T]) -> T | None:
        """The result of ``work``; None where it was broken off, or not begun, because training is asked to stop."""
        try:
            try:
                self._breaking = True
                return None if self.asked else work()
            finally:
                self._breaking = False
        except _Broken:  # also where the signal came between the end of the work and the line above
            return None

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if self._breaking:
            self._breaking = False
            raise _Broken


def supervise(command: Sequence[str]) -> int:
    """Run a launcher of training processes, pass on to all of them that they should stop, return the launcher's exit code.

    SIGINT (Ctrl-C) asks in the same way, and ends in KeyboardInterrupt; a second one kills. The wish is repeated until all have
    ended: a process that has only just begun cannot hear it yet.
    """
    heard: list[int] = []
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in (signal.SIGINT, *SIGNALS)}
    try:
        process = subprocess.Popen(
            command, start_new_session=True, preexec_fn=_deaf, env=os.environ | {"PET_SIGNALS_TO_HANDLE": LEFT}
        )
        while process.poll() is None:
            if heard:
                os.killpg(process.pid, signal.SIGKILL if heard.count(signal.SIGINT) > 1 else signal.SIGTERM)
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signal.SIGINT in heard:
        raise KeyboardInterrupt
    return process.returncode


def _deaf() -> None:
    """For the launcher; what it starts inherits this until it listens itself."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
