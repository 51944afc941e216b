import time
from dataclasses import replace

import pytest
from hypothesis import given

from nisba.candidates import likeliest
from nisba.formats.markup import parse
from nisba.speakers import resolve
from nisba.text import same_name
from tests.strategies import documents

CASES = {
    "the fullest name": (
        "<cue1>قال</cue1> <src1><per>نادر الشامي</per></src1> <con1>إن الماء نظيف</con1>. <cue2>وأضاف</cue2> <src2><per>الشامي</per></src2> <con2>أنه نقي</con2>.",
        "1 | indirect | person | neutral | نادر الشامي\n2 | indirect | person | neutral | نادر الشامي",
    ),
    "of two names in a source the longer one": (
        "<cue1>قال</cue1> <src1>والي <per>حلب</per> <per>نادر الشامي</per></src1> <con1>إن الماء نظيف</con1>.",
        "1 | indirect | person | neutral | نادر الشامي",
    ),
    "an attached particle goes": (
        "زار <per>نادر الشامي</per> حلب. <con1>والماء نظيف</con1>، <cue1>وفقا</cue1> <src1><per>للشامي</per></src1>.",
        "1 | indirect | person | neutral | نادر الشامي",
    ),
    "an office goes to the name beside it": (
        "<cue1>قال</cue1> <src1>وزير الصحة <per>سالم الخالد</per></src1> <con1>إن الماء نظيف</con1>. <cue2>وأكد</cue2> <src2>وزير الصحة</src2> <con2>أنه نقي</con2>.",
        "1 | indirect | person | neutral | سالم الخالد\n2 | indirect | role | assert | سالم الخالد",
    ),
    "a bare office goes to the last one named": (
        "<cue1>قال</cue1> <src1>وزير الصحة <per>سالم الخالد</per></src1> <con1>إن الماء نظيف</con1>. <cue2>وأكد</cue2> <src2>الوزير</src2> <con2>أنه نقي</con2>.",
        "1 | indirect | person | neutral | سالم الخالد\n2 | indirect | role | assert | سالم الخالد",
    ),
    "a paper goes by its name": (
        "<cue1>كشفت</cue1> <src1>صحيفة «<org>وادي الرمل</org>» المحلية</src1> <con1>أن الماء ملوث</con1>. <cue2>وقالت</cue2> <src2>الصحيفة</src2> <con2>إن التقرير قديم</con2>.",
        "1 | indirect | organization | neutral | وادي الرمل\n2 | indirect | organization | neutral | وادي الرمل",
    ),
    "a dropped subject goes to the last speaker of its gender": (
        "<cue1>قال</cue1> <src1>المدير <per>نادر الشامي</per></src1> <con1>إن الماء نظيف</con1>. <cue2>وقالت</cue2> <src2>المهندسة <per>هالة درويش</per></src2> <con2>إنه ملوث</con2>. <cue3>وأضافت</cue3> <con3>أنه خطر</con3>.",
        "1 | indirect | person | neutral | نادر الشامي\n2 | indirect | person | neutral | هالة درويش\n3 | indirect | implicit | neutral | هالة درويش",
    ),
    "a description goes to the last person of its gender": (
        "<cue1>قال</cue1> <src1>المدير <per>نادر الشامي</per></src1> <con1>إن الماء نظيف</con1>. <cue2>وقالت</cue2> <src2><per>هالة درويش</per></src2> <con2>إنه ملوث</con2>. <cue3>ورد</cue3> <src3>الرجل</src3> <con3>بأنه نقي</con3>. <cue4>وسألت</cue4> <src4>الخبيرة الأمريكية</src4> <con4>عن المصدر</con4>.",
        "1 | indirect | person | neutral | نادر الشامي\n2 | indirect | person | neutral | هالة درويش\n3 | indirect | role | neutral | نادر الشامي\n4 | indirect | role | neutral | هالة درويش",
    ),
    "a body goes by its fullest name": (
        "اجتمع <org>حزب التكتل الديمقراطي</org>. <cue1>وأكد</cue1> <src1><org>التكتل</org></src1> <con1>أنه باق</con1>. <cue2>ودعا</cue2> <src2>الحزب</src2> <con2>إلى الهدوء</con2>.",
        "1 | indirect | organization | assert | حزب التكتل الديمقراطي\n2 | indirect | organization | neutral | حزب التكتل الديمقراطي",
    ),
    "a part of a body is not the body": (
        "<cue1>انتقد</cue1> <src1>فرع <org>رابطة الحقوق</org> بصفاقس</src1> <con1>القرار</con1>. <cue2>وأعلنت</cue2> <src2>شركة «<org>نور</org>» الناشئة</src2> <con2>إفلاسها</con2>.",
        "1 | indirect | organization | neutral | فرع رابطة الحقوق بصفاقس\n2 | indirect | organization | neutral | نور",
    ),
    "a mark that a source leaves open is closed": (
        '<cue1>قال</cue1> <src1>مراسل "<org>الجوهرة</org></src1>" <con1>إن الماء نظيف</con1>.',
        '1 | indirect | role | neutral | مراسل "الجوهرة"',
    ),
    "behind a quoted claim the outer speaker goes on": (
        "<cue1>قال</cue1> <src1><per>نادر الشامي</per></src1> <con1>إن <src2>رئيس الحكومة</src2> <cue2>أكد</cue2> <con2>أن الماء نظيف</con2></con1>. <cue3>وأضاف</cue3> <con3>أنه نقي</con3>.",
        "1 | indirect | person | neutral | نادر الشامي\n2 | indirect | role | assert | رئيس الحكومة\n3 | indirect | implicit | neutral | نادر الشامي",
    ),
    "anonymous sources are one": (
        "<cue1>قال</cue1> <src1>أشخاص مطلعون على المحادثات</src1> <con1>إن الماء نظيف</con1>. <cue2>وأكد</cue2> <src2>الأشخاص المطلعون</src2> <con2>أنه نقي</con2>.",
        "1 | indirect | anonymous | neutral | أشخاص مطلعون على المحادثات\n2 | indirect | anonymous | assert | أشخاص مطلعون على المحادثات",
    ),
    "no relative clause in a speaker": (
        "<cue1>قال</cue1> <src1>مسؤول كبير طلب عدم نشر اسمه</src1> <con1>إن الماء نظيف</con1>.",
        "1 | indirect | anonymous | neutral | مسؤول كبير",
    ),
    "a person's short form that no name is tagged in": (
        "<cue1>قال</cue1> <src1><per>نادر الشامي</per></src1> <con1>إن الماء نظيف</con1>. <con2>والهواء نقي</con2>، <cue2>وفقا</cue2> <src2>للشامي</src2>.",
        "1 | indirect | person | neutral | نادر الشامي\n2 | indirect | person | neutral | نادر الشامي",
    ),
    "names with and without the article are one": (
        "حضر <per>سالم الكردي</per>. <cue1>وقال</cue1> <src1><per>كردي</per></src1> <con1>إن الماء نظيف</con1>.",
        "1 | indirect | person | neutral | سالم الكردي",
    ),
    "a longer phrase is not shortened": (
        "<cue1>قال</cue1> <src1>سكان</src1> <con1>إن الماء ملوث</con1>. <cue2>وأكد</cue2> <src2>السكان القدامى</src2> <con2>أنه نقي</con2>. <cue3>ورد</cue3> <src3>السكان أنفسهم</src3> <con3>بالنفي</con3>.",
        "1 | indirect | group | neutral | سكان\n2 | indirect | group | assert | السكان القدامى\n3 | indirect | group | neutral | السكان أنفسهم",
    ),
    "of two cases the first": (
        "<cue1>قال</cue1> <src1>الفلاحون المحليون</src1> <con1>إن الماء ملوث</con1>. <con2>والهواء نقي</con2>، <cue2>بحسب</cue2> <src2>الفلاحين المحليين</src2>.",
        "1 | indirect | group | neutral | الفلاحون المحليون\n2 | indirect | group | neutral | الفلاحون المحليون",
    ),
    "a demonstrative points back": (
        "<cue1>قالت</cue1> <src1>لجنة فنية مستقلة</src1> <con1>إن الماء ملوث</con1>. <cue2>وأكدت</cue2> <src2>هذه اللجنة</src2> <con2>أنه خطر</con2>.",
        "1 | indirect | group | neutral | لجنة فنية مستقلة\n2 | indirect | group | assert | لجنة فنية مستقلة",
    ),
    "a present tense tells her": (
        "<cue1>قالت</cue1> <src1><per>هالة درويش</per></src1> <con1>إن الماء ملوث</con1>. <cue2>وتوقع</cue2> <src2><per>نادر الشامي</per></src2> <con2>المطر</con2>. <cue3>كما تعتبر</cue3> <con3>أنه خطر</con3>. <cue4>وتحدث</cue4> <con4>عن الجفاف</con4>.",
        "1 | indirect | person | neutral | هالة درويش\n2 | indirect | person | neutral | نادر الشامي\n3 | indirect | implicit | neutral | هالة درويش\n4 | indirect | implicit | neutral | نادر الشامي",
    ),
    "an impersonal verb has none": ("<cue1>ويُعتقد</cue1> <con1>أن الماء نظيف</con1>.", "1 | indirect | implicit | neutral | -"),
    "nobody before a dropped subject": ("<cue1>وقال</cue1> <con1>إن الماء نظيف</con1>.", "1 | indirect | implicit | neutral | -"),
}


@pytest.mark.parametrize("name", CASES)
def test_rule(name):
    body, rows = CASES[name]
    document = parse(f"id: a\n---\n{body}\n---\n{rows}\n")
    bare = replace(document, claims=tuple(replace(claim, speaker=None) for claim in document.claims))
    assert [claim.speaker for claim in resolve(bare, by_rule).claims] == [claim.speaker for claim in document.claims]


def test_a_source_of_tatweel_does_no_harm():
    document = parse(
        "id: a\n---\n<con1>الماء نظيف</con1> <cue1>بحسب</cue1> <src1>ـ</src1>.\n---\n1 | indirect | role | neutral | -\n"
    )
    assert resolve(document).claims[0].speaker == "ـ"


def test_many_names_take_no_time():
    names = " ".join(f"<per>ب{chr(0x627 + i % 36)}{chr(0x627 + i // 36)}ل</per>" for i in range(800))
    began = time.perf_counter()
    resolve(parse(f"id: a\n---\n{names} <cue1>قال</cue1> <con1>نعم</con1>\n---\n1 | indirect | implicit | neutral | -\n"))
    assert time.perf_counter() - began < 10


def test_speakers_of_the_seeds_from_their_own_spans(seeds):
    """Rules, and the choice, on gold spans; the figures are in CONTRIBUTING's lab log. The choice has learnt from most of these."""

    def right(choose):
        return [
            same_name(gold.speaker, found.speaker)
            for document in seeds
            for gold, found in zip(document.claims, resolve(document, choose).claims, strict=True)
        ]

    rules, chosen = right(by_rule), right(None)
    assert sum(rules) / len(rules) > 0.82
    assert sum(chosen) / len(chosen) > 0.86


def by_rule(claim, options):
    return next(iter(options))


TWO = (
    "<cue1>قال</cue1> <src1><per>نادر الشامي</per></src1> <con1>إن الماء نظيف</con1>. <cue2>وقالت</cue2> <src2><per>هالة درويش</per></src2> "
    "<con2>إنه ملوث</con2>. <cue3>وأضاف</cue3> <con3>أنه نقي</con3>."
)
ROWS = "1 | indirect | person | neutral | -\n2 | indirect | person | neutral | -\n3 | indirect | implicit | neutral | -"


def test_the_choice_is_among_those_whom_the_article_offers():
    """Without weights it is the first, the answer of the rules; with some, whom they speak for."""
    document = parse(f"id: a\n---\n{TWO}\n---\n{ROWS}\n")
    told = []

    def choose(claim, options):
        told.append((claim.id, list(options)))
        return likeliest(options, {"gender=False|True|PER": 1.0, "nobody": 5.0} if claim.id == "c3" else {})

    said = [claim.speaker for claim in resolve(document, choose).claims]
    assert said == ["نادر الشامي", "هالة درويش", None]
    assert [claim for claim, _ in told] == ["c1", "c2", "c3"]
    assert told[2][1] == ["نادر الشامي", "هالة درويش", None]
    assert [claim.speaker for claim in resolve(document, lambda claim, options: likeliest(options, {})).claims] == [
        claim.speaker for claim in resolve(document, by_rule).claims
    ]


@pytest.mark.parametrize("name", CASES)
def test_the_choice_keeps_to_plain_rules(name):
    """With the weights that are shipped."""
    body, rows = CASES[name]
    document = parse(f"id: a\n---\n{body}\n---\n{rows}\n")
    assert [claim.speaker for claim in resolve(document).claims] == [claim.speaker for claim in document.claims]


def test_earlier_choices_count():
    """Who was chosen for one claim is who spoke last for the next."""
    document = parse(
        f"id: a\n---\n{TWO} <cue4>وتابع</cue4> <con4>أنه بارد</con4>.\n---\n{ROWS}\n4 | indirect | implicit | neutral | -\n"
    )
    choices = {"c3": "هالة درويش"}
    seen = {}

    def choose(claim, options):
        seen[claim.id] = options
        return choices.get(claim.id, next(iter(options)))

    resolve(document, choose)
    last = {name: [f for f in features if f.startswith("last=")] for name, features in seen["c4"].items() if name}
    assert last == {"هالة درويش": ["last=0|dropped|plain"], "نادر الشامي": ["last=1|dropped|plain"]}


def test_a_long_article_offers_no_more_than_a_short_one():
    claims = " ".join(
        f"<cue{i}>قال</cue{i}> <src{i}><per>ب{chr(0x627 + i % 36)}{chr(0x627 + i // 36)}ل</per></src{i}> <con{i}>نعم</con{i}>."
        for i in range(1, 300)
    )
    rows = "\n".join(f"{i} | direct | person | neutral | -" for i in range(1, 300))
    sizes = []

    def choose(claim, options):
        sizes.append(len(options))
        return next(iter(options))

    resolve(parse(f"id: a\n---\n{claims}\n---\n{rows}\n"), choose)
    assert max(sizes[:40]) == max(sizes) < 40


@given(documents())
def test_any_source_has_a_speaker(document):
    assert all(claim.speaker for claim in resolve(document).claims if claim.source)
