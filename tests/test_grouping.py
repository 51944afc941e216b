from itertools import pairwise

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
