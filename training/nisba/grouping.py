"""What prediction computes together: documents, windows and anchors of one pass, and groups of documents side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from threading import Event, Lock
from typing import TypeVar

import torch

CHARACTERS = 4096  # of the documents of a group: about 1,250 sub-words of news
BUDGET = 2048  # sub-words of one encoder pass
PAIRS = 1 << 16  # anchors times words in reach of one pass of the role heads
WORKERS = 8  # groups that are worked on side by side, at most: they share one Python, and each takes its memory
_TURN = Lock()

Result = TypeVar("Result")


def documents(lengths: Sequence[int]) -> list[list[int]]:
    """Documents (of so many characters) of like length together, as indices: CHARACTERS or one document a group, the longest
    first, so that what is left to do in the end is short."""
    groups: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not groups or lengths[index] > room:
            groups.append([])
            room = CHARACTERS
        groups[-1].append(index)
        room -= lengths[index]
    return groups


def windows(sizes: Sequence[int]) -> Iterator[slice]:
    """Windows (of so many sub-words) in a row of one encoder pass: BUDGET sub-words or one window."""
    start, used = 0, 0
    for index, size in enumerate(sizes):
        if index > start and used + size > BUDGET:
            yield slice(start, index)
            start, used = index, 0
        used += size
    if sizes:
        yield slice(start, len(sizes))


def anchors(reaches: Sequence[int]) -> Iterator[slice]:
    """Anchors (with so many words in reach) in a row whose roles are tagged in one pass: PAIRS, padded to the longest reach, or one
    anchor."""
    start, longest = 0, 0
    for index, reach in enumerate(reaches):
        longest = max(longest, reach)
        if index > start and (index - start + 1) * longest > PAIRS:
            yield slice(start, index)
            start, longest = index, reach
    if reaches:
        yield slice(start, len(reaches))


def side_by_side(work: Callable[[list[int], Event], Result], groups: Sequence[list[int]], *, threads: int) -> list[Result]:
    """What ``work`` makes of every group, in their order.

    Where torch computes with several ``threads``, as many groups are worked on at once (WORKERS at most) and the threads dealt to
    them: sharing the products of one group, threads mostly wait for each other (lab log). One call at a time; meanwhile, a thread
    that asks torch for the first time is given as few threads as a worker. ``work`` is to end soon once its event is set: somebody
    interrupts, or another group failed.
    """
    stop = Event()
    share = -(-threads // max(1, min(threads, WORKERS, len(groups))))  # as many for each, so that all compute alike
    workers = threads // share
    if workers < 2:
        return [work(group, stop) for group in groups]
    with _TURN:
        pool = ThreadPoolExecutor(workers, initializer=_compute_with, initargs=(share,))
        try:
            return list(pool.map(work, groups, repeat(stop)))
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            torch.set_num_threads(threads)  # a worker's number counts for threads that are begun later, too


def _compute_with(threads: int) -> None:
    torch.get_num_threads()  # unless asked before, torch would take another thread's number later
    torch.set_num_threads(threads)
