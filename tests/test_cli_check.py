"""``nisba check`` names file, line, document, field and offending text of every problem."""

import json

import pytest

from nisba.cli import main

TEXT = "وقال وزير الصحة إن اللقاح آمن."
GOOD = {"id": "a1", "text": TEXT, "meta": {}, "entities": [], "claims": []}
CLAIM = {"id": "c1", "cue": [[0, 4]], "source": [[5, 15]], "content": [[16, 29]], "addressee": [], "type": "indirect"}
CLAIM |= {"source_type": "role", "stance": "neutral", "speaker": None}
ASTRAL = "😀 قال الوزير إن العام 2024 سيكون أفضل"


def line(**changes) -> bytes:
    return json.dumps(GOOD | changes, ensure_ascii=False).encode() + b"\n"


def claim(**changes) -> bytes:
    return line(claims=[CLAIM | changes])


BAD = {
    "not UTF-8": (line().replace("وقال".encode(), b"\xff\xfe"), "bad.jsonl:1: not UTF-8: byte 0xff"),
    "windows-1256": (json.dumps(GOOD, ensure_ascii=False).encode("cp1256"), "bad.jsonl:1: not UTF-8"),
    "byte order mark": (b"\xef\xbb\xbf" + line(), "bad.jsonl:1: begins with a byte order mark"),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), "bad.jsonl:1: is UTF-16"),
    "cut JSON": (line()[:40], "bad.jsonl:1: not JSON"),
    "no JSON": (b"hello\n", "bad.jsonl:1: not JSON: Expecting value at character 0: «hello»"),
    "NaN": (b'{"id": "a", "text": "x", "meta": {"x": NaN}}\n', "«NaN» is no number"),
    "key given twice": (b'{"id": "a", "id": "b", "text": "x"}\n', "a key is given twice: «id»"),
    "nested too deeply": (b"[" * 200_000, "nested too deeply"),
    "not an object": (b"[1, 2]\n", "must be an object: «[1, 2]»"),
    "empty file": (b"", "bad.jsonl: holds no document"),
    "blank lines only": (b"\n\n", "bad.jsonl: holds no document"),
    "missing text": (b'{"id": "a1"}\n', "bad.jsonl:1: a1: text: is missing"),
    "missing id": (b'{"text": "x"}\n', "bad.jsonl:1: id: is missing"),
    "null text": (line(text=None), "bad.jsonl:1: a1: text: must be a string: «None»"),
    "number as id": (line(id=7), "bad.jsonl:1: id: must be a string"),
    "unknown key": (line(comment="x"), "a1: comment: is not a key of the format"),
    "lone surrogate": (b'{"id": "a1", "text": "x \\ud800 y"}\n', "a1: text: lone surrogate at 2: «x \\ud800 y»"),
    "id given twice": (line() + line(), "bad.jsonl:2: a1: id: given before, in line 1: «a1»"),
    "claim id given twice": (line(claims=[CLAIM, CLAIM]), "a1: claim c1.id: the id is given twice"),
    "claims no list": (line(claims={"c1": 1}), "a1: claims: must be a list"),
    "entity no object": (line(entities=[[0, 4, "PER"]]), "a1: entities[0].record: must be an object"),
    "beyond the end": (claim(content=[[16, 290]]), "a1: claim c1.content: [16, 290) runs beyond the end of the text (30"),
    "reversed": (claim(content=[[29, 16]]), "a1: claim c1.content: [29, 16) is reversed"),
    "negative": (claim(content=[[-5, 3]]), "a1: claim c1.content: [-5, 3) is reversed, empty or negative"),
    "layers no list": (line(meta={"layers": "names"}), "a1: meta.layers: must be a list of attributes, names, roles: «names»"),
    "unknown layer": (line(meta={"layers": ["colours"]}), "a1: meta.layers: must be a list of"),
    "offsets as strings": (claim(content=[["16", "29"]]), "a1: claim c1.content: offsets must be two integers"),
    "flat span": (claim(content=[16, 29]), "a1: claim c1.content: must be a list of [start, end] pairs: «16»"),
    "three offsets": (claim(content=[[1, 2, 3]]), "must be a list of [start, end] pairs: «[1, 2, 3]»"),
    "cuts a word": (claim(source=[[5, 13]]), "a1: claim c1.source: [5, 13) cuts a word at 13"),
    "ends in punctuation": (claim(content=[[16, 30]]), "begins or ends with white space, punctuation"),
    "begins in space": (claim(content=[[15, 29]]), "begins or ends with white space"),
    "fragments out of order": (claim(content=[[26, 29], [16, 18]]), "fragments must be in text order"),
    "no content": (claim(content=[]), "a1: claim c1.content: a claim needs content"),
    "implicit with source": (claim(source_type="implicit"), "'implicit' if and only if there is no source"),
    "unknown type": (claim(type="quoted"), "a1: claim c1.type: must be one of direct, mixed, indirect: «'quoted'»"),
    "unknown stance": (claim(stance=None), "a1: claim c1.stance: must be one of"),
    "score above 1": (line(entities=[{"start": 0, "end": 4, "label": "PER", "score": 2}]), "score: must be a number in [0, 1]"),
    "names overlap": (
        line(entities=[{"start": 5, "end": 15, "label": "ORG"}, {"start": 5, "end": 9, "label": "PER"}]),
        "overlaps another entity",
    ),
    "UTF-16 offsets": (
        line(text=ASTRAL, entities=[{"start": 7, "end": 13, "label": "PER"}]),
        "offsets must be code points, not UTF-16 units",
    ),
    "surrogate in meta": (b'{"id": "a1", "text": "x", "meta": {"x": "\\ud800"}}\n', "a1: meta: cannot be written as JSON"),
    "infinite number in meta": (b'{"id": "a1", "text": "x", "meta": {"x": 1e999}}\n', "a1: meta: cannot be written as JSON"),
    "10 MB line": (line(text="ا" * 10_000_000, entities=[{"start": 5, "end": 9, "label": "PER"}]), "cuts a word at 5"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name, tmp_path, capsys):
    data, message = BAD[name]
    file = tmp_path / "bad.jsonl"
    file.write_bytes(data)
    assert main(["check", str(file)]) == 1
    printed = capsys.readouterr().out
    assert message in printed
    assert len(printed) < 2000
    assert "Traceback" not in printed


def test_every_problem_of_every_file_is_listed(tmp_path, capsys):
    first, second, good = tmp_path / "1.jsonl", tmp_path / "2.jsonl", tmp_path / "good.jsonl"
    first.write_bytes(claim(stance="x") + b"oops\n" + claim(content=[[0, 99]], cue=[]))
    second.write_bytes(line(text=None))
    good.write_bytes(line())
    assert main(["check", str(first), str(second), str(good), str(tmp_path / "none.jsonl")]) == 1
    printed = capsys.readouterr().out
    for part in (
        "1.jsonl:1:",
        "1.jsonl:2:",
        "1.jsonl:3:",
        "2.jsonl:1:",
        "good.jsonl: 1 documents, no problem",
        "none.jsonl: No such file",
    ):
        assert part in printed


def test_the_seeds_pass(root, capsys):
    assert main(["check", str(root / "seeds" / "articles.jsonl")]) == 0
