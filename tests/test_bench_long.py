"""What ``scripts/bench_long.py`` measures, and what it lets pass."""

import pytest

from nisba.text import words
from tests.test_scripts import script


@pytest.fixture(scope="module")
def bench(root):
    return script(root, "bench_long")


@pytest.mark.parametrize("length", [1, 500, 70_000])
def test_a_text_of_as_many_words(length, bench, seeds):
    text = bench.joined(length)
    assert len(words(text)) == length
    assert text.startswith(seeds[0].text[:10] if length > 10 else words(text)[0].of(text))


@pytest.mark.parametrize(
    ("seconds", "peak", "expected"),
    [
        ((1, 5, 10), (600, 700, 900), True),
        ((1, 5, 11.9), (600, 700, 939), True),  # within a fifth a word
        ((1, 5, 20), (600, 700, 900), False),  # quadratic in time
        ((1, 5, 10), (600, 700, 1300), False),  # in memory
        ((9, 5, 10), (999, 700, 900), True),  # a short text is not compared
    ],
)
def test_what_is_linear(seconds, peak, expected, bench):
    costs = [
        bench.Cost(n, 6 * n, 0, 0, used, used, 500, most) for n, used, most in zip((1000, 5000, 10_000), seconds, peak, strict=True)
    ]
    assert bench.linear(costs) == expected


def test_a_line_of_the_report(bench):
    line = str(bench.Cost(5000, 30_000, 244, 1224, 16.0, 17.0, 554.2, 1075.4))
    assert line == "5,000 words: 244 names, 1,224 claims; 16.0 s (3.20 ms a word), wall 17.0 s; 1075 MiB, 554 before"
