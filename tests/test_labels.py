import itertools

from hypothesis import given
from hypothesis import strategies as st

from nisba.labels import NAME_TAGS, ROLE_TAGS, allowed, tag, untag
from nisba.schema import Span

WORDS = [Span(2 * i, 2 * i + 1) for i in range(10)]


def test_tag_sets():
    assert NAME_TAGS == ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
    assert len(ROLE_TAGS) == 9


def test_adjacent_spans_stay_apart():
    indices, lost = tag(WORDS, [(Span(0, 3), "PER"), (Span(4, 5), "PER")], NAME_TAGS)
    assert lost == 0
    assert untag(indices, NAME_TAGS) == [(0, 2, "PER"), (2, 3, "PER")]


def test_what_tags_cannot_hold_is_counted():
    assert tag([Span(0, 9)], [(Span(3, 5), "PER")], NAME_TAGS)[1] == 1
    assert tag(WORDS, [(Span(0, 3), "PER"), (Span(2, 5), "ORG")], NAME_TAGS)[1] == 1


@given(st.sets(st.integers(0, 9)), st.data())
def test_untag_inverts_tag(cuts, data):
    edges = sorted(cuts)
    spans = [
        (Span(WORDS[a].start, WORDS[b - 1].end), data.draw(st.sampled_from(["PER", "ORG"]))) for a, b in itertools.pairwise(edges)
    ]
    indices, lost = tag(WORDS, spans, NAME_TAGS)
    assert lost == 0
    assert [(Span(WORDS[a].start, WORDS[b - 1].end), label) for a, b, label in untag(indices, NAME_TAGS)] == spans


def test_allowed_transitions():
    table = allowed(("O", "B-x", "I-x", "B-y", "I-y"))
    assert table[0] == [True, True, False, True, False]
    assert table[2] == [True, True, True, True, False]
    assert table[-1] == table[0]
