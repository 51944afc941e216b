"""Selections behave as the lists that they stand for."""

from hypothesis import given
from hypothesis import strategies as st

from nisba import selection

lists = st.lists(st.integers(), max_size=6)


@given(st.lists(lists, max_size=4), st.data())
def test_like_the_lists_they_stand_for(sequences, data):
    whole = [each for sequence in sequences for each in sequence]
    found = selection.of(*sequences)
    assert list(found) == whole
    assert len(found) == len(whole)
    assert bool(found) == bool(whole)
    assert list(found[1:-1]) == whole[1:-1]
    indices = data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=8)) if whole else []
    some = selection.picked(found, indices)
    assert list(some) == [whole[i] for i in indices]
    assert list(selection.of(some, whole)) == [*some, *whole]
    assert all(isinstance(place[0], list) for place in some.places)  # a selection of a selection goes straight to the things
