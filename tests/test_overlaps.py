from hypothesis import given
from hypothesis import strategies as st

from nisba.overlaps import Overlaps

pairs = st.tuples(st.integers(0, 40), st.integers(1, 30)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(pairs, max_size=30), pairs)
def test_those_that_share_a_character_in_the_order_given(spans, place):
    found = Overlaps((*span, number) for number, span in enumerate(spans)).of(*place)
    assert found == [i for i, (start, end) in enumerate(spans) if start < place[1] and place[0] < end]
