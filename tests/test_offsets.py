"""Offsets held against the texts they quote, in whatever units they were counted."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nisba.formats.offsets import REPAIRS, Units, located
from tests.documents import texts

TEXT = "😀 قال علي\r\nنعم 😀 ثم\r\nلا"
WORDS = ("قال", "علي", "نعم", "ثم", "لا")


def quotes(text, move, words=WORDS):
    """Where each word is, its offsets as ``move`` gives them."""
    return [(move(text.index(word)), move(text.index(word) + len(word)), word, f"f:1: {word}") for word in words]


def utf16(text):
    return lambda point: len(text[:point].encode("utf-16-le")) // 2


def one_a_line_end(text):
    return lambda point: len(text[:point].replace("\r\n", "\n"))


def two_a_line_end(text):
    return lambda point: len(text[:point].replace("\n", "\r\n"))


CASES = {
    "utf16": (TEXT, utf16),
    "crlf, in a text that has it": (TEXT, one_a_line_end),
    "crlf, in a text that has LF": (TEXT.replace("\r\n", "\n"), two_a_line_end),
    "bom, in a text without it": (TEXT, lambda text: lambda point: point + 1),
    "bom, in a text with it": ("\ufeff" + TEXT, lambda text: lambda point: point - 1),
}


@pytest.mark.parametrize("name", CASES)
def test_a_slip_is_named_and_repaired(name):
    text, slip = CASES[name]
    repair = name.partition(",")[0]
    given = quotes(text, slip(text))
    right = [(start, end) for start, end, _, _ in quotes(text, lambda point: point)]
    assert located(text, given, repair) == (right, [])
    spans, problems = located(text, given)
    assert spans == []
    assert problems
    assert all(f"--repair-offsets {repair}" in problem for problem in problems)
    assert located(text, quotes(text, lambda point: point)) == (right, [])


@pytest.mark.parametrize("repair", REPAIRS)
def test_offsets_that_are_right_are_not_repaired(repair):
    spans, problems = located(TEXT, quotes(TEXT, lambda point: point), repair)
    assert spans == []
    assert all(f"leave out --repair-offsets {repair}" in problem for problem in problems)


def test_one_span_that_does_not_agree_spoils_a_repair():
    given = [*quotes(TEXT, utf16(TEXT)), (0, 3, "سوف", "f:1: سوف")]
    for repair in (None, *REPAIRS):
        spans, problems = located(TEXT, given, repair)
        assert spans == []
        assert "--repair-offsets" not in problems[-1]


def test_a_constant_shift_is_told_but_never_applied():
    given = quotes(TEXT, lambda point: point + 3)
    for repair in (None, *REPAIRS):
        spans, problems = located(TEXT, given, repair)
        assert spans == []
        assert all(problem.endswith("; all of the document would fit 3 characters back") for problem in problems)
    _, problems = located("أ" * 5 + "بتث", [(0, 3, "بتث", "f:1")])
    assert problems == ["f:1: [0, 3) holds «أأأ», not «بتث»; all of the document would fit 5 characters on"]


@pytest.mark.parametrize(
    ("quote", "message"),
    [
        ((0, 3, "نعم", "f:1"), "f:1: [0, 3) holds «قال», not «نعم»"),
        ((1, 99, "ال", "f:1"), "f:1: [1, 99) runs beyond the end of the text (3 characters), not «ال»"),
        ((2, 1, "ا", "f:1"), "f:1: [2, 1) is reversed, empty or negative, not «ا»"),
        ((1, 1, "", "f:1"), "f:1: [1, 1) is reversed, empty or negative, not «»"),
        (
            (-3, -1, "قا", "f:1"),
            "f:1: [-3, -1) is reversed, empty or negative, not «قا»; all of the document would fit 3 characters on",
        ),
    ],
)
def test_what_is_wrong_is_said(quote, message):
    assert located("قال", [quote]) == ([], [message])


def test_line_ends_that_a_file_has_changed_in_a_quotation_do_not_count():
    assert located("أ\r\nب", [(0, 4, "أ\nب", "f:1")]) == ([(0, 4)], [])
    assert located("أ\r\nب", [(0, 3, "أ\nب", "f:1")], "crlf") == ([(0, 4)], [])


def test_a_text_without_quotations_has_no_problem():
    assert located("", []) == ([], [])


@settings(deadline=None)
@given(texts)
def test_units_there_and_back(text):
    units = Units(text)
    count = utf16(text)
    assert [units.of(point) for point in range(len(text) + 1)] == [count(point) for point in range(len(text) + 1)]
    points = {count(point): point for point in range(len(text) + 1)}
    assert all(units.point(offset) == points.get(offset) for offset in range(-2, count(len(text)) + 3))


@settings(deadline=None)
@given(texts, st.data())
def test_every_repair_finds_what_was_quoted(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), min_size=2, max_size=8)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    slips = {"utf16": utf16(text), "bom": lambda point: point + (-1 if text.startswith("\ufeff") else 1)}
    slips["crlf"] = one_a_line_end(text) if "\r\n" in text else two_a_line_end(text)
    repair = data.draw(st.sampled_from(REPAIRS))
    # Inside a line end there is nothing to be counted as one character.
    assume(repair != "crlf" or not any(text[cut - 1 : cut + 1] == "\r\n" for cut in cuts if cut))
    given = [(slips[repair](start), slips[repair](end), text[start:end], "f:1") for start, end in spans]
    assert located(text, given, repair) == (spans, [])
