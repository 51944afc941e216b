from dataclasses import replace

import pytest

from nisba.cli import main
from nisba.formats import jsonl, markup
from nisba.lint import KINDS, lint

HEAD = "id: a\n{}---\n"


def article(body: str, rows: str = "", header: str = ""):
    return markup.parse(HEAD.format(header) + body + "\n---\n" + rows)


def kinds(document):
    return [(finding.kind, finding.text) for finding in lint(document)]


LONG = "مدير عام الهيئة " + "الوطنية " * 24
SLIPS = {
    "unclaimed": ("وأعلنت الوزارة شيئا.", "", "وأعلنت"),
    "unclaimed with vowels": ("وقالَ الوزير شيئا.", "", "وقالَ"),
    "cut content": ("<cue1>قال</cue1> «<con1>نعم، نريد</con1> ذلك الآن».", "1 | direct | implicit | neutral | -", "نعم، نريد"),
    "cut content in an address": (
        "<cue1>قال</cue1> <con1>انظروا https://a.example</con1>/b/c هنا.",
        "1 | indirect | implicit | neutral | -",
        "انظروا https://a.example",
    ),
    "cut content behind a space": (
        "<cue1>قال</cue1> « <con1>نعم، نريد</con1> ذلك الآن ».",
        "1 | direct | implicit | neutral | -",
        "نعم، نريد",
    ),
    "cut content in the last fragment": (
        "«<con1>نعم</con1>، <cue1>قال</cue1>، <con1>لا نريد</con1> ذلك».",
        "1 | direct | implicit | neutral | -",
        "لا نريد",
    ),
    "cut content in a number": (
        "<cue1>قال</cue1> <con1>إن النمو بلغ 3</con1>.5 في المئة.",
        "1 | indirect | implicit | neutral | -",
        "إن النمو بلغ 3",
    ),
    "cut content in a compound": (
        "<cue1>قال</cue1> <con1>إنه انجلو</con1>-سكسون.",
        "1 | indirect | implicit | neutral | -",
        "إنه انجلو",
    ),
    "cue twice in part": (
        "<cue1><cue2>قال</cue2> مجددا</cue1> <con1>إنه هنا</con1> <con2>وإنها هناك</con2>.",
        "1 | indirect | implicit | neutral | -\n2 | indirect | implicit | neutral | -",
        "قال",
    ),
    "unquoted direct with a name in marks": (
        "<cue1>قال</cue1> <con1>إنه زار «الأهرام» أمس</con1>.",
        "1 | direct | implicit | neutral | -",
        "إنه زار «الأهرام» أمس",
    ),
    "untagged name without its clitic": ("بقي <loc>بدمشق</loc> ثم زار دمشق.", "", "دمشق"),
    "untagged name with the article": ("زارت <org>الأمم المتحدة</org> وفدا للأمم المتحدة.", "", "للأمم المتحدة"),
    "cue twice": (
        "<cue1><cue2>قال</cue2></cue1> <con1>إنه هنا</con1> <con2>وإنها هناك</con2>.",
        "1 | indirect | implicit | neutral | -\n2 | indirect | implicit | neutral | -",
        "قال",
    ),
    "long source": (
        f"<cue1>قال</cue1> <src1>{LONG.strip()}</src1> <con1>إنه هنا</con1>.",
        "1 | indirect | role | neutral | -",
        LONG.strip(),
    ),
    "unquoted direct": ("<cue1>قال</cue1> <con1>إنه هنا</con1>.", "1 | direct | implicit | neutral | -", "إنه هنا"),
    "untagged name": ("زار <loc>دمشق</loc> ثم عاد من دمشق.", "", "دمشق"),
    "untagged name with a clitic": ("زار <loc>دمشق</loc> وبقي بدمشق.", "", "بدمشق"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_found_and_a_mark_silences_it(name):
    body, rows, text = SLIPS[name]
    kind = next(kind for kind in KINDS if name.startswith(kind))
    assert kinds(article(body, rows)) == [(kind, text)]
    quoted = " ".join(text.replace(":", " ").split()[:3])
    assert kinds(article(body, rows, f"intended: {kind}: {quoted}\n")) == []
    assert kinds(article(body, rows, f"intended: {kind}: آخر\n")) == [(kind, text), ("idle intended", f"{kind}: اخر")]


def test_what_is_right_is_not_found():
    rows = "1 | direct | implicit | neutral | -"
    assert kinds(article("<cue1>قال</cue1> «<con1>نعم</con1>»، ثم مضى.", rows)) == []
    assert kinds(article("<cue1>قال</cue1>: <con1>نعم</con1>.", rows)) == []
    assert kinds(article("<cue1>قال</cue1> <con1>إن «ذلك كله غير صحيح</con1>».", rows)) == []
    assert kinds(article("<cue1>قال</cue1> <con1>إنه هنا</con1>.ثم مضى.", rows.replace("direct", "indirect"))) == []
    assert kinds(article("<cue1>قال</cue1> «<con1>😀</con1>».", rows)) == []
    assert kinds(article("<cue1>قال</cue1> <con1>😀</con1> ثم مضى.", rows)) == [("unquoted direct", "😀")]
    split = "«<con1>نعم</con1>، <cue1>قال</cue1>، <con1>لا بأس</con1>»."
    assert kinds(article(split, rows)) == []
    assert kinds(article("زار <loc>دمشق</loc> وسوق الدمشقيين ومن بين الناس.")) == []


def test_marks_are_those_of_the_document_only(seeds):
    marked = next(d for d in seeds if "intended" in d.meta)
    assert lint(marked) == []
    assert lint(replace(marked, meta={})) != []
    assert "idle intended" in {finding.kind for finding in lint(replace(marked, meta={"intended": 7}))}


def test_a_mark_answers_to_one_finding_that_of_a_name_to_all():
    twice = "وأعلنت الوزارة شيئا. وأعلنت شيئا آخر."
    assert kinds(article(twice, header="intended: unclaimed: وأعلنت\n")) == [("unclaimed", "وأعلنت")]
    assert kinds(article(twice, header="intended: unclaimed: وأعلنت; unclaimed: وأعلنت\n")) == []
    names = "شركة <org>إنتاج</org> لها إنتاج كثير وإنتاج قليل."
    assert kinds(article(names, header="intended: untagged name: إنتاج; untagged name: وإنتاج\n")) == []


def test_only_what_is_annotated_is_looked_at():
    body = "وأعلنت الوزارة شيئا. زار <loc>دمشق</loc> ثم عاد من دمشق."
    for layers, expected in (["names"], ["untagged name"]), (["roles"], ["unclaimed"]), ([], []):
        document = replace(article(body), meta={"layers": layers})
        assert [finding.kind for finding in lint(document)] == expected


def test_the_seeds_have_no_slip_that_is_not_marked_as_intended(seeds):
    assert {d.id: [str(f) for f in lint(d)] for d in seeds if lint(d)} == {}


def test_the_command_lists_slips_and_fails(tmp_path, capsys):
    file = tmp_path / "a.jsonl"
    jsonl.write([article("وأعلنت الوزارة شيئا.")], file)
    assert main(["check", str(file)]) == 0
    assert "1 documents, no problem" in capsys.readouterr().out
    assert main(["check", "--lint", str(file)]) == 1
    out = capsys.readouterr().out
    assert f"{file}: a: [0, 6): unclaimed: a reporting verb outside every claim's cue: «وأعلنت»" in out
    assert "1 documents, 1 likely slips" in out
