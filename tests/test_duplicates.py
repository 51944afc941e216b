"""Near-duplicates by sorting, against a comparison of every pair."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nisba import duplicates
from nisba.duplicates import ALIKE

words = st.lists(st.sampled_from("أبجد"), max_size=14).map(" ".join)  # few words, so that many runs of five are shared


def pairs(texts):
    grams = [set(duplicates.shingles(text).tolist()) for text in texts]
    return {
        (i, j)
        for i in range(len(texts))
        for j in range(i)
        if len(grams[i] & grams[j]) >= ALIKE * min(len(grams[i]), len(grams[j])) > 0
    }


@settings(deadline=None)
@given(st.lists(words, max_size=12))
def test_every_pair_is_found_once(texts):
    found = list(duplicates.alike(texts))
    assert len(found) == len(set(found))
    assert set(found) == pairs(texts)


@settings(deadline=None)
@given(st.lists(words, max_size=12))
def test_groups_are_what_pairs_connect(texts):
    near, groups = pairs(texts), duplicates.groups(texts)
    assert sorted(i for group in groups for i in group) == list(range(len(texts)))
    where = {i: number for number, group in enumerate(groups) for i in group}
    assert all(where[i] == where[j] for i, j in near)
    for group in groups:
        reached = {group[0]}
        while more := {i for pair in near for i in pair if reached & {*pair}} - reached:
            reached |= more
        assert reached == {*group}


def test_spelling_and_punctuation_do_not_hide_a_copy():
    text = (
        "أكدت الوزارة، أمس، أن المياه نظيفة في كل المدن"  # "The ministry confirmed yesterday that the water is clean in all cities"
    )
    assert duplicates.groups([text, "خبر آخر تماما", text.replace("أ", "ا").replace("،", "")]) == [[0, 2], [1]]
    assert duplicates.groups([]) == []
    assert duplicates.groups(["", " ", "كلمة"]) == [[0, 1], [2]]  # texts without a word are all alike
