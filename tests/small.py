"""Small annotated documents for the tests of scoring: twelve tokens of one letter, claims spelt as one role letter a token."""

from __future__ import annotations

from itertools import groupby

from hypothesis import strategies as st

from nisba.schema import CLAIM_TYPES, SOURCE_TYPES, STANCES, Claim, Document, Entity, Span

TEXT = "ا ب ج د ه و ز ح ط ي ك ل"  # token n is [2n, 2n + 1)
LETTERS = {"q": "cue", "s": "source", "c": "content", "a": "addressee"}


def words(first, last=None):
    return Span(2 * first, 2 * (first if last is None else last) + 1)


def spelt(name, roles, **more):
    """``spelt("a", "qscccc")``: cue, source, four tokens of content. ``-`` is in no role, ``|`` parts fragments."""
    spans, at = dict.fromkeys(LETTERS.values(), ()), 0
    for part in roles.split("|"):
        for letter, run in groupby(part):
            size = len(list(run))
            if letter != "-":
                spans[LETTERS[letter]] += (words(at, at + size - 1),)
            at += size
    kind = more.pop("source_type", "person" if spans["source"] else "implicit")
    return Claim(name, source_type=kind, **spans, **more)


def document(*claims, entities=(), text=TEXT, name="d", meta=None):
    return Document(name, text, tuple(entities), tuple(claims), meta or {})


def entities(tags):
    """Entities of an IOB2 sequence over the tokens; an I that nothing begins is no entity."""
    found, previous = [], "O"
    for i, tag in enumerate(tags):
        if tag.startswith("B-"):
            found.append((i, i, tag[2:]))
        elif tag.startswith("I-") and previous[2:] == tag[2:]:
            found[-1] = (found[-1][0], i, tag[2:])
        else:
            tag = "O"
        previous = tag
    return [Entity(words(first, last), label) for first, last, label in found]


@st.composite
def claims(draw, core=True):
    """Up to four claims over TEXT with any roles, attributes and speakers."""
    result = []
    for number in range(draw(st.integers(0, 4))):
        roles = draw(st.text("-qscca", min_size=12, max_size=12).filter(lambda roles: "c" in roles))
        kinds = SOURCE_TYPES[:-1] if "s" in roles else SOURCE_TYPES[-1:]
        result.append(
            spelt(
                f"c{number}",
                roles,
                source_type=draw(st.sampled_from(kinds)),
                type=draw(st.sampled_from(CLAIM_TYPES)),
                stance=draw(st.sampled_from(STANCES)),
                speaker=draw(st.sampled_from([None, "ب", "ليلى"])),
                core=core or draw(st.booleans()),
            )
        )
    return result
