import pytest
from hypothesis import given, settings

from nisba.metrics.align import align
from nisba.metrics.errors import KINDS, Error, errors
from tests.small import claims, document, spelt

GOLD = spelt("g", "qsccccca", speaker="ليلى")


def found(gold, predicted):
    return list(errors(align(document(*gold), document(*predicted))))


@pytest.mark.parametrize(
    ("kinds", "predicted"),
    [
        ([], spelt("p", "qsccccca", speaker="ليلي")),
        (["missed_cue", "spurious_cue"], spelt("p", "--------qccc")),
        (["wrong_cue"], spelt("p", "-scccccaq", speaker="ليلى")),
        (["wrong_source"], spelt("p", "q-cccccas", speaker="ليلى")),
        (["content_long"], spelt("p", "qscccccac", speaker="ليلى")),
        (["content_short"], spelt("p", "qscccc-a", speaker="ليلى")),
        (["content_shifted"], spelt("p", "qs-ccccac", speaker="ليلى")),
        (["wrong_addressee"], spelt("p", "qsccccc", speaker="ليلى")),
        (["wrong_speaker"], spelt("p", "qsccccca", speaker="سعاد")),
        (["wrong_attribute"], spelt("p", "qsccccca", speaker="ليلى", type="direct")),
    ],
)
def test_kinds(kinds, predicted):
    assert [error.kind for error in found([GOLD], [predicted])] == kinds


def test_the_source_of_another_claim_is_a_wrong_link():
    gold = [spelt("a", "qscccc"), spelt("b", "------qscccc")]
    predicted = [spelt("x", "q-cccc-s"), spelt("y", "------q-cccc")]
    kinds = [(error.kind, error.gold, error.predicted) for error in found(gold, predicted)]
    assert ("wrong_link", "a", "x") in kinds
    assert ("wrong_source", "b", "y") in kinds  # none at all is no other claim's


def test_part_of_another_source_is_a_wrong_source():
    gold = [spelt("a", "qscccc"), spelt("b", "------qsscc")]
    kinds = [error.kind for error in found(gold, [spelt("x", "q-cccc-s"), gold[1]])]
    assert kinds == ["wrong_source"]


def test_ids_are_those_of_the_claims():
    assert found([GOLD], []) == [Error("missed_cue", "g", None)]
    assert found([], [GOLD]) == [Error("spurious_cue", None, "g")]


@settings(max_examples=100, deadline=None)
@given(claims(core=False), claims())
def test_claims_that_are_not_strictly_right_have_an_error(ours, theirs):
    alignment = align(document(*ours), document(*theirs))
    listed = list(errors(alignment))
    assert {error.kind for error in listed} <= set(KINDS)
    at_fault = {error.gold for error in listed if error.kind not in ("wrong_speaker", "wrong_attribute", "wrong_addressee")}
    for g, held in enumerate(alignment.gold):
        p = alignment.pairs.get(g)
        same = p is not None and alignment.predicted[p].key == held.key
        assert (held.claim.id in at_fault) == (g in alignment.core_gold and not same)
