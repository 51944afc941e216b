from dataclasses import replace

import pytest

from nisba.metrics import MismatchError, pair
from nisba.metrics.compare import compare
from nisba.schema import Entity
from tests.small import document, spelt, words

GOLD = [replace(document(spelt("a", "qscccc"), spelt("b", "------qscccc")), id=f"d{i}") for i in range(12)]


def losing(count):
    """Predictions that miss the second claim of the first documents."""
    return [replace(d, claims=d.claims[:1]) if i < count else d for i, d in enumerate(GOLD)]


def test_both_systems_their_difference_and_its_p_value():
    values = compare(pair(GOLD, losing(9)), pair(GOLD, losing(1)), resamples=500)
    strict = values["measures"]["claims.strict.recall"]
    assert (strict["a"], strict["b"]) == (62.5, 95.83)  # 15 and 23 of 24
    assert strict["difference"] == 33.33
    assert strict["interval"][0] > 0
    assert strict["p"] < 0.05
    assert values["measures"]["claims.strict.precision"] == {"a": 100, "b": 100, "difference": 0, "interval": [0, 0], "p": 1}
    assert values["measures"]["roles.addressee.strict.f1"] == dict.fromkeys(("a", "b", "difference", "interval", "p"))
    assert values["resampling"] == {"level": 0.95, "resamples": 500, "seed": 0}


def test_which_documents_changed():
    second = losing(1)
    second[4] = replace(second[4], claims=(*second[4].claims, spelt("s", "c"), spelt("t", "-c")))
    rows = compare(pair(GOLD, losing(3)), pair(GOLD, second), resamples=10)["changed"]
    assert [(row["id"], row["wrong"]["claims"], row["fixed"], row["new"]) for row in rows] == [
        ("d4", [0, 2], 0, 2),
        ("d1", [1, 0], 1, 0),
        ("d2", [1, 0], 1, 0),
    ]
    # As many errors as before, but others; and names.
    other = [replace(GOLD[0], claims=GOLD[0].claims[1:]), *GOLD[1:]]
    named = [replace(d, entities=(Entity(words(0), "PER"),)) if d.id == "d7" else d for d in GOLD]
    rows = compare(pair(named, losing(1)), pair(named, [*other[:7], named[7], *other[8:]]), resamples=10)["changed"]
    assert [(row["id"], row["wrong"], row["fixed"], row["new"]) for row in rows] == [
        ("d0", {"claims": [1, 1], "names": [0, 0]}, 1, 1),
        ("d7", {"claims": [0, 0], "names": [1, 0]}, 1, 0),
    ]


def test_the_other_way_round():
    sides = pair(GOLD, losing(5)), pair(GOLD, losing(2))
    there, back = compare(*sides, resamples=200), compare(*sides[::-1], resamples=200)
    for name, values in there["measures"].items():
        assert values["a"] == back["measures"][name]["b"]
        if values["difference"]:
            assert values["difference"] == -back["measures"][name]["difference"]
        assert values["p"] == pytest.approx(back["measures"][name]["p"], abs=0.1)


def test_other_gold_documents_are_refused():
    with pytest.raises(MismatchError):
        compare(pair(GOLD, GOLD), pair(GOLD[:3], GOLD[:3]), resamples=10)


def test_without_resamples_there_is_no_p_value():
    values = compare(pair(GOLD, losing(3)), pair(GOLD, losing(1)), resamples=0)["measures"]["claims.strict.f1"]
    assert values["interval"] is values["p"] is None
    one = compare(pair(GOLD[:1], losing(1)[:1]), pair(GOLD[:1], GOLD[:1]), resamples=50)["measures"]["claims.strict.f1"]
    assert one["difference"] > 0
    assert one["interval"] is one["p"] is None


def test_a_claim_lost_is_nothing_fixed():
    """Four errors of one poor answer give way to one missed claim: it is still missed, and only the poor answer is gone."""
    gold = [document(spelt("g", "qscccc", speaker="ب"), spelt("h", "------qscccc"))]
    poor = [document(spelt("x", "-qccccs", type="direct", speaker="ليلى"), gold[0].claims[1])]
    none = [document(gold[0].claims[1])]
    (row,) = compare(pair(gold, poor), pair(gold, none), resamples=0)["changed"]
    assert (row["wrong"]["claims"], row["fixed"], row["new"]) == ([2, 1], 1, 0)
    others = [document(*gold[0].claims, spelt("s", roles)) for roles in ("------c", "-------c")]
    (row,) = compare(pair(gold, others[:1]), pair(gold, others[1:]), resamples=0)["changed"]
    assert (row["fixed"], row["new"]) == (1, 1)
