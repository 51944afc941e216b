"""Names in columns: every spelling of tags, what is told of files that are in none, and what the columns cannot hold."""

from dataclasses import replace

import pytest
from hypothesis import given

from nisba.files import FormatError
from nisba.formats import bounded, conll
from nisba.schema import Claim, Document, Entity, Span
from tests.documents import collections, patient

WORDS = ["زار", "علي", "حسن", "سارة", "أمس", "بيروت"]
NAMES = [("علي حسن", "PER"), ("سارة", "PER"), ("بيروت", "LOC")]
SPELLINGS = {
    "IOB1": "O I-PER I-PER B-PER O I-LOC",
    "IOB2": "O B-PER I-PER B-PER O B-LOC",
    "IOBES": "O B-PER E-PER S-PER O S-LOC",
    "BILOU": "O B-PER L-PER U-PER O U-LOC",
    "BMES": "O B-PER E-PER S-PER O S-LOC",
    "BMEWO": "O B-PER E-PER W-PER O W-LOC",
    "names of other corpora": "O B-PERS I-PERS B-PERSON O B-LOCATION",
}


def columns(tags, separator=" ", middle="", words=WORDS):
    return "".join(f"{word}{separator}{middle}{tag}\n" for word, tag in zip(words, tags.split(), strict=True)) + "\n"


def named(document):
    return [(entity.span.of(document.text), entity.label) for entity in document.entities]


def written(tmp_path, text):
    file = tmp_path / "x.conll"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize("tags", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize(("separator", "middle"), [(" ", ""), ("\t", ""), (" ", "NN I-NP "), ("\t", "_\t_\t")])
def test_every_spelling_gives_the_same_names(tmp_path, tags, separator, middle):
    (document,) = conll.read(written(tmp_path, columns(tags, separator, middle)))
    assert document.id == "x-00001"
    assert document.text == " ".join(WORDS)
    assert named(document) == NAMES
    assert document.meta == {"layers": ["names"], "text": conll.REBUILT}


def test_three_words_of_a_name_in_the_letters_of_all_spellings(tmp_path):
    for tags in ("I I I", "B I I", "B I E", "B I L", "B M E"):
        marked = " ".join(f"{letter}-ORG" for letter in tags.split())
        (document,) = conll.read(written(tmp_path, columns(marked, words=["بنك", "مصر", "المركزي"])))
        assert named(document) == [("بنك مصر المركزي", "ORG")]


def test_documents_begin_at_their_lines_and_sentences_end_in_line_ends(tmp_path):
    text = "-DOCSTART- -X- -X- O\n\nقال O\n\nنعم O\n\n-DOCSTART- a%20b O\n\nلا O\n"
    first, second = conll.read(written(tmp_path, text))
    assert (first.id, first.text) == ("x-00001", "قال\nنعم")
    assert (second.id, second.text) == ("a b", "لا")


def test_sentences_before_the_first_mark_stand_alone(tmp_path):
    text = "أ O\n\nب O\n\n-DOCSTART- O\n\nج O\n\nد O\n"
    assert [d.text for d in conll.read(written(tmp_path, text))] == ["أ", "ب", "ج\nد"]


def test_windows_line_ends_are_no_part_of_tags(tmp_path):
    (document,) = conll.read(written(tmp_path, columns(SPELLINGS["IOB2"]).replace("\n", "\r\n")))
    assert named(document) == NAMES


def test_what_is_changed_in_names_is_said(tmp_path):
    text = columns("B-PER I-PER B-LOC O", words=["«علي", "»", "-", "."])
    (document,) = conll.read(written(tmp_path, text))
    assert named(document) == [("علي", "PER")]
    assert document.meta["changed"] == ["««علي »» → «علي»", "«-» → no name"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.conll: holds no word"),
        ("\n \n", "x.conll: holds no word"),
        ("-DOCSTART- O\n\n", "x.conll: holds no word"),
        ("قال\n", "x.conll:1: needs a word and a tag: «قال»"),
        ("\tO\n", "x.conll:1: needs a word and a tag: «O»"),
        ("قال O\nنعم X O\n", "x.conll:2: has 3 columns, lines before it 2: «نعم X O»"),
        ("قال O\nنعم B_PER\n", "x.conll:2: no known tag (as O, B-PER or I-PER) in the last column: «نعم B_PER»"),
        ("قال o\n", "x.conll:1: no known tag"),
        ("# text = قال نعم\nقال O\n", "x.conll:1: no known tag"),
        ("أ B-GPE\nب I-GPE\n", "x.conll: label «GPE» in 2 lines is none of PER, ORG, LOC, MISC"),
        ("\ufeffقال O\n", "x.conll:1: begins with a byte order mark"),
        (b"\xd9\x82 O\n\xff\xfe O\n", "x.conll:2: not UTF-8: byte 0xff"),
        (
            "أ B-PER\nب O\nج I-PER\nد O\nه B-LOC\n",
            "x.conll:3: I- begins a name where B- begins 2 others: neither IOB1 nor IOB2: «ج I-PER»",
        ),
        ("أ I-PER\nب O\nج B-PER\nد O\nه I-LOC\n", "x.conll:3: B- begins a name where I- begins 2 others: neither IOB1 nor IOB2"),
        ("أ B-PER\nب I-PER\nج O\nد S-PER\n", "x.conll:2: never ends, in a file that marks where names end: «ب I-PER»"),
        ("أ B-PER\nب E-PER\nج E-PER\n", "x.conll:3: continues no name, in a file that marks where names begin: «ج E-PER»"),
        (
            "أ B-PER\nب L-PER\nج S-PER\n",
            "letters of tags that do not go together (IOB, IOBES, BILOU or BMEWO): B- in line 1, L- in line 2",
        ),
        ("-DOCSTART- a O\n\nأ O\n\n-DOCSTART- a O\n\nب O\n", "x.conll:5: a: id: given before, in line 1: «a»"),
        ("-DOCSTART- %20%20 O\n\nأ B-PER\n", "x.conll:1:   : id: must be a string that is not empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, message):
    file = written(tmp_path, text)
    with pytest.raises(FormatError) as caught:
        list(conll.read(file))
    assert message in str(caught.value).replace(str(tmp_path) + "/", "")


def test_all_problems_of_a_file_are_told_before_any_document(tmp_path):
    file = written(tmp_path, "أ B-PER\n\nب\nج B-GPE\nد B-GPE\nه X-PER\n")
    with pytest.raises(FormatError) as caught:
        next(conll.read(file))
    assert len(caught.value.problems) == 3


def test_a_file_full_of_problems_is_not_read_to_its_end(tmp_path):
    file = written(tmp_path, "أ\n" * 5000)
    with pytest.raises(FormatError) as caught:
        list(conll.read(file))
    assert len(caught.value.problems) == conll.MOST + 1
    assert "so many problems that the rest was not read" in caught.value.problems[-1]


@pytest.mark.parametrize("text", ["أ O" * 100, "أ O\n" * 100], ids=["a long line", "a long document"])
def test_memory_is_bounded(tmp_path, monkeypatch, text):
    monkeypatch.setattr(bounded, "LIMIT", 50)
    monkeypatch.setattr(bounded.lines, "__defaults__", (50,))
    with pytest.raises(FormatError, match="longer than 50 "):
        list(conll.read(written(tmp_path, text)))


def test_names_are_written_as_iob2(tmp_path):
    text = "قال علي حسن:\nنعم. ثم  سافر إلى بيروت"
    entities = (Entity(Span(4, 11), "PER"), Entity(Span(text.index("بيروت"), len(text)), "LOC"))
    file = tmp_path / "x.conll"
    assert conll.write([Document("a 1", text, entities)], file) == 1
    assert file.read_text() == (
        "-DOCSTART- a%201 O\n\nقال O\nعلي B-PER\nحسن I-PER\n: O\n\nنعم O\n. O\n\nثم O\nسافر O\nإلى O\nبيروت B-LOC\n\n"
    )


def test_no_sentence_ends_inside_a_name(tmp_path):
    document = Document("a", "شركة م. ب. ح", (Entity(Span(0, 12), "ORG"),))
    conll.write([document], tmp_path / "x.conll")
    (back,) = conll.read(tmp_path / "x.conll")
    assert named(back) == [("شركة م . ب . ح", "ORG")]


def test_what_cannot_be_held_is_named():
    claim = Claim("c1", content=(Span(4, 7),))
    entities = (Entity(Span(4, 7), "PER", 0.5, ambiguous=True), Entity(Span(0, 3), "PER"), Entity(Span(17, 18), "ORG"))
    lost = conll.losses(Document("a", "قال علي  https://a.b", entities, (claim,), {"source": "x"}))
    assert lost == [
        "claim c1: the whole claim",
        "names: 1 that are not of whole words",
        "name «علي»: its score",
        "name «علي»: its doubt",
        "names: their order, which is that of the text",
        "meta: source",
        "layers: that more than names is annotated",
        "text: its white space and what has no width, rebuilt from words",
    ]


@patient
@given(collections())
def test_what_is_not_reported_as_lost_is_kept(tmp_path, documents):
    file = tmp_path / "x.conll"
    conll.write(documents, file)
    once = list(conll.read(file))
    assert [d.id for d in once] == [d.id for d in documents]
    for before, after in zip(documents, once, strict=True):
        missed = any(line.startswith("names: ") and "whole words" in line for line in conll.losses(before))
        assert missed or [e.label for e in sorted(before.entities, key=lambda e: e.span)] == [e.label for e in after.entities]
        if not conll.losses(before):
            assert after == replace(before, meta=after.meta)
    # What was read can be written and read again without any change.
    again = tmp_path / "y.conll"
    conll.write(once, again)
    assert list(conll.read(again)) == once
    assert again.read_bytes() == file.read_bytes()
    assert all(conll.losses(document) == [] for document in once)
