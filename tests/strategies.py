"""Hypothesis strategies: texts as newsrooms and the web have them, and annotated documents over them."""

from __future__ import annotations

from hypothesis import strategies as st

from nisba.schema import ENTITY_LABELS, ROLES, SOURCE_TYPES, STANCES, Claim, Document, Entity, Span, trim
from nisba.text import words

LETTERS = "ابتثجحخدذرزسشصضطظعغفقكلمنهويءآأؤإئةى"
PIECES = st.one_of(
    st.text(LETTERS, min_size=1, max_size=8),
    st.text(LETTERS + "\u064b\u064e\u0651\u0640\u0652", min_size=1, max_size=8),
    st.sampled_from(["قال", "إن", "وفقا", "لـ", "ـــ", "\u064b", "ﻻ", "ﷺ", "١٢٣", "2024", "19م", "٥٪", "A320", "هههههه", "x" * 40]),
    st.sampled_from(
        ["https://a.b/c?x=1", "www.nisba.org", "a.b@c.org", "@user_1", "و@user", "😀", "👨‍👩‍👧", "e\u0301", "\u3164", "𐎀"]
    ),
    st.sampled_from(
        ["«", "»", "“", "”", '"', "'", "((", "))", ":", "،", "؟", ".", "...", "…", "!", "-", "/", "[", "]", "<b>", "&amp;"]
    ),
    st.sampled_from(["\u200f", "\u202e", "\u2066", "\u200c", "\ufeff", "\u00ad", "\ue000"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=4),
)
GAPS = st.sampled_from([" ", " ", " ", "", "\n", "  ", "\u00a0", "\r\n", "\t"])
texts = st.lists(st.tuples(PIECES, GAPS), min_size=1, max_size=25).map(lambda parts: "".join(a + b for a, b in parts))

rarely = st.sampled_from([False, False, False, True])


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A document whose claims have disjoint roles of one or several fragments, and may overlap each other."""
    text = draw(texts)
    spans = [word for word in words(text) if trim(text, word.start, word.end) == word]
    entities, claims = [], []
    if len(spans) >= 2:
        for first, last in draw(runs(len(spans), 4)):
            span, label = Span(spans[first].start, spans[last].end), draw(st.sampled_from(ENTITY_LABELS))
            entities.append(Entity(span, label, ambiguous=draw(rarely)))
        for number in range(draw(st.integers(0, min(3, len(spans))))):
            roles: dict[str, tuple[Span, ...]] = {}
            for first, last in draw(runs(len(spans), 7)):
                role = draw(st.sampled_from(ROLES))
                roles[role] = (*roles.get(role, ()), Span(spans[first].start, spans[last].end))
            if "content" in roles:
                kinds = SOURCE_TYPES[:-1] if "source" in roles else SOURCE_TYPES[-1:]
                kind, stance = draw(st.sampled_from(kinds)), draw(st.sampled_from(STANCES))
                claims.append(Claim(id=f"c{number + 1}", source_type=kind, stance=stance, core=not draw(rarely), **roles))
    return Document("d", text, tuple(entities), tuple(claims))


@st.composite
def runs(draw: st.DrawFn, count: int, most: int) -> list[tuple[int, int]]:
    """Disjoint runs of words (first, last) in order."""
    cuts = sorted(draw(st.sets(st.integers(0, count - 1), max_size=2 * most)))
    return [(cuts[i], cuts[i + 1] - draw(st.booleans())) for i in range(0, len(cuts) - 1, 2) if cuts[i] < cuts[i + 1]]
