"""WebAnno TSV: everything comes back, tokens stand where the format wants them, exports of INCEpTION are understood."""

import json
import os
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nisba.files import FormatError
from nisba.formats import bounded, webanno_escapes, webanno_tsv
from nisba.formats.webanno_rows import rows
from nisba.schema import Claim, Document, Entity, Span
from nisba.text import words
from tests.documents import collections, documents

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


LONG = {
    "HEADER": "identifier|claimType|sourceType|stance|speaker|optional|score|ROLE_nisba.Claim:roles_nisba.LINK|nisba.Fragment",
    "LINK": "ClaimRolesLink",
    "DEPENDENCY": "syntax.type.dependency.Dependency|DependencyType|BT_de.tudarmstadt.ukp.dkpro.core.api.lexmorph.type.pos.POS",
    "SLOTS": "source;content;addressee[10]	1-3[4];1-8[6];1-5[8]",
}


def tabbed(text):
    """Rows with the tab that ends them, which editors would take away, and long cells in full."""
    for short, long in LONG.items():
        text = text.replace(short, long)
    return re.sub(r"(?m)^([0-9].*)$", r"\1\t", text)


TEXT = "😀 وقال وزير الصحة لعلي: «إن اللقاح آمن».\r\nكما نفى."
CLAIM = Claim(
    "c1",
    cue=(Span(2, 6),),
    source=(Span(7, 17),),
    addressee=(Span(18, 22),),
    content=(Span(25, 38),),
    type="direct",
    source_type="role",
    speaker="وزير الصحة",
)
DOCUMENT = Document("a1", TEXT, (Entity(Span(18, 22), "PER", 0.5),), (CLAIM,))
FILE = tabbed(
    """\
#FORMAT=WebAnno TSV 3.3
#T_SP=nisba.Name|label|ambiguous|score
#T_SP=nisba.Fragment|
#T_SP=nisba.Claim|HEADER


#Sentence.id={"id": "a1"}
#Text=😀 وقال وزير الصحة لعلي: «إن اللقاح آمن».\\r
#Text=
1-1	0-2	😀	_	_	_	_	_	_	_	_	_	_	_	_	_
1-2	3-7	وقال	_	_	_	_	c1[10]	direct[10]	role[10]	neutral[10]	وزير الصحة[10]	false[10]	*[10]	SLOTS
1-3	8-12	وزير	_	_	_	*[4]	_	_	_	_	_	_	_	_	_
1-4	13-18	الصحة	_	_	_	*[4]	_	_	_	_	_	_	_	_	_
1-5	19-23	لعلي	PER[3]	false[3]	0.5[3]	*[8]	_	_	_	_	_	_	_	_	_
1-6	23-24	:	_	_	_	_	_	_	_	_	_	_	_	_	_
1-7	25-26	«	_	_	_	_	_	_	_	_	_	_	_	_	_
1-8	26-28	إن	_	_	_	*[6]	_	_	_	_	_	_	_	_	_
1-9	29-35	اللقاح	_	_	_	*[6]	_	_	_	_	_	_	_	_	_
1-10	36-39	آمن	_	_	_	*[6]	_	_	_	_	_	_	_	_	_
1-11	39-40	»	_	_	_	_	_	_	_	_	_	_	_	_	_
1-12	40-41	.	_	_	_	_	_	_	_	_	_	_	_	_	_

#Text=كما نفى.
2-1	43-46	كما	_	_	_	_	_	_	_	_	_	_	_	_	_
2-2	47-50	نفى	_	_	_	_	_	_	_	_	_	_	_	_	_
2-3	50-51	.	_	_	_	_	_	_	_	_	_	_	_	_	_
""",
)
EXPORT = tabbed(
    """\
#FORMAT=WebAnno TSV 3.3
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.lexmorph.type.pos.POS|PosValue
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value
#T_SP=nisba.Fragment|
#T_SP=webanno.custom.Note|text
#T_SP=nisba.Claim|claimType|ROLE_nisba.Claim:roles_nisba.ClaimRolesLink|nisba.Fragment|sourceType|stance
#T_CH=de.tudarmstadt.ukp.dkpro.core.api.coref.type.CoreferenceLink|referenceType|referenceRelation
#T_RL=de.tudarmstadt.ukp.dkpro.core.api.DEPENDENCY


#Sentence.id=s1
#Text=Mr. Ali, a doctor from Cairo-East, said
#Text=it helps.
1-1	0-3	Mr.	NNP	_	_	*[1]	_	_	_	_	_	_	pr[1]	coref->1-1	SUBJ	1-10
1-2	4-7	Ali	NNP	*	PER	*[1]	a\\|b[5]|\\*\\[2\\]\\_\\;\\->[6]	_	_	_	_	_	pr[1]	coref->1-1	_	_
1-3	7-8	,	,	_	_	_	_	_	_	_	_	_	_	_	_	_
1-4	9-10	a	DT	_	_	_	_	_	_	_	_	_	_	_	_	_
1-5	11-17	doctor	NN	_	_	_	_	_	_	_	_	_	*[1]	*->1-2	P|ROOT	1-1|1-5[0_7]
1-6	18-22	from	IN	_	_	_	_	_	_	_	_	_	_	_	_	_
1-7	23-33	Cairo-East	NNP	_	_	_	_	_	_	_	_	_	_	_	_	_
1-7.1	23-28	Cairo	_	*	LOC	_	_	_	_	_	_	_	_	_	_	_
1-7.2	28-28		_	_	_	_	zero	_	_	_	_	_	_	_	_	_
1-8	33-34	,	,	_	_	_	_	_	_	_	_	_	_	_	_	_
1-9	35-39	said	VBD	_	_	_	_	indirect	source;content	1-1[1];1-10[3]	role	neutral	_	_	_	_
1-10	40-42	it	PRP	_	_	*[3]	_	_	_	_	_	_	_	_	_	_
1-11	43-48	helps	VBZ	_	_	*[3]|*[4]	_	mixed[2]	content[2]	1-11[4]	implicit[2]	deny[2]	_	_	_	_
1-12	48-49	.	.	_	_	_	_	_	_	_	_	_	_	_	_	_

#Text=Really.
2-1	52-58	Really	RB	_	_	_	_	_	_	_	_	_	_	_	_	_
2-2	58-59	.	.	_	_	_	_	_	_	_	_	_	_	_	_	_
""",
)


@pytest.fixture
def file(tmp_path):
    """Writes a file, and gives what is read from it, or the problems."""

    def write(text, **options):
        path = tmp_path / "a1.tsv"
        path.write_text(text, encoding="utf-8", newline="")
        try:
            (document,) = webanno_tsv.read(path, **options)
        except FormatError as error:
            return [problem.removeprefix(f"{path}:") for problem in error.problems]
        return document

    return write


@quick
@given(collections())
def test_round_trip(tmp_path_factory, given):
    folder = tmp_path_factory.mktemp("tsv") / "out"
    assert webanno_tsv.write(given, folder) == len(given)
    assert list(webanno_tsv.read(folder)) == given
    assert all(webanno_tsv.losses(document) == [] for document in given)
    assert webanno_tsv.write(given, folder) == len(given)  # nobody has touched it


@quick
@given(documents())
@example(Document("empty", ""))
@example(Document("blank", " \r\n\t\u2028\n"))
@example(Document("controls", "\u200f\n"))
@example(replace(DOCUMENT, text="\r\n\t\U000f0000 " + TEXT, entities=(), claims=()))
@example(replace(DOCUMENT, claims=(replace(CLAIM, id="a\rb", speaker="a␍b"), replace(CLAIM, id="a␍b", speaker="a\rb"))))
def test_round_trip_of_a_file(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("tsv") / "x.tsv"
    assert webanno_tsv.write([document], path) == 1
    assert list(webanno_tsv.read(path)) == [document]


@quick
@given(documents())
def test_tokens_stand_where_the_format_wants_them(document):
    """The text of the sentences in UTF-16, put together as INCEpTION does it, holds every token at its offsets; a sentence begins
    with its first token, and units of a number follow each other."""
    text, lines, last = b"", [], -1
    for row in rows(document):
        assert not {"\n", "\r"} & {*row}
        if row.startswith("#Text="):
            lines.append(webanno_escapes.plain_text(row.removeprefix("#Text="), java=False))
        elif row and row[0] != "#":
            unit, offsets, quoted, *cells, end = row.split("\t")
            assert len(cells) == 13
            assert not end
            begin, stop = (2 * int(offset) for offset in offsets.split("-"))
            if lines:
                text = text[:begin] + b" \x00" * ((begin - len(text)) // 2)  # at most the line end goes
                assert len(text) == begin
                text += "".join(f"{line}\n" for line in lines).encode("utf-16-le")
                lines = []
            assert text[begin:stop].decode("utf-16-le") == quoted
            assert re.fullmatch(r"[0-9]+-[0-9]+(\.[0-9]+)?", unit)
            assert begin > last or "." in unit
            last = begin
    first = next((word.start for word in words(document.text)), len(document.text))
    found = text.decode("utf-16-le").removesuffix("\n")
    assert found.endswith(document.text[first:])
    assert len(text) == 0 or found.removesuffix(document.text[first:]).strip(" ") == ""


def test_how_a_document_looks(file):
    assert "".join(f"{row}\n" for row in rows(DOCUMENT)) == FILE
    assert file(FILE) == DOCUMENT
    assert file(FILE.replace("\n", "\r\n")) == DOCUMENT  # an editor on Windows has been at it


def test_parts_of_tokens_and_stacks(file):
    text = "قال كتب@user_1 لنا: نعم"
    claim = Claim("c1", cue=(Span(4, 7),), content=(Span(20, 23),))
    document = Document(
        "a1", text, (Entity(Span(4, 7), "ORG"),), (claim, replace(claim, id="c|[2];_\\"), replace(claim, id="x->*\n\t"))
    )
    given = list(rows(document))
    assert sum("nisba.Name" not in row and "\t4-7\t" in row for row in given) == 1
    (row,) = [row for row in given if "\t4-7\t" in row]
    assert row.split("\t")[7] == "c1[6]|c\\|\\[2\\]\\;\\_\\\\[8]|x\\->\\*\\n\\t[10]"
    assert file("\n".join(given)) == document


def test_what_inception_exports(file):
    document = file(EXPORT)
    assert document.id == "a1"
    assert document.text == "Mr. Ali, a doctor from Cairo-East, said\nit helps.\n  Really."
    assert document.entities == (Entity(Span(4, 7), "PER"), Entity(Span(23, 28), "LOC"))
    assert document.claims == (
        Claim("c1", cue=(Span(35, 39),), source=(Span(0, 7),), content=(Span(40, 48),), source_type="role"),
        Claim("c2", content=(Span(43, 48),), type="mixed", stance="deny"),
    )
    assert document.meta == {
        "webanno_layers": {
            "de.tudarmstadt.ukp.dkpro.core.api.coref.type.CoreferenceLink": 1,
            "de.tudarmstadt.ukp.dkpro.core.api.lexmorph.type.pos.POS": 14,
            "de.tudarmstadt.ukp.dkpro.core.api.syntax.type.dependency.Dependency": 3,
            "webanno.custom.Note": 3,
        }
    }


SPANS = "#FORMAT=WebAnno TSV 3.3\n#T_SP=x.Span|value\n\n\n"
SLOTS = "#FORMAT=WebAnno TSV 3.3\n#T_SP=x.S|\n#T_SP=x.Host|ROLE_x.Host:links_x.Link|{}\n\n\n"
NAMED = "#FORMAT=WebAnno TSV 3.3\n#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value\n\n\n"


@pytest.mark.parametrize(
    ("rows", "text", "layers"),
    [
        (
            SPANS + "#Text=نعم 😊 .\n1-1	0-3	نعم	_	\n1-2	4-6	😊	*	\n1-3	7-8	.	_	\n",
            "نعم 😊 .",
            {"x.Span": 1},
        ),
        (
            SPANS + "#Text=نعم\n#Text=لا .\n1-1	0-3	نعم	*	\n1-2	4-6	لا	_	\n1-3	7-8	.	_	\n",
            "نعم\nلا .",
            {"x.Span": 1},
        ),
        (SPANS + "#Text=نعم\\tلا\n1-1	0-3	نعم	*	\n1-2	4-6	لا	_	\n", "نعم\tلا", {"x.Span": 1}),
        (SPANS + "#Text=نعم\n1-1	1-4	نعم	*	\n", " نعم", {"x.Span": 1}),
        (
            SPANS + "#Text=نعم\n1-1	0-3	نعم	x\\[0\\]	\n\n#Text=لا\n2-1	5-7	لا	a.b:c	\n",
            "نعم\n لا",
            {"x.Span": 2},
        ),
        (
            SPANS + "#Text=نعم\n1-1	0-3	نعم	a[1]|b[2]	\n1-1.1	0-0		c[3]	\n1-1.2	1-3	عم	d[4]	\n",
            "نعم",
            {"x.Span": 4},
        ),
        (SPANS + "#Text=نعم\n1-1	0-3	نعم	P[1]	\n\n#Text=لا\n2-1	4-6	لا	P[1]	\n", "نعم\nلا", {"x.Span": 1}),
        (
            SLOTS.format("x.S")
            + "#Text=قال لا\n1-1	0-3	قال	_	a;b	1-2[1];1-2[2]	\n1-2	4-6	لا	*[1]|*[2]	_	_	\n",
            "قال لا",
            {"x.Host": 1, "x.S": 2},
        ),
        (
            SLOTS.format("uima.tcas.Annotation")
            + "#Text=قال لا\n1-1	0-3	قال	_	_	*	\n1-2	4-6	لا	*	_	_	\n",
            "قال لا",
            {"x.Host": 1, "x.S": 1},
        ),
    ],
    ids=[
        "emoji",
        "line break",
        "tab",
        "space before",
        "values like syntax",
        "stacks and parts",
        "two sentences",
        "slots",
        "no slot",
    ],
)
def test_what_the_tests_of_inception_hold(file, rows, text, layers):
    """Facts of its own reference files, in other words (inception-io-webanno-tsv/src/test/resources/tsv3-suite)."""
    document = file(rows)
    assert document.text == text
    assert document.meta == {"webanno_layers": layers}


def test_names_of_inception_without_a_label_of_ours(file):
    row = "#Text=علي لا\n1-1	0-3	علي	{}	\n1-2	4-6	لا	_	_	\n"
    assert file(NAMED + row.format("*	PER")).entities == (Entity(Span(0, 3), "PER"),)
    assert file(NAMED + row.format("*	*")) == [" a1: line 6: label: must be one of PER, ORG, LOC, MISC: «None»"]
    assert file(NAMED + row.format("*	OTH")) == [" a1: line 6: label: must be one of PER, ORG, LOC, MISC: «'OTH'»"]
    empty = NAMED + "#Text=لا\n1-1	0-2	لا	_	_	\n1-1.1	2-2		*	PER	\n"
    assert file(empty) == [" a1: line 7: span: [2, 2) is reversed, empty or negative"]


def test_files_of_older_versions(file):
    old = (
        EXPORT.replace("TSV 3.3", "TSV 3.1")
        .replace("#Text=Really.", "#Text=\\uD83D\\uDE00ly\\t.")
        .replace("2-1	52-58	Really", "2-1	52-56	😀ly")
    )
    old = old.replace("2-2	58-59", "2-2	57-58")
    assert file(old).text.endswith("\n  😀ly\t.")


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("PER[3]	false[3]	0.5[3]", "ORG[3]	*[3]	*[3]", {"entities": (Entity(Span(18, 22), "ORG"),)}),
        ("PER[3]	false[3]	0.5[3]", "_	_	_", {"entities": ()}),
        ("neutral[10]	وزير الصحة[10]", "deny[10]	*[10]", {"claims": (replace(CLAIM, stance="deny", speaker=None),)}),
        (";addressee[10]	1-3[4];1-8[6];1-5[8]", "[10]	1-3[4];1-8[6]", {"claims": (replace(CLAIM, addressee=()),)}),
        ("29-35	اللقاح	_	_	_	*[6]", "29-35	اللقاح	_	_	_	_", {}),
        ("36-39	آمن	_	_	_	*[6]", "36-39	آمن	_	_	_	_", {"claims": (replace(CLAIM, content=(Span(25, 34),)),)}),
        ("43-46	كما	_	_	_", "43-46	كما	MISC	*	*", {"entities": (*DOCUMENT.entities, Entity(Span(42, 45), "MISC"))}),
        ('#Sentence.id={"id": "a1"}', "#Sentence.id=s-1", {}),
        ('#Sentence.id={"id": "a1"}', '#Sentence.id={"id": "b", "meta": {"x": 1}}', {"id": "b", "meta": {"x": 1}}),
    ],
)  # fmt: skip
def test_what_people_change_wins(file, old, new, change):
    assert old in FILE
    assert file(FILE.replace(old, new)) == replace(DOCUMENT, **change)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("TSV 3.3", "TSV 2.0", "1: a1: must begin with «#FORMAT=WebAnno TSV 3.…»: «#FORMAT=WebAnno TSV 2.0»"),
        ("#T_SP=nisba.Name", "#T_XX=nisba.Name", "2: a1: no layer of spans, chains or relations: «#T_XX=nisba.Name"),
        ("nisba.Fragment|\n", "nisba.Name|\n", "3: a1: the layer is declared twice: «nisba.Name»"),
        ("8-12	وزير", "8-12	وزيرة", "12: a1: [8, 12) holds «وزير», not: «وزيرة»"),
        ("0-2	😀", "0-1	😀", "10: a1: [0, 1) lies outside the text or inside a character, not: «😀»"),
        ("50-51	.", "50-999	.", "26: a1: [50, 999) lies outside the text or inside a character, not: «.»"),
        ("2-1	43", "2-1	42", "24: a1: the sentence begins at 42, before the end of the text so far (44 UTF-16 units"),
        ("2-1	43-46", "2-1	999999999-999999999", "24: a1: the sentence begins at 999999999, far beyond it (44 UTF-16"),
        ("1-3	8-12", "1-3	8:12", "12: a1: needs «SENTENCE-TOKEN<tab>BEGIN-END<tab>text<tab>…»: «1-3 8:12 وزير"),
        ("1-3	", "1-2	", "12: a1: the unit is given twice: «1-2»"),
        ("2-2	47-50	نفى	_", "2-2	47-50	نفى", "25: a1: nisba.Claim: its roles and what they lead to differ in number"),
        ("2-3	50-51	.	_	_	_", "2-3	50-51	.", "26: a1: has 11 of the 13 columns that are declared: «. _ _"),
        ("PER[3]	false[3]", "PER[3]|ORG[5]	false[3]", "14: a1: the columns of nisba.Name hold different numbers of annot"),
        ("PER[3]	false[3]", "PER[3]	false[5]", "14: a1: nisba.Name: an annotation has one number: «PER[3] false[5] 0.5[3]»"),
        ("آمن	_	_	_	*[6]", "آمن	LOC[6]	_	_	_", "19: a1: nisba.Name: is not as in line 17, though the number [6] says"),
        ("1-3[4];1-8[6]", "1-8[6]", "11: a1: nisba.Claim: its roles and what they lead to differ in number"),
        ("1-3[4]", "1-3[99]", " line 11: a slot of nisba.Claim leads to nothing: «source 1-3[99]»"),
        ("1-3[4]", "1-5[3]", " a1: line 11: nisba.ClaimRolesLink.target: must lead to a nisba.Fragment, not to a nisba.Name"),
        ("PER[3]", "Person[3]", " a1: line 14: label: must be one of PER, ORG, LOC, MISC: «'Person'»"),
        ("role[10]", "*[10]", " a1: line 11: claim c1."),
        ("source;content", "who;content", " a1: line 11: nisba.ClaimRolesLink.role: must be one of"),
        ("0.5[3]", "high[3]", " a1: line 14: nisba.Name.score: must be a number in [0, 1]: «high»"),
        ('{"id": "a1"}', '{"id": 7}', "7: a1: the sentence's id is JSON, but not as nisba writes it (with id, "),
        ('{"id": "a1"}', '{"id": "a1"', "7: a1: not JSON: Expecting ',' delimiter"),
        ('{"id": "a1"}', '{"a":' * 100_000, "7: a1: not JSON that can be read: nested too deeply"),
        ("#Text=", "Text=", "8: a1: needs «SENTENCE-TOKEN"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(file, old, new, problem):
    assert old in FILE
    problems = file(FILE.replace(old, new, 1))
    assert any(line.startswith(problem) for line in problems), problems


@pytest.mark.parametrize(
    "text", ["", "#FORMAT=WebAnno TSV 3.3\n", "#FORMAT=WebAnno TSV 3.3\n\n\n1-1\t0-1\tx\t\n", "\ufeff" + FILE, "{}"]
)
def test_files_that_are_none(file, text):
    assert all(re.match(r"[0-9]+: a1: ", problem) for problem in file(text))
    assert file(text)


def test_a_file_that_is_cut_between_rows(file):
    rows = FILE.splitlines(keepends=True)
    ends = [i for i, row in enumerate(rows) if row[0].isdigit() and row.split("\t")[2].isalpha()]
    assert len(ends) == 9
    for end in ends:
        problems = file("".join(rows[:end]))
        assert problems[-1].startswith(f"{end + 1}: a1: "), rows[end]
    assert problems == [f"{end + 1}: a1: no tokens stand for the end of the text: «نفى.»"]


def test_slots_without_numbers(file):
    plain = re.sub(r"\[(?:6|10|4|8|3)\](?=[;\t|])", "", FILE.replace("1-3[4];1-8[6];1-5[8]", "1-3;1-8;1-5"))
    found = file(plain)
    # Every unit is an annotation of its own then, so the roles are one word each.
    assert found.claims == (replace(CLAIM, source=(Span(7, 11),), content=(Span(25, 27),)),)
    anything = plain.replace("ClaimRolesLink|nisba.Fragment", "ClaimRolesLink|uima.tcas.Annotation")
    assert file(anything.replace("PER	false	0.5", "_	_	_")).claims == found.claims
    assert " line 11: a slot of nisba.Claim leads to nothing: «addressee 1-5»" in file(anything)


def test_offsets_in_code_points(file, tmp_path):
    units = {0: 0, 2: 1}
    points = re.sub(
        r"(?<=\t)([0-9]+)-([0-9]+)(?=\t)", lambda m: "-".join(str(units.get(int(n), int(n) - 1)) for n in m.groups()), FILE
    )
    problems = file(points)
    assert problems
    assert all(
        "the offsets count code points, not UTF-16 units: all of the document fit with --repair-offsets utf16" in p
        for p in problems
    )
    assert file(points, repair="utf16") == DOCUMENT
    assert all("the offsets are right as they are" in problem for problem in file(FILE, repair="utf16"))
    broken = points.replace("وزير\t", "وزيرة\t", 1)
    assert not any("repair" in problem for problem in file(broken))
    assert file(broken, repair="utf16") == ["12: a1: [7, 11) holds «وزير», not: «وزيرة»"]
    with pytest.raises(FormatError, match="not repaired as crlf"):
        list(webanno_tsv.read(tmp_path, repair="crlf"))


def test_folders(tmp_path, file):
    ids = ["b/1", "a", "../up", "A"]
    folder = tmp_path / "out"
    assert webanno_tsv.write([replace(DOCUMENT, id=name) for name in ids], folder) == 4
    assert [document.id for document in webanno_tsv.read(folder)] == ids
    assert not (tmp_path / "up.tsv").exists()
    (folder / "a.tsv").write_text(FILE.replace("PER", "ORG"), encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"has been worked on since nisba wrote it \(a\.tsv\)"):
        webanno_tsv.write([DOCUMENT], folder)
    (folder / "copy.tsv").write_text(FILE, encoding="utf-8")
    (folder / "link.tsv").symlink_to(tmp_path / "elsewhere.tsv")
    (tmp_path / "elsewhere.tsv").write_text(FILE, encoding="utf-8")
    with pytest.raises(FormatError) as error:
        list(webanno_tsv.read(folder))
    assert sorted(problem.replace(f"{folder}/", "") for problem in error.value.problems) == [
        "copy.tsv: a1: id: given before, in a.tsv: «a1»",
        "link.tsv: leads outside the folder",
    ]


def test_nothing_is_half_written_and_one_file_holds_one_document(tmp_path):
    def failing():
        yield DOCUMENT
        raise KeyError

    for name in ("folder", "one.tsv"):
        with pytest.raises(KeyError):
            webanno_tsv.write(failing(), tmp_path / name)
    with pytest.raises(FormatError, match="a file holds one document, and there are 2; name a folder"):
        webanno_tsv.write([DOCUMENT, replace(DOCUMENT, id="b")], tmp_path / "one.tsv")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_would_fill_the_memory(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text(FILE, encoding="utf-8")
    os.truncate(path, 1 << 40)  # a hole: it takes no room on the disk
    with pytest.raises(FormatError, match=rf"a\.tsv: is longer than {bounded.LIMIT:,} bytes"):
        list(webanno_tsv.read(path))


@given(st.lists(st.text(st.sampled_from("|;[]_->*\\\t\nab1\U0001f600")), min_size=1, max_size=4))
def test_values_and_stacks(values):
    cell = "|".join(f"{webanno_escapes.value(value)}[{i}]" for i, value in enumerate(values, 1))
    pieces = [webanno_escapes.numbered(piece) for piece in webanno_escapes.split(cell, "|")]
    assert [(webanno_escapes.plain_value(piece), int(number)) for piece, number in pieces] == list(
        zip(values, range(1, 9), strict=False)
    )
    assert webanno_escapes.plain_value("*") is None
    assert webanno_escapes.split("a\\\\|b\\", "|") == ["a\\\\", "b\\"]


@given(st.text())
def test_text_escapes(text):
    if "\n" not in text:
        assert webanno_escapes.plain_text(webanno_escapes.text(text), java=False) == text


def test_the_layers_are_those_of_the_template(root):
    layers = json.loads((root / "configs" / "annotation" / "inception" / "layers.json").read_text("utf-8"))
    names = set(re.findall(r'"(nisba\.\w+)"', json.dumps(layers)))
    assert {"nisba.Name", "nisba.Fragment", "nisba.Claim"} <= names
