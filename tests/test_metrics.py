"""Hand-computed tables, properties, agreement with seqeval and nervaluate, and the known defects of other scorers."""

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nervaluate import Evaluator
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from nisba.metrics import MismatchError, pair, report
from nisba.metrics.align import TokenIndex, align, f1
from nisba.metrics.counts import KEYS, count, measures
from nisba.metrics.report import length
from nisba.schema import Claim, Entity, Span
from nisba.text import same_name
from tests.small import TEXT, claims, document, entities, spelt, words
from tests.strategies import documents

MANY = settings(max_examples=150, deadline=None)


def scored(gold, predicted, **options):
    return report([(gold, predicted)], **options)


def exact(gold, predicted):
    """Unrounded measures of all claims and names."""
    sums = count(gold, predicted, align(gold, predicted))
    return {name: float(value) for (slice_, name), value in measures(sums).items() if slice_ == ("", "")}


GOLD = document(
    spelt("a", "qscccc", speaker="أحمد"),
    spelt("b", "-------qcccc", speaker=None),
)


def test_perfect():
    values = scored(GOLD, GOLD)
    for kind in ("strict", "soft80", "soft50"):
        assert values["claims"][kind]["f1"] == 100
    assert values["links"]["f1"] == 100
    assert values["speaker"]["all"]["accuracy"] == 100
    assert all(values["roles"][role][kind]["f1"] == 100 for role in ("cue", "source", "content") for kind in ("strict", "overlap"))
    assert values["roles"]["addressee"]["strict"]["f1"] is None  # nothing to find, nothing found
    assert sum(values["errors"].values()) == 0


def test_a_hand_computed_table():
    predicted = document(
        spelt("x", "qsccccc", speaker="احمد"),  # one token too long: F1 = 2·4/9 = 8/9
        spelt("y", "-------qcc", speaker="ليلى"),  # half of it: F1 = 2·2/6 = 2/3
        spelt("z", "-c"),  # spurious
    )
    values = scored(GOLD, predicted)
    table = {  # correct, predicted, gold, precision, recall, F1
        ("claims", "strict"): (0, 3, 2, 0, 0, 0),
        ("claims", "soft80"): (1, 3, 2, 33.33, 50, 40),
        ("claims", "soft50"): (2, 3, 2, 66.67, 100, 80),
        ("roles", "cue", "strict"): (2, 2, 2, 100, 100, 100),
        ("roles", "source", "strict"): (1, 1, 1, 100, 100, 100),
        ("roles", "content", "strict"): (0, 3, 2, 0, 0, 0),
        ("roles", "content", "overlap"): (6, 8, 8, 75, 75, 75),  # tokens: 4 + 2 of 5 + 2 + 1 and of 4 + 4
        ("links",): (1, 1, 1, 100, 100, 100),  # cue–source of a; its content is on one side only
    }
    for path, row in table.items():
        node = values
        for key in path:
            node = node[key]
        assert tuple(node[key] for key in ("correct", "predicted", "gold", "precision", "recall", "f1")) == row, path
        assert node["found"] == node["correct"]
    assert values["speaker"]["all"] == {"accuracy": 50, "correct": 1, "total": 2}
    assert values["speaker"]["described"] == {"accuracy": 100, "correct": 1, "total": 1}
    assert values["speaker"]["dropped"] == {"accuracy": 0, "correct": 0, "total": 1}
    assert values["speaker"]["named"] == {"accuracy": None, "correct": 0, "total": 0}
    errors = {kind: n for kind, n in values["errors"].items() if n}
    assert errors == {"content_long": 1, "content_short": 1, "wrong_speaker": 1, "spurious_cue": 1}


def test_a_hand_computed_table_of_attributes():
    types = ["direct", "direct", "mixed", "indirect"]
    found = ["direct", "mixed", "mixed", "mixed"]
    contents = ["ccc", "---ccc", "------ccc", "---------ccc"]
    gold, predicted = (
        document(*(spelt(f"c{i}", roles, type=kind) for i, (roles, kind) in enumerate(zip(contents, kinds, strict=True))))
        for kinds in (types, found)
    )
    values = scored(gold, predicted)
    kinds = values["attributes"]["type"]
    assert (kinds["accuracy"], kinds["correct"], kinds["total"]) == (50, 2, 4)
    # direct P 1/1 R 1/2 F 2/3; mixed P 1/3 R 1/1 F 1/2; indirect 0: (2/3 + 1/2 + 0) / 3 = 7/18
    assert [kinds["by_value"][kind]["f1"] for kind in ("direct", "mixed", "indirect")] == [66.67, 50, 0]
    assert kinds["macro_f1"] == round(100 * 7 / 18, 2)
    assert values["confusion"]["type"]["direct"] == {"direct": 1, "mixed": 1, "indirect": 0}
    # Values that neither side has do not drag the mean: one stance, all right.
    assert values["attributes"]["stance"]["macro_f1"] == 100
    # By type, recall goes by gold's type, precision by the prediction's.
    mixed = values["by"]["type"]["mixed"]["claims"]["soft80"]
    assert (mixed["correct"], mixed["predicted"], mixed["found"], mixed["gold"]) == (3, 3, 1, 1)
    assert values["by"]["type"]["indirect"]["claims"]["soft80"]["precision"] is None


def test_speakers_by_how_the_source_tells_them():
    gold = document(
        spelt("named", "qsccc", speaker="ب خالد"),  # token 1 is the letter ب
        spelt("office", "-----qsccc", source_type="role", speaker="ليلى"),
        spelt("dropped", "----------qc", speaker="ليلى"),
    )
    wrong = replace(gold, claims=(replace(gold.claims[0], speaker="سعيد"), *gold.claims[1:]))
    values = scored(gold, wrong)["speaker"]
    assert {kind: (row["correct"], row["total"]) for kind, row in values.items()} == {
        "all": (2, 3),
        "named": (0, 1),
        "described": (1, 1),
        "dropped": (1, 1),
    }


def test_links_on_gold_spans():
    """Both sides have the same two cues, sources and contents; the prediction crosses the sources."""
    gold = document(spelt("a", "qsccc"), spelt("b", "------qsccc"))
    crossed = document(spelt("a", "q-ccc--s"), spelt("b", "-s----q-ccc"))
    values = scored(gold, crossed)
    assert values["roles"]["source"]["strict"]["f1"] == 0
    links = values["links"]  # of cue–source, cue–content, source–content in each claim only cue–content is right
    assert (links["correct"], links["predicted"], links["gold"]) == (2, 6, 6)
    assert values["errors"]["wrong_link"] == 2
    assert values["errors"]["wrong_source"] == 0


def test_soft_needs_linked_sources():
    gold = document(GOLD.claims[0])
    assert scored(gold, document(spelt("x", "q-ccccs")))["claims"]["soft80"]["correct"] == 0
    assert scored(gold, document(spelt("x", "q-cccc")))["claims"]["soft80"]["correct"] == 0
    assert scored(document(GOLD.claims[1]), document(spelt("x", "--------cccc")))["claims"]["soft80"]["correct"] == 1


def test_fragments_are_one_role():
    gold, half = document(spelt("a", "ccqscc")), document(spelt("a", "ccqs"))
    values = scored(gold, half)
    assert values["roles"]["content"]["strict"]["correct"] == 0
    assert values["roles"]["content"]["overlap"]["recall"] == 50
    parted = document(spelt("a", "c|cqscc"))  # the same tokens, other fragments
    assert scored(gold, parted)["claims"]["strict"]["correct"] == 0
    assert scored(gold, parted)["claims"]["soft80"]["correct"] == 1


def test_two_claims_with_one_content_pair_by_cue_and_source():
    relay = document(spelt("a", "qs--ccccc"), spelt("b", "--qsccccc"))
    turned = replace(relay, claims=relay.claims[::-1])
    found = align(relay, turned)
    assert {found.gold[g].claim.id: found.predicted[p].claim.id for g, p in found.pairs.items()} == {"a": "a", "b": "b"}


def test_two_equal_predictions_count_once():
    twice = document(spelt("x", "--cccc"), spelt("y", "--cccc"))
    values = scored(document(spelt("a", "--cccc")), twice)["claims"]
    assert values["strict"]["precision"] == values["soft80"]["precision"] == 50


def test_phenomena():
    gold = document(
        spelt("outer", "qsccccccc"),
        spelt("nested", "----qccc"),
        spelt("relay", "-------qccccc"[:12]),
        spelt("again", "--q-s---cccc"),
        spelt("first", "cc-q"),
        spelt("parts", "----------cc"),
    )
    by = scored(gold, gold)["by"]["phenomenon"]
    counted = {name: part["claims"]["strict"]["gold"] for name, part in by.items()}
    assert counted["nested"] == 2  # "nested", and "parts" inside the relay's content
    assert counted["relayed"] == 2
    assert counted["content_first"] == 1
    assert counted["cueless"] == 1
    assert counted["split"] == counted["addressee"] == counted["long"] == 0


# Known defects of published scorers (each formula here is the defective one)


def content_overlap(gold, predicted):
    values = scored(gold, predicted)["roles"]["content"]["overlap"]
    return values["precision"] / 100, values["recall"] / 100


def tokens_of(document):
    return TokenIndex(TEXT).of(document.claims[0].content)


def swapped_lengths(gold, predicted):
    """Citron: the shared length over the other one's length."""
    shared = (tokens_of(gold) & tokens_of(predicted)).bit_count()
    return shared / tokens_of(gold).bit_count(), shared / tokens_of(predicted).bit_count()


def gold_length_alone(gold, predicted):
    """SFU Gender Gap Tracker: the shared length over gold's, whatever else was predicted."""
    shared = (tokens_of(gold) & tokens_of(predicted)).bit_count()
    return (shared / tokens_of(gold).bit_count(),) * 2


def over_long_spans_lose_precision(score):
    precision, recall = score(document(spelt("a", "--cc")), document(spelt("x", "cccccccccccc")))
    assert precision == pytest.approx(2 / 12, abs=1e-4)
    assert recall == 1


def matching_cues_without_content_overlap_score_nothing(score):
    assert score(document(spelt("a", "qscccc")), document(spelt("x", "qs------cccc"))) == 0


def role_credit(gold, predicted):
    values = scored(gold, predicted)
    assert values["speaker"]["all"]["correct"] == 0
    return values["roles"]["cue"]["strict"]["correct"] + values["roles"]["source"]["overlap"]["correct"]


def any_pair(gold, predicted):
    """uhh's: claims are paired in any case, and then their roles are compared."""
    return sum(g.cue == p.cue for g, p in zip(gold.claims, predicted.claims, strict=True))


def spurious_claims_cost(score):
    gold = document(spelt("a", "qscccc"))
    assert score(gold, gold) > score(gold, replace(gold, claims=(*gold.claims, spelt("z", "-------ccc"))))


def soft_f1(gold, predicted):
    return scored(gold, predicted)["claims"]["soft80"]["f1"]


def mean_over_gold(gold, predicted):
    """NewsClaims: the best match of each gold claim, averaged; nobody asks what else was predicted."""
    index = TokenIndex(TEXT)
    best = [max(f1(index.of(g.content), index.of(p.content)) for p in predicted.claims) for g in gold.claims]
    return sum(best) / len(best)


@pytest.mark.parametrize(
    ("check", "ours", "defective"),
    [
        (over_long_spans_lose_precision, content_overlap, swapped_lengths),
        (over_long_spans_lose_precision, content_overlap, gold_length_alone),
        (matching_cues_without_content_overlap_score_nothing, role_credit, any_pair),
        (spurious_claims_cost, soft_f1, mean_over_gold),
    ],
)
def test_known_defects(check, ours, defective):
    check(ours)
    with pytest.raises(AssertionError):
        check(defective)


# Properties


@MANY
@given(documents())
def test_gold_against_itself_is_perfect(document):
    values = exact(document, document)
    assert all(value == 1 or np.isnan(value) for value in values.values())
    held = scored(document, document)
    core = sum(claim.core for claim in document.claims)
    assert held["claims"]["strict"]["gold"] == held["claims"]["strict"]["correct"] == core
    assert held["speaker"]["all"]["correct"] == core
    assert held["names"]["strict"]["correct"] == sum(not entity.ambiguous for entity in document.entities)


@MANY
@given(claims(core=False), claims(core=False))
def test_swapping_the_sides_swaps_precision_and_recall(ours, theirs):
    there, back = exact(document(*ours), document(*theirs)), exact(document(*theirs), document(*ours))
    for name, value in there.items():
        if name.endswith(".precision"):
            assert value == pytest.approx(back[name.removesuffix("precision") + "recall"], abs=1e-12, nan_ok=True), name
        elif name.endswith(".f1"):
            assert value == pytest.approx(back[name], abs=1e-12, nan_ok=True), name


@MANY
@given(claims(core=False), claims(core=False), st.randoms())
def test_the_order_of_claims_changes_nothing(ours, theirs, rng):
    there = scored(document(*ours), document(*theirs))
    assert scored(document(*rng.sample(ours, len(ours))), document(*rng.sample(theirs, len(theirs)))) == there


@MANY
@given(claims(), claims(), st.text("-qsca", min_size=12, max_size=12))
def test_a_spurious_claim_never_raises_precision(ours, theirs, roles):
    taken = TokenIndex(TEXT).of([span for claim in ours for span in claim.content])
    roles = "".join("-" if letter == "c" and taken >> i & 1 else letter for i, letter in enumerate(roles))
    if "c" not in roles:
        return
    before = exact(document(*ours), document(*theirs))
    after = exact(document(*ours), document(*theirs, spelt("more", roles)))
    for name in before:
        if name.endswith(".precision") and name.startswith(("claims", "roles")):
            assert np.isnan(before[name]) or after[name] <= before[name] + 1e-12, name


@MANY
@given(claims(), claims())
def test_a_pair_without_content_overlap_never_counts(ours, theirs):
    shared = TokenIndex(TEXT).of([span for claim in ours for span in claim.content])
    rest = [claim for claim in theirs if not TokenIndex(TEXT).of(claim.content) & shared]
    values = scored(document(*ours), document(*rest))
    hits = [*values["claims"].values(), *(row for role in values["roles"].values() for row in role.values())]
    assert all(row["correct"] == row["found"] == 0 for row in hits)
    assert values["speaker"]["all"]["correct"] == 0


@MANY
@given(st.integers(1, 5), st.integers(1, 5))
def test_over_long_contents_lose(size, extra):
    gold = document(spelt("a", "q" + "c" * size))
    shorter, longer = (
        exact(gold, document(spelt("x", "q" + "c" * (size + more))))["roles.content.overlap.f1"] for more in (extra - 1, extra)
    )
    assert longer < shorter


@MANY
@given(claims(), claims())
def test_the_assignment_is_the_best_there_is(ours, theirs):
    found = align(document(*ours), document(*theirs))
    table = [[f1(g.roles["content"], p.roles["content"]) for p in found.predicted] for g in found.gold]
    total = sum(table[g][p] for g, p in found.pairs.items())
    if len(ours) > len(theirs):
        table = [list(column) for column in zip(*table, strict=True)]
    longer = range(max(len(ours), len(theirs)))
    chosen = itertools.permutations(longer, len(table))
    best = max((sum(table[i][j] for i, j in enumerate(some)) for some in chosen), default=0)
    assert total == pytest.approx(best, abs=1e-6)
    assert len(set(found.pairs.values())) == len(found.pairs)


# Optional items


def test_optional_claims_count_neither_for_nor_against():
    optional = spelt("o", "-------qcccc", core=False)
    gold = document(GOLD.claims[0], optional)
    for predicted in (
        document(GOLD.claims[0]),  # not found
        document(GOLD.claims[0], replace(optional, core=True)),  # found
        document(GOLD.claims[0], spelt("p", "--------ccc")),  # found in part
    ):
        values = scored(gold, predicted)
        assert all(values["claims"][kind]["f1"] == 100 for kind in ("strict", "soft80"))
        assert values["claims"]["strict"]["gold"] == values["claims"]["strict"]["predicted"] == 1
        assert values["roles"]["content"]["overlap"]["f1"] == 100
        assert values["speaker"]["all"]["total"] == 1
        assert sum(values["errors"].values()) == 0
        assert values["optional"] == {"names": 0, "claims": 1}
    # Equal in everything, the claim that counts goes first.
    both = document(spelt("o", "qscccc", core=False), spelt("a", "qscccc"))
    assert scored(both, document(spelt("x", "qscccc")))["claims"]["strict"]["recall"] == 100


def test_ambiguous_names_count_neither_for_nor_against():
    certain, doubtful = Entity(words(0, 1), "PER"), Entity(words(4, 5), "ORG", ambiguous=True)
    gold = document(entities=[certain, doubtful])
    for found in ([certain], [certain, Entity(words(4, 5), "LOC")], [certain, Entity(words(5, 6), "ORG")]):
        values = scored(gold, document(entities=found))["names"]
        assert values["strict"]["f1"] == values["partial"]["f1"] == 100
        assert values["strict"]["predicted"] == 1
    across = scored(gold, document(entities=[Entity(words(1, 4), "PER")]))["names"]  # over a certain name too: it counts
    assert (across["strict"]["predicted"], across["partial"]["correct"]) == (1, 0.5)


# Edges: each of these falls to one changed comparison


@pytest.mark.parametrize(
    ("gold", "predicted", "soft80", "soft50"),
    [
        ("cccc", "cccccc", 1, 1),  # F1 = 8/10, exactly 0.8
        ("ccc", "ccccc", 0, 1),  # 6/8
        ("c", "ccc", 0, 1),  # 2/4, exactly 0.5
        ("cc", "-ccc", 0, 0),  # 2/5
    ],
)
def test_thresholds_of_the_soft_scores(gold, predicted, soft80, soft50):
    values = scored(document(spelt("a", gold)), document(spelt("x", predicted)))["claims"]
    assert (values["soft80"]["correct"], values["soft50"]["correct"]) == (soft80, soft50)


def test_a_source_where_gold_has_none_is_no_link():
    assert scored(document(spelt("a", "--cccc")), document(spelt("x", "s-cccc")))["claims"]["soft80"]["correct"] == 0


def test_tokens_that_touch():
    index = TokenIndex("«نعم»، لا")  # five tokens: « نعم » ، لا
    assert len(index) == 5
    assert index.of([Span(1, 4)]) == 0b00010
    assert index.of([Span(1, 4), Span(7, 9)]) == 0b10010
    assert index.of([Span(0, 9)]) == 0b11111
    assert index.of([]) == 0


def test_token_f1_by_hand():
    assert f1(0b1111, 0b0011) == pytest.approx(2 * 2 / (4 + 2))
    assert f1(0b1100, 0b0011) == f1(0, 0) == f1(0b1, 0) == 0


@pytest.mark.parametrize(
    ("kind", "source_type", "speaker"),
    [
        ("named", "person", "بُ خالد"),  # token 1 is ب; diacritics aside
        ("named", "organization", "هيئة ب"),
        ("described", "role", "ب خالد"),
        ("described", "document", "ب"),
        ("described", "person", "ليلى"),
        ("described", "person", None),
    ],
)
def test_how_the_source_tells_the_speaker(kind, source_type, speaker):
    gold = document(spelt("a", "qsccc", source_type=source_type, speaker=speaker))
    totals = {name: row["total"] for name, row in scored(gold, gold)["speaker"].items()}
    assert totals == {"all": 1, "named": 0, "described": 0, "dropped": 0} | {kind: 1}


def test_links_are_counted_once_and_without_addressees():
    gold = document(spelt("a", "qsccccaa"))
    assert scored(gold, gold)["links"]["gold"] == 3  # cue–source, cue–content, source–content
    twice = document(spelt("x", "qscccc"), spelt("y", "qscccc"))
    links = scored(gold, twice)["links"]
    assert (links["correct"], links["predicted"], links["found"], links["gold"]) == (3, 6, 3, 3)


def test_edges_of_the_phenomena():
    def of(*claims):
        by = scored(document(*claims, text=long), document(*claims, text=long))["by"]["phenomenon"]
        return {name for name, part in by.items() if part["claims"]["strict"]["gold"]}

    long = " ".join("ا" * 60)
    assert of(spelt("a", "c" * 20)) == {"cueless"}
    assert of(spelt("a", "c" * 21)) == {"cueless", "long"}
    assert of(spelt("a", "ccqcc")) == {"content_first", "split"}
    assert of(spelt("a", "qcccs")) == set()
    assert of(spelt("a", "qcca")) == {"addressee"}


def test_accuracy_in_a_slice_is_over_gold_of_that_slice():
    gold = document(spelt("a", "ccc", type="direct"), spelt("b", "---ccc", type="mixed"))
    predicted = document(spelt("a", "ccc", type="mixed"), spelt("b", "---ccc", type="mixed"))
    by = scored(gold, predicted)["by"]["type"]
    assert {kind: (row["attributes"]["type"]["accuracy"], row["attributes"]["type"]["total"]) for kind, row in by.items()} == {
        "direct": (0, 1),
        "mixed": (100, 1),
        "indirect": (None, 0),
    }


def test_intervals_stand_with_every_figure_of_every_slice():
    whole, half = (replace(GOLD, id=name) for name in ("one", "two"))
    pairs = [(replace(whole, id=str(i)), replace(half, id=str(i), claims=half.claims[: 1 + i % 2])) for i in range(10)]
    values = report(pairs, resamples=200)
    for part in (values, values["by"]["type"]["indirect"], values["by"]["length"]["0-127"], values["by"]["category"]["-"]):
        recall = part["claims"]["soft80"]
        low, high = recall["interval"]["recall"]
        assert 50 <= low < recall["recall"] < high <= 100
        assert part["speaker"]["all"]["interval"]["accuracy"][0] < part["speaker"]["all"]["accuracy"]
    assert report(pairs, resamples=200) == values
    assert values["intervals"] == {"level": 0.95, "resamples": 200, "seed": 0}
    assert values["calibration"] is None


def test_the_flags_of_predictions_say_nothing():
    """Else a system could mark what it doubts as optional and be spared the false ones."""
    gold = document(spelt("a", "qscccc"), entities=[Entity(words(0), "PER")])
    doubtful = document(
        spelt("x", "qscccc", core=False),
        spelt("y", "--------c", core=False),
        entities=[Entity(words(0), "PER", ambiguous=True), Entity(words(5), "LOC", ambiguous=True)],
    )
    ((_, predicted),) = pair([gold], [doubtful])
    values = scored(gold, predicted)
    assert (values["claims"]["strict"]["precision"], values["claims"]["strict"]["recall"]) == (50, 100)
    assert values["names"]["strict"]["precision"] == 50
    assert values["errors"]["spurious_cue"] == 1
    ((_, other),) = pair([gold], [doubtful], annotators=True)
    assert other == doubtful


def test_optional_claims_take_nothing_from_others():
    gold, optional = spelt("a", "qsccccccccc"), spelt("o", "qscccccccccc", core=False)
    predicted = document(spelt("p", "qscccccccccc"))  # equals the optional one, and is a good answer to the other
    alone, beside = (scored(document(*claims), predicted) for claims in ((gold,), (gold, optional)))
    for kind in ("soft80", "soft50"):
        assert alone["claims"][kind] == beside["claims"][kind]
    assert alone["roles"] == beside["roles"]
    assert alone["links"] == beside["links"]
    # A span that only an optional claim has makes no link to be judged.
    gold, optional = spelt("a", "qs-cccc"), spelt("o", "q-s-----cccc", core=False)
    predicted = document(spelt("p", "q-scccc"))
    alone, beside = (scored(document(*claims), predicted) for claims in ((gold,), (gold, optional)))
    assert alone["links"] == beside["links"]


@MANY
@given(claims(), claims(), claims())
def test_optional_claims_cost_nothing(ours, theirs, more):
    """Strict and recall: with optional claims besides, nothing is lost; precision can only gain."""
    optional = [replace(claim, id=f"o{i}", core=False) for i, claim in enumerate(more)]
    alone, beside = (exact(document(*claims), document(*theirs)) for claims in (ours, [*ours, *optional]))
    assert beside["claims.strict.recall"] == pytest.approx(alone["claims.strict.recall"], nan_ok=True)
    assert (
        np.isnan(alone["claims.strict.precision"])
        or not beside["claims.strict.precision"] < alone["claims.strict.precision"] - 1e-12
    )


def test_an_answer_to_an_optional_claim_alone_is_no_error():
    """It overlaps a claim that counts a little, and the optional one in full."""
    gold = document(spelt("a", "qsc"), spelt("o", "--ccccccccc", core=False))
    values = scored(gold, document(spelt("p", "--ccccccccc")))
    assert values["claims"]["soft50"]["predicted"] == 0
    assert values["claims"]["soft50"]["gold"] == 1
    assert {kind for kind, n in values["errors"].items() if n} == {"missed_cue"}


def test_a_claim_that_overlaps_nothing_changes_no_pair():
    """All contents tie here: the speakers decide, whatever else is predicted."""
    gold = document(spelt("g0", "---c-c", speaker="ب"), spelt("g1", "---c-c", speaker="ليلى"))
    predicted = [spelt("p0", "c----c", speaker="ب"), spelt("p1", "---c", speaker="ليلى")]
    for more in ([], [spelt("x", "-----------c")], [spelt("x", "----------cc")]):
        assert scored(gold, document(*predicted, *more))["speaker"]["all"]["correct"] == 2


def test_a_relay_whose_right_pairing_is_not_the_sorted_one():
    gold = document(spelt("a", "q---ccccc", speaker="ب"), spelt("b", "---qccccc"))
    predicted = document(spelt("x", "---qccccc"), spelt("y", "--sqccccc", speaker="ب"))
    found = align(gold, predicted)
    assert {found.gold[g].claim.id: found.predicted[p].claim.id for g, p in found.pairs.items()} == {"a": "y", "b": "x"}


def test_strict_needs_the_source():
    gold, other = document(spelt("a", "qscccc")), document(spelt("x", "q-cccc"))
    assert scored(gold, other)["claims"]["strict"]["correct"] == 0


def test_an_exactly_found_optional_claim_costs_no_strict_precision():
    gold = document(spelt("a", "qscccccc"), spelt("o", "qscccc", core=False))
    strict = scored(gold, document(spelt("p", "qscccc")))["claims"]["strict"]
    assert (strict["correct"], strict["predicted"], strict["gold"]) == (0, 0, 1)


def test_punctuation_glued_to_a_name_hides_nothing():
    text = "قال بنزروال، الذي حضر: نعم."
    claim = Claim(
        "c", cue=(Span(0, 3),), source=(Span(4, 21),), content=(Span(23, 26),), source_type="person", speaker="إلياس بنزروال"
    )
    gold = document(claim, text=text)
    assert scored(gold, gold)["speaker"]["named"]["total"] == 1


def test_names_that_touch():
    """No overlap: a name that ends where another begins answers it neither in part nor as an ambiguous one."""
    text = "ليلى،سعاد"
    one, other = Span(0, 4), Span(5, 9)
    gold = document(entities=[Entity(one, "PER"), Entity(Span(4 + 1, 9), "PER", ambiguous=True)], text=text)
    values = scored(gold, document(entities=[Entity(one, "PER")], text=text))["names"]
    assert values["partial"]["f1"] == values["strict"]["f1"] == 100
    missed = scored(document(entities=[Entity(one, "PER")], text=text), document(entities=[Entity(other, "PER")], text=text))
    assert missed["names"]["partial"]["correct"] == 0


# Names against the reference implementations


def random_tags(rng):
    return rng.choices(["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"], [4, 1, 2, 1, 2, 1, 2], k=12)


def valid(tags):
    """The sequence without the I tags that nothing begins, which nervaluate would take for entities."""
    spans = {i: e.label for e in entities(tags) for i in range(e.span.start // 2, e.span.end // 2 + 1)}
    return [tag if i in spans else "O" for i, tag in enumerate(tags)]


def test_names_agree_with_seqeval_and_nervaluate():
    rng = random.Random(0)
    gold, predicted = ([random_tags(rng) for _ in range(400)] for _ in range(2))
    sums = sum(
        count(g, p, align(g, p))
        for g, p in ((document(entities=entities(a)), document(entities=entities(b))) for a, b in zip(gold, predicted, strict=True))
    )
    ours = {name: value for (slice_, name), value in measures(sums).items() if slice_ == ("", "")}
    strict = classification_report(gold, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    theirs = Evaluator(list(map(valid, gold)), list(map(valid, predicted)), tags=["PER", "ORG", "LOC"], loader="list").evaluate()
    for measure, key in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
        assert ours[f"names.strict.{measure}"] == pytest.approx(strict["micro avg"][key], abs=1e-9)
        for kind in ("strict", "partial"):
            overall = getattr(theirs["overall"][kind], measure)
            assert ours[f"names.{kind}.{measure}"] == pytest.approx(overall, abs=1e-9)
        for label in ("PER", "ORG", "LOC"):
            assert ours[f"names.strict.{label}.{measure}"] == pytest.approx(strict[label][key], abs=1e-9)
            partial = getattr(theirs["entities"][label]["partial"], measure)
            assert ours[f"names.partial.{label}.{measure}"] == pytest.approx(partial, abs=1e-9)


# The report


def test_by_length_and_category():
    one = replace(document(spelt("a", "qscccc"), meta={"category": "sport"}), id="one")
    two = replace(document(spelt("a", "qscccc")), id="two")
    missed = replace(two, claims=())
    by = report([(one, one), (two, missed)])["by"]
    assert {value: (part["documents"], part["claims"]["soft80"]["recall"]) for value, part in by["category"].items()} == {
        "-": (1, 0),
        "sport": (1, 100),
    }
    assert list(by["length"]) == ["0-127"]
    assert [length(n) for n in (0, 127, 128, 511, 512, 9999)] == ["0-127", "0-127", "128-255", "256-511", "512+", "512+"]


def test_every_key_is_in_the_report():
    values = scored(GOLD, GOLD, resamples=10)
    assert values["intervals"] is None  # one document: there is nothing to draw from
    keys = "version documents optional names claims links roles speaker attributes confusion by calibration errors intervals"
    assert list(values) == keys.split()
    assert values["version"] == 2
    assert set(values["by"]) == {"type", "source_type", "phenomenon", "length", "category"}
    assert set(values["claims"]["strict"]) == {"precision", "recall", "f1", "correct", "predicted", "found", "gold"}
    assert len(KEYS) == len(set(KEYS))


def test_inputs_that_do_not_match_are_refused():
    other, changed = replace(GOLD, id="e"), document(text=TEXT + " م")
    with pytest.raises(MismatchError) as error:
        pair([GOLD, GOLD, replace(GOLD, id="f")], [other, changed])
    assert error.value.problems == (
        "d: twice in the gold documents",
        f"d: the texts differ from character {len(TEXT)} on: «{TEXT[-10:]}», «{TEXT[-10:]} م»",
        "f: not in the predictions",
        "e: not in the gold documents",
    )
    with pytest.raises(MismatchError, match="… and 50 more"):
        pair([replace(GOLD, id=str(i)) for i in range(150)], [])


def test_spelling_variants_of_speakers():
    assert same_name("أحمد مصطفى", "احمد مصطفي")
    assert same_name(None, None)
    assert not same_name("أحمد", None)
    assert not same_name("أحمد", "محمد")


def test_what_gold_does_not_annotate_is_not_scored():
    gold = replace(document(spelt("a", "qscccc")), entities=(Entity(Span(0, 1), "PER"),))
    for layers, names, found in (
        (["names"], 100, None),
        (["roles", "attributes"], None, 100),
        (["roles"], None, None),
        ([], None, None),
    ):
        values = report(pair([replace(gold, meta={"layers": layers})], [gold]))
        assert (values["names"]["strict"]["f1"], values["claims"]["soft80"]["f1"]) == (names, found)
    values = report(pair([replace(gold, meta={"layers": ["names"]})], [replace(gold, meta={"layers": ["roles"]})], annotators=True))
    assert (values["names"]["strict"]["f1"], values["claims"]["soft80"]["f1"]) == (None, None)
