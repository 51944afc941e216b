import json
from dataclasses import replace

import pandas
import pytest
from hypothesis import given, settings

from nisba.files import FormatError
from nisba.formats import doccano
from nisba.formats.carried import pack
from nisba.formats.gather import json_lines
from nisba.formats.regions import LABELS, LINK
from nisba.schema import Claim, Document, Entity, Span
from tests.documents import documents

TEXT = "وقال وزير الصحة إن اللقاح آمن."
CLAIM = Claim("c1", (Span(16, 29),), (Span(0, 4),), (Span(5, 15),), (), "indirect", "role", "neutral")


def span(number, start, end, label):
    return {"id": number, "label": label, "start_offset": start, "end_offset": end}


def relation(number, one, other, kind="claim"):
    return {"id": number, "from_id": one, "to_id": other, "type": kind}


ENTITIES = [span(1662, 0, 4, "cue:neutral"), span(1663, 5, 15, "source:role"), span(1664, 16, 29, "content:indirect")]
RELATIONS = [relation(273, 1664, 1662), relation(274, 1663, 1664)]
ROW = {"id": 6400, "text": TEXT, "Comments": [], "entities": ENTITIES, "relations": RELATIONS}


def moved(entities, shift):
    return [e | {"start_offset": e["start_offset"] + shift, "end_offset": e["end_offset"] + shift} for e in entities]


def read(path, rows, **options):
    file = path / "all.jsonl"
    text = rows if isinstance(rows, str) else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    file.write_text(text, encoding="utf-8")
    return list(doccano.read(file, **options))


def through_the_tool(file):
    """Import and export: everything gets a number of the database's, unknown keys come back, and pandas writes the lines."""
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n")[:-1], 100):
        row = json.loads(line)
        new = {entity["id"]: 5000 + 7 * i for i, entity in enumerate(row["entities"])}
        entities = [entity | {"id": new[entity["id"]]} for entity in row.pop("entities")]
        relations = [
            relation(i, new[link["from_id"]], new[link["to_id"]], link["type"]) for i, link in enumerate(row.pop("relations"), 9000)
        ]
        rows.append({"id": number, **row, "entities": entities, "relations": relations, "Comments": []})
    pandas.DataFrame(rows).to_json(file, orient="records", force_ascii=False, lines=True)


@settings(max_examples=120, deadline=None)
@given(documents())
def test_round_trip(tmp_path_factory, document):
    file = tmp_path_factory.mktemp("doccano") / "a.jsonl"
    assert doccano.write([document], file) == 1
    assert list(doccano.read(file)) == [document]
    assert list(doccano.read(file, repair="utf16")) == [document]
    assert doccano.losses(document) == []


@settings(max_examples=80, deadline=None)
@given(documents())
def test_round_trip_through_the_tool(tmp_path_factory, document):
    file = tmp_path_factory.mktemp("doccano") / "a.jsonl"
    doccano.write([document], file)
    through_the_tool(file)
    assert list(doccano.read(file)) == [document]


def test_corpus(tmp_path, seeds):
    file = tmp_path / "seeds.jsonl"
    assert doccano.write(iter(seeds), file) == len(seeds)
    assert list(doccano.read(file)) == seeds
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    numbers = [entity["id"] for row in rows for entity in row["entities"]]
    assert len(set(numbers)) == len(numbers)  # some releases join relations by number over several lines
    through_the_tool(file)
    assert list(doccano.read(file)) == seeds


def test_an_export_of_the_tool(tmp_path):
    (document,) = read(tmp_path, [ROW | {"url": "https://example.org", "empty": None}])
    assert document == Document("6400", TEXT, (), (CLAIM,), {"url": "https://example.org"})
    (document,) = read(tmp_path, [ROW | {"Comments": ["ok?"]}])
    assert document.meta == {"comments": ["ok?"]}


def test_lines_of_the_tool_beside_lines_of_nisba(tmp_path):
    """A column that a line has not is null there."""
    theirs = ROW | {"nisba": None}
    ours = {"id": 7, "text": TEXT, "entities": [], "relations": [], "nisba": pack(Document("a", TEXT, meta={"x": None}))}
    one, two = read(tmp_path, [theirs, ours])
    assert one.claims == (CLAIM,)
    assert two == Document("a", TEXT, meta={"x": None})


def test_bare_labels_leave_the_choice_open(tmp_path):
    bare = [entity | {"label": entity["label"].partition(":")[0]} for entity in ENTITIES]
    (document,) = read(tmp_path, [ROW | {"entities": bare}])
    assert document.meta == {"layers": ["names", "roles"]}
    assert document.claims[0].source == CLAIM.source
    with pytest.raises(FormatError, match="nobody chose its source_type"):
        read(tmp_path, [ROW | {"entities": [ENTITIES[0], bare[1], ENTITIES[2]]}])


@pytest.mark.parametrize("key", ["label", "labels"])
@pytest.mark.parametrize("text", ["text", "data"])
def test_layouts_without_relations_hold_names(tmp_path, key, text):
    (document,) = read(tmp_path, [{"id": 1, text: TEXT, key: [[10, 15, "ORG?"], [5, 9, "PER"]]}])
    assert document.entities == (Entity(Span(10, 15), "ORG", ambiguous=True), Entity(Span(5, 9), "PER"))
    assert document.meta == {"layers": ["names"]}
    assert read(tmp_path, [{"id": 1, text: TEXT}]) == [Document("1", TEXT, meta={"layers": []})]
    as_objects = [{"label": "PER", "start_offset": 5, "end_offset": 9}]
    assert read(tmp_path, [{"id": 1, text: TEXT, key: as_objects}])[0].entities == (Entity(Span(5, 9), "PER"),)
    (document,) = read(tmp_path, [{"id": 1, text: TEXT, key: [[16, 29, "content:direct"]]}])
    assert document.claims == (Claim("c1", (Span(16, 29),), type="direct"),)
    with pytest.raises(FormatError, match=rf"all\.jsonl:1: 1: {key}\[0\]: cue: this layout has no relations .*: «وقال»"):
        read(tmp_path, [{"id": 1, text: TEXT, key: [[0, 4, "cue:neutral"], [16, 29, "content:direct"]]}])


def test_what_a_person_changed_wins(tmp_path):
    document = Document(
        "a", TEXT, (Entity(Span(10, 15), "ORG", 0.5),), (replace(CLAIM, id="q", speaker="فلان", score=0.25, core=False),), {"m": 1}
    )
    doccano.write([document], tmp_path / "a.jsonl")
    through_the_tool(tmp_path / "a.jsonl")
    row = json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))
    name, content, cue, source = row["entities"]
    assert [e["label"] for e in row["entities"]] == ["ORG", "content:indirect?", "cue:neutral", "source:role"]
    # Content drawn anew without its complementizer, the name deleted, the source of another type, a second claim.
    row["entities"] = [cue, source | {"label": "source:person"}, content | {"start_offset": 19, "label": "content:mixed"}]
    row["entities"].append(span(1, 26, 29, "content:direct"))
    (back,) = read(tmp_path, [row])
    one = replace(document.claims[0], content=(Span(19, 29),), type="mixed", source_type="person", core=True)
    assert back == replace(document, entities=(), claims=(one, Claim("c1", (Span(26, 29),), type="direct")))
    assert name["label"] == "ORG"


def test_what_nisba_writes_counts_as_the_editor_does(tmp_path):
    text = "😀 " + TEXT
    document = Document("a", text, (Entity(Span(12, 17), "ORG"),))
    doccano.write([document], tmp_path / "a.jsonl")
    row = json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))
    assert (row["entities"][0]["start_offset"], row["entities"][0]["end_offset"]) == (13, 18)
    assert list(doccano.read(tmp_path / "a.jsonl")) == [document]
    row["entities"][0]["start_offset"] = 1  # inside the emoji
    with pytest.raises(
        FormatError, match=r"a: entities\[0\]: \[1, 18\) is reversed, empty, inside a character or outside the text"
    ):
        read(tmp_path, [row])


def test_offsets_of_others(tmp_path):
    text = "😀 " + TEXT
    points = ROW | {"text": text, "entities": moved(ENTITIES, 2)}
    units = ROW | {"text": text, "entities": moved(ENTITIES, 3)}
    expected = (Span(2, 6), Span(7, 17), Span(18, 31))
    for row, repair in ((points, None), (units, "utf16")):
        (claim,) = read(tmp_path, [row], repair=repair)[0].claims
        assert (*claim.cue, *claim.source, *claim.content) == expected
    with pytest.raises(
        FormatError, match=r"all\.jsonl:1: 6400: entities: the offsets count UTF-16 units; .* --repair-offsets utf16$"
    ):
        read(tmp_path, [units])
    either = {"id": 1, "text": "😀😀 و ز ح", "entities": [span(1, 7, 8, "PER")], "relations": []}
    with pytest.raises(FormatError, match="1: entities: the offsets may count code points or UTF-16 units"):
        read(tmp_path, [either])
    assert read(tmp_path, [either], repair="utf16")[0].entities == (Entity(Span(5, 6), "PER"),)
    with pytest.raises(FormatError, match="a repair crlf cannot be checked"):
        read(tmp_path, [ROW], repair="crlf")
    vocalised = "قَالَ وَزِيرٌ"
    row = {"id": 1, "text": vocalised, "entities": [span(1, 4, 8, "PER")], "relations": []}
    with pytest.raises(FormatError, match="1: entities: the offsets count graphemes: the project's option"):
        read(tmp_path, [row])


MALFORMED = [
    ("", ": holds no document"),
    ("{", ":1: not JSON: "),
    ("[]", r":1: must be an object: «\[\]»"),
    ('{"text": "x", "text": "y"}', ":1: a key is given twice: «text»"),
    ('{"text": NaN}', ":1: not JSON: «NaN» is no number"),
    ("\ufeff{}", ":1: begins with a byte order mark"),
    ('{"a":' * 100_000, ":1: not JSON that can be read: nested too deeply"),
    ([{"id": 3}], ":1: 3: text: must be a string: «None»"),
    ([{"text": 5}], ":1: all-1: text: must be a string: «5»"),
    ([ROW, ROW], ":2: 6400: id: given before, as number 1"),
    ([ROW | {"nisba": "{}"}], ":1: 6400: nisba: is not what nisba wrote"),
    ([ROW | {"nisba": {"id": "a"}}], ":1: 6400: nisba: must be the string that nisba wrote"),
    ([ROW | {"entities": 5}], r":1: 6400: entities\[0\]: must have id, start, end and label: «5»"),
    ([ROW | {"entities": [{"id": 1, "label": "PER"}]}], r"entities\[0\]: must have id, start, end and label: «{'id'"),
    ([ROW | {"entities": [span("x", 0, 4, "PER")]}], r"entities\[0\]: must have id"),
    ([ROW | {"entities": [span(1, 0, 4, "Person")]}], r"entities\[0\]: is not a label of nisba's \(PER, .*: «Person»"),
    ([ROW | {"entities": [span(1, 0, 4, ["PER"])]}], r"entities\[0\]: is not a label of nisba's"),
    ([ROW | {"entities": [span(1, 4, 4, "PER")], "relations": []}], r"entities\[0\]: \[4, 4\) is reversed, empty"),
    ([ROW | {"entities": [span(1, 0, 99, "PER")], "relations": []}], r"entities\[0\]: \[0, 99\) is reversed, .*outside the text"),
    ([ROW | {"entities": [span(1, 0, 3, "PER")], "relations": []}], r"6400: entities\[0\]: \[0, 3\) cuts a word at 3: «وقال"),
    (
        [ROW | {"entities": [span(1, 0, 4, "PER"), span(1, 5, 9, "PER")]}],
        r"entities\[1\]: the id is given before, in entities\[0\]: «1»",
    ),
    ([ROW | {"relations": []}], r"entities\[0\]: a cue that no content is linked with: «وقال»"),
    ([ROW | {"relations": 5}], r"relations\[0\]: a relation that nisba has no place for: «5»"),
    ([ROW | {"relations": [relation(1, 1664, 1662, "says")]}], r"relations\[0\]: a relation that nisba has no place for: .*says"),
    ([ROW | {"relations": [relation(1, 1664, 7)]}], r"relations\[0\]: relates what is not there: «1664 – 7»"),
    ([ROW | {"relations": [relation(1, 1664, [7])]}], r"relations\[0\]: relates what is not there"),
    ([ROW | {"label": [[0, 4, "PER"]]}], "6400: entities and label: are of two layouts; keep entities and relations"),
    ([{"id": 1, "text": TEXT, "label": [[0, 4, "PER"]], "relations": RELATIONS}], "1: label: are of two layouts"),
    ([{"id": 1, "text": TEXT, "label": [[0, "PER"]]}], r":1: 1: label\[0\]: must have start, end and label: «\[0, 'PER'\]»"),
    (
        [{"id": 1, "text": TEXT, "annotations": [{"label": 3, "start_offset": 0, "end_offset": 4}]}],
        "1: annotations: give labels by number",
    ),
]


@pytest.mark.parametrize(("rows", "message"), MALFORMED)
def test_malformed(tmp_path, rows, message):
    with pytest.raises(FormatError, match=r"all\.jsonl" + (message if message.startswith(":") else ".*" + message)):
        read(tmp_path, rows)


def test_all_problems_at_the_end(tmp_path):
    rows = [ROW | {"id": 1, "text": 5}, ROW | {"id": 2}, ROW | {"id": 3, "relations": []}, ROW | {"id": 4}]
    with pytest.raises(FormatError) as error:
        read(tmp_path, rows)
    assert len(error.value.problems) == 3  # two parts hang in the air in the third line
    stream = doccano.read(tmp_path / "all.jsonl")
    assert [next(stream).id, next(stream).id] == ["2", "4"]


def test_a_line_without_end_is_refused_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setitem(json_lines.__kwdefaults__, "limit", 1000)
    with pytest.raises(FormatError, match=r"all\.jsonl:2: the line is longer than 1,000 bytes"):
        read(tmp_path, [{"id": 1, "text": "x", "entities": []}, {"id": 2, "text": "x" * 2000}])


def test_the_templates_have_all_that_is_written(root):
    folder = root / "configs" / "annotation" / "doccano"
    spans, relations = (json.loads((folder / f"{name}.json").read_text()) for name in ("span_types", "relation_types"))
    assert [row["text"] for row in spans] == [*LABELS]
    assert [row["text"] for row in relations] == [LINK]
    for row in (*spans, *relations):
        assert row.keys() == {"text", "prefix_key", "suffix_key", "background_color", "text_color"}
        assert len(row["text"]) <= 100
        assert row["prefix_key"] in (None, "ctrl", "shift", "ctrl shift")
        assert row["suffix_key"] is None or len(row["suffix_key"]) == 1
        assert len(row["background_color"]) == len(row["text_color"]) == 7
    keys = [(row["prefix_key"], row["suffix_key"]) for row in spans if row["suffix_key"]]
    assert len(set(keys)) == len(keys)
