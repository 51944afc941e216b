import pytest

from nisba.formats.markup import parse
from nisba.repair import repair

# Body, rows of attributes; what the claims are then: cue, source, content, addressee, type, source type.
CASES = {
    "a first person in the speaker's quotation is dropped": (
        "<cue1>قالت</cue1> <src1><per>هالة درويش</per></src1>: «<con1>الماء نظيف. <cue2>ونعتقد</cue2> "
        "<con2>أنه نقي</con2></con1>».",
        "1 | direct | person | neutral | -\n2 | indirect | implicit | neutral | -",
        [("قالت", "هالة درويش", "الماء نظيف. ونعتقد أنه نقي", "", "direct", "person")],
    ),
    "a third person in the quotation stays, a first one outside too": (
        "<cue1>قال</cue1> <src1>المدير</src1> «<con1>إن الماء نظيف <cue2>وأكدت</cue2> <src2>الوزارة</src2> "
        "<con2>أنه نقي</con2></con1>». "
        "<cue3>نعتقد</cue3> <con3>أنه خطر</con3>.",
        "1 | direct | role | neutral | -\n2 | indirect | organization | assert | -\n3 | indirect | implicit | neutral | -",
        None,
    ),
    "a verb takes its noun": (
        "<cue1>وأعربت</cue1> <src1>الوزارة</src1> <con1>عن أملها في نهاية سريعة</con1>.",
        "1 | indirect | organization | neutral | -",
        [("وأعربت|عن أملها", "الوزارة", "في نهاية سريعة", "", "indirect", "organization")],
    ),
    "a verb takes its noun behind a preposition in no role": (
        "<cue1>معبّرا</cue1> عن <con1>رفضه «بيع الميناء</con1>».",
        "1 | mixed | implicit | neutral | -",
        [("معبّرا عن رفضه", "", "بيع الميناء", "", "direct", "implicit")],
    ),
    "what is directed goes to its verb": (
        "<cue1>وجّه</cue1> <src1>العمدة</src1> <con1>دعوة للهدوء</con1>.",
        "1 | indirect | role | neutral | -",
        [("وجّه|دعوة", "العمدة", "للهدوء", "", "indirect", "role")],
    ),
    "no noun is taken that is all of the content, or is not the speaker's": (
        "<cue1>وأعربت</cue1> <src1>الوزارة</src1> عن <con1>أملها</con1>. <cue2>وعبر</cue2> <src2>العمدة</src2> عن "
        "<con2>القلق من الجفاف</con2>.",
        "1 | indirect | organization | neutral | -\n2 | indirect | role | neutral | -",
        None,
    ),
    "a closing tag joins its cue": (
        "<cue1>وقال</cue1> <src1>العمدة</src1> <con1>إن الماء نظيف، حسب تعبيره</con1>. <cue2>وأضاف</cue2> "
        "<con2>أنه نقي</con2> على حد قوله.",
        "1 | indirect | role | neutral | -\n2 | indirect | implicit | neutral | -",
        [
            ("وقال|حسب تعبيره", "العمدة", "إن الماء نظيف", "", "indirect", "role"),
            ("وأضاف|على حد قوله", "", "أنه نقي", "", "indirect", "implicit"),
        ],
    ),
    "a closing tag joins the nearest cue": (
        "<cue1>وقال</cue1> <src1>العمدة</src1> <con1>إن <src2>المدير</src2> <cue2>نفى</cue2> "
        "<con2>ذلك الخبر</con2></con1> وفق قوله.",
        "1 | indirect | role | neutral | -\n2 | indirect | role | deny | -",
        [
            ("وقال", "العمدة", "إن المدير نفى ذلك الخبر", "", "indirect", "role"),
            ("نفى|وفق قوله", "المدير", "ذلك الخبر", "", "indirect", "role"),
        ],
    ),
    "a source and an addressee take all of a name": (
        "<cue1>قال</cue1> <src1>مدير <org>وكالة</src1> نداء الجنوب</org> <adr1>لإذاعة <org>مرجان</adr1> أف أم</org> "
        "<con1>إن الماء نظيف</con1>.",
        "1 | indirect | role | neutral | -",
        [("قال", "مدير وكالة نداء الجنوب", "إن الماء نظيف", "لإذاعة مرجان أف أم", "indirect", "role")],
    ),
    "no name is completed with another role's words": (
        "<cue1>قال</cue1> <src1><per>نادر</src1> <con1>الشامي</per> إن الماء نظيف</con1>.",
        "1 | indirect | person | neutral | -",
        None,
    ),
    "a participle borrows the source of its sentence": (
        "<cue1>وقالت</cue1> <src1>الوزارة</src1> <con1>إن الماء نظيف</con1>، <cue2>نافية</cue2> <con2>أي تلوث</con2> "
        "<cue3>ومؤكدة</cue3> <con3>أنه نقي</con3>.",
        "1 | indirect | organization | neutral | -\n2 | indirect | implicit | deny | -\n3 | indirect | implicit | assert | -",
        [
            ("وقالت", "الوزارة", "إن الماء نظيف", "", "indirect", "organization"),
            ("نافية", "الوزارة", "أي تلوث", "", "indirect", "organization"),
            ("ومؤكدة", "الوزارة", "أنه نقي", "", "indirect", "organization"),
        ],
    ),
    "nothing to borrow: a finite verb, a dropped subject, another sentence": (
        "<cue1>وقالت</cue1> <src1>الوزارة</src1> <con1>إن الماء نظيف</con1>، <cue2>وأضافت</cue2> <con2>أنه نقي</con2>، "
        "<cue3>نافية</cue3> <con3>أي تلوث</con3>. <cue4>مؤكدة</cue4> <con4>أنه عذب</con4>.",
        "1 | indirect | organization | neutral | -\n2 | indirect | implicit | neutral | -\n"
        "3 | indirect | implicit | deny | -\n4 | indirect | implicit | assert | -",
        None,
    ),
    "a participle does not borrow from a claim inside the one before it": (
        "<cue1>وقالت</cue1> <src1>الوزارة</src1> <con1>إن <src2>المدير</src2> <cue2>أكد</cue2> <con2>النبأ</con2></con1>، "
        "<cue3>نافية</cue3> <con3>أي تلوث</con3>.",
        "1 | indirect | organization | neutral | -\n2 | indirect | role | assert | -\n3 | indirect | implicit | deny | -",
        [
            ("وقالت", "الوزارة", "إن المدير أكد النبأ", "", "indirect", "organization"),
            ("أكد", "المدير", "النبأ", "", "indirect", "role"),
            ("نافية", "الوزارة", "أي تلوث", "", "indirect", "organization"),
        ],
    ),
    "who is named is a person": (
        "<cue1>قال</cue1> <src1><per>نادر الشامي</per></src1> <con1>إن الماء نظيف</con1>. <con2>وهو نقي</con2> "
        "<cue2>وفقا</cue2> <src2>للشامي</src2>. "
        "<cue3>وردت</cue3> <src3>الوزارة</src3> <con3>بالنفي</con3>.",
        "1 | indirect | person | neutral | -\n2 | indirect | document | neutral | -\n3 | indirect | organization | neutral | -",
        [
            ("قال", "نادر الشامي", "إن الماء نظيف", "", "indirect", "person"),
            ("وفقا", "للشامي", "وهو نقي", "", "indirect", "person"),
            ("وردت", "الوزارة", "بالنفي", "", "indirect", "organization"),
        ],
    ),
}


def roles(document):
    order = ("cue", "source", "content", "addressee")
    shown = [["|".join(span.of(document.text) for span in claim.role(role)) for role in order] for claim in document.claims]
    return [(*spans, claim.type, claim.source_type) for spans, claim in zip(shown, document.claims, strict=True)]


def of(name):
    body, rows, expected = CASES[name]
    document = parse(f"id: a\n---\n{body}\n---\n{rows}\n")
    return document, roles(document) if expected is None else expected


@pytest.mark.parametrize("name", CASES)
def test_rule(name):
    document, expected = of(name)
    assert roles(repair(document)) == expected


@pytest.mark.parametrize("name", CASES)
def test_twice_is_once(name):
    document, _ = of(name)
    assert repair(repair(document)) == repair(document)


def test_a_source_of_tatweel_does_no_harm():
    document = parse(
        "id: a\n---\n<con1>الماء نظيف</con1> <cue1>بحسب</cue1> <src1>ـ</src1>.\n---\n1 | indirect | role | neutral | -\n"
    )
    assert repair(document) == document
