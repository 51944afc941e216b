"""PolNeAR: its dialect of brat's files, in the corpus's layout with words of our own."""

import pytest

from nisba.files import FormatError
from nisba.formats import polnear
from nisba.schema import Claim, Span

ARTICLE = "herald_2016-01-02_mayor-speaks"
TEXT = "ABSTRACT. “Taxes will fall,” the mayor's aide said Monday, “and soon.” But an answer about\nroads came as well."
LINES = """\
T1	Discard 0 9	ABSTRACT.
T2	Content 10 28;59 70	“Taxes will fall,” “and soon.”
T3	Source 29 45	the mayor's aide
T4	Cue 46 58	said Monday,
T5	Attribution 46 58	said Monday,
E1	Attribution:T5 Source:T3 Cue:T4 Content:T2
T6	Cue 75 90	an answer about
T7	Content 91 96	roads
T8	Attribution-no-source 75 90	an answer about
E2	Attribution-no-source:T8 Content:T7 Cue:T6
#1	AnnotatorNotes E2	not sure
"""


@pytest.fixture
def corpus(tmp_path):
    """Lays out a compartment of the corpus, and gives what is read from it, or the problems."""

    def write(rows=LINES, text=TEXT, annotator="4b22", **options):
        for folder in ("text", "attributions"):
            (tmp_path / "dev" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "dev" / "text" / f"{ARTICLE}.txt").write_text(text, encoding="utf-8", newline="")
        file = tmp_path / "dev" / "attributions" / f"{ARTICLE}_{annotator}.ann"
        file.write_text(rows, encoding="utf-8", newline="")
        try:
            return list(polnear.read(tmp_path, **options))
        except FormatError as error:
            return [problem.replace(f"{file}:", "").replace(f"{ARTICLE}_{annotator}", "A") for problem in error.problems]

    return write


def test_a_compartment(corpus, tmp_path):
    (document,) = corpus()
    assert document.id == f"{ARTICLE}_4b22"
    assert document.claims == (
        Claim(
            "c1",
            content=(Span(11, 26), Span(60, 68)),
            source=(Span(29, 45),),
            cue=(Span(46, 57),),
            source_type="person",
        ),
        Claim("c2", content=(Span(91, 96),), cue=(Span(75, 90),)),
    )
    assert [span.of(TEXT) for span in document.claims[0].content] == ["Taxes will fall", "and soon"]
    assert document.meta == {
        "layers": ["roles"],
        "article": ARTICLE,
        "annotator": "4b22",
        "marks": [{"label": "Discard", "spans": [[0, 9]]}],
        "notes": ["not sure"],
    }
    (single,) = polnear.read(tmp_path / "dev" / "attributions" / f"{ARTICLE}_4b22.ann")
    assert single == document
    assert [d.id for d in corpus(annotator="ef2d")] == [f"{ARTICLE}_4b22", f"{ARTICLE}_ef2d"]  # two annotators of one article


def test_words_that_are_cut(corpus):
    (document,) = corpus(LINES.replace("Source 29 45	the mayor's aide", "Source 29 43	the mayor's ai"))
    assert document.claims[0].source == (Span(29, 45),)
    assert document.meta["widened"] == 1


def test_marks_of_several_lines_and_several_marks_of_a_role(corpus):
    rows = LINES.replace("Content 91 96	roads", "Content 91 101	roads came").replace(
        "Cue 75 90	an answer about", "Cue 75 84	an answer"
    )
    rows = rows.replace("Cue:T6", "Cue:T6 Cue2:T9") + "T9\tCue 85 90\tabout\n"
    (document,) = corpus(rows)
    assert document.claims[1] == Claim("c2", content=(Span(91, 101),), cue=(Span(75, 84), Span(85, 90)))
    rows = LINES.replace("Cue 75 90	an answer about", "Cue 85 90;91 96	about roads")
    (document,) = corpus(rows.replace("Content 91 96	roads", "Content 97 101	came"))
    assert document.claims[1].cue == (Span(85, 96),)  # brat cuts at line ends


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Cue 46 58	said", "Cue 47 59	said", "4: A: T4 Cue: [47, 59) holds «aid Monday, », not «said Monday,»"),
        ("T3	Source", "T3	Sourc", "6: A: E1: links what is no Source, Cue or Content: «Source:T3»"),
        ("Source:T3", "Source:T33", "6: A: E1: Source: is no mark of the file: «T33»"),
        ("Content:T2", "", "6: A: E1: content: a claim needs content"),
        ("Attribution", "Claim", "6: A: E1: is no Attribution: «Claim»"),
        ("Content 91 96	roads", "Content 85 96	about roads", "10: A: E2: cue, content: two roles share [85, 90)"),
        ("E1	", "E1 ", "6: A: does not begin with the id of an annotation and a tab: «E1 Attribution:T5"),
        ("E2	Attribution-no-source:T8", "E2	Attribution-no-source", "10: A: an event needs «LABEL:TRIGGER»"),
        ("Source 29 45", "Source 45 29", "3: A: offsets are reversed or empty: «T3 Source 45 29 the mayor's aide»"),
        ("Source 29 45", "Source 29 x", "3: A: a mark needs a label and offsets, «LABEL START END;START END»: «T3 Source 29 x"),
        ("	the mayor's aide", "", "3: A: a mark needs the text that it covers: «T3 Source 29 45»"),
        ("10 28;59 70", "10 28;20 32", "2: A: fragments overlap: «T2 Content 10 28;20 32 “Taxes will fall,” “and soon.”»"),
        ("T4	Cue", "T3	Cue", "4: A: the id is given twice: «T3 Cue 46 58 said Monday,»"),
        ("Attribution:T5", "Attribution:T9", "6: A: E1: its trigger is no mark of the file: «T9»"),
        ("Attribution:T5", "Attribution:T4", "6: A: E1: its trigger is a Cue, not a Attribution: «said Monday,»"),
        ("91 96	roads", "191 196	roads", "8: A: T7 Content: [191, 196) runs beyond the end of the text (110 characters), not"),
        ("#1	AnnotatorNotes", "#1	AnnotatorNotes of", "11: A: a note needs a kind and a target: «#1 AnnotatorNotes of"),
        ("#1	AnnotatorNotes E2", "R1	Same Arg1:T3 Arg2:T4", "11: A: a relation has no place in a document: «R1 Same Arg1:T3"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(corpus, old, new, problem):
    text = TEXT.replace("\n", " ")
    assert old in LINES
    assert any(line.startswith(problem) for line in corpus(LINES.replace(old, new), text))


def test_offsets_in_other_units(corpus):
    text = "😀" + TEXT[1:]  # one character, two units
    rows = LINES.replace("T1	Discard 0 9	ABSTRACT.\n", "")
    shifted = rows
    for number in ("10 28;59 70", "29 45", "46 58", "75 90", "91 96"):
        more = " ".join(";".join(str(int(n) + 1) for n in part.split(";")) for part in number.split(" "))
        shifted = shifted.replace(f" {number}\t", f" {more}\t")
    assert all("--repair-offsets utf16" in problem for problem in corpus(shifted, text))
    (document,) = corpus(shifted, text, repair="utf16")
    assert document.claims == corpus(rows, text)[0].claims


def test_texts_that_are_missing_or_elsewhere(corpus, tmp_path):
    corpus()
    text = tmp_path / "dev" / "text" / f"{ARTICLE}.txt"
    (tmp_path / "secret").write_text(TEXT, encoding="utf-8")
    text.unlink()
    with pytest.raises(FormatError, match=r"_4b22\.ann: .*_4b22: there is no text of it: .*mayor-speaks\.txt or "):
        list(polnear.read(tmp_path))
    text.symlink_to(tmp_path / "secret")
    with pytest.raises(FormatError, match=r"mayor-speaks\.txt: leads outside the folder"):
        list(polnear.read(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="holds no document"):
        list(polnear.read(tmp_path / "empty"))
