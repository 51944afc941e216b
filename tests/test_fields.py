import pytest
from hypothesis import given
from hypothesis import strategies as st

from nisba import fields


@given(st.one_of(st.text(), st.text(st.characters(categories=["Cs", "Zs", "Cc", "Lo"]), max_size=3), st.none(), st.integers()))
def test_what_is_plain_has_no_problems(value):
    assert not (fields.plain(value) and fields.string("id", value))


@pytest.mark.parametrize(
    ("value", "expected"), [("a b", True), ("فلان", True), ("", False), (" ", False), ("\ud800", False), (3, False)]
)
def test_usual_strings_are_plain(value, expected):
    assert fields.plain(value) is expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [("أ" * 60, "أ" * 60), ("أ" * 61, "أ" * 60 + "…"), ("a\nb\u202e", "a b "), ("\ud800", "\\ud800"), ("a\x1b[0m", "a [0m")],
)
def test_excerpts_are_short_and_safe_to_print(text, shown):
    assert fields.excerpt(text) == shown


def test_keys_are_neither_missing_nor_unknown():
    assert fields.mapping({"a": 1}, {"a"}, {"a", "b"}) == {"a": 1}
    with pytest.raises(fields.SchemaError) as caught:
        fields.mapping({"c": 1, "d": 2}, {"a"}, {"a", "b"})
    assert [str(problem) for problem in caught.value.problems] == [
        "a: is missing",
        "c: is not a key of the format",
        "d: is not a key of the format",
    ]
