"""Documents as regions and links, and back: what Label Studio, doccano and Prodigy have in common."""

import json
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nisba.files import FormatError
from nisba.formats import carried, doccano, label_studio, prodigy, regions
from nisba.formats.linked import compose
from nisba.formats.regions import LABELS, NAMED, Region, draw
from nisba.schema import CLAIM_TYPES, ENTITY_LABELS, ROLES, SOURCE_TYPES, STANCES, Document, SchemaError
from tests.documents import documents

TEXT = "وقال وزير الصحة إن اللقاح آمن، وأضاف أنه متوفر."
CUE, SOURCE, CONTENT = Region(0, 4, "cue", "neutral"), Region(5, 15, "source", "role"), Region(16, 29, "content", "indirect")
CUE2, CONTENT2 = Region(31, 36, "cue", "assert"), Region(37, 46, "content", "direct")


def composed(drawn, links, before=None, meta=None, **options):
    return compose("a", TEXT, drawn, links, before=before, meta=meta or {}, **options)


def before(document):
    return carried.unpack(carried.pack(document))


def spans(claim):
    return {role: [(span.start, span.end) for span in claim.role(role)] for role in ROLES if claim.role(role)}


@settings(max_examples=150, deadline=None)
@given(documents())
def test_round_trip(document):
    """With what is carried nothing is lost, and what is carried is JSON."""
    drawn, links = draw(document)
    old = carried.unpack(json.loads(json.dumps(carried.pack(document))))
    back = compose(document.id, document.text, drawn, [(b, a) for a, b in links], before=old, meta=document.meta, speakers=True)
    assert back == document


@settings(max_examples=150, deadline=None)
@given(documents())
def test_what_is_drawn_is_enough_for_all_but_ids(document):
    """Without anything carried: ids are new, and a stance without cue is lost, since there is no region to choose it at."""
    drawn, links = draw(document)
    back = compose(document.id, document.text, drawn, links, before=None, meta=document.meta, speakers=True)
    assert back.entities == document.entities
    assert [claim.id for claim in back.claims] == [f"c{i}" for i in range(1, len(document.claims) + 1)]
    chosen = "attributes" in document.layers
    for claim, new in zip(document.claims, back.claims, strict=True):
        if chosen:
            assert new == replace(claim, id=new.id, stance=claim.stance if claim.cue else "neutral")
        else:
            assert spans(new) == spans(claim)
            assert (new.score, new.speaker, new.core) == (claim.score, claim.speaker, claim.core)
    assert back.layers == document.layers


def test_shared_parts_are_one_region_and_contents_never(seeds):
    document = next(d for d in seeds if any(a.source == b.source != () for a in d.claims for b in d.claims if a is not b))
    drawn, links = draw(document)
    parts = [(r.start, r.end, r.label, r.choice) for r in drawn if r.label in ("cue", "source", "addressee")]
    assert len(parts) == len(set(parts)) < sum(len(c.cue + c.source + c.addressee) for c in document.claims)
    assert sum(r.label == "content" for r in drawn) == sum(len(c.content) for c in document.claims)
    assert all(drawn[one].label == "content" for one, _ in links)


def test_labels_cover_the_schema():
    said = {(label, choice) for label, choice, _ in NAMED.values()}
    assert {(label, None) for label in (*ENTITY_LABELS, *ROLES)} <= said
    assert {("content", kind) for kind in CLAIM_TYPES} <= said
    assert {("source", kind) for kind in SOURCE_TYPES if kind != "implicit"} <= said
    assert {("cue", stance) for stance in STANCES} <= said
    assert "content:direct?" in LABELS
    assert "PER?" in LABELS
    assert "cue" not in LABELS
    assert all(regions.name(Region(0, 1, *NAMED[label])) == label for label in NAMED)


def test_claims_share_a_source_in_whatever_way_links_are_drawn():
    for links in ([(2, 0), (2, 1), (4, 1), (4, 3)], [(0, 2), (1, 2), (1, 4), (3, 4), (3, 4), (2, 2)]):
        one, two = composed([CUE, SOURCE, CONTENT, CUE2, CONTENT2], links).claims
        assert spans(one) == {"cue": [(0, 4)], "source": [(5, 15)], "content": [(16, 29)]}
        assert spans(two) == {"cue": [(31, 36)], "source": [(5, 15)], "content": [(37, 46)]}
        assert (one.type, one.source_type, one.stance) == ("indirect", "role", "neutral")
        assert (two.type, two.source_type, two.stance) == ("direct", "role", "assert")


def test_fragments_of_content_in_any_order():
    late = Region(37, 46, "content", "indirect")
    (claim,) = composed([late, CUE, CONTENT], [(0, 2), (2, 1)]).claims
    assert spans(claim) == {"cue": [(0, 4)], "content": [(16, 29), (37, 46)]}


@pytest.mark.parametrize(
    ("drawn", "links", "message"),
    [
        ([CUE, CONTENT], [], "a cue that no content is linked with: «وقال»"),
        ([CUE, SOURCE, CONTENT], [(0, 1), (0, 2)], "cue «وقال»: is linked with a source; .*: «وزير الصحة»"),
        ([Region(5, 15, "PER"), CONTENT], [(0, 1)], "PER «وزير الصحة»: is linked with a content"),
        ([CUE, Region(16, 29, "content")], [(0, 1)], "claim: nobody chose its type: «إن اللقاح آمن»"),
        ([Region(5, 15, "source"), CONTENT], [(0, 1)], "claim: nobody chose its source_type"),
        ([CUE, CONTENT, CONTENT2], [(0, 1), (1, 2)], "type: its content says direct and indirect"),
        ([CUE, CUE._replace(choice="deny"), CONTENT], [(0, 2), (1, 2)], "stance: its cue says deny and neutral"),
        ([CUE, CUE, CONTENT], [(0, 2), (1, 2)], "cue: fragments must be in text order and apart"),
        ([CONTENT, CONTENT._replace(start=19)], [(0, 1)], "content: fragments must be in text order and apart"),
        ([CUE._replace(end=2), CONTENT], [(0, 1)], r"cue: \[0, 2\) cuts a word at 2"),
        ([Region(0, 4, "PER"), Region(0, 4, "ORG")], [], "overlaps another entity: «وقال»"),
    ],
)
def test_what_makes_no_claim(drawn, links, message):
    with pytest.raises(SchemaError, match=message):
        composed(drawn, links)


def test_all_problems_at_once():
    with pytest.raises(SchemaError) as error:
        composed([CUE, SOURCE, CONTENT2, Region(16, 29, "content")], [])
    assert len(error.value.problems) == 3


DOCUMENT = Document.from_dict(
    {
        "id": "a",
        "text": TEXT,
        "meta": {"source": "x"},
        "entities": [{"start": 10, "end": 15, "label": "ORG", "score": 0.25}],
        "claims": [
            {
                "id": "q",
                "cue": [[0, 4]],
                "source": [[5, 15]],
                "content": [[16, 29]],
                "addressee": [],
                "speaker": "فلان",
                "score": 0.5,
            }
            | {"type": "indirect", "source_type": "role", "stance": "neutral"},
            {"id": "p", "cue": [[31, 36]], "source": [], "content": [[37, 46]], "addressee": [], "speaker": "هو", "score": 0.75}
            | {"type": "indirect", "source_type": "implicit", "stance": "assert"},
        ],
    }
)


def edited(change):
    drawn, links = draw(DOCUMENT)
    drawn, links = change([r._replace(speaker=None, score=None) for r in drawn], links)
    return composed(drawn, links, before(DOCUMENT), DOCUMENT.meta)


def test_a_moved_span_wins_and_the_claim_is_known_again():
    def move(drawn, links):
        return [r._replace(start=19) if r.start == 16 else r for r in drawn], links  # without إن

    one, two = edited(move).claims
    assert spans(one)["content"] == [(19, 29)]
    assert (one.id, one.speaker, one.score) == ("q", "فلان", 0.5)
    assert two == DOCUMENT.claims[1]


def test_a_new_claim_gets_an_id_of_its_own():
    def add(drawn, links):
        return [Region(19, 25, "content", "indirect"), *drawn], [(a + 1, b + 1) for a, b in links]

    new, one, two = edited(add).claims
    assert (new.id, new.speaker, new.score) == ("c1", None, None)
    assert (one, two) == DOCUMENT.claims


def test_a_deleted_source_leaves_an_implicit_one():
    def delete(drawn, links):
        gone = next(i for i, r in enumerate(drawn) if r.label == "source")
        kept = [(a - (a > gone), b - (b > gone)) for a, b in links if gone not in (a, b)]
        return [r for i, r in enumerate(drawn) if i != gone], kept

    one, _ = edited(delete).claims
    assert (one.source, one.source_type, one.id) == ((), "implicit", "q")


def test_a_deleted_claim_does_not_come_back():
    def delete(drawn, links):
        return [r for r in drawn if r.start > 30], [(0, 1)]

    back = edited(delete)
    assert [claim.id for claim in back.claims] == ["p"]
    assert back.entities == ()


def test_a_choice_made_in_the_tool_wins():
    def choose(drawn, links):
        return [r._replace(choice="deny") if r.label == "cue" else r for r in drawn], links

    assert [claim.stance for claim in edited(choose).claims] == ["deny", "deny"]


def test_a_choice_taken_back_is_known_from_before():
    def unchoose(drawn, links):
        return [r._replace(choice=None) if r.label == "source" else r for r in drawn], links

    assert edited(unchoose) == DOCUMENT


def test_scores_end_where_a_person_has_looked():
    drawn, links = draw(DOCUMENT)
    drawn = [r._replace(score=None) for r in drawn]
    back = composed(drawn, links, before(DOCUMENT).without_scores(), DOCUMENT.meta, confirmed=True, speakers=True)
    assert {x.score for x in (*back.entities, *back.claims)} == {None}
    assert [claim.id for claim in back.claims] == ["q", "p"]


def test_claims_that_share_every_span_stay_in_order():
    first = DOCUMENT.claims[0]
    twins = replace(DOCUMENT, claims=(first, replace(first, id="z", speaker="آخر"), replace(first, id="y", type="direct")))
    drawn, links = draw(twins)
    hidden = [r._replace(speaker=None, score=None) for r in drawn]
    assert composed(hidden, links, before(twins), twins.meta) == twins


def test_layers_follow_what_is_drawn():
    plain = Document("a", TEXT, meta={"layers": []})
    assert composed([], [], before(plain), plain.meta).meta == {"layers": []}
    assert composed([], [], before(plain), plain.meta, confirmed=True).meta == {}
    assert composed([Region(5, 15, "PER")], [], before(plain), plain.meta).meta == {"layers": ["names"]}
    drawn = [CUE, CONTENT]
    assert composed(drawn, [(0, 1)], before(plain), plain.meta).meta == {"layers": ["attributes", "roles"]}
    bare = [r._replace(choice=None) for r in drawn]
    assert composed(bare, [(0, 1)]).meta == {"layers": ["names", "roles"]}
    assert composed(bare, [(0, 1)], before(plain), plain.meta).meta == {"layers": ["roles"]}
    named = Document("a", TEXT, meta={"layers": ["names"], "k": 1})
    assert composed(drawn, [(0, 1)], before(named), named.meta).meta == {"k": 1}


def test_places_held_are_no_choices():
    """A corpus without attributes, where a person has now chosen for one claim: what was there before is not taken for a choice."""
    held = replace(DOCUMENT, meta={"layers": ["names", "roles"]})
    drawn, links = draw(held)
    assert not any(region.choice for region in drawn)
    drawn[-1] = drawn[-1]._replace(choice="deny")
    with pytest.raises(SchemaError, match="nobody chose its type and source_type and stance"):
        composed(drawn, links, before(held), held.meta)


def written(claim):
    return json.dumps({"id": "a", "meta": {}, "entities": [], "claims": [claim]})


@pytest.mark.parametrize(
    "value",
    [
        5,
        [],
        "",
        "{",
        "[]",
        "{}",
        '"x"',
        '{"id": "a", "meta": {}, "entities": [], "claims": [], "text": "x"}',
        '{"id": "a", "meta": [], "entities": [], "claims": []}',
        '{"id": "a", "meta": {}, "entities": [1], "claims": []}',
        '{"id": "a", "meta": {}, "entities": [{"start": [], "end": 1, "label": "PER"}], "claims": []}',
        '{"id": "a", "meta": {}, "entities": {}, "claims": 5}',
        '{"id": "a", "meta": {}, "entities": [], "claims": [{"id": "x"}]}',
        written({"id": [], "cue": [], "source": [], "content": [[0, 1]], "addressee": []}),
        written({"id": "x", "cue": [], "source": [], "content": [[0, "1"]], "addressee": []}),
        written({"id": "x", "cue": [], "source": [], "content": [[0]], "addressee": []}),
        written({"id": "x", "cue": [], "source": [], "content": [], "addressee": []}),
        '{"id": "a", "id": "b", "meta": {}, "entities": [], "claims": []}',
        '{"id": "a", "meta": {"x": NaN}, "entities": [], "claims": []}',
        "[" * 100_000,
    ],
)
def test_what_nisba_did_not_write(value):
    with pytest.raises(SchemaError, match=r"^nisba: (must be the string|is not what nisba wrote)"):
        carried.unpack(value)


def test_fields_that_are_carried_are_checked_when_they_are_used():
    row = json.loads(carried.pack(DOCUMENT))
    row["claims"][0] |= {"speaker": 5, "score": 7}
    drawn, links = draw(DOCUMENT)
    hidden = [r._replace(speaker=None, score=None) for r in drawn]
    with pytest.raises(SchemaError, match=r"score: must be a number .*speaker: must be a string"):
        composed(hidden, links, carried.unpack(json.dumps(row)))
    row["meta"] = {"layers": [{}]}
    with pytest.raises(SchemaError, match=r"meta\.layers"):
        composed(hidden, links, carried.unpack(json.dumps(row)))


STRANGE = st.sampled_from(
    [None, True, 0, -1, 10**30, 0.5, "", "x", "claim", "cue:deny", [], [[]], [None], {}, {"id": 0}, {"start": "/p"}]
)


def places(value, path=()):
    """The path of everything in a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([label_studio, doccano, prodigy]), st.data())
def test_whatever_stands_in_a_file_there_are_documents_or_problems(tmp_path_factory, form, data):
    file = tmp_path_factory.mktemp("strange") / "a"
    form.write([DOCUMENT], file)
    row = json.loads(file.read_text(encoding="utf-8"))
    for path in data.draw(st.lists(st.sampled_from([*places(row)]), min_size=1, max_size=3)):
        holder = row
        try:
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = deepcopy(data.draw(STRANGE))
        except (IndexError, KeyError, TypeError):  # what was there has gone before
            continue
    file.write_text(json.dumps(row), encoding="utf-8")
    found, problems = [], ()
    try:
        found += form.read(file)
    except FormatError as error:
        problems = error.problems
    assert all(isinstance(document, Document) for document in found)
    assert all(problem.startswith(f"{file}:") for problem in problems)
    assert found or problems
