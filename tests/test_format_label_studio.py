import json
import random
import time
import tracemalloc
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from nisba.files import FormatError
from nisba.formats import label_studio
from nisba.formats.carried import pack
from nisba.schema import CLAIM_TYPES, ENTITY_LABELS, ROLES, SOURCE_TYPES, STANCES, Claim, Document, Entity, Span
from tests.documents import documents

TEXT = "وقال وزير الصحة إن اللقاح آمن."


def region(name, start, end, label, text=TEXT, **more):
    value = {"start": start, "end": end, "text": text[start:end], "labels": [label]}
    return {"value": value, "id": name, "from_name": "label", "to_name": "text", "type": "labels", "origin": "manual"} | more


def choice(name, start, end, control, option, text=TEXT):
    value = {"start": start, "end": end, "text": text[start:end], "choices": [option]}
    return {"value": value, "id": name, "from_name": control, "to_name": "text", "type": "choices", "origin": "manual"}


def relation(one, other, labels=("claim",), direction="right"):
    return {"from_id": one, "to_id": other, "type": "relation", "direction": direction, "labels": list(labels)}


RESULT = [
    region("Dx_aB91ISN", 0, 4, "cue"),
    choice("Dx_aB91ISN", 0, 4, "stance", "neutral"),
    region("t5sp3TyXPo", 5, 15, "source"),
    choice("t5sp3TyXPo", 5, 15, "source_type", "role"),
    region("BtfOIVC3G2", 16, 29, "content"),
    choice("BtfOIVC3G2", 16, 29, "type", "indirect"),
    {
        "value": {"start": 16, "end": 29, "text": ["وزير الصحة"]},
        "id": "BtfOIVC3G2",
        "from_name": "speaker",
        "to_name": "text",
        "type": "textarea",
        "origin": "manual",
    },
    relation("Dx_aB91ISN", "BtfOIVC3G2"),
    relation("BtfOIVC3G2", "t5sp3TyXPo", direction="left"),
]
CLAIM = Claim("c1", (Span(16, 29),), (Span(0, 4),), (Span(5, 15),), (), "indirect", "role", "neutral", "وزير الصحة")


def exported(result, text=TEXT, **more):
    """A task as the tool exports it, with the keys around it that nisba does not need."""
    annotation = {
        "id": 9,
        "completed_by": 1,
        "result": result,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2021-03-09T22:16:08.728353Z",
        "updated_at": "2021-03-09T22:16:08.728378Z",
        "draft_created_at": None,
        "lead_time": 4.288,
        "prediction": {},
        "result_count": 0,
        "unique_id": "7b3a",
        "task": 1,
        "project": 83,
        "parent_prediction": None,
        "parent_annotation": None,
    }
    task = {
        "id": 1,
        "annotations": [annotation],
        "file_upload": "d92f-a.json",
        "drafts": [],
        "predictions": [],
        "data": {"text": text},
        "meta": {},
        "created_at": "2021-03-09T21:52:49.513742Z",
        "updated_at": "2021-03-09T22:16:08.746926Z",
        "inner_id": 1,
        "total_annotations": 1,
        "project": 83,
    }
    return task | more


def read(path, tasks, **options):
    path = path / "export.json" if path.is_dir() else path
    path.write_text(tasks if isinstance(tasks, str) else json.dumps(tasks), encoding="utf-8")
    return list(label_studio.read(path, **options))


@settings(max_examples=120, deadline=None)
@given(documents())
def test_round_trip(tmp_path_factory, document):
    file = tmp_path_factory.mktemp("studio") / "tasks.json"
    assert label_studio.write([document], file) == 1
    assert list(label_studio.read(file)) == [document]
    assert label_studio.losses(document) == []


@settings(max_examples=60, deadline=None)
@given(documents())
def test_round_trip_through_the_tool(tmp_path_factory, document):
    """The tool numbers tasks, writes line ends in quotations as a backslash and n, and keeps relations behind regions."""
    file = tmp_path_factory.mktemp("studio") / "tasks.json"
    label_studio.write([document], file)
    (task,) = json.loads(file.read_text(encoding="utf-8"))
    for entry in task.get("annotations", task.get("predictions", [{"result": []}]))[0]["result"]:
        if isinstance(entry.get("value", {}).get("text"), str):
            entry["value"]["text"] = entry["value"]["text"].replace("\r", "\\n").replace("\n", "\\n")
    annotations, predictions = task.get("annotations", []), task.get("predictions", [])
    task |= {"id": 7, "annotations": [a | {"id": 3} for a in annotations], "predictions": [p | {"id": 4} for p in predictions]}
    assert read(file, [task]) == [document]


def test_corpus(tmp_path, seeds):
    file = tmp_path / "tasks.json"
    assert label_studio.write(iter(seeds), file) == len(seeds)
    assert list(label_studio.read(file)) == seeds


def test_an_export_of_the_tool(tmp_path):
    (document,) = read(tmp_path, [exported(RESULT, data={"text": TEXT, "source": "https://example.org"})])
    assert document == Document("1", TEXT, (), (CLAIM,), {"source": "https://example.org"})


def test_the_order_of_entries_does_not_count(tmp_path):
    for seed in range(20):
        shuffled = random.Random(seed).sample(RESULT, len(RESULT))
        assert read(tmp_path, [exported(shuffled)])[0].claims == (CLAIM,)


def test_ids_and_texts_under_other_names(tmp_path):
    one = exported([], data={"article": "نص", "id": "a-17"})
    two = exported([], data={"text": "نص", "other": "نص آخر", "id": 5})
    assert [(d.id, d.text, d.meta) for d in read(tmp_path, [one, two])] == [("a-17", "نص", {}), ("5", "نص", {"other": "نص آخر"})]


def test_taxonomies_may_stand_for_choices(tmp_path):
    result = [dict(entry) for entry in RESULT]
    for entry in result:
        if entry["type"] == "choices":
            value = dict(entry["value"])
            entry |= {"type": "taxonomy", "value": value | {"taxonomy": [["claim", *value.pop("choices")]]}}
    assert read(tmp_path, [exported(result)])[0].claims == (CLAIM,)


def test_names_and_doubts(tmp_path):
    result = [region("a", 10, 15, "ORG"), choice("a", 10, 15, "ambiguous", "ambiguous"), *RESULT]
    result.append(choice("BtfOIVC3G2", 16, 29, "optional", "optional"))
    (document,) = read(tmp_path, [exported(result)])
    assert document.entities == (Entity(Span(10, 15), "ORG", ambiguous=True),)
    assert document.claims == (replace(CLAIM, core=False),)


def test_predictions_have_scores_and_annotations_none(tmp_path):
    claim = replace(CLAIM, score=0.5)
    document = Document("a", TEXT, (Entity(Span(10, 15), "ORG", 0.25),), (claim,))
    label_studio.write([document], tmp_path / "tasks.json")
    (task,) = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    assert "annotations" not in task
    (prediction,) = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("nisba", 0.25)
    assert [entry["score"] for entry in prediction["result"] if entry["type"] == "labels" and "score" in entry] == [0.25, 0.5]
    # A person has accepted the prediction: ids and speakers stay, scores do not.
    task["annotations"] = [{"id": 1, "result": prediction["result"], "completed_by": 2}]
    (back,) = read(tmp_path, [task])
    assert back == Document("a", TEXT, (Entity(Span(10, 15), "ORG"),), (CLAIM,))
    # The usual export names predictions by number.
    assert read(tmp_path, [task | {"predictions": [12]}]) == [back]


def test_documents_without_annotation_wait_for_it(tmp_path):
    plain = Document("a", TEXT, meta={"x": 1})
    label_studio.write([plain], tmp_path / "tasks.json")
    (task,) = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    assert task.keys() == {"data"}
    assert list(label_studio.read(tmp_path / "tasks.json")) == [plain]
    # Foreign tasks, skipped ones, and ones whose annotation was deleted: nothing is known of them.
    cancelled = exported(RESULT)
    cancelled["annotations"][0]["was_cancelled"] = True
    deleted = {"data": {"text": TEXT, "nisba": pack(Document("b", TEXT, claims=(CLAIM,)))}, "annotations": []}
    assert [d.meta for d in read(tmp_path, [{"data": {"text": TEXT}}, cancelled, deleted])] == [{"layers": []}] * 3
    # Annotated by a person, everything is known.
    raw = Document("a", TEXT, meta={"layers": []})
    task = exported([], data={"text": TEXT, "nisba": pack(raw)})
    assert read(tmp_path, [task]) == [Document("a", TEXT)]


def test_the_chosen_one_of_several_annotations(tmp_path):
    task = exported(RESULT)
    empty = task["annotations"][0] | {"id": 10, "result": [], "completed_by": {"id": 2, "email": "b@example.org"}}
    task["annotations"].append(empty)
    with pytest.raises(FormatError, match=r"\[0\]: 1: annotations: 2 are there: mark one as ground truth: «9 by 1, 10 by b@exam"):
        read(tmp_path, [task])
    task["annotations"][0]["ground_truth"] = True
    assert read(tmp_path, [task])[0].claims == (CLAIM,)
    empty["ground_truth"] = True
    with pytest.raises(FormatError, match="2 are ground truth: leave one"):
        read(tmp_path, [task])


def test_what_a_person_changed_wins(tmp_path, seeds):
    document = next(d for d in seeds if len(d.claims) > 3 and d.entities)
    label_studio.write([document], tmp_path / "tasks.json")
    (task,) = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    result = task["annotations"][0]["result"]
    name = next(e for e in result if e["type"] == "labels" and e["value"]["labels"][0] in ENTITY_LABELS)
    kept = [e for e in result if e.get("id") != name["id"]]
    for entry in kept:
        if entry.get("from_name") == "speaker":
            entry["value"]["text"] = ["متحدث"]
    task["annotations"][0]["result"] = kept
    (back,) = read(tmp_path, [task])
    assert back.entities == document.entities[1:]
    assert [claim.id for claim in back.claims] == [claim.id for claim in document.claims]
    assert {claim.speaker for claim in back.claims} <= {"متحدث", None}


@pytest.mark.parametrize("text", ["😀 " + TEXT, "قيل 👨‍👩‍👧 𐎀\n" + TEXT])
def test_old_releases_counted_utf16_units(tmp_path, text):
    shift = len(text) - len(TEXT)
    units = len(text[:shift].encode("utf-16-le")) // 2
    result = []
    for entry in json.loads(json.dumps(RESULT)):
        if "value" in entry:
            entry["value"] |= {"start": entry["value"]["start"] + units, "end": entry["value"]["end"] + units}
        result.append(entry)
    with pytest.raises(FormatError, match=r"annotations\[0\]\.result\[0\]: .* all of the document fit with --repair-offsets utf16"):
        read(tmp_path, [exported(result, text)])
    (document,) = read(tmp_path, [exported(result, text)], repair="utf16")
    assert document.claims[0].source == (Span(5 + shift, 15 + shift),)
    del result[0]["value"]["text"], result[1]["value"]["text"]
    with pytest.raises(FormatError, match="quotes nothing, so nobody can tell whether the offsets need a repair"):
        read(tmp_path, [exported(result, text)], repair="utf16")


def test_regions_of_html_where_the_text_is_what_was_displayed(tmp_path):
    def html(start, end, quoted):
        path = "/div[1]/p[1]/text()[1]"
        value = {"start": path, "end": path, "startOffset": 0, "endOffset": 4, "hypertextlabels": ["PER"], "text": quoted}
        offsets = {"globalOffsets": {"start": start, "end": end}}
        return {"value": value | offsets, "id": "a", "from_name": "label", "to_name": "text", "type": "hypertextlabels"}

    (document,) = read(tmp_path, [exported([html(5, 15, "وزير الصحة")])])
    assert document.entities == (Entity(Span(5, 15), "PER"),)
    with pytest.raises(FormatError, match=r"result\[0\] \(HTML, globalOffsets\): \[5, 15\) holds «وقال وزير », not «وزير الصحة»"):
        read(tmp_path, [exported([html(5, 15, "وزير الصحة")], "<div>" + TEXT + "</div>")])


def broken(**changes):
    """The export with one entry changed, added or left out."""
    result = [dict(entry) for entry in RESULT]
    for key, value in changes.items():
        result[int(key.removeprefix("n"))] |= value
    return [exported(result)]


MALFORMED = [
    (
        "id,text\n1,نص\n",
        r": must be an array of tasks; JSON-MIN, CSV, TSV and CoNLL exports are not read: export as JSON: «id,text",
    ),
    ('{"data": {"text": "x"}}', r": must be an array of tasks; .*: «{"),
    ("", r": must be a JSON array of objects: the file ends here"),
    ("[]", r": holds no document"),
    ('[{"data": {"text": "x"}}', r": \[0\]: must be followed by , or \]: the file ends here"),
    ("[1]", r": \[0\]: must be an object: «1\]»"),
    ('[{"data": {"text": NaN}}]', r": \[0\]: not JSON: «NaN» is no number"),
    ('[{"data": {"text": "x", "text": "y"}}]', r": \[0\]: a key is given twice: «text»"),
    ("\ufeff[]", r": begins with a byte order mark"),
    ("[" + '{"a":' * 100_000, r"\[0\]: not JSON that can be read: nested too deeply"),
    ([{"id": 1, "text": TEXT, "label": [{"start": 0}]}], r": \[0\]: data: must be an object; JSON-MIN"),
    ([{"id": 1, "data": {"a": 1}}], r": \[0\]: 1: data: must have the text as «text»: «a»"),
    ([{"id": 1, "data": {"text": ["x"]}}], r": \[0\]: 1: data: must have the text"),
    ([{"id": 1, "data": {"text": "x", "nisba": "{}"}}], r": \[0\]: 1: nisba: is not what nisba wrote"),
    ([exported([]), exported([])], r": \[1\]: 1: id: given before, as number 0"),
    ([exported(RESULT, annotations=5)], r": \[0\]: 1: annotations: must be a list: «5»"),
    ([exported(RESULT, annotations=[5])], r": \[0\]: 1: annotations\[0\]: must be an object: «5»"),
    ([exported({})], r": \[0\]: 1: annotations\[0\]\.result: must be a list: «{}»"),
    ([exported([5])], r": \[0\]: 1: annotations\[0\]\.result\[0\]: must be an object with id and value: «5»"),
    (
        [exported([], annotations=[], predictions=[{"result": []}] * 2)],
        r": \[0\]: 1: predictions: 2 are there, of models «None, None»: leave",
    ),
    (
        broken(n0={"value": {"start": 0, "end": 4, "labels": ["Person"]}}),
        r"result\[0\]: has the label Person, not one of nisba's: «وقال»",
    ),
    (broken(n0={"value": {"start": 0, "end": 4, "labels": []}}), r"result\[0\]: has no label: «وقال»"),
    (broken(n0={"value": {"start": 0, "end": 4, "labels": "cue"}}), r"result\[0\]: labels: must be a list of strings: «cue»"),
    (
        broken(n0={"value": {"start": 0.5, "end": 4, "labels": ["cue"]}}),
        r"result\[0\]: start and end must be integers: «{'start': 0\.5",
    ),
    (
        broken(n0={"value": {"start": 0, "end": 5, "labels": ["cue"]}}),
        r"result\[1\]: the region is at \[0, 4\) here, at \[0, 5\) in",
    ),
    (
        broken(n0={"value": {"start": "/p", "end": "/p", "labels": ["cue"]}}),
        r"result\[0\]: a region of HTML without its text or globalO",
    ),
    (
        broken(n1={"value": RESULT[1]["value"] | {"choices": ["harsh"]}}),
        r"\[0\]: stance: must be one of neutral, assert, .*: «harsh»",
    ),
    (broken(n1={"value": RESULT[1]["value"] | {"choices": ["deny", "doubt"]}}), r"\[1\]: stance: must be one: «deny / doubt»"),
    (broken(n1={"value": RESULT[1]["value"] | {"choices": 5}}), r"result\[1\]: stance: must be a list of strings: «5»"),
    (broken(n1={"from_name": "type"}), r"result\[0\]: a cue has no type: «وقال»"),
    (broken(n1={"from_name": "mood"}), r"result\[1\]: nisba has no place for «mood», which is of type «choices»"),
    (broken(n1={"type": "rating", "from_name": []}), r"result\[1\]: nisba has no place for «\[\]», which is of type «rating»"),
    (broken(n6={"value": RESULT[6]["value"] | {"text": ["a", "b"]}}), r"result\[6\]: speaker: must be one: «a / b»"),
    (broken(n7=relation("BtfOIVC3G2", "Dx_aB91ISN", ["says"])), r"result\[7\]: a relation that nisba has no place for: «says»"),
    (broken(n7={"labels": 5}), r"result\[7\]: a relation that nisba has no place for: «5»"),
    (broken(n7=relation("BtfOIVC3G2", "gone")), r"result\[7\]: relates what is not there: «BtfOIVC3G2 – gone»"),
    (broken(n7={"to_id": ["x"]}), r"result\[7\]: relates what is not there"),
    (
        broken(n7=relation("BtfOIVC3G2", "BtfOIVC3G2")),
        r": \[0\]: 1: annotations\[0\]\.result\[0\]: a cue that no content is linked with: «وقال»",
    ),
    (
        broken(n2={"value": RESULT[2]["value"] | {"text": "وزير آخر"}}),
        r"result\[3\]: the region is «وزير الصحة» here, «وزير آخر» in",
    ),
    ([exported([region("a", 5, 15, "PER", TEXT[1:])])], r"result\[0\]: \[5, 15\) holds «وزير الصحة», not «زير الصحة »; .* 1 char"),
    ([exported([region("a", 3, 3, "PER")])], r"result\[0\]: \[3, 3\) is reversed, empty or negative"),
    ([exported([region("a", 25, 99, "PER", text=TEXT * 9)])], r"result\[0\]: \[25, 99\) runs beyond the end of the text \(30 char"),
    ([exported([region("a", 0, 3, "PER")])], r"1: entities\[0\]: \[0, 3\) cuts a word at 3: «وقال وزير"),
    ([exported([region("a", 0, 4, "PER"), region("b", 0, 4, "ORG")])], r"1: entities\[1\]: overlaps another entity: «وقال»"),
]


@pytest.mark.parametrize(("tasks", "message"), MALFORMED)
def test_malformed(tmp_path, tasks, message):
    with pytest.raises(FormatError, match=r"export\.json" + (message if message.startswith(":") else ".*" + message)):
        read(tmp_path, tasks)


def test_all_problems_at_the_end(tmp_path):
    tasks = [exported([5]), exported(RESULT, id=2), exported({}), exported([], id=4)]
    (tmp_path / "export.json").write_text(json.dumps(tasks)[:-1] + ", {", encoding="utf-8")
    found = []
    with pytest.raises(FormatError) as error:
        found.extend(label_studio.read(tmp_path / "export.json"))
    assert [document.id for document in found] == ["2", "4"]
    at = str(tmp_path / "export.json")
    starts = [f"{at}: [0]: 1: annotations[0].result[0]: ", f"{at}: [2]: 1: annotations[0].result: ", f"{at}: [4]: not JSON: "]
    assert [problem[: len(start)] for problem, start in zip(error.value.problems, starts, strict=True)] == starts


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path):
    def documents():
        yield Document("a", TEXT)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        label_studio.write(documents(), tmp_path / "x.json")
    assert list(tmp_path.iterdir()) == []
    assert label_studio.write([], tmp_path / "x.json") == 0
    assert json.loads((tmp_path / "x.json").read_text()) == []


def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak(count):
        file = tmp_path / f"{count}.json"
        label_studio.write((Document(f"d{i}", TEXT * 200, claims=(CLAIM,)) for i in range(count)), file)
        tracemalloc.start()
        assert sum(1 for _ in label_studio.read(file)) == count
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(2000) < 2 * peak(200)


def test_many_regions_are_read_in_linear_time(tmp_path):
    text = "ا " * 20_000
    result = [region(f"r{i}", 2 * i, 2 * i + 1, "cue", text) for i in range(19_999)]
    result += [region("c", 2 * 19_999, 2 * 20_000 - 1, "content", text)] + [relation("c", f"r{i}") for i in range(19_999)]
    began = time.process_time()
    (document,) = read(tmp_path, [exported(result, text)])
    assert len(document.claims[0].cue) == 19_999
    assert document.meta == {"layers": ["names", "roles"]}
    assert time.process_time() - began < 20


def test_the_template_has_all_that_is_written(root, tmp_path, seeds):
    tree = ElementTree.parse(root / "configs" / "annotation" / "label_studio.xml")
    offered = {}
    for tag, option in (("Labels", "Label"), ("Choices", "Choice"), ("Relations", "Relation")):
        for control in tree.iter(tag):
            values = [item.get("value") for item in control.iter(option)]
            assert len(set(values)) == len(values)
            offered[control.get("name", "relation")] = set(values)
    assert offered == {
        "label": {*ENTITY_LABELS, *ROLES},
        "type": {*CLAIM_TYPES},
        "source_type": {*SOURCE_TYPES} - {"implicit"},
        "stance": {*STANCES},
        "optional": {"optional"},
        "ambiguous": {"ambiguous"},
        "relation": {"claim"},
    }
    (text,) = tree.iter("Text")
    assert (text.get("name"), text.get("value"), text.get("saveTextResult")) == ("text", "$text", "yes")
    (speaker,) = tree.iter("TextArea")
    assert speaker.get("name") == "speaker"
    assert all(x.get("toName") == "text" for tag in ("Labels", "Choices", "TextArea") for x in tree.iter(tag))
    assert all(x.get("perRegion") == "true" for tag in ("Choices", "TextArea") for x in tree.iter(tag))
    assert any("direction: rtl" in view.get("style", "") for view in tree.iter("View") if view.find("Text") is not None)
    hotkeys = [label.get("hotkey") for label in tree.iter("Label")]
    assert len(set(hotkeys)) == len(hotkeys)
    label_studio.write(seeds, tmp_path / "tasks.json")
    for task in json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8")):
        for entry in task["annotations"][0]["result"]:
            if entry["type"] != "relation" and entry["type"] != "textarea":
                assert {*entry["value"][entry["type"]]} <= offered[entry["from_name"]]
