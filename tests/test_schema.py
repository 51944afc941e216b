import json
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nisba import schema
from nisba.schema import ROLES, Claim, Document, Entity, SchemaError, Span, trim
from tests.strategies import documents

TEXT = "وقال وزير الصحة إن اللقاح آمن."
CLAIM = Claim("c1", cue=(Span(0, 4),), source=(Span(5, 15),), content=(Span(16, 29),), source_type="role", speaker="وزير الصحة")


def test_the_guideline_example_is_valid_and_round_trips():
    document = Document("a1", TEXT, (), (CLAIM,), {"license": "x"})
    assert CLAIM.content[0].of(TEXT) == "إن اللقاح آمن"
    assert Document.from_dict(json.loads(json.dumps(document.to_dict()))) == document


def test_a_document_may_name_the_version_of_its_schema():
    assert Document.from_dict({"schema": 1, "id": "a1", "text": TEXT}) == Document("a1", TEXT)


@given(documents())
def test_json_round_trip(document):
    assert Document.from_dict(json.loads(json.dumps(document.to_dict()))) == document


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Span(3, 3), "empty"),
        (lambda: Span(-1, 3), "negative"),
        (lambda: Span(4, 2), "reversed"),
        (lambda: Span(0.0, 2), "integers"),
        (lambda: Span(True, 2), "integers"),
        (lambda: Entity(Span(0, 4), "NAME"), "PER, ORG, LOC, MISC"),
        (lambda: Entity(Span(0, 4), "PER", 1.5), "score"),
        (lambda: Entity(Span(0, 4), "PER", ambiguous=1), "ambiguous: must be true or false"),
        (lambda: Claim("c", content=(Span(0, 4),), core="no"), "core: must be true or false"),
        (lambda: Document.from_dict({"id": "a", "text": TEXT, "schema": 2}), "schema: this nisba reads version 1: «2»"),
        (lambda: Document.from_dict({"id": "a", "text": TEXT, "schema": True}), "this nisba reads version 1"),
        (lambda: Claim("c", content=()), "needs content"),
        (lambda: Claim("c", content=(Span(0, 4),), source_type="role"), "if and only if"),
        (lambda: Claim("c", content=(Span(0, 4),), source=(Span(5, 9),)), "if and only if"),
        (lambda: Claim("c", content=(Span(5, 9), Span(0, 4))), "text order"),
        (lambda: Claim("c", content=(Span(0, 9),), cue=(Span(5, 9),)), "two roles share"),
        (lambda: Claim("c", content=(Span(0, 4),), stance="maybe"), "stance"),
        (lambda: Claim("c", content=(Span(0, 4),), speaker=""), "speaker"),
        (lambda: Document("", TEXT), "id"),
        (lambda: Document("a", None), "text"),
        (lambda: Document("a", "\ud800"), "surrogate"),
        (lambda: Document("a", TEXT, (), (CLAIM, CLAIM)), "given twice"),
        (lambda: Document("a", TEXT, (Entity(Span(0, 15), "ORG"), Entity(Span(5, 15), "ORG"))), "overlaps"),
        (lambda: Document("a", TEXT, (Entity(Span(0, 3), "ORG"),)), "cuts a word at 3"),
        (lambda: Document("a", TEXT, (Entity(Span(1, 4), "ORG"),)), "cuts a word at 1"),
        (lambda: Document("a", TEXT, (Entity(Span(4, 9), "ORG"),)), "white space"),
        (lambda: Document("a", TEXT, (Entity(Span(26, 30), "ORG"),)), "punctuation"),
        (lambda: Document("a", TEXT, (Entity(Span(26, 99), "ORG"),)), "beyond the end of the text (30 characters)"),
    ],
)
def test_rules(build, message):
    with pytest.raises(SchemaError, match=".*".join(map(__import__("re").escape, message.split("…")))):
        build()


def test_all_problems_are_listed_at_once():
    row = {
        "id": "a",
        "text": TEXT,
        "entities": [{"start": 4, "end": 3, "label": "X"}, {"start": 0, "end": 2, "label": "PER"}],
        "claims": [{}],
    }
    with pytest.raises(SchemaError) as caught:
        Document.from_dict(row)
    fields = " ".join(str(problem) for problem in caught.value.problems)
    assert len(caught.value.problems) >= 5
    assert "entities[0]" in fields
    assert "entities[1]" in fields
    assert "claims[0].content: is missing" in fields


def test_trim_takes_off_marks_space_and_controls_only():
    text = " «نعم» \u200f. "
    assert trim(text, 0, len(text)).of(text) == "نعم"
    assert trim(text, 0, 2) is None


@st.composite
def fragments(draw):
    start = draw(st.integers(0, 12))
    return [start, start + draw(st.integers(1, 4))]


@given(st.fixed_dictionaries({role: st.lists(fragments(), max_size=2) for role in ROLES}))
def test_fragments_are_apart_and_in_order(roles):
    row = {"id": "c", "type": "direct", "stance": "neutral", "source_type": "person" if roles["source"] else "implicit", **roles}
    places = [place for spans in roles.values() for place in spans]
    apart = all(one[1] <= other[0] or other[1] <= one[0] for one, other in combinations(places, 2))
    if roles["content"] and apart and all(spans == sorted(spans) for spans in roles.values()):
        assert Claim.from_dict(row).to_dict() == row | {"speaker": None}
    else:
        with pytest.raises(SchemaError, match=r"apart|share|needs content"):
            Claim.from_dict(row)


@given(documents(), st.integers(0, 3), st.text("ا .", max_size=1))
def test_the_quick_check_passes_exactly_what_the_slow_one_finds_nothing_in(document, cut, added):
    text = added + document.text[cut:]
    entities = [(f"entities[{i}]", entity) for i, entity in enumerate(document.entities)]
    slow = schema._annotation(text, entities, document.claims)
    assert schema._annotation_sound(text, document.entities, document.claims) == (not slow)


@pytest.mark.parametrize("fragments", [None, {"0": 1}, "12", [[1]], [[1, 2, 3]], [(1, 2)], ["12"], [{"a": 1, "b": 2}], [None]])
def test_fragments_are_lists_of_pairs(fragments):
    row = CLAIM.to_dict() | {"cue": fragments}
    with pytest.raises(SchemaError, match=r"^cue: must be a list of \[start, end\] pairs"):
        Claim.from_dict(row)
