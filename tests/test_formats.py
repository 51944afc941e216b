"""What holds of every format: documents at the edges come back, hostile and damaged files are refused with a word."""

import errno
import json
import os
import random
import tracemalloc
import unicodedata
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings

from nisba import convert
from nisba.files import FormatError
from nisba.formats import bounded, collection, jsonl, markup
from nisba.schema import ROLES, Claim, Document, Entity, Span
from tests.documents import documents

LOSSLESS = [name for name in convert.WRITABLE if name != "conll"]
FILES = {name: f"a.{ending}" for name, ending in {"brat": "ann", "cas": "xmi", "docbin": "spacy", "webanno-tsv": "tsv"}.items()}
FILES |= dict.fromkeys(("doccano", "jsonl", "prodigy", "w3c"), "a.jsonl") | {"conll": "a.conll", "label-studio": "a.json"}
FILES |= {"citron": "a.json", "markup": "a.txt", "polnear": "attributions/a_4b22.ann", "spkatt": "a.json", "trec": "a.txt"}
FOLDERS = ("brat", "cas", "citron", "polnear", "spkatt", "trec", "webanno-tsv")
TEXT = "قال وزير الصحة: إن اللقاح آمن، ونفى الخبر."
CLAIM = Claim("c1", cue=(Span(0, 3),), source=(Span(4, 14),), content=(Span(16, 29),), source_type="role", speaker="فلان")
PLAIN = Document("a", TEXT, (Entity(Span(9, 14), "ORG"),), (CLAIM,))
QUOTED = {"start": 16, "end": 29, "text": TEXT[16:29]}
OTHERS = {  # formats that are only read
    "citron": json.dumps({"text": TEXT, "quotes": [{"cue": None, "sources": [], "contents": [QUOTED]}]}, ensure_ascii=False),
    "markup": markup.render(PLAIN),
    "polnear": f"T1\tContent 16 29\t{TEXT[16:29]}\nT2\tAttribution 0 3\tقال\nE1\tAttribution:T2 Content:T1\n",
    "spkatt": '{"Sentences": [{"SentenceId": 1, "Tokens": ["قال", "نعم"]}], "Annotations": [{"Cue": ["1:0"], "Message": ["1:1"]}]}',
    "trec": f"<DOC>\n<DOCNO>a</DOCNO>\n<TITLE>قال</TITLE>\n<TEXT>{TEXT}</TEXT>\n</DOC>\n",
}


def sample(name, folder, given=(PLAIN,)):
    """A file of a format."""
    file = folder / FILES[name]
    file.parent.mkdir(parents=True, exist_ok=True)
    if name in OTHERS:
        file.write_text(OTHERS[name], encoding="utf-8")
    else:
        convert.module(name).write(given, file)
    if name == "polnear":
        (folder / "text").mkdir(exist_ok=True)
        (folder / "text" / "a.txt").write_text(TEXT, encoding="utf-8")
    return file


def read(name, path):
    return list(convert.module(name).read(path))


def refused(name, path):
    """The problems; nothing but them may be raised."""
    with pytest.raises(FormatError) as error:
        read(name, path)
    return error.value.problems


def categories(document):
    return {unicodedata.category(char) for char in document.text}


FEATURES = {
    "astral": lambda d: d.claims and any(ord(char) > 0xFFFF for char in d.text),
    "combining": lambda d: d.claims and "Mn" in categories(d),
    "bidi": lambda d: d.claims and any(unicodedata.bidirectional(char) in ("RLO", "RLI", "LRI") for char in d.text),
    "crlf": lambda d: d.claims and "\r\n" in d.text,
    "empty": lambda d: not d.text,
    "discontinuous": lambda d: any(len(claim.role(role)) > 1 for claim in d.claims for role in ROLES),
    "overlapping": lambda d: any(a.content[0].overlaps(b.source[0]) for a in d.claims for b in d.claims if b.source),
}


def test_what_the_properties_of_the_formats_are_tried_on():
    seen = set()

    @settings(max_examples=120, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(documents())
    def draw(document):
        seen.update(name for name, there in FEATURES.items() if there(document))

    draw()
    assert seen == FEATURES.keys()


def thousand():
    """A claim a line; each shares its addressee with the next one, which lies in its content, and both are in pieces."""
    line = "قالَ 😀 علي \u202bلسارة\u202c إنه: نعم، ثم كلا\r\n"
    places = {word: line.index(word) for word in ("علي", "لسارة", "نعم", "كلا")}

    def span(word, number):
        start = number * len(line) + places[word]
        return Span(start, start + len(word))

    claims = [
        Claim(
            f"c{i}",
            cue=(Span(i * len(line), i * len(line) + 4),),
            source=(span("علي", i),),
            content=(span("نعم", i), span("كلا", i), Span((i + 1) * len(line), span("كلا", i + 1).end)),
            addressee=((span("لسارة", i - 1),) if i else ()) + (span("لسارة", i),),
            source_type="person",
        )
        for i in range(1000)
    ]
    return Document("long", line * 1001, tuple(Entity(span("علي", i), "PER") for i in range(1001)), tuple(claims))


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_thousand_claims_and_documents_at_the_edges(name, tmp_path):
    edges = ["", " ", "\r\n", "\ufeff", "\u202e", "\u064b", "😀", "\u2028\r\r\n\t"]
    given = [thousand(), *(Document(f"e{i}", text) for i, text in enumerate(edges)), replace(PLAIN, text=TEXT + "\r\n\u0301")]
    target = tmp_path / "folder" if name in ("brat", "cas", "webanno-tsv") else tmp_path / FILES[name]
    assert convert.module(name).write(given, target) == len(given)
    assert read(name, target) == given


@pytest.mark.parametrize("name", [name for name in FILES if name != "docbin"])
def test_a_file_without_end_is_refused_in_bounded_memory(name, tmp_path):
    file = sample(name, tmp_path)
    file.write_bytes(file.read_bytes().rstrip()[:-1])
    os.truncate(file, 1 << 36)  # a hole: it takes no room on the disk
    tracemalloc.start()
    try:
        problems = refused(name, file)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 * max(jsonl.LIMIT, 4 * bounded.LIMIT)
    assert str(file) in problems[-1]
    assert "longer than" in problems[-1] or name == "label-studio"  # where an element has to end at once


def test_an_order_without_end_is_refused_in_bounded_memory(tmp_path):
    convert.module("brat").write([PLAIN], tmp_path / "in")
    os.truncate(tmp_path / "in" / collection.ORDER, 1 << 36)
    assert "the line is longer than 4,096 bytes" in refused("brat", tmp_path / "in")[0]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_link_that_leads_out_of_a_folder_is_not_followed(name, tmp_path):
    outside = sample(name, tmp_path / "elsewhere")
    folder = sample(name, tmp_path / "in").parent
    link = folder / f"b{outside.suffix}"
    link.symlink_to(outside)
    if name == "brat":
        (folder / "b.txt").symlink_to(outside.with_suffix(".txt"))
    assert f"{link}: leads outside the folder" in refused(name, tmp_path / "in")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_link_inside_a_folder_is_followed(name, tmp_path):
    file = sample(name, tmp_path / "in")
    for linked in (file, file.with_suffix(".txt")) if name == "brat" else (file,):
        linked.rename(tmp_path / "in" / f"kept{linked.suffix}.data")
        linked.symlink_to(tmp_path / "in" / f"kept{linked.suffix}.data")
    assert len(read(name, tmp_path / "in")) == 1


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_is_linked_or_cannot_be_read_is_a_problem(name, tmp_path, monkeypatch):
    """As root everything can be read, so the refusal is played."""
    sample(name, tmp_path / "elsewhere")
    folder = sample(name, tmp_path / "in").parent
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "again").symlink_to(folder)  # what is there is found without it
    (folder / ".hidden").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "locked").mkdir()
    scan = os.scandir

    def refusing(path):
        if str(path).endswith(("locked", ".hidden")):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert refused(name, tmp_path / "in") == (
        f"{tmp_path / 'in' / 'linked'}: linked folders are not followed",
        f"{tmp_path / 'in' / 'locked'}: the folder cannot be read: Permission denied",
    )


def test_a_folder_without_anything_that_can_be_read_says_why(tmp_path, monkeypatch):
    def refusing(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "scandir", refusing)
    for name in FOLDERS:
        assert refused(name, tmp_path) == (f"{tmp_path}: the folder cannot be read: Permission denied",)


def test_links_that_lead_nowhere_and_to_what_is_hidden(tmp_path):
    folder = tmp_path / "in"
    (folder / ".kept").mkdir(parents=True)
    (folder / ".kept" / "a.json").write_text("{}", encoding="utf-8")
    (folder / "a.json").symlink_to(".kept/a.json")
    (folder / "gone.json").symlink_to("nothing")
    (folder / "gone.txt").symlink_to("nothing")  # nobody asks for it
    (folder / "ring.json").symlink_to("ring.json")
    (folder / "up").symlink_to("..")
    (folder / "veiled").symlink_to(".kept")
    problems = []
    assert list(collection.files(folder, ".json", problems)) == [(folder / "a.json", "a")]
    assert [problem.removeprefix(f"{folder}/") for problem in problems] == [
        "gone.json: leads to nothing that can be read",
        "ring.json: leads to nothing that can be read",
        "up: linked folders are not followed",
        "veiled: linked folders are not followed",
    ]


WRONG = {  # (what to replace, by what), and what the message says of it
    "brat": ("ORG 9", "Firm 9", ["a.ann:1: a: T1: the label is none of", "«Firm»"]),
    "cas": ('label="ORG"', 'label="Firm"', ["a.xmi: a: line 5: label: must be one of", "«'Firm'»"]),
    "citron": (': 29, "text', ': 28, "text', ["a.json: a: quotes[0].contents[0]: [16, 28) holds", "not «إن اللقاح آمن»"]),
    "conll": ("B-ORG", "B-FIRM", ["a.conll: label «FIRM»"]),  # not known to the file: one problem for all of its lines
    "doccano": ('"ORG"', '"Firm"', ["a.jsonl:1: a: entities[0]: is not a label of nisba's", "«Firm»"]),
    "jsonl": ('"ORG"', '"Firm"', ["a.jsonl:1: a: entities[0].label: must be one of", "«'Firm'»"]),
    "label-studio": ('"ORG"', '"Firm"', ["a.json: [0]: a: annotations[0].result[0]: has the label Firm", "«الصحة»"]),
    "markup": ("| role |", "| firm |", ["a.txt:1: a: claim 1.source_type: must be one of", "«'firm'»"]),
    "polnear": ("Content:T1", "Contents:T1", ["a_4b22.ann:3: a_4b22: E1: links what is no Source, Cue", "«Contents:T1»"]),
    "prodigy": ('"ORG"', '"Firm"', ["a.jsonl:1: a: spans[0]: is not a label of nisba's", "«Firm»"]),
    "spkatt": ('"1:1"', '"1:9"', ["a.json: a: Annotations[0].Message: must be a list of tokens of the document", "«1:9»"]),
    "trec": ("<DOCNO>a</DOCNO>", "", ["a.txt:1: the article lacks DOCNO", "«<TITLE>قال"]),
    "w3c": ('"ORG"', '"Firm"', ["a.jsonl:1: a: items[0]: body: says nothing that names", "Firm»"]),
    "webanno-tsv": ("ORG", "Firm", ["a.tsv: a: line 11: label: must be one of", "«'Firm'»"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_message_names_file_place_document_and_text(name, tmp_path):
    old, new, parts = WRONG[name]
    file = sample(name, tmp_path)
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    (problem,) = refused(name, file)
    assert problem.startswith(f"{file.parent}{os.sep}{parts[0]}"), problem
    assert all(part in problem for part in parts)


@pytest.mark.parametrize("name", WRONG)
def test_what_a_file_says_moves_no_cursor_and_fills_no_screen(name, tmp_path):
    old, new, _ = WRONG[name]
    file = sample(name, tmp_path)
    text = file.read_text(encoding="utf-8").replace(old, new, 1)
    odd = "\\u001b[2J\\u202e" if name not in (*FOLDERS[:2], "conll", "markup", "polnear", "trec", "webanno-tsv") else "\x7f[2J\x9b"
    file.write_text(text.replace("irm", odd + "x" * 50_000).replace("1:9", odd + "9" * 50_000), encoding="utf-8")
    for problem in refused(name, file):
        assert len(problem.replace(str(file), "")) < 1500
        assert problem.isprintable() or {*problem} & {*"\u200e\u200f"}


@pytest.mark.parametrize("name", ["cas", "doccano", "docbin", "jsonl", "label-studio", "prodigy", "w3c"])
def test_a_file_that_is_cut_is_never_read_in_part(name, tmp_path):
    given = [PLAIN] if name == "cas" else [replace(PLAIN, id=f"d{i}") for i in range(3)]
    file = sample(name, tmp_path, given)
    whole = file.read_bytes()
    ends = {i for i in range(len(whole) + 1) if whole[:i].endswith(b"\n") or whole[i : i + 1] in (b"\n", b"")}
    cuts = random.Random(0).sample(range(len(whole)), 60)
    for cut in (cut for cut in cuts if cut not in ends):  # a line that ends where one may end is whole
        file.write_bytes(whole[:cut])
        assert refused(name, file), cut


PIECES = (b"", b"\0", b"-1", b"9" * 30, b"9" * 5000, b"\t", b"\n", b"\xff", b'"', b"|")


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_garbled_is_read_or_refused(name, tmp_path):
    file = sample(name, tmp_path)
    whole, draw = file.read_bytes(), random.Random(0)
    for _ in range(100):
        data = bytearray(whole)
        for _ in range(draw.choice([1, 1, 2, 4])):
            at, to = sorted(draw.randrange(len(data) + 1) for _ in range(2))
            piece = draw.choice([*PIECES, bytes(data[at:to][:50])])
            data[at : min(to, at + draw.choice([0, 1, 3, 20]))] = piece
        file.write_bytes(bytes(data))
        with suppress(FormatError):
            assert all(isinstance(document, Document) for document in read(name, file))


def test_an_encoding_that_nobody_knows(tmp_path):
    file = sample("cas", tmp_path)
    file.write_bytes(file.read_bytes().replace(b"UTF-8", b"UTF-99"))
    assert refused("cas", file) == (f"{file}: line 1: not XML: unknown encoding: UTF-99",)
