"""Hand-computed tables, properties, agreement with seqeval, and the known defects of other scorers."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities

from nisba.metrics import MismatchError, TokenIndex, align, f1, pair, report, same_name
from nisba.schema import Claim, Document, Entity, Span
from tests.strategies import documents

TEXT = "ا ب ج د ه و ز ح ط ي ك ل"  # twelve tokens of one letter: token n is [2n, 2n+1)


def words(first, last=None):
    return Span(2 * first, 2 * (first if last is None else last) + 1)


def claim(name, content, cue=(), source=(), **more):
    kind = more.pop("source_type", "person" if source else "implicit")
    return Claim(name, content=tuple(content), cue=tuple(cue), source=tuple(source), source_type=kind, **more)


def document(*claims, entities=(), text=TEXT, name="d"):
    return Document(name, text, tuple(entities), tuple(claims))


def scored(gold, predicted):
    return report([(gold, predicted)])


GOLD = document(
    claim("a", [words(2, 5)], [words(0)], [words(1)], speaker="أحمد"),
    claim("b", [words(8, 11)], [words(7)], speaker=None),
)


def test_perfect():
    values = scored(GOLD, GOLD)
    assert values["claims"]["strict"]["f1"] == values["claims"]["soft"]["f1"] == 100
    assert values["speaker"]["accuracy"] == 100
    assert all(values["roles"][role]["strict"]["f1"] == 100 for role in ("cue", "source", "content"))


def test_a_hand_computed_table():
    predicted = document(
        claim("x", [words(2, 6)], [words(0)], [words(1)], speaker="احمد"),  # one token too long: F1 = 8/9
        claim("y", [words(8, 9)], [words(7)], speaker="ليلى"),  # half of it: F1 = 2·2/6 = 2/3
        claim("z", [words(1)]),  # spurious
    )
    values = scored(GOLD, predicted)
    assert values["claims"]["strict"] == {"precision": 0, "recall": 0, "f1": 0, "correct": 0, "predicted": 3, "gold": 2}
    assert values["claims"]["soft"]["correct"] == 1
    assert values["claims"]["soft"]["precision"] == 33.33
    assert values["claims"]["soft"]["recall"] == 50
    assert values["claims"]["soft"]["f1"] == 40
    assert values["roles"]["cue"]["strict"]["f1"] == 100
    content = values["roles"]["content"]["overlap"]  # shared 4 + 2, predicted 5 + 2 + 1, gold 4 + 4
    assert (content["correct"], content["predicted"], content["gold"]) == (6, 8, 8)
    assert content["f1"] == 75
    assert values["speaker"] == {"accuracy": 50, "correct": 1, "total": 2}


def test_soft_needs_linked_sources():
    wrong = document(claim("x", [words(2, 5)], [words(0)], [words(6)]))
    none = document(claim("x", [words(2, 5)], [words(0)]))
    gold = document(GOLD.claims[0])
    assert scored(gold, wrong)["claims"]["soft"]["correct"] == 0
    assert scored(gold, none)["claims"]["soft"]["correct"] == 0
    both_empty = document(claim("x", [words(8, 11)]))
    assert scored(document(GOLD.claims[1]), both_empty)["claims"]["soft"]["correct"] == 1


def test_over_long_spans_lose():
    """Dividing by the gold length alone (SFU Gender Gap Tracker) gives a span over the whole text full marks."""
    gold = document(claim("a", [words(2, 3)]))
    everything = document(claim("x", [words(0, 11)]))
    index = TokenIndex(TEXT)
    held, given_ = index.of(gold.claims[0].content), index.of(everything.claims[0].content)
    assert len(held & given_) / len(held) == 1  # the defective formula
    assert f1(held, given_) == pytest.approx(2 * 2 / 14)
    assert scored(gold, everything)["claims"]["soft"]["correct"] == 0


def test_a_pair_without_content_overlap_never_counts():
    """Scoring roles of aligned pairs that share no content (uhh's scorer) would credit this cue and source."""
    gold = document(claim("a", [words(2, 5)], [words(0)], [words(1)], speaker="أحمد"))
    predicted = document(claim("x", [words(8, 11)], [words(0)], [words(1)], speaker="أحمد"))
    values = scored(gold, predicted)
    assert align(gold, predicted) == []
    assert values["roles"]["cue"]["strict"]["correct"] == values["roles"]["source"]["overlap"]["correct"] == 0
    assert values["speaker"]["correct"] == 0


def test_overlap_is_symmetric():
    """An overlap score with its lengths swapped (Citron) changes when gold and prediction change places; F1 does not."""
    gold, predicted = document(claim("a", [words(2, 5)])), document(claim("x", [words(4, 9)]))
    there, back = (scored(*pair_)["roles"]["content"]["overlap"] for pair_ in ((gold, predicted), (predicted, gold)))
    assert (there["precision"], there["recall"]) == (back["recall"], back["precision"]) == (33.33, 50)
    assert there["f1"] == back["f1"]


def test_spurious_claims_cost_precision():
    """Averaging over gold claims alone (NewsClaims) does not see them."""
    spurious = replace(GOLD, claims=(*GOLD.claims, claim("z", [words(6)])))
    values = scored(GOLD, spurious)["claims"]
    assert values["soft"]["recall"] == 100
    assert values["soft"]["precision"] == values["strict"]["precision"] == 66.67


def test_fragments_are_one_role():
    gold = document(claim("a", [words(0, 1), words(4, 5)], [words(2)], [words(3)]))
    half = document(claim("a", [words(0, 1)], [words(2)], [words(3)]))
    values = scored(gold, half)
    assert values["roles"]["content"]["strict"]["correct"] == 0
    assert values["roles"]["content"]["overlap"]["recall"] == 50


def test_two_claims_with_one_content_pair_by_cue_and_source():
    relay = document(claim("a", [words(4, 8)], [words(0)], [words(1)]), claim("b", [words(4, 8)], [words(2)], [words(3)]))
    turned = replace(relay, claims=relay.claims[::-1])
    assert [(g.id, p.id) for g, p in align(relay, turned)] == [("a", "a"), ("b", "b")]


def test_breakdown_by_type():
    gold = document(claim("a", [words(2, 5)], type="direct"), claim("b", [words(8, 11)], type="mixed"))
    predicted = document(claim("a", [words(2, 5)], type="mixed"), claim("b", [words(8, 11)], type="mixed"))
    by = scored(gold, predicted)["claims"]["soft_by_type"]
    assert (by["direct"]["recall"], by["direct"]["precision"]) == (100, 0)
    assert (by["mixed"]["recall"], by["mixed"]["precision"]) == (100, 100)
    assert scored(gold, predicted)["attributes"]["type"]["accuracy"] == 50
    assert scored(gold, predicted)["claims"]["strict_by_type"]["mixed"]["f1"] == 100  # a type is no part of the strict key


def test_two_equal_predictions_count_once():
    gold = document(claim("a", [words(2, 5)]))
    twice = document(claim("x", [words(2, 5)]), claim("y", [words(2, 5)]))
    assert scored(gold, twice)["claims"]["strict"]["precision"] == 50
    assert scored(gold, twice)["claims"]["soft"]["precision"] == 50


@settings(max_examples=60, deadline=None)
@given(documents())
def test_gold_against_itself_is_perfect(document):
    values = scored(document, document)
    for counts in (values["claims"]["strict"], values["claims"]["soft"], values["names"]):
        assert counts["correct"] == counts["predicted"] == counts["gold"]
    assert values["speaker"]["correct"] == len(document.claims)


claims_ = st.lists(
    st.builds(
        lambda n, a, b, c: claim(
            f"c{n}", [words(min(a, b), max(a, b))], *([[words(c)]] if c not in range(min(a, b), max(a, b) + 1) else [])
        ),
        st.integers(0, 10**6),
        *[st.integers(0, 11)] * 3,
    ),
    max_size=4,
    unique_by=lambda c: c.id,
)


@settings(max_examples=60, deadline=None)
@given(claims_, claims_, st.randoms())
def test_swap_and_order(ours, theirs, rng):
    there, back = scored(document(*ours), document(*theirs)), scored(document(*theirs), document(*ours))
    for role, kind in itertools.product(("cue", "content"), ("strict", "overlap")):
        assert there["roles"][role][kind]["predicted"] == back["roles"][role][kind]["gold"]
    assert there["claims"]["strict"]["precision"] == back["claims"]["strict"]["recall"]
    assert there["claims"]["soft"]["gold"] == back["claims"]["soft"]["predicted"]
    shuffled = rng.sample(theirs, len(theirs))
    again = scored(document(*ours), document(*shuffled))
    assert again["claims"]["strict"] == there["claims"]["strict"]
    assert again["roles"]["content"]["overlap"] == there["roles"]["content"]["overlap"]


@settings(max_examples=60, deadline=None)
@given(claims_, claims_)
def test_alignment_is_the_best_there_is(ours, theirs):
    index = TokenIndex(TEXT)
    table = [[f1(index.of(g.content), index.of(p.content)) for p in theirs] for g in ours]
    found = sum(f1(index.of(g.content), index.of(p.content)) for g, p in align(document(*ours), document(*theirs)))
    small, large = sorted((range(len(ours)), range(len(theirs))), key=len)
    flip = len(ours) > len(theirs)
    best = max(
        (
            sum(table[j][i] if flip else table[i][j] for i, j in zip(small, chosen, strict=True))
            for chosen in itertools.permutations(large, len(small))
        ),
        default=0,
    )
    assert found == pytest.approx(best, abs=1e-5)


def test_names_agree_with_seqeval():
    rng = random.Random(0)
    tags = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]
    for _ in range(200):
        gold, predicted = (rng.choices(tags, k=12) for _ in range(2))
        gold, predicted = (
            ["O" if t[0] == "I" and (i == 0 or row[i - 1][2:] != t[2:]) else t for i, t in enumerate(row)]
            for row in (gold, predicted)
        )
        for _ in range(12):  # an I that lost its beginning falls too
            gold, predicted = (
                ["O" if t[0] == "I" and (i == 0 or row[i - 1][2:] != t[2:]) else t for i, t in enumerate(row)]
                for row in (gold, predicted)
            )
        theirs = [set(get_entities(row)) for row in (gold, predicted)]
        strict = [{(e.tag, e.start, e.end - 1) for e in Entities([row], IOB2).entities[0]} for row in (gold, predicted)]
        assert theirs == strict
        ours = report(
            [
                tuple(
                    document(entities=[Entity(words(a, b), tag) for tag, a, b in sorted(row, key=lambda e: e[1])]) for row in theirs
                )
            ]
        )["names"]
        assert (ours["correct"], ours["predicted"], ours["gold"]) == (len(theirs[0] & theirs[1]), len(theirs[1]), len(theirs[0]))


def test_inputs_that_do_not_match_are_refused():
    other, changed = document(name="e"), document(text=TEXT + " م")
    with pytest.raises(MismatchError, match=r"d: no prediction\ne: no gold document"):
        pair([GOLD], [other])
    with pytest.raises(MismatchError, match="d: the texts differ"):
        pair([GOLD], [changed])


def test_spelling_variants_of_speakers():
    assert same_name("أحمد مصطفى", "احمد مصطفي")
    assert same_name(None, None)
    assert not same_name("أحمد", None)
    assert not same_name("أحمد", "محمد")
