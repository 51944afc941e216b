import threading
import time
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nisba import grouping


def places(slices):
    return [i for part in slices for i in range(part.start, part.stop)]


@given(st.lists(st.integers(0, 2 * grouping.CHARACTERS), max_size=40))
def test_groups_hold_every_document_once(lengths):
    groups = grouping.documents(lengths)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    assert all(len(group) == 1 or sum(lengths[i] for i in group) <= grouping.CHARACTERS for group in groups)
    heads = [lengths[group[0]] for group in groups]
    assert heads == sorted(heads, reverse=True)
    # No group could take the one behind it as well.
    assert all(sum(lengths[i] for i in [*one, *other]) > grouping.CHARACTERS for one, other in pairwise(groups))


@given(st.lists(st.integers(1, 2 * grouping.BUDGET), max_size=40))
def test_passes_hold_every_window_once(sizes):
    passes = list(grouping.windows(sizes))
    assert places(passes) == list(range(len(sizes)))
    assert all(part.stop - part.start == 1 or sum(sizes[part]) <= grouping.BUDGET for part in passes)
    assert all(sum(sizes[one.start : two.start + 1]) > grouping.BUDGET for one, two in pairwise(passes))


@given(st.lists(st.integers(1, grouping.PAIRS // 3), max_size=40))
def test_passes_hold_every_anchor_once(reaches):
    passes = list(grouping.anchors(reaches))
    assert places(passes) == list(range(len(reaches)))
    padded = [(part.stop - part.start) * max(reaches[part]) for part in passes]
    assert all(pairs <= grouping.PAIRS for pairs in padded)


def test_one_anchor_at_least():
    assert list(grouping.anchors([grouping.PAIRS + 1] * 2)) == [slice(0, 1), slice(1, 2)]


@pytest.mark.parametrize(
    ("threads", "groups", "workers", "share"),
    [(1, 5, 1, 1), (2, 5, 2, 1), (2, 1, 1, 2), (3, 2, 1, 3), (4, 2, 2, 2), (8, 5, 4, 2), (12, 20, 6, 2), (2, 0, 0, 0)],
    indirect=["threads"],
)
def test_threads_are_dealt_alike(threads, groups, workers, share):
    seen = set()

    def work(group, stop):
        torch.ones(2) + 1  # the first operation of a thread is where torch would take a number from elsewhere
        time.sleep(0.02)
        seen.add((threading.get_ident(), torch.get_num_threads()))
        return group[0]

    assert grouping.side_by_side(work, [[i] for i in range(groups)], threads=threads) == list(range(groups))
    assert {number for _, number in seen} == ({share} if groups else set())
    assert len(seen) <= workers
    assert workers < 2 or len(seen) > 1
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("threads", [2], indirect=True)
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_fails_stops_the_others_soon(threads, error):
    begun, stopped = threading.Event(), threading.Event()
    started = []

    def work(group, stop):
        started.append(group)
        if group == [0]:
            assert begun.wait(10)
            raise error
        begun.set()
        if stop.wait(10):
            stopped.set()

    with pytest.raises(error):
        grouping.side_by_side(work, [[i] for i in range(50)], threads=threads)
    assert stopped.wait(10)
    assert len(started) < 50
