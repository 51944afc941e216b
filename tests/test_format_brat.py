"""brat: everything comes back, brat would take what is written, what people change there wins, what is wrong is named."""

import os
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nisba.files import FormatError
from nisba.formats import ann, bounded, brat, brat_document, brat_project, collection
from nisba.formats.brat_lines import lines
from nisba.schema import CLAIM_TYPES, ENTITY_LABELS, ROLES, SOURCE_TYPES, STANCES, Claim, Document, Entity, Span
from tests.documents import collections, documents

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

TEXT = "وقال وزير الصحة لعلي أمس: إن اللقاح آمن،\nكما نفى الخبر."
CLAIM = Claim(
    "c1",
    cue=(Span(0, 4),),
    source=(Span(5, 15),),
    content=(Span(26, 39),),
    addressee=(Span(16, 20),),
    source_type="role",
    speaker="وزير الصحة",
)
DOCUMENT = Document("a1", TEXT, (Entity(Span(16, 20), "PER"),), (CLAIM,))
KNOWN = "PER, ORG, LOC, MISC, Content, Source, Addressee, Cue, Uncued"
MARK = "a mark needs a label and offsets, «LABEL START END;START END»"
EVENT = "an event needs «LABEL:TRIGGER» and arguments «ROLE:ID»"
QUOTED = "the speaker begins with a quotation mark and is no JSON string"
CARRIED = "what nisba carries along is an object without such a"
BEYOND = "runs beyond the end of the text (55 characters)"
KEYS = "Expecting property name enclosed in double quotes"
FRAGMENTS = "what nisba carries along is no list of fragments: 'int' object is not iterable"
LINES = """\
T1	PER 16 20	لعلي
T2	Cue 0 4	وقال
T3	Content 26 39	إن اللقاح آمن
T4	Source 5 15	وزير الصحة
T5	Addressee 16 20	لعلي
E1	Cue:T2 Content:T3 Source:T4 Addressee:T5
A1	SourceType E1 role
#1	AnnotatorNotes E1	speaker: وزير الصحة
#2	Nisba #2	{"id": "a1"}
"""


@pytest.fixture
def pair(tmp_path):
    """Writes a pair of files, and gives what is read from it, or the problems."""

    def write(rows, text=TEXT, **options):
        (tmp_path / "a1.txt").write_text(text, encoding="utf-8", newline="")
        (tmp_path / "a1.ann").write_text(rows, encoding="utf-8", newline="")
        try:
            (document,) = brat.read(tmp_path / "a1.ann", **options)
        except FormatError as error:
            return [problem.removeprefix(f"{tmp_path / 'a1.ann'}:") for problem in error.problems]
        return document

    return write


@quick
@given(collections())
def test_round_trip(tmp_path_factory, given):
    folder = tmp_path_factory.mktemp("brat") / "out"
    assert brat.write(given, folder) == len(given)
    assert list(brat.read(folder)) == given
    assert all(brat.losses(document) == [] for document in given)
    assert brat.write(given, folder) == len(given)  # nobody has touched it


@quick
@given(documents())
def test_round_trip_of_a_pair(tmp_path_factory, document):
    folder = tmp_path_factory.mktemp("brat")
    assert brat.write([document], folder / "x.ann") == 1
    assert sorted(os.listdir(folder)) == ["x.ann", "x.txt"]
    assert list(brat.read(folder / "x.txt")) == [document]
    assert (folder / "x.txt").read_bytes() == document.text.encode()


@quick
@given(documents())
def test_brat_would_take_it(document):
    """The checks of brat's own reader, written down anew: lines end where Python ends them, marks repeat the text."""
    marks, events, known, targets = {}, {}, set(), []
    rows = "".join(f"{row}\n" for row in lines(document)).splitlines()
    assert len(rows) == len(lines(document))
    for row in rows:
        key, rest = row.split("\t", 1)
        assert re.match(r"^([A-Za-z]+|#[A-Za-z]*)([0-9]+)(.*?)$", key)
        assert key not in known
        known.add(key)
        data, _, tail = rest.partition("\t")
        if key[0] == "T":
            label, _, offsets = data.partition(" ")
            spans = [tuple(map(int, pair.split(" "))) for pair in offsets.split(";")]
            assert all(0 <= start < end <= len(document.text) for start, end in spans)
            assert all(before[1] <= after[0] for before, after in pairwise(spans))
            assert tail == " ".join(document.text[start:end] for start, end in spans)
            marks[key] = label
        elif key[0] == "E":
            (label, trigger), *arguments = [pair.split(":") for pair in data.split(" ")]
            assert len({role for role, _ in arguments}) == len(arguments)
            events[key] = label, trigger
            targets += [trigger, *(target for _, target in arguments)]
        else:
            targets.append(data.split()[1])
    assert {*targets} <= known
    assert all(marks[trigger] == label for label, trigger in events.values())


def test_how_a_claim_looks(pair):
    assert "".join(f"{row}\n" for row in lines(DOCUMENT)) == LINES
    assert pair(LINES) == DOCUMENT


def test_a_claim_without_a_cue_hangs_on_its_content(pair):
    claim = replace(
        CLAIM, cue=(), source=(), addressee=(), content=(Span(26, 39), Span(41, 44)), source_type="implicit", speaker=None
    )
    document = replace(DOCUMENT, entities=(), claims=(replace(claim, type="direct", stance="deny", core=False),))
    rows = lines(document)
    assert rows[0] == "T1\tUncued 26 39;41 44\tإن اللقاح آمن كما"
    assert rows[1:5] == ["E1\tUncued:T1", "A1\tType E1 direct", "A2\tStance E1 deny", "A3\tOptional E1"]
    assert pair("\n".join(rows)) == document


def test_a_relay_shares_its_content(pair):
    relay = replace(CLAIM, id="c2", cue=(Span(45, 48),), source=(), addressee=(), source_type="implicit", speaker=None)
    rows = lines(replace(DOCUMENT, claims=(CLAIM, relay)))
    assert sum("\tContent " in row for row in rows) == 1
    assert "E2\tCue:T6 Content:T3" in rows
    assert pair("\n".join(rows)).claims == (CLAIM, relay)


def test_line_ends_are_cut_and_joined(pair):
    long = replace(CLAIM, content=(Span(26, 48),))
    apart = replace(CLAIM, content=(Span(26, 39), Span(41, 48)))
    one = lines(replace(DOCUMENT, claims=(long,)))
    assert "T3\tContent 26 40;41 48\tإن اللقاح آمن، كما نفى" in one
    assert pair("\n".join(one)).claims == (long,)
    text = TEXT.replace("،\n", "\n\n")  # now only line ends set the two apart, and brat would show no difference
    two = lines(replace(DOCUMENT, text=text, claims=(apart,)))
    assert '#2\tNisba E1\t{"fragments": {"content": [[26, 39], [41, 48]]}}' in two
    assert pair("\n".join(two), text).claims == (apart,)
    moved = "\n".join(two).replace("Content 26 39;41 48\tإن اللقاح آمن كما نفى", "Content 26 39;41 44\tإن اللقاح آمن كما")
    assert pair(moved, text).claims == (replace(CLAIM, content=(Span(26, 44),)),)  # what the mark shows wins


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("T4	Source 5 15	وزير الصحة", "T4	Source 10 15	الصحة", {"source": (Span(10, 15),)}),
        ("T3	Content 26 39	إن اللقاح آمن", "T3	Content 26 40	إن اللقاح آمن،", {}),  # a comma at the edge
        ("T3	Content 26 39	إن اللقاح آمن", "T3	Content 26 28;36 39	إن آمن", {"content": (Span(26, 28), Span(36, 39))}),
        (" Addressee:T5", " Addressee:T5 Addressee2:T6", {"addressee": (Span(16, 20), Span(21, 24))}),
        ("Addressee:T5", "Addressee:T6", {"addressee": (Span(21, 24),)}),
        ("A1	SourceType E1 role", "A1	SourceType E1 group\nA3	Optional E1", {"source_type": "group", "core": False}),
        ("A1	SourceType E1 role", "A1	SourceType E1 role\nA2	Stance E1 doubt", {"stance": "doubt"}),
        ("#1	AnnotatorNotes E1	speaker: وزير الصحة\n", "", {"speaker": None}),
        ("speaker: وزير الصحة", "speaker: علي", {"speaker": "علي"}),
        ("speaker: وزير الصحة", 'speaker: "a | b\\n"', {"speaker": "a | b\n"}),
    ],
)  # fmt: skip
def test_what_people_change_wins(pair, old, new, change):
    rows = LINES.replace(old, new)
    if ":T6" in new:
        rows += "T6\tAddressee 21 24\tأمس\n"
    if ":T5" not in rows:
        rows = rows.replace("T5\tAddressee 16 20\tلعلي\n", "")
    assert rows != LINES
    assert pair(rows).claims == (replace(CLAIM, **change),)


def test_claims_that_people_add_or_delete(pair):
    rows = LINES + "T7\tUncued 45 54\tنفى الخبر\nE2\tUncued:T7\nA2\tType E2 mixed\n" + '#3\tNisba E1\t{"id": "c2", "score": 0.25}\n'
    first, second = pair(rows).claims
    assert first == replace(CLAIM, id="c2", score=0.25)
    assert second == Claim("c2-", content=(Span(45, 54),), type="mixed")  # c2 is taken
    gone = "T1\tPER 16 20\tلعلي\n" + '#2\tNisba #2\t{"id": "x", "meta": {"a": [1]}}\n#3\tNisba E1\t{"score": 0.25}\n'
    assert pair(gone) == Document("x", TEXT, DOCUMENT.entities, (), {"a": [1]})


def test_remarks_are_kept_and_shown_again(pair):
    rows = LINES.replace("speaker: وزير الصحة", "speaker: وزير الصحة | sure?")
    rows += "#5\tAnnotatorNotes T1\tcheck the name\n#6\tAnnotationError E1\tspan too long\n"
    document = pair(rows)
    assert document.claims == (CLAIM,)
    assert document.meta == {
        "brat_notes": [
            {"claim": "c1", "note": "sure?"},
            {"mark": "PER", "start": 16, "end": 20, "note": "check the name"},
            {"claim": "c1", "kind": "AnnotationError", "note": "span too long"},
        ]
    }
    again = lines(document)
    assert [row.partition("\t")[2] for row in again if row.startswith("#")][1:-1] == [
        "AnnotatorNotes E1\tsure?",
        "AnnotatorNotes T1\tcheck the name",
        "AnnotationError E1\tspan too long",
    ]
    assert pair("\n".join(again)) == document
    more = pair("\n".join([*again, "#20\tAnnotatorNotes E1\tand more"]))
    assert len(more.meta["brat_notes"]) == 4


@pytest.mark.parametrize(
    "notes",
    [
        7,
        [],
        ["x"],
        [{"claim": "c1"}],
        [{"claim": "c9", "note": "no such claim"}],
        [{"claim": "c1", "note": "speaker: me"}],
        [{"claim": "c1", "note": "two\nlines"}],
        [{"claim": "c1", "note": " edge "}],
        [{"claim": "c1", "note": ""}],
        [{"claim": "c1", "kind": "Nisba", "note": "{}"}],
        [{"claim": "c1", "kind": "a b", "note": "x"}],
        [{"claim": "c1", "kind": 5, "note": "x"}],
        [{"claim": "c1", "note": "x", "more": 1}],
        [{"mark": "PER", "start": 16, "end": 99, "note": "x"}, {"claim": "c1", "note": "y"}],
    ],
)
def test_meta_that_only_looks_like_remarks_comes_back(pair, notes):
    document = replace(DOCUMENT, meta={"brat_notes": notes})
    assert pair("\n".join(lines(document))) == document


@pytest.mark.parametrize(
    "speaker", ["«x»", 'a"b', '"x"', "a | b", " x ", "x\u2028y", "a\tb", "|", "| x", "speaker: x", "\u200fx", "x\u0085"]
)
def test_any_speaker(pair, speaker):
    document = replace(DOCUMENT, claims=(replace(CLAIM, speaker=speaker),))
    assert pair("\n".join(lines(document))) == document


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("T1	PER", "T1 PER", "1: a1: does not begin with the id of an annotation and a tab: «T1 PER 16 20 لعلي»"),
        ("T1	PER 16", "T1	PER x16", f"1: a1: {MARK}: «T1 PER x16 20 لعلي»"),
        ("PER 16 20	لعلي", "PER 20 16	لعلي", "1: a1: offsets are reversed or empty: «T1 PER 20 16 لعلي»"),
        ("PER 16 20	لعلي", "PER 16 20", "1: a1: a mark needs the text that it covers: «T1 PER 16 20»"),
        ("PER 16 20	لعلي", "PER 16 20;18 20	لعلي لي", "1: a1: fragments overlap: «T1 PER 16 20;18 20 لعلي لي»"),
        ("PER 16 20	لعلي", "PER 16 20	علي", "1: a1: T1 PER: [16, 20) holds «لعلي», not «علي»"),
        ("PER 16 20	لعلي", "PER 16 99	لعلي", f"1: a1: T1 PER: [16, 99) {BEYOND}, not «لعلي»"),
        ("PER 16 20	لعلي", "PER 17 20	علي", "1: a1: entities[0]: [17, 20) cuts a word at 17: «ال وزير الصحة لعلي أمس: إن الل»"),
        ("PER 16 20	لعلي", "PER 0 4;16 20	وقال لعلي", "1: a1: T1 PER: a name must be in one piece: «وقال لعلي»"),
        ("T1	PER 16 20	لعلي", "T1	PER 24 25	:", "1: a1: T1 PER: holds no word: «:»"),
        ("PER", "Person", f"1: a1: T1: the label is none of {KNOWN}: «Person»"),
        ("T2", "T1", "2: a1: the id is given twice: «T1 Cue 0 4 وقال»"),
        ("Cue:T2", "Cue:T9", "6: a1: E1: its trigger is no mark of the file: «T9»"),
        ("Cue:T2", "Cue:T1", "6: a1: E1: its trigger is a PER, not a Cue: «لعلي»"),
        ("Cue:T2", "Cue", f"6: a1: {EVENT}: «E1 Cue Content:T3 Source:T4 Addressee:T5»"),
        ("Source:T4", "Source:T44", "6: a1: E1: Source: is no mark of the file: «T44»"),
        ("Source:T4", "Source:T1", "6: a1: E1: the argument Source must point to a Source, not to a PER: «T1»"),
        ("Source:T4", "Theme:T4", "6: a1: E1: the argument Theme is none of Content, Source, Addressee: «T4»"),
        (" Source:T4", "", "4: a1: T4: no claim has this Source: link or delete it: «وزير الصحة»"),
        ("Content:T3 ", "", "6: a1: E1: needs an argument Content: «وقال»"),
        ("A1	SourceType E1 role\n", "", "6: a1: E1: has a Source and needs a SourceType: «وزير الصحة»"),
        ("E1 role", "E1 minister", f"7: a1: SourceType of E1 must be one of {', '.join(SOURCE_TYPES)}: «SourceType minister»"),
        ("E1 role", "E1 role\nA2	SourceType E1 role", "8: a1: E1 has this attribute twice: «SourceType role»"),
        ("A1	SourceType E1", "A1	Type T1", "7: a1: T1 has Ambiguous, not this one: «Type role»"),
        ("A1	SourceType E1", "A1	Type T4", "7: a1: T4 has no attributes, not this one: «Type role»"),
        ("A1	SourceType E1 role", "A1	Optional E1 yes", "7: a1: Optional has no value: «Optional yes»"),
        ("A1	SourceType E1 role", "A1	Type", "7: a1: an attribute needs a name, a target and at most one value: «A1 Type»"),
        ("#1", "R1	Says Arg1:T2 Arg2:T3\n#1", "8: a1: a relation has no place in a document: «R1 Says Arg1:T2 Arg2:T3»"),
        ("#1	", "*	Equiv T2 T3\n#1	", "8: a1: an equivalence has no place in a document: «* Equiv T2 T3»"),
        ("Notes E1", "Notes", "8: a1: a note needs a kind and a target: «#1 AnnotatorNotes speaker: وزير الصحة»"),
        ("Notes E1", "Notes E7", "8: a1: the note is on no mark or event of the file: «E7 speaker: وزير الصحة»"),
        ("speaker: و", 'speaker: "و', f'8: a1: E1: {QUOTED}: «speaker: "وزير الصحة»'),
        ("#2", "#3	AnnotatorNotes E1	speaker: x\n#2", "9: a1: E1 has two speakers: «x»"),
        ('{"id": "a1"}', '{"id": 1}', f"9: a1: #2: {CARRIED} 'id': «{{\"id\": 1}}»"),
        ('{"id": "a1"}', '["a1"]', f"9: a1: #2: {CARRIED} '': «[\"a1\"]»"),
        ('{"id": "a1"}', "{'a1'}", f"9: a1: #2: not JSON: {KEYS} at character 1: «{{'a1'}}»: «{{'a1'}}»"),
        ('#2	Nisba #2	{"id": "a1"}', '#2	Nisba E1	{"fragments": {"cue": 1}}', f"6: a1: E1: cue: {FRAGMENTS}: «1»"),
        ('#2	Nisba #2	{"id": "a1"}', '#2	Nisba T1	{"score": 2}', "1: a1: T1 PER: score: must be a number in [0, 1]: «2»"),
        ('{"id": "a1"}', '{"meta": {"layers": 1}}', "1: a1: meta.layers: must be a list of attributes, names, roles: «1»"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(pair, old, new, problem):
    assert old in LINES
    assert problem in pair(LINES.replace(old, new, 1))


def test_all_problems_at_once_and_nothing_in_silence(pair, tmp_path):
    rows = LINES.replace("T1	PER", "T1 PER").replace("E1 role", "E1 minister").replace("Source 5 15", "Source 6 16")
    problems = pair(rows)
    assert [problem.split(":")[0] for problem in problems] == ["1", "4", "7"]
    assert pair("") == Document("a1", TEXT)
    assert pair(LINES.replace("\n", "\r\n")) == DOCUMENT  # an editor on Windows has been at the marks
    (tmp_path / "a1.ann").write_bytes(LINES.encode("utf-16"))
    with pytest.raises(FormatError, match=r"a1\.ann:1: not UTF-8: byte 0xff"):
        list(brat.read(tmp_path / "a1.ann"))


@pytest.mark.parametrize("repair", ["utf16", "crlf", "bom"])
def test_offsets_in_other_units(pair, repair):
    before, shift = {"utf16": ("😀😀 ", 5), "crlf": ("x\r\n\r\n", 3), "bom": ("\ufeff", 0)}[repair]
    rows = re.sub(r"(?<= )[0-9]+(?= [0-9])|(?<=[0-9] )[0-9]+(?=\t)", lambda match: str(int(match[0]) + shift), LINES)
    problems = pair(rows, before + TEXT)
    assert len(problems) == 5
    assert all(f"--repair-offsets {repair}" in problem for problem in problems)
    document = pair(rows, before + TEXT, repair=repair)
    assert document.claims[0].source[0].of(document.text) == "وزير الصحة"
    (problem,) = pair(rows.replace(f"T1\tPER {16 + shift} ", f"T1\tPER {17 + shift} "), before + TEXT, repair=repair)
    assert problem.endswith("not «لعلي»")  # one of all does not fit: nothing is repaired


def test_fragments_in_utf16_and_in_old_files(pair):
    mark = ann.Mark("T1", "Source", ((0, 2), (3, 5)), "😀 ab", 1)
    found, problems = ann.spans("😀 ab", [mark], str, "utf16")
    assert found == {"T1": (Span(0, 1), Span(2, 4))}
    assert problems == []
    old = LINES.replace("Content 26 39	إن اللقاح آمن", "Content 26 28;36 39	إنآمن")  # brat before 1.3 put no space between
    assert pair(old).claims[0].content == (Span(26, 28), Span(36, 39))
    spaced = LINES.replace(
        "Content 26 39	إن اللقاح آمن", "Content 26 48	إن اللقاح آمن، كما نفى"
    )  # others put a space for a line end
    assert pair(spaced).claims[0].content == (Span(26, 48),)


MORE = "T6\tSource 0 4;5 10\tوقال وزير\nE2\tUncued:T3 \nA2\tOptional E1\n"
OTHERS = ["T7\tSource 5 10;3 4\tx y", "*\tEquiv T2 T3", "T8\tPER 20 16\tلعلي", ""]
ROWS = st.sampled_from([*LINES.splitlines(), *MORE.splitlines(), *OTHERS])
SIGNS = st.sampled_from(["", *"\t \r\n;:#*0A1TE\x0b\x1c\x85\u2028\xa0\u0663", " 20 16", ";16 20", "999999999999"])
CHANGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 2), SIGNS), max_size=3)


@settings(max_examples=400, deadline=None)
@given(st.lists(ROWS, max_size=8), CHANGES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_the_quick_way_finds_what_the_careful_one_does(rows, changes, line_end, ended):
    text = line_end.join([*rows, ""] if ended else rows)
    for at, size, sign in changes:
        at = min(at, len(text))
        text = text[:at] + sign + text[at + size :]
    problems = []
    careful = ann._careful(text, str, problems)
    quick = ann._usual(text)
    assert quick is None or (quick, problems) == (careful, [])


def test_which_files_are_read_the_quick_way(monkeypatch):
    for text in (LINES + MORE, (LINES + MORE).replace("\n", "\r\n"), LINES.removesuffix("\n")):
        assert ann._usual(text) == ann._careful(text, str, [])
    for text in (LINES + "\n", LINES + LINES, LINES.replace("16 20", "20 16"), LINES.replace("16 20", "16 20;18 20")):
        assert ann._usual(text) is None
    monkeypatch.setattr(ann, "_BLOCK", 1)  # characters: every line on its own
    assert ann._usual(LINES) == ann._careful(LINES, str, [])


@settings(max_examples=400, deadline=None)
@given(st.lists(ROWS, max_size=9), CHANGES)
def test_documents_are_those_of_the_careful_way(rows, changes):
    text = "\n".join([*LINES.splitlines(), *rows, ""])
    for at, size, sign in changes:
        text = text[:at] + sign + text[at + size :]

    def read():
        try:
            return brat_document.document(TEXT, text, file="f", name="n", repair=None)
        except FormatError as error:
            return error.problems

    with pytest.MonkeyPatch.context() as patch:
        quick = read()
        patch.setattr(brat_document._Reading, "_linked", lambda reading: False)
        patch.setattr(brat_document._Reading, "_plain", lambda reading, event: None)
        assert read() == quick


def test_folders(tmp_path):
    ids = [
        "news/2024/a1",
        "b",
        "B",
        "../../etc/x",
        "/abs",
        "a/../b",
        ".hidden",
        "con",
        "x.txt",
        "سياسة",
        "ع" * 200,
        "a.",
        "document-00012",
    ]
    given = [replace(DOCUMENT, id=name) for name in ids]
    folder = tmp_path / "out"
    assert brat.write(given, folder) == len(ids)
    assert [document.id for document in brat.read(folder)] == ids  # in the same order
    found = {file.relative_to(folder).as_posix() for file in folder.rglob("*.ann")}
    assert {"news/2024/a1.ann", "b.ann", "x.txt.ann", "document-00004.ann"} <= found
    assert len({name.casefold() for name in found}) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_./-]+", name) for name in found)
    assert not (tmp_path / "etc").exists()
    assert sorted(file.name for file in folder.glob("*.conf")) == ["annotation.conf", "tools.conf", "visual.conf"]
    (folder / "b.ann").rename(folder / "news" / "moved.ann")
    (folder / "b.txt").rename(folder / "news" / "moved.txt")
    assert {document.id for document in brat.read(folder)} == {*ids}


def test_what_people_have_annotated_is_never_replaced(tmp_path):
    folder = tmp_path / "out"
    brat.write([DOCUMENT], folder)
    (folder / "a1.ann").write_text(LINES + "A2\tOptional E1\n", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"has been worked on since nisba wrote it \(a1\.ann\)"):
        brat.write([DOCUMENT], folder)
    (document,) = brat.read(folder)
    assert not document.claims[0].core
    (folder / collection.ORDER).unlink()
    with pytest.raises(FileExistsError):
        brat.write([DOCUMENT], folder)
    brat.write([DOCUMENT], tmp_path / "new")
    (tmp_path / "new" / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"mine\.txt"):
        brat.write([DOCUMENT], tmp_path / "new")


def test_nothing_is_half_written(tmp_path):
    def failing():
        yield DOCUMENT
        raise KeyError

    for name in ("folder", "pair.ann"):
        with pytest.raises(KeyError):
            brat.write(failing(), tmp_path / name)
    with pytest.raises(FormatError, match="a pair of files holds one document, and there are 2"):
        brat.write([DOCUMENT, replace(DOCUMENT, id="b")], tmp_path / "pair.ann")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_wrong(tmp_path):
    brat.write([DOCUMENT, replace(DOCUMENT, id="a2")], tmp_path / "out")
    (tmp_path / "out" / "a2.txt").unlink()
    (tmp_path / "out" / "notes.txt").write_text("x", encoding="utf-8")
    (tmp_path / "out" / "copy.ann").write_text(LINES, encoding="utf-8")
    (tmp_path / "out" / "copy.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (tmp_path / "out" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "out" / "link.ann").write_text("", encoding="utf-8")
    with pytest.raises(FormatError) as error:
        list(brat.read(tmp_path / "out"))
    problems = [problem.replace(f"{tmp_path}/", "") for problem in error.value.problems]
    assert sorted(problems) == [
        "out/a2.ann: there is no a2.txt beside it",
        "out/copy.ann: a1: id: given before, in out/a1.ann: «a1»",
        "out/link.ann: there is no link.txt beside it",
        "out/link.txt: leads outside the folder",
        "out/notes.txt: there is no notes.ann beside it; an empty one says that nothing is annotated",
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="holds no document"):
        list(brat.read(tmp_path / "empty"))
    with pytest.raises(FormatError, match=r"brat's files end in \.txt and \.ann"):
        list(brat.read(tmp_path / "x.json"))


@pytest.mark.parametrize("ending", ["txt", "ann"])
def test_files_that_would_fill_the_memory(tmp_path, ending):
    brat.write([DOCUMENT], tmp_path / "a1.ann")
    os.truncate(tmp_path / f"a1.{ending}", 1 << 40)  # a hole: it takes no room on the disk
    with pytest.raises(FormatError, match=rf"a1\.{ending}: is longer than {bounded.LIMIT:,} bytes"):
        list(brat.read(tmp_path / "a1.ann"))


def test_deep_json_and_long_runs_of_space(pair):
    assert any("nested too deeply" in problem for problem in pair(LINES.replace('{"id": "a1"}', "[" * 100_000)))
    space = " " * 1_000_000
    assert pair("T1\tPER 0 2;1000002 1000004\tab cd\n", f"ab{space}cd") == ["1: a1: T1 PER: a name must be in one piece: «ab cd»"]


def test_the_project_covers_the_schema(root):
    folder = root / "configs" / "annotation" / "brat"
    assert {file.name: file.read_text("utf-8") for file in folder.iterdir()} == brat_project.files()
    sections = {}
    for line in (folder / "annotation.conf").read_text("utf-8").splitlines():
        if line.startswith("["):
            rows = sections[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            rows.append(re.split(r"\s+", line, maxsplit=1))
    assert list(sections) == ["entities", "relations", "events", "attributes"]
    marks = {name for name, *_ in sections["entities"]}
    assert marks == {*ENTITY_LABELS, "Content", "Source", "Addressee"}
    roles = {name.strip("+*?").lower() for _, rest in sections["events"] for name in re.findall(r"(\S+?):", rest)}
    assert roles | {"cue"} == {*ROLES}
    values = {name: set(re.search(r"Value:(\S+)", rest)[1].split("|")) for name, rest in sections["attributes"] if "Value:" in rest}
    assert values == {"Type": {*CLAIM_TYPES}, "SourceType": {*SOURCE_TYPES}, "Stance": {*STANCES}}
    assert {name for name, rest in sections["attributes"] if "Value:" not in rest} == {"Optional", "Ambiguous"}
    drawn = (folder / "visual.conf").read_text("utf-8")
    assert all(f"{name}\tbgColor:#" in drawn for name in marks | {"Cue", "Uncued"})
    everything = [
        replace(CLAIM, id=f"c{i}", cue=CLAIM.cue * (i % 2), source=CLAIM.source * (kind != "implicit"), source_type=kind)
        for i, kind in enumerate(SOURCE_TYPES)
    ]
    everything = [replace(c, type=CLAIM_TYPES[i % 3], stance=STANCES[i % 4], core=i > 0) for i, c in enumerate(everything)]
    written = lines(replace(DOCUMENT, entities=(Entity(Span(16, 20), "PER", ambiguous=True),), claims=tuple(everything)))
    known = marks | {"Cue", "Uncued"}
    assert {row.split("\t")[1].split(" ")[0] for row in written if row[0] == "T"} <= known
    given = [row.split("\t")[1].split(" ") for row in written if row[0] == "A"]
    assert all(name in ("Optional", "Ambiguous") or value[0] in values[name] for name, _, *value in given)
