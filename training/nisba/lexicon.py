"""Arabic words of reporting: verbs and participles that introduce what somebody said, and evidentials; from the corpus's cues."""

from __future__ import annotations

import regex

# A verb a line: past tense (he, she, they), present tense (he, she), participle (he, she), as far as they are in use and mostly
# mean reporting. The first is the lemma.
_PARADIGMS = """
    قال قالت قالوا يقول تقول يقولون قائلا قائلة
    أكد أكدت أكدوا يؤكد تؤكد يؤكدون مؤكدا مؤكدة
    أعلن أعلنت أعلنوا معلنا معلنة
    أضاف أضافت أضافوا مضيفا مضيفة
    أوضح أوضحت أوضحوا موضحا موضحة
    أشار أشارت أشاروا يشير تشير مشيرا مشيرة
    أفاد أفادت أفادوا يفيد تفيد
    صرح صرحت صرحوا مصرحا مصرحة
    شدد شددت شددوا مشددا مشددة
    نفى نفت ينفي تنفي نافيا نافية
    زعم زعمت زعموا يزعم تزعم زاعما زاعمة
    ادعى ادعت ادعوا يدعي تدعي مدعيا مدعية
    اعتبر اعتبرت اعتبروا معتبرا معتبرة
    لفت لفتت لافتا لافتة
    حذر حذرت حذروا يحذر تحذر محذرا محذرة
    اتهم اتهمت اتهموا يتهم تتهم متهما متهمة
    توقع توقعت توقعوا يتوقع تتوقع متوقعا متوقعة
    استبعد استبعدت مستبعدا مستبعدة
    ناشد ناشدت ناشدوا مناشدا مناشدة
    تساءل تساءلت تساءلوا متسائلا متسائلة
    اعترف اعترفت اعترفوا معترفا معترفة
    استنكر استنكرت مستنكرا مستنكرة
    نبه نبهت منبها منبهة
    رجح رجحت مرجحا مرجحة
"""
# Lemmas whose forms are as often something else: `بين` "between", `ذكر` "male", `كتب` "books", `تابع` "followed".
_AMBIGUOUS = """
    ذكر كشف كتب رأى علق رد وصف تابع طالب دعا طلب بين انتقد أعرب عبر أقر ندد غرد استطرد جزم هدد وعد تعهد أبلغ أخبر روى أنكر نوه اعتقد
    أعلم أكمل اقترح أوصى
"""

# Not `اعتبر` and `اعتقد`, which without hamza may be the past tense (he).
_FIRST_PERSON = (
    "أعتقد أعتبر أظن أرى أقول أؤكد أتوقع آمل أأمل أتمنى أطالب أدعو أطلب قلت نعتقد نعتبر نرى نقول نؤكد نأمل نتوقع نتمنى نطالب ندعو "
    "نطلب نخشى قلنا طلبنا طالبنا أكدنا دعونا اعتبرنا"
)
_EXPRESS = "عبر عبرت عبروا يعبر تعبر معبرا معبرة معبرين اعرب اعربت اعربوا يعرب تعرب معربا معربة معربين"
_DIRECT = "وجه وجهت وجهوا يوجه توجه موجها موجهة موجهين"
_NOUNS = "نداء دعوة دعوات تهمة رسالة انتقادات اتهامات تحية سؤالا طلبا لوما"  # what is directed
FIRST_PERSON, EXPRESS, DIRECT, NOUNS = (frozenset(forms.split()) for forms in (_FIRST_PERSON, _EXPRESS, _DIRECT, _NOUNS))

_MARKS = regex.compile(r"[\u064B-\u0652\u0640\u0670]")
_ALEFS = str.maketrans("أإآ", "ااا")


def bare(word: str) -> str:
    """A word without diacritics and tatweel, a wasla as plain alef."""
    return _MARKS.sub("", word).replace("ٱ", "ا")


def plain(word: str) -> str:
    """``bare``, and every alef alike."""
    return bare(word).translate(_ALEFS)


_FORMS = frozenset(map(plain, _PARADIGMS.split()))
LEMMAS = frozenset(plain(line.split()[0]) for line in _PARADIGMS.strip().splitlines()) | frozenset(map(plain, _AMBIGUOUS.split()))


def is_reporting_verb(word: str) -> bool:
    """Whether a word of text, with or without the clitics و and ف, is a form that mostly means reporting."""
    form = plain(word)
    return form in _FORMS or (form[:1] in ("و", "ف") and form[1:] in _FORMS)
