import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from nisba.files import FormatError
from nisba.formats import w3c
from nisba.schema import Claim, Document, Entity, Span
from tests.documents import collections

TEXT = "😀 وقال وزير الصحة: «إن اللقاح آمن»."
SAID = Claim(
    "s", cue=(Span(2, 6),), source=(Span(7, 17),), content=(Span(20, 33),), source_type="role", type="direct", speaker="فلان"
)
PLAIN = Document("a/1", TEXT, (Entity(Span(7, 17), "PER", 0.5, ambiguous=True),), (SAID,), {"x": [1, None]})


def read(row, tmp_path, name="a.jsonl", repair=None):
    file = tmp_path / name
    file.write_text(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False), encoding="utf-8")
    return list(w3c.read(file, repair=repair))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(collections())
def test_round_trip(tmp_path_factory, given):
    file = tmp_path_factory.mktemp("w3c") / "a.jsonl"
    assert w3c.write(given, file) == len(given)
    assert len(file.read_bytes().splitlines()) == len(given)
    assert list(w3c.read(file)) == given
    assert all(w3c.losses(document) == [] for document in given)


def test_a_page_is_what_the_recommendation_asks_for(tmp_path):
    page = w3c.page(PLAIN)
    assert page["type"] == "AnnotationPage"
    assert page["@context"][0] == "http://www.w3.org/ns/anno.jsonld"
    name, said = page["items"]
    assert name["target"]["source"] == said["target"][0]["source"] == "urn:x-nisba:document:a%2F1"
    position, quotation = name["target"]["selector"]
    assert position == {"type": "TextPositionSelector", "start": 7, "end": 17}  # code points, not the units of UTF-16
    assert quotation == {"type": "TextQuoteSelector", "exact": "وزير الصحة", "prefix": "😀 وقال ", "suffix": ": «إن اللقاح آمن»."}
    assert [body["value"] for body in said["body"]] == ["direct", "role", "neutral", "فلان"]
    assert [target["nisba:role"] for target in said["target"]] == ["cue", "source", "content"]
    assert read(json.dumps(page, indent=2), tmp_path, "page.jsonld") == [PLAIN]
    assert read(json.dumps(page, indent=2) + "\n", tmp_path) == [PLAIN]


def test_what_people_changed(tmp_path):
    page = w3c.page(PLAIN)
    name, said = page["items"]
    position, quotation = name["target"]["selector"]
    name["target"] = [
        {"selector": [quotation | {"exact": "وزير"}, position | {"end": 11}]}
    ]  # moved; other tools order as they like
    name["body"] = [name["body"]]
    said["target"] = [target for target in said["target"] if target["nisba:role"] != "cue"]
    said["created"], said["creator"] = "then", {"name": "آخر"}
    del said["nisba:identifier"]
    page["items"] = [said, name]
    (found,) = read(page, tmp_path)
    assert found.entities == (replace(PLAIN.entities[0], span=Span(7, 11)),)
    assert found.claims == (replace(SAID, id="c1", cue=()),)


def test_units_of_javascript_are_undone_on_request(tmp_path):
    page = w3c.page(PLAIN)
    for item in page["items"]:
        for target in item["target"] if isinstance(item["target"], list) else [item["target"]]:
            target["selector"][0]["start"] += 1
            target["selector"][0]["end"] += 1
    with pytest.raises(FormatError) as error:
        read(page, tmp_path)
    assert len(error.value.problems) == 4
    message = "a.jsonl:1: a/1: items[0].target[0]: [8, 18) holds «زير الصحة:», not «وزير الصحة»; all of the document fit with "
    assert message + "--repair-offsets utf16" in error.value.problems[0]
    assert read(page, tmp_path, repair="utf16") == [PLAIN]


def edited(edit):
    page = json.loads(json.dumps(w3c.page(PLAIN)))
    edit(page, *page["items"])
    return json.dumps(page, ensure_ascii=False)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("", "holds no document"),
        ("{", "not JSON"),
        ("[]", "a.jsonl:1: must be an AnnotationPage with items: «[]»"),
        ('{"type": "Annotation"}', "must be an AnnotationPage with items: «{'type': 'Annotation'}»"),
        ("[" * 100_000, "nested too deeply"),
        ('{"type": 1, "type": 2}', "a key is given twice: «type»"),
        (edited(lambda page, *_: page.pop("nisba:text")), "a.jsonl:1: the page has no nisba:text"),
        (edited(lambda page, *_: page.update({"nisba:identifier": 5})), "id: must be a string that is not empty: «5»"),
        (edited(lambda page, *_: page.update({"nisba:meta": []})), "meta: must be an object: «[]»"),
        (edited(lambda page, *_: page.update({"items": [3]})), "a/1: items[0]: body: must be an object or a list of objects: «3»"),
        (edited(lambda page, *_: page.update({"items": [3] * 2000})), "and perhaps more: reading ended after 1,000 problems"),
        (edited(lambda page, name, said: name.update(body="PER")), "items[0]: body: must be an object"),
        (edited(lambda page, name, said: name["body"].update(value="GPE")), "says nothing that names and claims have"),
        (edited(lambda page, name, said: name["body"].update(purpose="commenting")), "it twice: «commenting: PER»"),
        (edited(lambda page, name, said: said.update(body=[])), "a claim lacks its type, source_type, stance"),
        (edited(lambda page, name, said: said["body"].append(said["body"][0])), "says it twice: «classifying: direct»"),
        (edited(lambda page, name, said: said["target"][0].pop("nisba:role")), "items[1]: target: nisba:role must be one of cue"),
        (edited(lambda page, name, said: said["target"].pop()), "items[1]: content: a claim needs content"),
        (
            edited(lambda page, name, said: said.update({"nisba:score": "high"})),
            "items[1]: score: must be a number in [0, 1]: «'high'»",
        ),
        (edited(lambda page, name, said: said.update({"nisba:optional": 1})), "nisba:optional: must be true or false: «1»"),
        (edited(lambda page, name, said: said.update({"nisba:identifier": []})), "nisba:identifier: must be a string: «[]»"),
        (edited(lambda page, name, said: name["target"]["selector"].pop()), "needs a TextPositionSelector and a TextQuoteSelector"),
        (edited(lambda page, name, said: name["target"]["selector"][0].update(start="7")), "needs a TextPositionSelector"),
        (
            edited(lambda page, name, said: name["target"]["selector"][0].update(start=8)),
            "[8, 17) holds «زير الصحة», not «وزير الصحة»",
        ),
        (
            edited(lambda page, name, said: name["target"]["selector"][0].update(start=20)),
            "[20, 17) is reversed, empty or negative",
        ),
        (edited(lambda page, name, said: name["target"]["selector"][0].update(end=99)), "runs beyond the end of the text (35"),
    ],
)
def test_damaged_pages(tmp_path, row, message):
    with pytest.raises(FormatError) as error:
        read(row, tmp_path)
    assert str(error.value).startswith(str(tmp_path / "a.jsonl"))
    assert message in str(error.value)


def test_all_problems_of_a_file_and_the_pages_beside_them(tmp_path):
    good = json.dumps(w3c.page(PLAIN), ensure_ascii=False)
    other = json.dumps(w3c.page(replace(PLAIN, id="b")), ensure_ascii=False)
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join([good, "{}", "[", "", other, good]), encoding="utf-8")
    stream = w3c.read(file)
    assert [next(stream).id, next(stream).id] == ["a/1", "b"]
    with pytest.raises(FormatError) as error:
        next(stream)
    assert [problem.split(": ")[0].rpartition(":")[2] for problem in error.value.problems] == ["2", "3", "6"]
    file.write_bytes(b"{" + b" " * (1 << 25))
    with pytest.raises(FormatError, match="is longer than 16,777,216 bytes"):
        list(w3c.read(file))


def test_writing_is_whole_or_not_at_all(tmp_path):
    def fails():
        yield PLAIN
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        w3c.write(fails(), tmp_path / "a.jsonl")
    assert list(tmp_path.iterdir()) == []
