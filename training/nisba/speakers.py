"""Who speaks: the fullest name or noun phrase in the article for each claim's source.

Rules give an answer; a learned choice (``candidates.py``) takes it or somebody else whom the article offers. The rules, in order: a
person's name is completed from the fuller names of the article; an office or relation goes to the name that stands in apposition to
it; an organisation gives its name; other sources give their noun phrase, completed from an earlier, longer one with the same head;
a claim without source words goes to the last speaker that agrees with its cue in gender, outside quoted claims to one who spoke
outside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import regex

from nisba.apposition import SAME, Apposition
from nisba.candidates import DROPPED, Case, Known, Options, Said, candidates, key, likeliest, stem
from nisba.overlaps import Overlaps
from nisba.people import KINDS, SHORT, People, completed, strip
from nisba.schema import Claim, Document, Entity, Span
from nisba.text import fold, words

_VERBS = (
    "أعد أصدر أودع قدم قدّم اطلع اطّلع نشر أجر أجرى صدر كتب وجه وجّه وقع وقّع حصل سرب سرّب حضر شارك "
    "تحدث تحدّث رفض طلب فضل فضّل اشترط لم كان كانت قام أعلن بث بثّ أذاع نُشر"
)
RELATIVE = regex.compile(
    rf"\s*[،,]?\s+(?:الذي|التي|الذين|اللذان|اللذين|اللتين|ممن|(?:{'|'.join(_VERBS.split())})[تواى]*(?:ه|ها|هما|هم)?)(?!\p{{L}}).*",
    regex.DOTALL,
)
IMPERSONAL = regex.compile(
    r"^[وف]?(?:يعتقد|يُعتقد|يقال|يُقال|يتوقع|يُتوقع|المتوقع|المتوقّع|المعتقد|المنتظر|يزعم|يُزعم|قيل|يروج|يشتبه|يُشتبه|ينتظر|يُنتظر)$"
)
DESCRIBED = 2  # words of a description such as `الخبيرة الأمريكية` ("the American expert")
ANAPHOR = regex.compile(r"(?:هؤلاء|احدهم|احدهما|المصدر|المصدر نفسه|المصدر ذاته|ذات المصدر|نفس المصدر|الشخص ذاته|الشخص نفسه)$")
DEMONSTRATIVE = regex.compile(r"(?:هذا|هذه|هؤلاء|ذلك|تلك|نفس|ذات)\s+\p{L}")
PARTICLES = {"كما", "ولم", "ولا", "ولن"}  # words of a cue, of three letters or more, that tell no gender
SUFFIX = regex.compile(r"(?:ه|ها|هم|هما|نا|ني)$")
# Past tenses (he), and nouns of evidentials, that begin with ت as the present tense (she) of others does.
_HIS = (
    "تقدير تعبير تكهن تابع توقع تحدث تمنى تعهد تساءل تطرق تقدم تلقى تداول توجه تجاهل توعد تبنى تحفظ تدخل تكلم تمسك تناول تراجع "
    "توصل تسلم"
)
HIS = frozenset(_HIS.split())
AFTER_LAM = {"وفقا", "وفقًا", "طبقا", "طبقًا", "تبعا", "خلافا"}  # evidentials whose source carries an attached ل


Choose = Callable[[Claim, Options], str | None]


def resolve(document: Document, choose: Choose | None = None) -> Document:
    """The document with every claim's ``speaker`` set, or None where the article does not tell. ``choose`` is told a claim and who
    may be meant, the answer of the rules first, and says who it is: by default the likeliest."""
    text = document.text
    persons = People(document)
    full = completed(persons.names)
    full |= completed({e.span: strip(text, _closed(text, e.span), attached=True) for e in document.entities if e.label == "ORG"})
    entities = Overlaps((entity.span.start, entity.span.end, entity) for entity in document.entities)
    article, wholes = Article(text, persons, entities, full, Apposition(document, full)), frozenset(full.values())
    contents = Overlaps((span.start, span.end, claim) for claim in document.claims for span in claim.content)
    order = sorted(document.claims, key=lambda claim: min(claim.cue + claim.source + claim.content))
    known = Known(document, full, ((claim.source[0].start, _bare(text, claim)) for claim in order if claim.source))
    said = Said()
    speakers: dict[str, str | None] = {}
    last: list[Candidate] = []  # those who can be a verb's unspoken subject, oldest first
    people: list[tuple[str, bool]] = []  # (name, feminine) of the persons who spoke, oldest first
    phrases: dict[str, list[str]] = {}  # the speakers so far by source type
    for claim in order:
        rule: str | None
        nested = _is_nested(claim, contents)
        earlier = phrases.setdefault(claim.source_type, [])
        if claim.source:
            rule = _named(article, claim, earlier)
            if claim.source_type == "role" and rule not in wholes:
                rule = _recalled(text, claim, rule, people)
        else:
            rule = _dropped(text, claim, last, nested=nested)
        case = _case(article, claim, rule, nested=nested)
        options = candidates(case, known, said)
        speaker = choose(claim, options) if choose is not None else likeliest(options)
        feminine = _is_feminine(text, claim) if claim.source else None
        if feminine is not None and speaker is not None:
            if speaker in wholes and claim.source_type in ("person", "role"):
                people.append((speaker, feminine))
            earlier.append(speaker)
            if claim.source_type != "document":
                last.append(Candidate(speaker, feminine, nested))
        said.add(case, speaker, feminine=feminine, sentence=known.sentence(claim.content[0].start))
        speakers[claim.id] = speaker
    return replace(document, claims=tuple(replace(claim, speaker=speakers[claim.id]) for claim in document.claims))


def _case(article: Article, claim: Claim, rule: str | None, *, nested: bool) -> Case:
    text, source = article.text, claim.source
    cue = " ".join(span.of(text) for span in claim.cue)
    bare, whole, inside = "", "", list[tuple[str, str, bool]]()
    if source:
        bare, whole = _bare(text, claim), " ".join(_closed(text, span) for span in source)
        for entity in article.entities.of(source[0].start, source[-1].end):
            if any(span.start <= entity.span.start and entity.span.end <= span.end for span in source):
                name = article.full.get(entity.span) or strip(text, entity.span.of(text), attached=True)
                inside.append((name, entity.label, entity.span.start == source[0].start))
    return Case(
        kind=claim.source_type if source else DROPPED,
        at=(claim.cue or claim.content)[0].start,
        rule=rule,
        bare=bare,
        whole=(whole, strip(text, whole, attached=True)) if source else (),
        inside=tuple(inside),
        feminine=_cue_gender(cue),
        nested=nested,
        cued=bool(cue),
        impersonal=any(IMPERSONAL.match(word) for word in cue.split()),
        anaphor=bool(ANAPHOR.match(fold(bare))),
        demonstrative=bool(DEMONSTRATIVE.match(bare)),
    )


@dataclass(frozen=True, slots=True)
class Article:
    """What is known of an article's names; ``full`` is the fullest form of each that is a person's or a body's."""

    text: str
    persons: People
    entities: Overlaps[Entity]
    full: dict[Span, str]
    apposition: Apposition


def _named(article: Article, claim: Claim, phrases: Sequence[str]) -> str:
    text, full, source = article.text, article.full, claim.source
    head = source[0]
    around = article.entities.of(head.start, source[-1].end)
    inside = [e for e in around if any(s.start <= e.span.start and e.span.end <= s.end for s in source)]
    people = [e for e in inside if e.label == "PER"]
    if claim.source_type == "person" and people:
        return full[max(people, key=lambda entity: len(entity.span.of(text).split())).span]  # a title's place may pass for one
    if claim.source_type == "person" and (whole := article.persons.whole(text, source)):
        return whole
    phrase = _bare(text, claim)
    if ANAPHOR.match(fold(phrase)) and phrases:
        return phrases[-1]
    if DEMONSTRATIVE.match(phrase) and (meant := [o for o in phrases if stem(o) == stem(phrase.split(" ", 1)[1])]):
        return meant[-1]
    if claim.source_type == "role":
        apposed, headed = article.apposition.beside(phrase), article.apposition.behind(phrase, head.start, ("PER",))
        return (headed or apposed if len(phrase.split()) == 1 else apposed or headed) or phrase
    if claim.source_type == "organization":
        names = [e for e in inside if e.label in ("ORG", "LOC")]
        organizations = [e for e in names if e.label == "ORG"] or names
        if organizations and (organizations[0].label == "ORG" or organizations[0].span == head):
            name = organizations[0].span
            if name.start == head.start or _is_kind(phrase):
                return full.get(name) or strip(text, name.of(text), attached=name.start == head.start)
            return phrase
        return article.apposition.behind(phrase, head.start, ("ORG",)) or _longer(phrase, phrases)
    return _longer(phrase, phrases)


def _is_kind(phrase: str) -> bool:
    """Whether the phrase begins with a word that merely says what kind of thing the name behind it is."""
    return stem(phrase) in KINDS


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
    return strip(text, phrase, attached=True)


def _closed(text: str, span: Span) -> str:
    """The span's words, with the closing mark behind it where it leaves an opening one alone (no span ends on a mark)."""
    phrase, behind = span.of(text), text[span.end : span.end + 1]
    for opening, closing in ("«»", "“”", '""', "”“", "””"):
        odd = phrase.count(opening) % 2 == 1 if opening == closing else phrase.count(opening) > phrase.count(closing)
        if behind == closing and odd:
            return phrase + behind
    return phrase


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
    head = stem(phrase)
    if fold(phrase).startswith("ال"):
        same = [other for other in phrases if stem(other) == head and not fold(other).startswith("ال")]
        longest = max(same, key=lambda other: len(other.split()), default="")
        if len(longest.split()) >= len(SAME.sub("", phrase).split()):
            return longest
    return next((other for other in phrases if key(other) == key(phrase)), phrase)


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
    agreeing = (c for c in reversed(last) if gender is None or c.feminine == gender)
    nearest = next(agreeing, None)
    outside = nearest if nearest is None or nested or not nearest.nested else next((c for c in agreeing if not c.nested), nearest)
    return outside.speaker if outside is not None else last[-1].speaker if last else None


def _is_nested(claim: Claim, contents: Overlaps[Claim]) -> bool:
    """Whether the claim's cue (or content, where there is none) lies in another claim's content."""
    span = (claim.cue or claim.content)[0]
    others = [other for other in contents.of(span.start, span.end) if other is not claim]
    return any(part.start <= span.start and span.end <= part.end for other in others for part in other.content)


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
