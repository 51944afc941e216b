"""Who speaks: the fullest name or noun phrase in the article for each claim's source, by rules.

In order: a person's name is completed from the fuller names of the article; an office or relation goes to the name that stands
in apposition to it; an organisation gives its name; other sources give their noun phrase, completed from an earlier, longer one
with the same head; a claim without source words goes to the last speaker that agrees with its cue in gender, outside quoted
claims to one who spoke outside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import regex

from nisba.schema import Claim, Document, Span
from nisba.text import fold, words

_VERBS = (
    "أعد أصدر أودع قدم قدّم اطلع اطّلع نشر أجر أجرى صدر كتب وجه وجّه وقع وقّع حصل سرب سرّب حضر شارك "
    "تحدث تحدّث رفض طلب فضل فضّل اشترط لم كان كانت قام أعلن بث بثّ أذاع نُشر"
)
RELATIVE = regex.compile(
    rf"\s*[،,]?\s+(?:الذي|التي|الذين|اللذان|اللذين|اللتين|ممن|(?:{'|'.join(_VERBS.split())})[تواى]*(?:ه|ها|هما|هم)?)(?!\p{{L}}).*",
    regex.DOTALL,
)
_KINDS = (
    "شركة صحيفة مجلة جريدة قناة إذاعة راديو محطة موقع وكالة منظمة حركة حزب نادي فريق مؤسسة مجموعة جمعية شبكة تطبيق بنك مصرف منصة "
    "دار مركز معهد مكتب صندوق جماعة تنظيم كتلة تيار"
)
KINDS = frozenset(map(fold, _KINDS.split()))
_HEADS = "وزارة هيئة اتحاد مرصد لجنة مجلس محكمة جامعة نقابة رابطة مديرية بلدية"
HEADS = KINDS | frozenset(map(fold, _HEADS.split()))
IMPERSONAL = regex.compile(
    r"^[وف]?(?:يعتقد|يُعتقد|يقال|يُقال|يتوقع|يُتوقع|المتوقع|المتوقّع|المعتقد|المنتظر|يزعم|يُزعم|قيل|يروج|يشتبه|يُشتبه|ينتظر|يُنتظر)$"
)
DESCRIBED = 2  # words of a description such as `الخبيرة الأمريكية` ("the American expert")
ANAPHOR = regex.compile(r"(?:هؤلاء|احدهم|احدهما|المصدر|المصدر نفسه|المصدر ذاته|ذات المصدر|نفس المصدر|الشخص ذاته|الشخص نفسه)$")
DEMONSTRATIVE = regex.compile(r"(?:هذا|هذه|هؤلاء|ذلك|تلك|نفس|ذات)\s+\p{L}")
CASE = regex.compile(r"(?<=\p{L}{3})(?:ون|ين)$")  # of the sound masculine plural
MARKS = "\"'«»“”"
SHORT = 4  # letters: in a word no longer than this ال or a particle may be the word's own
PARTICLES = {"كما", "ولم", "ولا", "ولن"}  # words of a cue, of three letters or more, that tell no gender
SUFFIX = regex.compile(r"(?:ه|ها|هم|هما|نا|ني)$")
# Past tenses (he), and nouns of evidentials, that begin with ت as the present tense (she) of others does.
_HIS = (
    "تقدير تعبير تكهن تابع توقع تحدث تمنى تعهد تساءل تطرق تقدم تلقى تداول توجه تجاهل توعد تبنى تحفظ تدخل تكلم تمسك تناول تراجع "
    "توصل تسلم"
)
HIS = frozenset(_HIS.split())
AFTER_LAM = {"وفقا", "وفقًا", "طبقا", "طبقًا", "تبعا", "خلافا"}  # evidentials whose source carries an attached ل


def resolve(document: Document) -> Document:
    """The document with every claim's ``speaker`` set, or None where the article does not tell."""
    text = document.text
    names = {e.span: _strip(text, e.span.of(text), attached=True) for e in document.entities if e.label == "PER"}
    full = _completed(names)
    bodies = {e.span: _strip(text, _closed(text, e.span), attached=True) for e in document.entities if e.label == "ORG"}
    full |= _completed(bodies)
    order = sorted(document.claims, key=lambda claim: min(claim.cue + claim.source + claim.content))
    speakers: dict[str, str | None] = {}
    last: list[Candidate] = []  # those who can be a verb's unspoken subject, oldest first
    people: list[tuple[str, bool]] = []  # (name, feminine) of the persons who spoke, oldest first
    phrases: dict[str, list[str]] = {}  # the speakers so far by source type
    for claim in order:
        speaker: str | None
        if claim.source:
            earlier = phrases.setdefault(claim.source_type, [])
            speaker = _named(document, claim, full, list(names.values()), earlier)
            if claim.source_type == "role" and speaker not in full.values():
                speaker = _recalled(text, claim, speaker, people)
            if speaker in full.values() and claim.source_type in ("person", "role"):
                people.append((speaker, _is_feminine(text, claim)))
            earlier.append(speaker)
            if claim.source_type != "document":
                last.append(Candidate(speaker, _is_feminine(text, claim), _is_nested(claim, order)))
        else:
            speaker = _dropped(text, claim, last, nested=_is_nested(claim, order))
        speakers[claim.id] = speaker
    return replace(document, claims=tuple(replace(claim, speaker=speakers[claim.id]) for claim in document.claims))


def _named(document: Document, claim: Claim, full: dict[Span, str], persons: Sequence[str], phrases: Sequence[str]) -> str:
    text, source = document.text, claim.source
    head = source[0]
    inside = [e for e in document.entities if any(s.start <= e.span.start and e.span.end <= s.end for s in source)]
    people = [e for e in inside if e.label == "PER"]
    if claim.source_type == "person" and people:
        return full[people[0].span]
    if claim.source_type == "person" and (whole := person(text, source, persons)):
        return whole
    phrase = _bare(text, claim)
    if ANAPHOR.match(fold(phrase)) and phrases:
        return phrases[-1]
    if meant := [other for other in phrases if DEMONSTRATIVE.match(phrase) and _stem(other) == _stem(phrase.split(" ", 1)[1])]:
        return meant[-1]
    if claim.source_type == "role":
        apposed, headed = _apposed(document, phrase, full), _headed(document, phrase, head.start, ("PER",), full)
        return (headed or apposed if len(phrase.split()) == 1 else apposed or headed) or phrase
    if claim.source_type == "organization":
        names = [e for e in inside if e.label in ("ORG", "LOC")]
        organizations = [e for e in names if e.label == "ORG"] or names
        if organizations and (organizations[0].label == "ORG" or organizations[0].span == head):
            name = organizations[0].span
            if name.start == head.start or _is_kind(phrase):
                return full.get(name) or _strip(text, name.of(text), attached=name.start == head.start)
            return phrase
        return _headed(document, phrase, head.start, ("ORG",), full) or _longer(phrase, phrases)
    return _longer(phrase, phrases)


def people(document: Document) -> list[str]:
    """The article's names of persons, in its order, without attached particles."""
    text = document.text
    return [_strip(text, e.span.of(text), attached=True) for e in document.entities if e.label == "PER"]


def person(text: str, source: Sequence[Span], names: Sequence[str]) -> str | None:
    """The fullest of the names that holds all words of the source, an attached particle aside."""
    said = [word.strip(MARKS) for span in source for word in fold(span.of(text)).split()]
    if not said:  # tatweel alone
        return None
    heads = [said[0]]
    if said[0].startswith("لل"):
        heads.append("ال" + said[0][2:])
    elif said[0][:1] in tuple("وفبل") and len(said[0]) > SHORT:
        heads.append(said[0][1:])
    held = [name for name in names if any({head, *said[1:]} <= set(fold(name).split()) for head in heads)]
    return max(held, key=lambda name: len(name.split())) if held else None


def _is_kind(phrase: str) -> bool:
    """Whether the phrase begins with a word that merely says what kind of thing the name behind it is."""
    return _stem(phrase) in KINDS


def _completed(names: Mapping[Span, str]) -> dict[Span, str]:
    fullest = _fullest(list(names.values()))
    return {span: fullest[name] for span, name in names.items()}


def _fullest(names: Sequence[str]) -> dict[str, str]:
    """Every name → the longest of the article's names that holds all its words, with or without ال; of equals the first."""
    units = {name: set(map(_indefinite, fold(name).split())) for name in dict.fromkeys(names)}
    by_length = sorted(units, key=lambda name: -len(units[name]))
    return {name: next(other for other in by_length if units[name] <= units[other]) for name in units}


def _indefinite(word: str) -> str:
    return word.removeprefix("ال") if len(word) > SHORT else word


@lru_cache(maxsize=1024)
def _stands_alone(word: str, text: str) -> bool:
    return regex.search(rf"(?<!\p{{L}}){regex.escape(word)}(?!\p{{L}})", text) is not None


def _strip(text: str, phrase: str, *, attached: bool) -> str:
    """Without the particles و ف ب ل ك that its first word carries: only where the rest is a word of the article or of HEADS."""
    first, _, rest = phrase.partition(" ")
    if not attached:
        return phrase
    candidates = []
    if first.startswith("لل"):
        candidates.append("ال" + first[2:])
    if first[:1] in "وفبلك" and len(first) > 3:
        candidates.append(first[1:])
    for candidate in candidates:
        if fold(candidate) in HEADS or _stands_alone(candidate, text):
            return f"{candidate} {rest}".strip()
    return phrase


def _bare(text: str, claim: Claim) -> str:
    """The source's words without attached particles and relative clause."""
    phrase = " ".join(_closed(text, span) for span in claim.source)
    phrase = RELATIVE.sub("", phrase) or phrase
    first, _, rest = phrase.partition(" ")
    cue = claim.cue[-1].of(text).split()[-1] if claim.cue else ""
    if {cue, cue.removeprefix("و")} & AFTER_LAM or (
        claim.cue and claim.cue[-1].end < claim.source[0].start and first.startswith("لل")
    ):
        if first.startswith("لل"):
            return f"ال{first[2:]} {rest}".strip()
        if first.startswith("ل") and len(first) > 2:
            return f"{first[1:]} {rest}".strip()
    if regex.match(r"[وفبك]ال\p{L}{3}", first):
        return phrase[1:]
    return _strip(text, phrase, attached=True)


def _closed(text: str, span: Span) -> str:
    """The span's words, with the closing mark behind it where it leaves an opening one alone (no span ends on a mark)."""
    phrase, behind = span.of(text), text[span.end : span.end + 1]
    for opening, closing in ("«»", "“”", '""', "”“", "””"):
        odd = phrase.count(opening) % 2 == 1 if opening == closing else phrase.count(opening) > phrase.count(closing)
        if behind == closing and odd:
            return phrase + behind
    return phrase


def _apposed(document: Document, role: str, full: dict[Span, str]) -> str | None:
    """The name that the article sets beside an office: `وزير الصحة سالم الخصاونة` or `سالم الخصاونة، وزير الصحة`."""
    text = document.text
    head = fold(role).split()
    for entity in document.entities:
        if entity.label != "PER" or fold(entity.span.of(text)) in fold(role):
            continue
        before = fold(text[max(0, entity.span.start - 80) : entity.span.start]).replace("،", " ").split()
        after = fold(text[entity.span.end : entity.span.end + 80]).strip()
        # As many words of the office as stand before the name, its first word at least.
        for size in range(min(len(head), 4), 0, -1):
            wanted = head[:size]
            starts = [
                i
                for i in range(len(before) - size + 1)
                if [w.removeprefix("و") for w in before[i : i + size]] == [w.removeprefix("و") for w in wanted]
            ]
            if starts and len(before) - starts[-1] - size <= 4 and (size >= 2 or len(head) == 1):
                return full[entity.span]
            follows = after.lstrip("، ").split()[:size]
            if after.startswith("،") and follows == wanted and size >= 2:
                return full[entity.span]
    return None


def _headed(document: Document, phrase: str, end: int, labels: Sequence[str], full: dict[Span, str]) -> str | None:
    """The name after the last earlier mention of a definite noun: `الصحيفة` ("the paper") from `صحيفة «صدى الهضاب»`."""
    text = document.text
    first = phrase.split()[0]
    if not first.startswith("ال") or len(_SAME.sub("", phrase).split()) > 1:
        return None
    noun = regex.escape(first.removeprefix("ال"))
    for mention in reversed(list(regex.finditer(rf"(?<!\p{{L}})[وفبك]?(?:ال|لل|ل)?{noun}(?!\p{{L}})", text[:end]))):
        for entity in document.entities:
            between = text[mention.end() : entity.span.start]
            if entity.label in labels and entity.span.start < end and mention.start() <= entity.span.start:
                if entity.span.start <= mention.start():  # the noun is the name's own first word: `وزارة الصحة`
                    return full.get(entity.span) or _strip(text, entity.span.of(text), attached=True)
                if len(between.split()) <= 4 and not regex.search(r"[.\n؛:]", between):
                    return full.get(entity.span) or entity.span.of(text)
    return None


_SAME = regex.compile(r"\s+(?:نفسه|نفسها|ذاته|ذاتها|نفسهم|عينه)$")


def _recalled(text: str, claim: Claim, phrase: str, people: Sequence[tuple[str, bool]]) -> str:
    """The last person of the cue's gender who spoke, for a single definite noun that no name stands beside: `الرجل`, `المتحدثة`."""
    units = fold(phrase).split()
    if not 0 < len(units) <= DESCRIBED or not all(unit.startswith("ال") for unit in units):
        return phrase
    feminine = _is_feminine(text, claim)
    return next((name for name, other in reversed(people) if other == feminine), phrase)


def _longer(phrase: str, phrases: Sequence[str]) -> str:
    """The longest earlier source with the same head: `الأشخاص المطلعون` → `أشخاص مطلعون على المحادثات`, `التقرير` → `تقرير أممي`;
    of forms that differ in case alone the first."""
    head = _stem(phrase)
    if fold(phrase).startswith("ال"):
        same = [other for other in phrases if _stem(other) == head and not fold(other).startswith("ال")]
        longest = max(same, key=lambda other: len(other.split()), default="")
        if len(longest.split()) >= len(_SAME.sub("", phrase).split()):
            return longest
    return next((other for other in phrases if _caseless(other) == _caseless(phrase)), phrase)


def _caseless(phrase: str) -> list[str]:
    """The words without the ending of the sound masculine plural, which is -ون or -ين by case."""
    return [CASE.sub("", word) for word in fold(phrase).split()]


def _stem(phrase: str) -> str:
    return (fold(phrase).split() or [""])[0].removeprefix("ال")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who spoke: who may be meant by a verb without a subject."""

    speaker: str
    feminine: bool
    nested: bool


def _dropped(text: str, claim: Claim, last: Sequence[Candidate], *, nested: bool) -> str | None:
    """The last speaker who agrees with the cue in gender; behind a quoted claim rather one who spoke outside it."""
    cue = " ".join(span.of(text) for span in claim.cue)
    if any(IMPERSONAL.match(word) for word in cue.split()):
        return None
    gender = _cue_gender(cue)
    agreeing = [c.speaker for c in reversed(last) if gender is None or c.feminine == gender]
    outside = [c.speaker for c in reversed(last) if (gender is None or c.feminine == gender) and (nested or not c.nested)]
    return next(iter(outside or agreeing or [c.speaker for c in reversed(last)]), None)


def _is_nested(claim: Claim, others: Sequence[Claim]) -> bool:
    """Whether the claim's cue (or content, where there is none) lies in another claim's content."""
    span = (claim.cue or claim.content)[0]
    return any(c.start <= span.start and span.end <= c.end for other in others if other is not claim for c in other.content)


def _is_feminine(text: str, claim: Claim) -> bool:
    """By the cue's verb where it tells, else by the first word of the source."""
    gender = _cue_gender(" ".join(span.of(text) for span in claim.cue))
    if gender is not None:
        return gender
    first = (fold(claim.source[0].of(text)).split() or [""])[0]
    return first.endswith("ه") and len(first) > 3


def _cue_gender(cue: str) -> bool | None:
    """True: feminine (`قالت`, `مضيفة`), False: masculine, None: the cue does not tell."""
    for unit in words(cue):
        word = regex.sub(r"[\u064B-\u0652]", "", unit.of(cue))
        word = word[1:] if word[:1] in "وف" and len(word) > 3 else word
        if word in PARTICLES:
            continue
        if word in AFTER_LAM or word in {"بحسب", "حسب", "وفق", "نقلا", "حسبما"}:
            return None
        if (word.endswith("ت") and len(word) > 2) or word.endswith("ة") or _of_her(word):
            return True
        if len(word) > 2:
            return False
    return None


def _of_her(verb: str) -> bool:
    """Whether a verb without attached و or ف is present tense (she), `تعتبر`, or has an object behind its ت, `قالته`."""
    stem = SUFFIX.sub("", verb) if len(verb) > SHORT else verb
    if stem != verb and stem.endswith("ت") and len(verb) > SHORT + 1:
        return True
    return verb.startswith("ت") and len(verb) >= SHORT and not {verb, stem} & HIS and not verb.endswith(("وا", "ون"))
