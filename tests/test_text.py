import itertools
import time

import regex
from hypothesis import given
from hypothesis import strategies as st

from nisba.schema import trim
from nisba.text import Quotation, cleaning, fold, quotations, sentences, tokens, words
from tests.strategies import texts


def quoted(text):
    return [text[q.start : q.end] for q in quotations(text)]


@given(texts)
def test_words_cover_every_edge_a_span_may_have(text):
    found = words(text)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))
    for span in found:
        assert trim(text, span.start, span.end) in (None, span)
    covered = {i for span in found for i in range(span.start, span.end)}
    assert all(i in covered for i, c in enumerate(text) if regex.match(r"[\p{L}\p{N}\p{M}]", c))


@given(texts)
def test_sentences_are_in_order_and_cover_all_visible_text(text):
    found = sentences(text)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))
    covered = {i for span in found for i in range(span.start, span.end)}
    assert all(i in covered for i, c in enumerate(text) if not c.isspace())


def test_words_and_tokens():
    text = "قالَ: نعــم، 5٪ من https://a.b/c?x=1 لـ@user_1."
    assert [w.of(text) for w in words(text)] == [
        "قالَ",
        ":",
        "نعــم",
        "،",
        "5",
        "٪",
        "من",
        "https://a.b/c?x=1",
        "لـ",
        "@",
        "user",
        "_",
        "1",
        ".",
    ]
    assert [t.of("a_b c١") for t in tokens("a_b c١")] == ["a", "_", "b", "c١"]


def test_sentences_end_behind_their_closing_mark():
    text = "عنوان\nقال «نعم.» ثم خرج. كم؟ 3.5 فقط"
    assert [s.of(text).strip() for s in sentences(text)] == ["عنوان", "قال «نعم.»", "ثم خرج.", "كم؟", "3.5 فقط"]


def test_quotations_by_kind_of_mark():
    assert quoted('قال «نعم» و“لا” و"ربما" و‹قد› و((كلا))') == ["«نعم»", "“لا”", '"ربما"', "‹قد›", "((كلا))"]
    assert quoted("” ماسك ” قال »نعم«") == ["” ماسك ”", "»نعم«"]
    assert quoted("«أ «ب» ج»") == ["«أ «ب» ج»", "«ب»"]
    assert quoted("it's 'fine'") == ["'fine'"]
    assert quoted("“سطر\nسطر ثان” آخر") == ["“سطر\nسطر ثان”"]
    assert quotations("قال «نعم. ولم يرد") == [Quotation(4, 17, 1, False)]
    assert quoted("“a “b” c") == ["“b”"]
    assert quoted("نعم» قال") == []


@given(st.text("«»“”„\"'‘’‹›()ا ب\n.", max_size=60))
def test_quotations_never_raise_and_never_pair_backwards(text):
    for q in quotations(text):
        assert 0 <= q.start < q.end <= len(text)
        assert text[q.start] in "«»“”„\"'‘’‹›()"


def test_cleaning_is_that_of_arabert():
    clean = cleaning(brackets=True).normalize_str
    assert clean("قالَ: نعــم") == "قال: نعم"
    assert clean("هههههه ....... 11111") == "هه .. 11111"
    assert clean("٢٠٢٤/١") == "2024-1"
    assert clean("زر https://a.b/c، أو a@b.com و@user!") == "زر [رابط]، أو [بريد] و[مستخدم]!"
    assert cleaning(brackets=False).normalize_str("زر www.a.b") == "زر رابط"
    assert clean("إن أن آن") == "إن أن آن"


@given(texts)
def test_cleaning_terminates_on_anything(text):
    cleaning(brackets=True).normalize_str(text)


def test_fold_ignores_spelling_variants():
    assert fold("أحمَد  فتحـي مصطفى") == fold("احمد فتحي مصطفي")


def test_a_drawn_out_clitic_in_front_of_a_mark_opens_a_hijri_year_does_not():
    def held(text):
        return [text[q.start : q.end] for q in quotations(text)]

    assert held("وبشر بـ” نصر قريب “ ثم مضى") == ["” نصر قريب “"]
    assert held("عام 1445هـ” ثم قال علي ”نعم” ومضى") == ["”نعم”"]
    began = time.perf_counter()
    assert len(held('قال بـ"نعم" و' * 20_000)) == 20_000
    assert time.perf_counter() - began < 10  # not quadratic


def test_a_mark_too_many_does_not_turn_the_line_inside_out():
    assert quoted('قال" ثم أضاف "نعم" وذكر أن الأمر انتهى، وكرر "لا".') == ['"نعم"', '"لا"']
    assert quoted('قال "نعم وأضاف "لا" ثم "كلا"') == ['"لا"', '"كلا"']
    assert quoted('أوضح " أن ذلك صحيح " وزاد "كلا"') == ['" أن ذلك صحيح "', '"كلا"']
    assert quoted('وصفه بـ"الكارثة" وقال: "لا"') == ['"الكارثة"', '"لا"']
