import json

import pytest

from nisba.files import FormatError
from nisba.formats import citron
from nisba.schema import Claim, Span

TEXT = "«عندما أستخدم كلمة»، قال همبتي دمبتي، «فهي تعني ما أريد». 😀 وقال أيضا إنه يعرف."


def span(text, start=0):
    begin = TEXT.index(text, start)
    return {"start": begin, "end": begin + len(text), "text": text}


def place(text):
    begin = TEXT.index(text)
    return Span(begin, begin + len(text))


SAID = {
    "cue": span("قال"),
    "sources": [span("همبتي دمبتي")],
    "contents": [span("«عندما أستخدم كلمة»،"), span("«فهي تعني ما أريد».")],
}
AGAIN = {"id": "q7", "cue": span("وقال"), "sources": [], "contents": [span("إنه يعرف")]}


def read(row, tmp_path, repair=None):
    file = tmp_path / "alice.json"
    file.write_text(row if isinstance(row, str) else json.dumps(row), encoding="utf-8")
    return list(citron.read(file, repair=repair))


def test_the_documented_layout(tmp_path):
    (found,) = read({"text": TEXT, "quotes": [SAID, AGAIN]}, tmp_path)
    assert (found.id, found.text, found.meta) == ("alice", TEXT, {"layers": ["roles"]})
    content = (place("عندما أستخدم كلمة"), place("فهي تعني ما أريد"))
    first = Claim("c1", cue=(place("قال"),), source=(place("همبتي دمبتي"),), content=content, source_type="person")
    assert found.claims == (first, Claim("q7", cue=(place("وقال"),), content=(place("إنه يعرف"),)))


def test_coreferences_of_annotators_and_of_citron_itself(tmp_path):
    he, who = span("أيضا"), span("همبتي دمبتي")
    gold = AGAIN | {"sources": [he], "coreferences": [who]}
    found = AGAIN | {"id": "q8", "sources": [who], "coreferences": [he], "confidence": "0.8125"}
    unresolved = SAID | {"coreferences": [], "confidence": 0.5, "note": "x"}
    row = {"text": TEXT, "quotes": [gold, found, unresolved], "source": {"application": "citron-extractor"}}
    (document,) = read(row | {"coreference_groups": [[who, he]]}, tmp_path)
    for claim, score in zip(document.claims[:2], (None, 0.8125), strict=True):
        assert (claim.source, claim.speaker, claim.score) == ((place("أيضا"),), "همبتي دمبتي", score)
    assert (document.claims[2].source, document.claims[2].speaker) == ((place("همبتي دمبتي"),), None)
    pair = [[who["start"], who["end"]], [he["start"], he["end"]]]
    quotes = {"q7": {"coreferences": pair[:1]}, "q8": {"coreferences": pair[:1]}, "c1": {"note": "x"}}
    assert document.meta["citron"] == {
        "source": {"application": "citron-extractor"},
        "quotes": quotes,
        "coreference_groups": [pair],
    }


def test_a_cut_word_is_made_whole_and_counted(tmp_path):
    (found,) = read({"text": TEXT, "quotes": [AGAIN | {"contents": [span("نه يعر")]}]}, tmp_path)
    assert found.claims[0].content == (place("إنه يعرف"),)
    assert found.meta["widened"] == 1


def test_offsets_in_other_units_are_named_and_undone(tmp_path):
    moved = {"start": AGAIN["cue"]["start"] + 1, "end": AGAIN["cue"]["end"] + 1, "text": "وقال"}
    content = span("إنه يعرف")
    moved_content = content | {"start": content["start"] + 1, "end": content["end"] + 1}
    row = {"text": TEXT, "quotes": [AGAIN | {"cue": moved, "contents": [moved_content]}]}
    with pytest.raises(
        FormatError, match=r"alice: quotes\[0\]\.cue\[0\]: .* not «وقال»; all of the document fit with --repair-offsets utf16"
    ):
        read(row, tmp_path)
    assert read(row, tmp_path, "utf16") == read({"text": TEXT, "quotes": [AGAIN]}, tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("", "alice.json: not JSON"),
        ("[]", "alice: must be an object with quotes: «[]»"),
        ('{"text": "x", "text": "y"}', "a key is given twice: «text»"),
        ("[" * 100_000, "nested too deeply"),
        ({"text": TEXT}, "must be an object with quotes"),
        ({"quotes": [SAID], "source": {}}, "alice: has no text; add what Citron was given as «text»"),
        ({"text": TEXT, "quotes": [3]}, "alice: quotes[0]: must be an object: «3»"),
        ({"text": TEXT, "quotes": [3] * 2000}, "and perhaps more: reading ended after 1,000 problems"),
        ({"text": TEXT, "quotes": [SAID | {"sources": [3] * 2000}]}, "reading ended after 1,000 problems"),
        ({"text": TEXT, "quotes": [SAID | {"sources": {}}]}, "quotes[0].sources: must be a list: «{}»"),
        ({"text": TEXT, "quotes": [SAID | {"sources": [[1, 2]]}]}, "quotes[0].sources[0]: needs start, end and text: «[1, 2]»"),
        ({"text": TEXT, "quotes": [SAID | {"cue": {"start": "1", "end": 2, "text": "x"}}]}, "cue[0]: needs start, end and text"),
        ({"text": TEXT, "quotes": [SAID | {"cue": {"start": 1, "end": 2}}]}, "quotes[0].cue[0]: needs start, end and text"),
        ({"text": TEXT, "quotes": [SAID | {"cue": span("قال") | {"text": "كان"}}]}, "cue[0]: [21, 24) holds «قال», not «كان»"),
        ({"text": TEXT, "quotes": [SAID | {"cue": span("قال") | {"end": 999}}]}, "runs beyond the end of the text"),
        ({"text": TEXT, "quotes": [SAID | {"cue": span("قال") | {"end": 1}}]}, "is reversed, empty or negative"),
        ({"text": TEXT, "quotes": [SAID | {"contents": []}]}, "quotes[0].content: a claim needs content"),
        ({"text": TEXT, "quotes": [SAID | {"sources": [span("قال")]}]}, "quotes[0].cue, source: two roles share [21, 24)"),
        ({"text": TEXT, "quotes": [SAID | {"confidence": "high"}]}, "quotes[0].confidence: must be a number: «high»"),
        ({"text": TEXT, "quotes": [SAID | {"confidence": 7}]}, "quotes[0].score: must be a number in [0, 1]: «7.0»"),
        ({"text": TEXT, "quotes": [SAID | {"id": 7}]}, "quotes[0].id: must be a string: «7»"),
        ({"text": TEXT, "quotes": [AGAIN, AGAIN]}, "claim q7.id: the id is given twice: «q7»"),
        ({"text": TEXT, "quotes": [], "coreference_groups": 5}, "coreference_groups: must be a list: «5»"),
        ({"text": TEXT, "quotes": [], "coreference_groups": [[5]]}, "coreference_groups[0][0]: needs start, end and text: «5»"),
    ],
)
def test_damaged_files(tmp_path, row, message):
    with pytest.raises(FormatError) as error:
        read(row, tmp_path)
    assert str(error.value).startswith(str(tmp_path / "alice.json"))
    assert message in str(error.value)


def test_a_folder_and_all_of_its_problems(tmp_path):
    (tmp_path / "in").mkdir()
    for name, row in {"a": {"text": TEXT, "quotes": []}, "b": [], "in/c": {"text": TEXT, "quotes": [AGAIN]}, "in/d": 1}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(row), encoding="utf-8")
    stream = citron.read(tmp_path)
    assert [next(stream).id, next(stream).id] == ["a", "in/c"]
    with pytest.raises(FormatError) as error:
        next(stream)
    assert len(error.value.problems) == 2
