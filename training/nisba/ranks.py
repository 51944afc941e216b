"""What the processes of one training must agree on, so that none waits for another that has left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list


class RanksError(RuntimeError):
    """The main process has failed, and says why itself."""


def agreed(accelerator: Accelerator, *flags: bool) -> list[bool]:
    """Each flag: true on every process where it is true on one. All processes must call this."""
    if accelerator.num_processes == 1:
        return list(flags)
    counts: torch.Tensor = accelerator.reduce(torch.tensor(flags, dtype=torch.int32, device=accelerator.device), "sum")
    return [bool(count) for count in counts.cpu()]


def told(accelerator: Accelerator, value: str | None) -> str | None:
    """The main process's value, on every process. All processes must call this."""
    [value] = [value] if accelerator.num_processes == 1 else broadcast_object_list([value])
    return value


@contextmanager
def together(accelerator: Accelerator) -> Iterator[None]:
    """A block in which the main process does something that can fail: the others wait for it and fail with it.

    Raises what the block raises, RanksError on the other processes.
    """
    error: Exception | None = None
    try:
        yield
    except Exception as problem:
        error = problem
    problem_there = told(accelerator, None if error is None else str(error) or type(error).__name__)
    if error is not None:
        raise error
    if problem_there is not None:
        raise RanksError(f"the main process failed: {problem_there}")
