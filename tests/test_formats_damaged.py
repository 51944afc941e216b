"""Damaged files of JSON Lines, mark-up and TREC's tagged text: every one is refused, with file, line, document and the text."""

import json

import pytest

from nisba.files import FormatError
from nisba.formats import brat, doccano, jsonl, markup, prodigy, trec

GOOD = {
    "id": "n1",
    "text": "قال علي: نعم.",
    "entities": [{"start": 4, "end": 7, "label": "PER"}],
    "claims": [
        {
            "id": "c1",
            "cue": [[0, 3]],
            "source": [[4, 7]],
            "content": [[9, 12]],
            "source_type": "person",
            "type": "direct",
            "stance": "neutral",
        }
    ],
}
ARTICLE = "id: n1\ngenre: x\n---\n<cue1>قال</cue1> <src1><per>علي</per></src1>: <con1>نعم</con1>.\n---\n"
ARTICLE += "1 | direct | person | neutral | -\n"
TAGGED = "<DOC>\n<DOCNO>n1</DOCNO>\n<TITLE>قال</TITLE>\n<TEXT>نعم</TEXT>\n<CAT>x</CAT>\n</DOC>\n"


def claim(**values):
    return GOOD | {"claims": [GOOD["claims"][0] | values]}


def name(**values):
    return GOOD | {"entities": [GOOD["entities"][0] | values]}


def without(row, key):
    return {other: value for other, value in row.items() if other != key}


ROWS = [
    ("", ": holds no document"),
    ("[1]", ":1: record: must be an object: «[1]»"),
    ("{'id': 1}", ":1: not JSON: Expecting property name enclosed in double quotes at character 1: «{'id': 1}»"),
    (json.dumps(GOOD)[:50], ":1: not JSON: "),
    ('{"id": "a", "id": "b"}', ":1: a key is given twice: «id»"),
    ('{"id": "a", "text": "x", "meta": {"x": NaN}}', ":1: not JSON: «NaN» is no number"),
    (b'{"id": "a", "text": "\xff"}', ":1: not UTF-8: byte 0xff at byte 21 of the line"),
    (b'\xef\xbb\xbf{"id": "a", "text": "x"}', ":1: begins with a byte order mark"),
    ('{"id": "a", "text": "x"}'.encode("utf-16"), ":1: is UTF-16; save the file as UTF-8"),
    ('{"a":' * 100_000, ":1: not JSON that can be read: nested too deeply"),
    ([GOOD, GOOD], ":2: n1: id: given before, in line 1: «n1»"),
    ([without(GOOD, "text")], ":1: n1: text: is missing"),
    ([GOOD | {"x": 1}], ":1: n1: x: is not a key of the format"),
    ([GOOD | {"schema": 9}], ":1: n1: schema: this nisba reads version 1: «9»"),
    ([GOOD | {"text": "\ud800"}], ":1: n1: text: lone surrogate at 0: «"),
    ([GOOD | {"meta": []}], ":1: n1: meta: must be an object: «[]»"),
    ([GOOD | {"entities": {}}], ":1: n1: entities: must be a list: «{}»"),
    ([name(label="Person")], ":1: n1: entities[0].label: must be one of PER, ORG, LOC, MISC: «'Person'»"),
    ([name(end=6)], ":1: n1: entities[0]: [4, 6) cuts a word at 6: «قال علي: نعم.»"),
    ([name(end=99)], ":1: n1: entities[0]: [4, 99) runs beyond the end of the text (13 characters): «علي: نعم.»"),
    ([name(start=3)], ":1: n1: entities[0]: [3, 7) begins or ends with white space, punctuation or a control: « علي»"),
    ([claim(content=[])], ":1: n1: claim c1.content: a claim needs content"),
    ([claim(cue=[[4, 7]])], ":1: n1: claim c1.cue, source: two roles share [4, 7)"),
    ([claim(source=[4, 7])], ":1: n1: claim c1.source: must be a list of [start, end] pairs: «4»"),
    ([claim(score=2)], ":1: n1: claim c1.score: must be a number in [0, 1]: «2»"),
    ([GOOD | {"claims": GOOD["claims"] * 2}], ":1: n1: claim c1.id: the id is given twice: «c1»"),
]
ARTICLES = [  # (what to replace, by what, what is said); None: the whole file
    (None, "", ": holds no document"),
    (None, "===\n \n===\n", ": holds no document"),
    (None, "\ufeff" + ARTICLE, ":1: begins with a byte order mark"),
    (None, b"id: \xff\n", ":1: not UTF-8: byte 0xff at offset 4"),
    (None, "قال\n", ":1: article: needs a header, a text and claim rows between two lines of ---: «قال"),
    (None, f"{ARTICLE}===\n{ARTICLE}", ":8: id: the id is given twice: «n1»"),
    ("id: n1\n", "", ":1: id: must be a string that is not empty: «''»"),
    ("genre: x", "genre x", ":1: n1: header: needs rows of key: value: «genre x»"),
    ("genre: x", "id: n2", ":1: n1: header: a key is given twice: «id: n2»"),
    ("</cue1>", "", ":1: n1: cue1: never closed: «قال علي: نعم.»"),
    ("<con1>", "", ":1: n1: con1: closed but not open: «"),
    ("<per>علي", "<per><per>علي", ":1: n1: per: opened twice: «"),
    ("<per>علي</per>", "<per></per>علي", ":1: n1: per: holds nothing: «"),
    ("<per>علي</per>", "<name>علي", ":1: n1: text: unknown tag, or a < that is not written &lt;: «<name>علي"),
    ("قال</cue1>", "قا</cue1>ل", ":1: n1: claim c1.cue: [0, 2) cuts a word at 2: «قال علي: نعم.»"),
    ("علي</per></src1>:", "علي</per>:</src1>", ":1: n1: claim c1.source: [4, 8) begins or ends with white space, punctuation"),
    ("1 | direct", "2 | direct", ":1: n1: con1: tagged in the text, but its claim has no row: «نعم»"),
    ("| direct", "| straight", ":1: n1: claim 1.type: must be one of direct, mixed, indirect: «'straight'»"),
    ("| person", "| implicit", ":1: n1: claim 1.source_type: "),
    (" | -\n", "\n", ":1: n1: claim row: needs number | type | source_type | stance | speaker [| optional]: «1 | direct"),
    (" | -\n", " | - | perhaps\n", ":1: n1: claim row: needs number | type"),
]
TAGS = [
    (None, "", ": holds no <DOC>…</DOC>"),
    (None, "قال", ": holds no <DOC>…</DOC>"),
    (None, b"<DOC>\n\xff</DOC>", ":2: not UTF-8: byte 0xff"),
    (None, b"PK\x03\x04", ": a damaged zip archive"),
    (None, TAGGED * 2, ":7: the document id is given twice: «n1»"),
    (None, TAGGED + TAGGED.replace("<DOC>", ""), ":1: an article without <DOC> stands behind: «<DOCNO>n1"),
    ("</DOC>", "", ":1: <DOC> is never closed: «<DOCNO>n1</DOCNO>"),
    ("<DOC>", "<DOC>\n<DOC>", ":1: <DOC> is never closed: «»"),
    ("<DOCNO>n1</DOCNO>", "", ":1: the article lacks DOCNO: «<TITLE>قال"),
    ("<DOCNO>n1</DOCNO>", "<DOCNO> </DOCNO>", ":1: id: must be a string that is not empty: «''»"),
    ("<TITLE>قال</TITLE>", "", ":1: the article lacks TITLE: «<DOCNO>n1"),
    ("<TEXT>نعم</TEXT>", "", ":1: the article lacks TEXT: «<DOCNO>n1"),
    ("</TEXT>", "", ":1: <TEXT> and </TEXT> do not stand there once each: «<DOCNO>n1"),
    ("نعم", "<TEXT>نعم</TEXT>", ":1: <TEXT> and </TEXT> do not stand there once each: «<DOCNO>n1"),
    ("<TITLE>", "</TITLE>", ":1: <TITLE> and </TITLE> do not stand there once each: «<DOCNO>n1"),
    ("<CAT>x", "<CAT>x</CAT><CAT>y", ":1: <CAT> and </CAT> do not stand there once each: «<DOCNO>n1"),
]


def check(form, file, data, message):
    file.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    with pytest.raises(FormatError) as error:
        list(form.read(file))
    assert any(problem.startswith(f"{file}{message}") for problem in error.value.problems), error.value


@pytest.mark.parametrize(("rows", "message"), ROWS)
def test_json_lines(rows, message, tmp_path):
    data = "".join(json.dumps(row) + "\n" for row in rows) if isinstance(rows, list) else rows
    check(jsonl, tmp_path / "a.jsonl", data, message)


@pytest.mark.parametrize(("old", "new", "message"), ARTICLES)
def test_mark_up(old, new, message, tmp_path):
    assert old is None or old in ARTICLE
    check(markup, tmp_path / "a.txt", new if old is None else ARTICLE.replace(old, new, 1), message)


@pytest.mark.parametrize(("old", "new", "message"), TAGS)
def test_tagged_text(old, new, message, tmp_path):
    assert old is None or old in TAGGED
    check(trec, tmp_path / "a.txt", new if old is None else TAGGED.replace(old, new, 1), message)


def test_what_is_right_is_read(tmp_path):
    for form, data in ((jsonl, json.dumps(GOOD)), (markup, ARTICLE), (trec, TAGGED)):
        (tmp_path / "a").write_text(data, encoding="utf-8")
        assert [document.id for document in form.read(tmp_path / "a")] == ["n1"]


@pytest.mark.parametrize("form", [jsonl, doccano, prodigy, brat])
def test_reading_ends_where_nobody_would_read_on(form, tmp_path):
    """A gigabyte of bad lines must not become gigabytes of messages."""
    file = tmp_path / "bad"
    if form is brat:
        file.mkdir()
        for number in range(1200):
            (file / f"{number:04}.txt").write_text("قال")
            (file / f"{number:04}.ann").write_text("T1\n")
    else:
        file.write_text("{]\n" * 1200)
    with pytest.raises(FormatError) as caught:
        list(form.read(file))
    assert len(caught.value.problems) == 1001
    assert caught.value.problems[-1] == "and perhaps more: reading ended after 1,000 problems"
