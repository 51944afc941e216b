from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nisba.metrics.agreement import agreement, alpha, kappa
from nisba.schema import Entity
from tests.small import document, spelt, words

pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


def test_published_examples():
    # Krippendorff 2011, section B: two observers, ten units, binary data.
    one, other = (0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0)
    assert alpha(zip(one, other, strict=True)) == pytest.approx(0.095, abs=5e-4)
    # Cohen 1960, by hand: 45 both yes, 15 and 25 split, 15 both no: (0.6 − 0.54) / (1 − 0.54)
    table = [("y", "y")] * 45 + [("y", "n")] * 15 + [("n", "y")] * 25 + [("n", "n")] * 15
    assert kappa(table) == pytest.approx(0.06 / 0.46)


@settings(max_examples=100, deadline=None)
@given(pairs)
def test_alpha_by_the_coincidence_matrix(values):
    """α = 1 − (n − 1) Σ_{c≠k} o_ck / Σ_{c≠k} n_c n_k for nominal data."""
    every = [value for pair in values for value in pair]
    if len(set(every)) < 2:
        assert alpha(values) is None
        return
    disagreement = sum(2 for a, b in values if a != b)
    expected = sum(every.count(c) * every.count(k) for c in set(every) for k in set(every) if c != k)
    assert alpha(values) == pytest.approx(1 - (len(every) - 1) * disagreement / expected)


@settings(max_examples=100, deadline=None)
@given(pairs)
def test_kappa_by_its_definition(values):
    kinds = {value for pair in values for value in pair}
    if len(kinds) < 2:
        assert kappa(values) is None
        return
    size = len(values)
    seen = sum(a == b for a, b in values) / size
    chance = sum(sum(a == k for a, _ in values) * sum(b == k for _, b in values) for k in kinds) / size**2
    assert kappa(values) == pytest.approx((seen - chance) / (1 - chance))


def test_two_annotators():
    one = document(spelt("a", "qscccc"), spelt("b", "-------qcccc", type="direct"), entities=[Entity(words(1), "PER")])
    other = document(spelt("a", "qsccc"), spelt("b", "-------qcccc"), entities=[Entity(words(1), "ORG")])
    values = agreement([(one, other)])
    assert values["scores"]["claims"]["strict"]["f1"] == 50
    assert agreement([(other, one)])["scores"]["claims"]["strict"]["f1"] == 50
    assert values["alpha"]["cue"] == values["alpha"]["source"] == 1
    assert values["alpha"]["addressee"] is None
    token_in_content = list(zip([0, 0] + [1] * 4 + [0, 0] + [1] * 4, [0, 0] + [1] * 3 + [0] * 3 + [1] * 4, strict=True))
    assert values["alpha"]["content"] == alpha(token_in_content)
    assert values["alpha"]["names"] == alpha([("PER", "ORG"), *[("O", "O")] * 11])
    assert values["kappa"] == {
        "type": kappa([("indirect", "indirect"), ("direct", "indirect")]),
        "source_type": 1.0,
        "stance": None,
    }


def test_an_annotator_agrees_with_herself(seeds):
    values = agreement([(d, replace(d, claims=d.claims[::-1])) for d in seeds[:8]])
    assert set(values["alpha"].values()) == set(values["kappa"].values()) == {1.0}
