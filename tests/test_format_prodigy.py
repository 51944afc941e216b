import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nisba.files import FormatError
from nisba.formats import prodigy
from nisba.formats.carried import pack
from nisba.schema import Claim, Document, Entity, Span
from tests.documents import documents

TEXT = "وقال وزير الصحة إن اللقاح آمن."
CLAIM = Claim("c1", (Span(16, 29),), (Span(0, 4),), (Span(5, 15),), (), "indirect", "role", "neutral")
WORDS = [(0, 4), (5, 9), (10, 15), (16, 18), (19, 25), (26, 29), (29, 30)]
TOKENS = [
    {"text": TEXT[start:end], "start": start, "end": end, "id": i, "ws": i < 5, "disabled": False}
    for i, (start, end) in enumerate(WORDS)
]


def span(first, last, label, **more):
    start, end = WORDS[first][0], WORDS[last][1]
    return {"start": start, "end": end, "token_start": first, "token_end": last, "label": label} | more


CUE, SOURCE, CONTENT = span(0, 0, "cue:neutral"), span(1, 2, "source:role"), span(3, 5, "content:indirect")


def relation(head, child, label="claim"):
    spans = {"head_span": head, "child_span": child}
    return {"head": head["token_end"], "child": child["token_end"], **spans, "color": "#c5bdf4", "label": label}


# What the tool's database gives out: hashes, times and sessions beside the task, the answer that was given.
ROW = {
    "text": TEXT,
    "meta": {"id": "a-17", "source": "x"},
    "_input_hash": -977724056,
    "_task_hash": -665543633,
    "_is_binary": False,
    "tokens": TOKENS,
    "_view_id": "relations",
    "spans": [{"text": TEXT[s["start"] : s["end"]], "type": "span"} | s for s in (CUE, SOURCE, CONTENT)],
    "relations": [relation(CUE, CONTENT), relation(CONTENT, SOURCE)],
    "answer": "accept",
    "_timestamp": 1650000000,
    "_annotator_id": "b",
    "_session_id": "b",
}


def read(path, rows, **options):
    file = path / "db.jsonl"
    text = rows if isinstance(rows, str) else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    file.write_text(text, encoding="utf-8")
    return list(prodigy.read(file, **options))


@settings(max_examples=120, deadline=None)
@given(documents())
def test_round_trip(tmp_path_factory, document):
    file = tmp_path_factory.mktemp("prodigy") / "a.jsonl"
    assert prodigy.write([document], file) == 1
    assert list(prodigy.read(file)) == [document]
    assert prodigy.losses(document) == []


@settings(max_examples=60, deadline=None)
@given(documents())
def test_round_trip_through_the_tool(tmp_path_factory, document):
    """Prodigy reads and writes with srsly, and keeps keys that it does not know."""
    srsly = pytest.importorskip("srsly")
    file = tmp_path_factory.mktemp("prodigy") / "a.jsonl"
    prodigy.write([document], file)
    (row,) = srsly.read_jsonl(file)
    srsly.write_jsonl(file, [row | {"_input_hash": 1, "_task_hash": 2, "_timestamp": 3}])
    assert list(prodigy.read(file)) == [document]


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | documents().map(lambda document: document.text))
def test_tokens_make_the_text_again(text):
    tokens = prodigy.tokens(text)
    assert "".join(token["text"] + " " * token["ws"] for token in tokens) == text
    assert all(text[token["start"] : token["end"]] == token["text"] for token in tokens)
    assert [token["id"] for token in tokens] == [*range(len(tokens))]


def test_tokens_are_what_spacy_takes(seeds):
    spacy = pytest.importorskip("spacy")
    for document in seeds[:20]:
        tokens = prodigy.tokens(document.text)
        doc = spacy.tokens.Doc(spacy.Vocab(), [token["text"] for token in tokens], [token["ws"] for token in tokens])
        assert doc.text == document.text
        assert all(doc.char_span(entity.span.start, entity.span.end) is not None for entity in document.entities)


def test_corpus(tmp_path, seeds):
    file = tmp_path / "seeds.jsonl"
    assert prodigy.write(iter(seeds), file) == len(seeds)
    assert list(prodigy.read(file)) == seeds
    row = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
    for item in row["spans"]:
        assert row["tokens"][item["token_start"]]["start"] == item["start"]
        assert row["tokens"][item["token_end"]]["end"] == item["end"]
    for item in row["relations"]:
        assert item["head"] == item["head_span"]["token_end"]
        assert item["child"] == item["child_span"]["token_end"]


def test_an_export_of_the_tool(tmp_path):
    (document,) = read(tmp_path, [ROW | {"url": "https://example.org"}])
    assert document == Document("a-17", TEXT, (), (CLAIM,), {"id": "a-17", "source": "x", "url": "https://example.org"})


def test_relations_by_token_alone(tmp_path):
    links = [{"head": 5, "child": 0, "label": "claim"}, {"child": 2, "head": 5, "label": "claim"}]
    assert read(tmp_path, [ROW | {"relations": links}])[0].claims == (CLAIM,)
    both = [*ROW["spans"], span(4, 5, "content:indirect")]
    with pytest.raises(FormatError, match=r"db\.jsonl:1: a-17: relations\[0\]\.head: several spans are alike there: «5»"):
        read(tmp_path, [ROW | {"spans": both, "relations": links}])


def test_spans_that_are_alike_are_told_apart_by_id(tmp_path):
    """Two claims with one content: in the tool's own relations there is nothing else to tell which is meant."""
    twins = (replace(CLAIM, cue=(Span(0, 4),), source=(), source_type="implicit"), replace(CLAIM, id="c2", cue=()))
    document = Document("a", TEXT, claims=twins)
    prodigy.write([document], tmp_path / "a.jsonl")
    assert list(prodigy.read(tmp_path / "a.jsonl")) == [document]
    row = json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))
    del row["relations"][0]["head_span"]["id"]
    with pytest.raises(FormatError, match=r"a: relations\[0\]\.head: several spans are alike there"):
        read(tmp_path, [row])


def test_answers(tmp_path):
    claim = replace(CLAIM, id="q", speaker="فلان", score=0.25)
    document = Document("a", TEXT, (Entity(Span(10, 15), "ORG", 0.5),), (claim,))
    prodigy.write([document], tmp_path / "a.jsonl")
    row = json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))
    accepted = Document("a", TEXT, (Entity(Span(10, 15), "ORG"),), (replace(claim, score=None),))
    assert read(tmp_path, [row | {"answer": "accept"}]) == [accepted]
    for answer in ("reject", "ignore"):
        assert read(tmp_path, [row | {"answer": answer}]) == [Document("a", TEXT, meta={"layers": []})]
    raw = {"text": TEXT, "nisba": pack(Document("a", TEXT, meta={"layers": []})), "spans": [], "relations": []}
    assert [d.meta for d in read(tmp_path, [raw])] == [{"layers": []}]
    assert [d.meta for d in read(tmp_path, [raw | {"answer": "accept"}])] == [{}]


def test_what_nothing_tells_is_not_annotated(tmp_path):
    """Text classification, and names where nobody was asked for claims."""
    saved = {"text": TEXT, "_input_hash": 1, "_task_hash": 2, "answer": "accept"}
    rows = [
        saved | {"label": "SPORT"},
        saved | {"accept": ["A"], "options": []},
        saved | {"spans": None},
        saved | {"tokens": TOKENS},
    ]
    assert [d.meta["layers"] for d in read(tmp_path, rows)] == [[]] * 4
    assert read(tmp_path, rows)[0].meta == {"label": "SPORT", "layers": []}
    for spans in ([], [span(2, 2, "ORG")]):
        assert read(tmp_path, [saved | {"spans": spans}])[0].layers == {"names"}
        assert "layers" not in read(tmp_path, [saved | {"spans": spans, "relations": []}])[0].meta
    assert read(tmp_path, [saved | {"layers": ["roles"]}])[0].layers == {"roles"}


@pytest.mark.parametrize("view", ["ner", "spans"])
def test_answers_to_single_spans_are_no_annotation_of_a_text(tmp_path, view):
    saved = {"text": TEXT, "spans": [span(2, 2, "ORG")], "_view_id": view}
    with pytest.raises(FormatError, match=rf"db\.jsonl:1: .*_view_id: a yes to single spans tells nothing of .*: «{view}»"):
        read(tmp_path, [saved | {"answer": "accept"}])
    assert read(tmp_path, [saved | {"answer": "reject"}])[0].layers == frozenset()
    assert read(tmp_path, [saved | {"_view_id": f"{view}_manual", "answer": "accept"}])[0].layers == {"names"}
    prodigy.write([Document("a", TEXT, (Entity(Span(10, 15), "ORG"),))], tmp_path / "a.jsonl")
    row = json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))
    assert read(tmp_path, [row | {"_view_id": view, "answer": "accept"}])[0].entities  # nisba's own task, shown whole


def test_what_a_person_changed_wins(tmp_path):
    document = Document("a", TEXT, (Entity(Span(10, 15), "ORG"),), (replace(CLAIM, id="q", speaker="فلان"),))
    prodigy.write([document], tmp_path / "a.jsonl")
    row = json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))
    # The tool's new spans and relations have no ids; the source is gone with its relation, the name is another.
    row["spans"] = [span(2, 2, "ORG?"), CUE, span(4, 5, "content:direct")]
    row["relations"] = [relation(row["spans"][2], CUE)]
    (back,) = read(tmp_path, [row])
    claim = replace(document.claims[0], content=(Span(19, 29),), source=(), type="direct", source_type="implicit")
    assert back == Document("a", TEXT, (Entity(Span(10, 15), "ORG", ambiguous=True),), (claim,))


def test_spans_are_checked_against_tokens_where_they_quote_nothing(tmp_path):
    spans = [CUE | {"start": 1, "end": 4}]
    with pytest.raises(FormatError, match=r"a-17: spans\[0\]: \[1, 4\) holds «قال», not «وقال»"):
        read(tmp_path, [ROW | {"spans": spans, "relations": []}])
    units = [item | {"start": item["start"] + 3, "end": item["end"] + 3} for item in ROW["spans"]]
    row = ROW | {"text": "😀 " + TEXT, "spans": units, "relations": [{"head": 5, "child": x, "label": "claim"} for x in (0, 2)]}
    with pytest.raises(FormatError, match=r"spans\[0\]: .* all of the document fit with --repair-offsets utf16"):
        read(tmp_path, [row])
    assert read(tmp_path, [row], repair="utf16")[0].claims[0].source == (Span(7, 17),)
    bare = {key: value for key, value in row.items() if key != "tokens"}
    bare["spans"] = [{key: value for key, value in item.items() if key != "text"} for item in units]
    with pytest.raises(FormatError, match=r"spans\[0\]: quotes nothing, so nobody can tell"):
        read(tmp_path, [bare], repair="utf16")


MALFORMED = [
    ("", ": holds no document"),
    ("{", ":1: not JSON: "),
    ("[]", r":1: must be an object: «\[\]»"),
    ('{"text": "x", "text": "y"}', ":1: a key is given twice: «text»"),
    ('{"text": Infinity}', ":1: not JSON: «Infinity» is no number"),
    ("\ufeff{}", ":1: begins with a byte order mark"),
    ('{"a":' * 100_000, ":1: not JSON that can be read: nested too deeply"),
    ([{"spans": []}], ":1: db-1: text: must be a string: «None»"),
    ([{"html": "<b>x</b>", "id": 3}], ":1: 3: text: must be a string: «None»"),
    ([ROW, ROW], ":2: a-17: id: given before, as number 1"),
    ([ROW | {"nisba": "{}"}], ":1: a-17: nisba: is not what nisba wrote"),
    ([ROW | {"answer": "maybe"}], ":1: a-17: answer: must be accept, reject, ignore: «maybe»"),
    ([ROW | {"spans": 5}], ":1: a-17: spans: must be a list: «5»"),
    ([ROW | {"spans": [5]}], r"spans\[0\]: must be an object: «5»"),
    ([ROW | {"spans": [{"label": "PER"}]}], r"spans\[0\]: start and end must be integers: «{'label': 'PER'}»"),
    ([ROW | {"spans": [span(0, 0, "Person")]}], r"spans\[0\]: is not a label of nisba's \(PER, .*: «Person»"),
    ([ROW | {"spans": [span(0, 0, "PER", text="قال")]}], r"spans\[0\]: \[0, 4\) holds «وقال», not «قال»"),
    ([ROW | {"spans": [span(0, 0, "PER", start=4)], "tokens": []}], r"spans\[0\]: \[4, 4\) is reversed, empty"),
    ([ROW | {"spans": [span(0, 0, "PER", end=99)], "tokens": 5}], r"spans\[0\]: \[0, 99\) runs beyond the end"),
    ([ROW | {"spans": [span(0, 0, "PER", end=3)], "tokens": [5], "relations": []}], r"entities\[0\]: \[0, 3\) cuts a word"),
    ([ROW | {"relations": 5}], "a-17: relations: must be a list: «5»"),
    ([ROW | {"spans": []}], r"relations\[0\]\.head: no span is there: «{'start': 0"),
    ([ROW | {"relations": [5]}], r"relations\[0\]: must be an object: «5»"),
    ([ROW | {"relations": []}], r"spans\[0\]: a cue that no content is linked with: «وقال»"),
    ([ROW | {"relations": [relation(CUE, CONTENT, "says")]}], r"relations\[0\]: a relation that nisba has no place for: «says»"),
    ([ROW | {"relations": [{"label": "claim", "head": [1], "child": None}]}], r"relations\[0\]\.head: no span is there: «\[1\]»"),
    ([ROW | {"relations": [relation(CUE, span(4, 4, "PER"))]}], r"relations\[0\]\.child: no span is there: «{'start': 19"),
]


@pytest.mark.parametrize(("rows", "message"), MALFORMED)
def test_malformed(tmp_path, rows, message):
    with pytest.raises(FormatError, match=r"db\.jsonl" + (message if message.startswith(":") else ".*" + message)):
        read(tmp_path, rows)


def test_all_problems_at_the_end(tmp_path):
    rows = [ROW | {"meta": {"id": str(i)}} for i in range(4)]
    rows[0] |= {"text": 5}
    rows[2] |= {"spans": 5, "answer": 7}
    with pytest.raises(FormatError) as error:
        read(tmp_path, rows)
    assert len(error.value.problems) == 3
    stream = prodigy.read(tmp_path / "db.jsonl")
    assert [next(stream).id, next(stream).id] == ["1", "3"]
