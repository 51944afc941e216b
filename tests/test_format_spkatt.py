import json

import pytest

from nisba.files import FormatError
from nisba.formats import spkatt
from nisba.schema import Claim, Document

NEWS = {
    "Annotations": [
        {
            "Addr": ["0:3"],
            "Cue": ["0:1", "1:1"],
            "Form": "Indirect",
            "Frame": ["0:0", "0:1"],
            "HasNested": False,
            "IsNested": False,
            "Message": ["0:5", "0:6", "0:7", "1:0"],
            "STWR": "Speech",
            "Source": ["0:0"],
        }
    ],
    "DocumentName": "1 - Titel",
    "Sentences": [
        {"SentenceId": 0, "Tokens": ["Sie", "sagten", "zu", "ihm", ",", "dass", "es", "–"]},
        {"SentenceId": 1, "Tokens": ["regnet", "behaupten", "."]},
    ],
}
EMPTY = {"Addr": [], "Evidence": [], "Medium": [], "Message": [], "Source": [], "Topic": [], "Cue": [], "PTC": []}
DEBATE = [
    {"SentenceId": 14, "Tokens": ["Die", "Grünen", "stellen", "fest", ",", "dass", "es", "regnet", "."]},
    {"SentenceId": 15, "Tokens": ["Danke", "."]},
]


def read(row, tmp_path, name="a.json"):
    file = tmp_path / name
    file.write_text(row if isinstance(row, str) else json.dumps(row), encoding="utf-8")
    return list(spkatt.read(file))


def shown(document):
    roles = ("cue", "source", "addressee", "content")
    return [[[span.of(document.text) for span in claim.role(role)] for role in roles] for claim in document.claims]


def test_news(tmp_path):
    (found,) = read(NEWS, tmp_path)
    assert found.id == "1 - Titel"
    assert found.text == "Sie sagten zu ihm , dass es –\nregnet behaupten ."
    assert shown(found) == [[["sagten", "behaupten"], ["Sie"], ["ihm"], ["dass es –\nregnet"]]]
    assert found.layers == {"roles"}
    assert found.meta["text"] == "rebuilt from words"
    rest = {"Form": "Indirect", "Frame": ["0:0", "0:1"], "HasNested": False, "IsNested": False, "STWR": "Speech"}
    assert found.meta["spkatt"] == {"annotations": {"c1": rest}}


def test_debates_in_both_layouts(tmp_path):
    said = EMPTY | {"Cue": ["14:2"], "PTC": ["14:3"], "Source": ["14:0", "14:1"], "Message": ["14:5", "14:6", "14:7", "14:8"]}
    thanks = EMPTY | {"Cue": ["15:0"], "Topic": ["14:6"]}
    (listed,) = read({"Sentences": DEBATE, "Annotations": [said, thanks]}, tmp_path)
    numbered = {
        "14": {"Tokens": DEBATE[0]["Tokens"], "Annotations": [said]},
        "15": {"Tokens": ["Danke", "."], "Annotations": [thanks]},
    }
    assert read(numbered, tmp_path) == [listed]
    assert listed.id == "a"
    assert shown(listed) == [[["stellen fest"], ["Die Grünen"], [], ["dass es regnet"]]]
    assert listed.meta["spkatt"] == {"without_message": [{"Cue": ["15:0"], "Topic": ["14:6"]}]}


def test_tokens_in_two_roles_and_roles_that_are_punctuation(tmp_path):
    row = EMPTY | {"Source": ["14:0", "14:1"], "Message": ["14:0", "14:1", "14:2", "14:4", "14:5"], "Cue": ["14:8"]}
    (found,) = read({"Sentences": DEBATE, "Annotations": [row, EMPTY | {"Message": ["15:1"]}]}, tmp_path)
    assert shown(found) == [[[], ["Die Grünen"], [], ["stellen", "dass"]]]
    assert found.meta["spkatt"] == {"shared": {"c1": ["14:0", "14:1"]}, "without_message": [{"Message": ["15:1"]}]}


def test_without_annotations(tmp_path):
    assert read({"Sentences": DEBATE[1:]}, tmp_path) == [
        Document("a", "Danke .", meta={"layers": ["roles"], "text": "rebuilt from words"})
    ]
    implicit = {"Sentences": DEBATE[:1], "Annotations": [EMPTY | {"Message": ["14:7"]}]}
    assert read(implicit, tmp_path)[0].claims == (Claim("c1", content=read(implicit, tmp_path)[0].claims[0].content),)


def changed(**values):
    return json.loads(json.dumps(NEWS)) | values


def annotated(**values):
    return changed(Annotations=[NEWS["Annotations"][0] | values])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("", "a.json: not JSON"),
        ("[]", "a: must be an object with Sentences: «[]»"),
        ("{}", "must be an object with Sentences: «{}»"),
        ("[" * 100_000, "nested too deeply"),
        ('{"Sentences": [], "Sentences": []}', "a key is given twice: «Sentences»"),
        ('{"quotes": []}', "is no sentence, and there are no Sentences: «quotes»"),
        ({"1": {"Tokens": ["a"]}, "2": []}, "is no sentence, and there are no Sentences: «2»"),
        ({"1": {}}, "1.Tokens: must be a list of words: «None»"),
        (changed(DocumentName=3), "id: must be a string that is not empty: «3»"),
        (changed(Sentences={}), "1 - Titel: Sentences: must be a list of objects: «{}»"),
        (changed(Sentences=[3]), "Sentences: must be a list of objects: «3»"),
        (
            changed(Sentences=[{"SentenceId": "0", "Tokens": []}]),
            "Sentences[0].SentenceId: must be a number, and not given before: «0»",
        ),
        (changed(Sentences=NEWS["Sentences"] * 2), "Sentences[2].SentenceId: must be a number, and not given before: «0»"),
        (changed(Sentences=[{"SentenceId": 0, "Tokens": "abc"}]), "Sentences[0].Tokens: must be a list of words: «abc»"),
        (changed(Sentences=[{"SentenceId": 0, "Tokens": ["a", " "]}]), "Sentences[0].Tokens: must be a list of words"),
        (changed(Annotations=[5] * 2000), "and perhaps more: reading ended after 1,000 problems"),
        (annotated(Cue=[5] * 2000), "reading ended after 1,000 problems"),
        (changed(Annotations=5), "Annotations: must be a list of objects: «5»"),
        (annotated(Cue=["0:99"]), "Annotations[0].Cue: must be a list of tokens of the document: «0:99»"),
        (annotated(Cue=["9:0"]), "Annotations[0].Cue: must be a list of tokens of the document: «9:0»"),
        (annotated(Cue=[5]), "Annotations[0].Cue: must be a list of tokens of the document: «5»"),
        (annotated(Source="0:0"), "Annotations[0].Source: must be a list of tokens of the document: «0:0»"),
    ],
)
def test_damaged_files(tmp_path, row, message):
    with pytest.raises(FormatError) as error:
        read(row, tmp_path)
    assert str(error.value).startswith(str(tmp_path / "a.json"))
    assert message in str(error.value)


def test_a_folder_without_its_pretty_copies(tmp_path):
    pretty = annotated(CueText="sagten")
    (tmp_path / "pretty").mkdir()
    for name, row in {"a.json": NEWS, "pretty/a.pretty.json": pretty, "b.json": changed(DocumentName="b")}.items():
        (tmp_path / name).write_text(json.dumps(row), encoding="utf-8")
    assert [document.id for document in spkatt.read(tmp_path)] == [NEWS["DocumentName"], "b"]
    assert list(spkatt.read(tmp_path / "pretty" / "a.pretty.json")) == list(spkatt.read(tmp_path / "a.json"))
    (tmp_path / "c.json").write_text(json.dumps(NEWS), encoding="utf-8")
    (tmp_path / "d.json").write_text("[]", encoding="utf-8")
    with pytest.raises(FormatError) as error:
        list(spkatt.read(tmp_path))
    assert len(error.value.problems) == 2
    assert "given before" in str(error.value)
