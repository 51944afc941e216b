"""What the seed articles cover: ``python scripts/coverage.py [--check]`` prints the datasheet's tables.

The first has the least that each row must reach. ``--check`` fails where one does not, or where two articles or dispatches share
too many 5-grams.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import regex

from nisba.duplicates import shingles
from nisba.formats import jsonl
from nisba.schema import SOURCE_TYPES, Claim, Document
from nisba.text import fold, quotations, words

SEEDS = Path(__file__).parent.parent / "seeds"
SHARED = 0.10  # of the shorter article's 5-grams of tokens
EVIDENTIAL = regex.compile(r"[وف]?(?:وفقا|وفق|بحسب|حسب|بموجب|طبقا|استنادا)$")
LABEL = regex.compile(r"(?m)^[^\s:][^\n:]{0,25}:(?=\s)|^[^\n]{1,25} [–-](?= )")
TALK = regex.compile(r"[وف]?[تي]?(?:تحدث|تحدثت|بحث|بحثت|ناقش|ناقشت|التقى|التقت|أجرى|أجرت|يذكر|قرر|قررت|أمر|أمرت|امتنع|امتنعت)$")
WEAK = regex.compile(r"[اأإآوؤيىئءةتنمس\u064B-\u0652ـ]")


def main(arguments: list[str]) -> int:
    articles, first, more = (list(jsonl.read(SEEDS / f"{name}.jsonl")) for name in ("articles", "dispatches", "more_dispatches"))
    dispatches = [*first, *more]
    wanting = 0
    print("| articles.jsonl: what | count | share | at least |\n|---|---|---|---|")
    for name, count, total, least in rows(articles):
        short = (count / total if total else count) < least
        wanting += short
        bound = f"{100 * least:g} %" if total else f"{least:g}"
        print(f"| {name} | {count} | {_share(count, total)} | {bound if least else ''} |{'  ← too few' if short else ''}")
    print("\n| dispatches.jsonl, more_dispatches.jsonl: what | count | share |\n|---|---|---|")
    for name, count, total, _ in rows(dispatches):
        print(f"| {name} | {count} | {_share(count, total)} |")
    close = sorted(alike([*articles, *dispatches]), reverse=True)
    print(f"\nThe two texts most alike share {100 * close[0][0]:.1f} % of the shorter one's 5-grams (at most {100 * SHARED:g} %).")
    wanting += sum(share > SHARED for share, _, _ in close)
    return int("--check" in arguments and wanting > 0)


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %" if total else ""


def rows(documents: Sequence[Document]) -> Iterator[tuple[str, int, int, float]]:
    """Name, count, what it is a share of (0: of nothing), and the least count or share."""
    claims = [(d, c) for d in documents for c in d.claims]
    sizes = [len(words(d.text)) for d in documents]
    yield "articles", len(documents), 0, 160
    yield "words", sum(len(d.text.split()) for d in documents), 0, 45_000
    yield "claims", len(claims), 0, 2_200
    yield "names", sum(len(d.entities) for d in documents), 0, 0
    yield "articles of over 1,200 words", sum(size > 1200 for size in sizes), 0, 3
    yield "articles without any claim", sum(not d.claims for d in documents), 0, 3
    yield "cues, as skeletons of strong consonants", len({skeleton(d, c) for d, c in claims if c.cue}), 0, 120
    for kind in SOURCE_TYPES:
        yield f"source: {kind}", sum(c.source_type == kind for _, c in claims), len(claims), 0.12 if kind == "implicit" else 0.05
    for kind, least in (("direct", 0.15), ("mixed", 0.12), ("indirect", 0.0)):
        yield f"type: {kind}", sum(c.type == kind for _, c in claims), len(claims), least
    yield (
        "contents of over 12 words",
        sum(sum(len(s.of(d.text).split()) for s in c.content) > 12 for d, c in claims),
        len(claims),
        0,
    )
    for name, holds, least in PHENOMENA:
        yield name, sum(holds(d, c) for d, c in claims), len(claims), least
    yield "hard negatives", sum(sum(1 for _ in negatives(d)) for d in documents), 0, 150
    for name, pattern in MARKS.items():
        yield f"articles with {name}", sum(regex.search(pattern, d.text) is not None for d in documents), 0, 3


def _inside(d: Document, c: Claim) -> bool:
    """Nested in another claim's content, or the same content as another's."""
    spans = set(c.content)
    return any(
        other is not c
        and (set(other.content) == spans or all(any(o.start <= s.start and s.end <= o.end for o in other.content) for s in spans))
        for other in d.claims
    )


PHENOMENA: tuple[tuple[str, Callable[[Document, Claim], bool], float], ...] = (
    ("content before cue", lambda d, c: bool(c.cue) and c.content[0] < c.cue[0], 0.10),
    ("split content", lambda d, c: len(c.content) > 1, 0.08),
    ("nested or relayed", _inside, 0.05),
    ("without cue", lambda d, c: not c.cue, 0.03),
    ("with an addressee", lambda d, c: bool(c.addressee), 0.0),
)
MARKS = {
    "diacritics": "[\u064b-\u0650\u0652]",
    "tatweel": "ـ",
    "Arabic-Indic digits": "[٠-٩]",
    "European digits": "[0-9]",
    "reversed marks": "”[^“”]+“",
    "doubled brackets as marks": r"\(\(",
}


def negatives(document: Document) -> Iterator[str]:
    """Quotations outside every content, evidential and reporting words outside every cue, labels that are no claims."""
    text = document.text
    contents = [span for claim in document.claims for span in claim.content]
    roles = [span for claim in document.claims for span in (*claim.cue, *claim.source, *claim.content)]
    for mark in quotations(text):
        if not any(span.start < mark.end and mark.start < span.end for span in contents):
            yield text[mark.start : mark.end]
    cues = [span for claim in document.claims for span in claim.cue]
    for word in words(text):
        bare = fold(word.of(text))
        if (EVIDENTIAL.match(bare) or TALK.match(bare)) and not any(word.overlaps(span) for span in cues):
            yield word.of(text)
    for match in LABEL.finditer(text):
        if not any(span.start < match.end() and match.start() < span.end for span in roles):
            yield match.group()


def skeleton(document: Document, claim: Claim) -> str:
    """The cue's first word without its weak and affixed letters: fewer skeletons than lemmas, never more."""
    word = claim.cue[0].of(document.text).split()[0]
    return WEAK.sub("", word.removeprefix("و").removeprefix("ف")) or word


def alike(documents: Sequence[Document]) -> Iterator[tuple[float, str, str]]:
    sets = [(d.id, set(shingles(d.text).tolist())) for d in documents]
    for (one, a), (other, b) in combinations(sets, 2):
        yield len(a & b) / max(1, min(len(a), len(b))), one, other


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
