"""Hypothesis strategies for formats: documents with all that the schema can hold, over texts as hostile as it lets them be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from nisba.schema import CLAIM_TYPES, ENTITY_LABELS, ROLES, SOURCE_TYPES, STANCES, Document, trim
from nisba.text import words
from tests import strategies

GAPS = (" ", " ", " ", "\n", "\r\n", "\r", "\n\n", "\r\r\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\t", "\u00a0", "")
ODD = ("\x00", "\x1b", "\ufffe", "😀", "\U00020000", "\u202e", "\u2067", "\ufeff", "&", "<", "]]>", "\\", "|", "_", "#", ";", "*")
EDGES = ("", "", "", " ", "\n", "\r\n", "\t\t", "\ufeff", "\u200f", "\u2028", "\x00", "😀")
NAMES = (
    "c1",
    "T1",
    "E1",
    "دونالد ترامب",
    "a/b",
    "../up",
    "a b",
    " x ",
    "tab\there",
    "line\nend",
    "cr\rlf\r\n",
    "«",
    '"',
    "\\",
    "😀",
    "-",
)
NAMES += ("_", "*", "\ufeff", "\u2028x", "null", "O", "a|b", "c[1]", "#1", "x\x00", "'", "&amp;", "CON", ".", "..", "c1.ann")

pieces = st.one_of(strategies.PIECES, strategies.PIECES, strategies.PIECES, st.sampled_from(ODD))
texts = st.lists(st.tuples(pieces, st.sampled_from(GAPS)), min_size=2, max_size=25).map(
    lambda parts: "".join(a + b for a, b in parts)
)

characters = st.characters(exclude_categories=["Cs"])
strings = st.one_of(st.sampled_from(NAMES), st.text(characters, min_size=1, max_size=12)).filter(str.strip)  # what the schema takes
scores = st.one_of(st.sampled_from([0, 1, 0.5, 0.1234]), st.floats(0, 1))

numbers = st.one_of(st.integers(), st.just(10**30), st.floats(allow_nan=False, allow_infinity=False))
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(characters, max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(characters, max_size=5), inner, max_size=3)),
    max_leaves=6,
)
metas = st.one_of(
    st.just({}),
    st.dictionaries(st.text(characters, max_size=6).filter(lambda key: key != "layers"), values, max_size=3),
    st.just({"layers": ["names"], "source": "https://example.org/x?y=1&z=2", "deep": {"a": [None, {"b": []}]}}),
)


# For tests that write files: machines under load are slow, and that is no fault.
patient = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A document with everything that the schema can hold: names in any order, with scores and doubts; claims that overlap, nest
    and share spans, in fragments, without cue or source, under any id; any meta; a text with odd characters, sometimes empty."""
    text = draw(st.sampled_from(EDGES)) + draw(texts) + draw(st.sampled_from(EDGES))
    found = [(word.start, word.end) for word in words(text) if trim(text, word.start, word.end) == word]
    entities = [
        {"start": start, "end": end, "label": draw(st.sampled_from(ENTITY_LABELS)), "ambiguous": draw(strategies.rarely)}
        for start, end in draw(runs(found))
    ]
    claims = [draw(roles(found)) for _ in range(draw(st.integers(0, 3)))] if found else []
    if claims and draw(strategies.rarely):
        claims.append(claims[0])  # a relay: the same words, somebody else's
    names = draw(st.lists(strings, min_size=len(claims), max_size=len(claims), unique=True))
    rows = [{"id": name, **claim, **draw(attributes(claim)), **scored(draw)} for name, claim in zip(names, claims, strict=True)]
    entities = [entity | scored(draw) for entity in draw(st.permutations(entities))]
    row = {"id": draw(strings), "text": text, "meta": draw(metas), "entities": entities, "claims": rows}
    return Document.from_dict(row if entities or claims or not draw(strategies.rarely) else row | {"text": ""})


def collections(most: int = 4) -> st.SearchStrategy[list[Document]]:
    """Up to ``most`` documents, at least one, no id given twice."""
    return st.lists(documents(), min_size=1, max_size=most, unique_by=lambda document: document.id)


@st.composite
def roles(draw: st.DrawFn, found: Sequence[tuple[int, int]]) -> dict[str, list[list[int]]]:
    """The roles of a claim, apart from each other, of one or several fragments; there is always content."""
    spans = draw(runs(found).filter(bool))
    given = [draw(st.sampled_from(ROLES)) for _ in spans]
    if "content" not in given:
        given[draw(st.integers(0, len(spans) - 1))] = "content"
    return {role: [list(span) for span, mine in zip(spans, given, strict=True) if mine == role] for role in ROLES}


@st.composite
def attributes(draw: st.DrawFn, claim: dict[str, list[list[int]]]) -> dict[str, Any]:
    return {
        "type": draw(st.sampled_from(CLAIM_TYPES)),
        "source_type": draw(st.sampled_from(SOURCE_TYPES[:-1])) if claim["source"] else SOURCE_TYPES[-1],
        "stance": draw(st.sampled_from(STANCES)),
        "speaker": draw(st.none() | strings),
        "core": not draw(strategies.rarely),
    }


@st.composite
def runs(draw: st.DrawFn, found: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of one or several words, apart from each other, in text order."""
    cuts = sorted(draw(st.sets(st.integers(0, len(found) - 1), max_size=12))) if found else []
    firsts, lasts = cuts[::2], [cut - draw(st.booleans()) for cut in cuts[1::2]] + cuts[len(cuts) - len(cuts) % 2 :]
    return [(found[first][0], found[max(first, last)][1]) for first, last in zip(firsts, lasts, strict=True)]


def scored(draw: st.DrawFn) -> dict[str, float]:
    return {"score": draw(scores)} if draw(strategies.rarely) else {}
