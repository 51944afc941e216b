"""Claims read off dependency trees: sentences of a UD treebank whose trees say who reports what (extra ``treebank``).

Silver, not gold: only the plainest patterns are taken, a reporting verb with a clause behind it and, where it has one, its subject,
and an evidential with its noun at either end of a sentence. ``meta["layers"]`` says that only roles are to be learnt from them. How
right they are is measured in CONTRIBUTING's lab log.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import conllu

from nisba.decode import claim_type, named, quoted
from nisba.files import FormatError, read_text
from nisba.lexicon import LEMMAS, bare, plain
from nisba.schema import Claim, Document, SchemaError, Span, excerpt, is_word_char, trim

CLAUSES = ("ccomp", "parataxis")
NEGATIONS = frozenset(("لم", "لا", "لن", "ما"))
EVIDENTIALS = frozenset(("وفق", "حسب", "بحسب"))  # lemmas, as `plain` leaves them
NO_SOURCES = frozenset(
    ("قانون", "دستور", "تقويم", "معاهده", "معاهدة", "نظام", "حاجة", "برنامج", "اتفاق", "اتفاقية", "خطة")
)  # law and measure
PREPOSITIONS = frozenset(("الى", "على", "عن", "من"))  # detached before the content: in no role
TELLING = frozenset(("اخبر", "ابلغ"))  # the object is the one who is told
_PROCLITICS = frozenset("وفبلكسأ")
_ENCLITICS = frozenset(("ه", "ها", "هم", "هما", "هن", "ك", "كم", "كما", "ي", "ني", "نا"))


@dataclass(frozen=True, slots=True)
class Token:
    """A node of a tree: a word, or a clitic of one; ``span`` is its place in the text."""

    number: int
    span: Span
    lemma: str
    pos: str
    head: int
    relation: str
    reports: bool = True  # neither passive nor in the first person


def read(path: Path, *, prefix: str) -> Iterator[Document]:
    """The sentences of a CoNLL-U file in which a claim is found, one Document each. Raises FormatError."""
    try:
        sentences = conllu.parse(read_text(path))
    except conllu.exceptions.ParseException as error:
        raise FormatError([f"{path}: not CoNLL-U: {excerpt(str(error))}"]) from None
    if not sentences:
        raise FormatError([f"{path}: holds no sentence"])
    for number, sentence in enumerate(sentences, 1):
        name = f"{prefix}-{sentence.metadata.get('sent_id', number)}"
        nodes = [node for node in sentence if isinstance(node["id"], int)]
        joined = {n: node["form"] for node in sentence if _is_range(node) for n in range(node["id"][0], node["id"][2] + 1)}
        try:
            text, spans = placed(nodes, sentence.metadata.get("text"), joined)
            tokens = [_token(node, span) for node, span in zip(nodes, spans, strict=True)]
        except ValueError as error:
            raise FormatError([f"{path}: {name}: {error}"]) from None
        except KeyError as error:
            raise FormatError([f"{path}: {name}: lacks the column {error.args[0]}"]) from None
        if claims := _claims(text, tokens):
            yield Document(name, text, claims=tuple(claims), meta={"layers": ["roles"]})


def _token(node: Mapping[str, Any], span: Span) -> Token:
    features = node["feats"] or {}
    active = features.get("Voice") != "Pass" and features.get("Person") != "1"
    relation = (node["deprel"] or "").partition(":")[0]
    return Token(node["id"], span, plain(node["lemma"] or ""), node["upos"], node["head"] or 0, relation, active)


def _is_range(node: Mapping[str, Any]) -> bool:
    """Whether this is the line of a word that several nodes make up, as ``2-3 للقانون``."""
    return isinstance(node["id"], tuple) and node["id"][1] == "-"


def placed(nodes: Sequence[Mapping[str, Any]], text: str | None, joined: Mapping[int, str]) -> tuple[str, list[Span]]:
    """The sentence and the span of every node in it: found in the given text, or in one rebuilt from the nodes (clitics joined to
    their words, vowels dropped). The nodes of a word in ``joined`` (node number → the word) have its span. Raises ValueError where
    a node is not in the text."""
    if text is None:
        return rebuilt(nodes)
    spans: list[Span] = []
    end = 0
    for i, node in enumerate(nodes):
        form = joined.get(node["id"], node["form"])
        if i and node["id"] in joined and joined.get(nodes[i - 1]["id"]) is form:
            spans.append(spans[-1])
            continue
        start = text.find(form, end)
        if start < 0 or text[end:start].strip():
            raise ValueError(f"«{excerpt(form)}» is not where the text should have it: «{excerpt(text[end:])}»")
        end = start + len(form)
        spans.append(Span(start, end))
    return text, spans


def rebuilt(nodes: Sequence[Mapping[str, Any]]) -> tuple[str, list[Span]]:
    """Text of bare nodes: a one-letter particle goes to the next word, a pronoun suffix to the one before it."""
    spans: list[Span] = []
    text, joins_next = "", False
    for i, node in enumerate(nodes):
        form = bare(node["form"]) or node["form"]
        if (
            i and node["upos"] == "X" and node["form"] == nodes[i - 1]["form"]
        ):  # PADT repeats an unanalysed word for each of its parts
            spans.append(spans[-1])
            continue
        suffix = form in _ENCLITICS and node["upos"] == "PRON" and i > 0 and bool(text) and is_word_char(text[-1])
        if suffix and not joins_next:
            start = len(text)
            if text.endswith("ة"):
                text = text[:-1] + "ت"
            elif text.endswith("ى"):
                text = text[:-1] + ("ي" if plain(nodes[i - 1]["form"]) in ("على", "الى", "لدى") else "ا")
        else:
            if text and not joins_next:
                text += " "
            if joins_next and text.endswith("ل") and form.startswith("ال"):
                form = form[1:] if not form.startswith("الل") else form[2:]  # `ل` + `القانون` → `للقانون`
            start = len(text)
        text += form
        spans.append(Span(start, len(text)))
        joins_next = len(form) == 1 and form in _PROCLITICS and node["upos"] in ("CCONJ", "CONJ", "ADP", "PART", "SCONJ", "AUX")
    return text, spans


def _claims(text: str, tokens: Sequence[Token]) -> list[Claim]:
    children: dict[int, list[Token]] = {}
    for token in tokens:
        children.setdefault(token.head, []).append(token)
    found = [
        roles for token in tokens for roles in (_verbal(token, tokens, children), _evidential(token, tokens, children)) if roles
    ]
    marks = {token.number for token in tokens if _is_mark(token)}
    claims: list[Claim] = []
    taken: set[Span] = set()
    for roles in found:
        spans = {role: span for role, group in roles.items() if (span := _phrase(text, group, marks)) is not None}
        if "source" in roles and "source" not in spans:
            continue
        if "cue" not in spans or "content" not in spans or spans["cue"] in taken:
            continue
        try:
            claim = Claim(
                id=f"c{len(claims) + 1}",
                **{role: (span,) for role, span in spans.items()},  # type: ignore[arg-type]
                type=claim_type(text, [spans["content"]], quoted(text), named([]), cue=[spans["cue"]]),
                source_type="person" if "source" in spans else "implicit",  # a guess: only the roles are meant
            )
        except SchemaError:  # roles that cross
            continue
        taken.add(spans["cue"])
        claims.append(claim)
    return claims


def _verbal(verb: Token, tokens: Sequence[Token], children: Mapping[int, list[Token]]) -> dict[str, list[Token]] | None:
    """Verb, clause behind it, subject. None for other words, and where the subject is a relative pronoun or stands elsewhere."""
    below = children.get(verb.number, [])
    clauses = [child for child in below if child.relation in CLAUSES and child.number > verb.number]
    if verb.pos != "VERB" or not verb.reports or verb.lemma not in LEMMAS or len(clauses) != 1 or verb.relation == "acl":
        return None
    content = _subtree(clauses[0], children)
    if len(content) > 1 and content[0].lemma in PREPOSITIONS and content[1].lemma in ("ان", "انما"):  # `إلى | أن`
        content = content[1:]
    opening = [token for token in tokens if content and token.number == content[0].number - 1]
    if not content or content[0].lemma == "الا" or (clauses[0].relation == "parataxis" and not any(map(_is_mark, opening))):
        return None
    subjects = [child for child in below if child.relation == "nsubj"]
    if verb.lemma == "ذكر" and not subjects:  # `يذكر أن`: the reporter's own formula
        return None
    if len(subjects) > 1 or any(subject.pos == "PRON" for subject in subjects):
        return None
    negation = [child for child in below if child.lemma in NEGATIONS and child.number == verb.number - 1]
    roles = {"cue": [*negation, verb], "content": content}
    if subjects:
        roles["source"] = _subtree(subjects[0], children)
    told = [child for child in below if verb.lemma in TELLING and child.relation in ("obj", "dobj", "iobj") and child.pos != "PRON"]
    if len(told) == 1:
        roles["addressee"] = _subtree(told[0], children)
    return roles


def _evidential(word: Token, tokens: Sequence[Token], children: Mapping[int, list[Token]]) -> dict[str, list[Token]] | None:
    """`وفقا` or `حسب` with its noun, at the sentence's beginning or end; all the rest is the content."""
    if word.lemma not in EVIDENTIALS or word.pos not in ("NOUN", "ADP", "ADV"):
        return None
    if word.relation == "case":  # the noun is the head
        nouns = [token for token in tokens if token.number == word.head]
    else:
        nouns = [child for child in children.get(word.number, []) if child.relation in ("nmod", "obl")]
    if len(nouns) != 1 or nouns[0].lemma in NO_SOURCES:
        return None
    source = [token for token in _subtree(nouns[0], children) if token.number > word.number]
    phrase = {word.number, *(token.number for token in source), *(token.number for token in _subtree(word, children))}
    rest = [token for token in tokens if token.number not in phrase and not _is_mark(token)]
    before = [token for token in rest if token.number < min(phrase)]
    behind = [token for token in rest if token.number > max(phrase)]
    if not source or (before and behind) or not any(token.pos == "VERB" for token in rest):
        return None
    clitic = [
        token for token in tokens if token.number == word.number - 1 and token.lemma == "ب" and token.span.end == word.span.start
    ]
    before = [token for token in before if token not in clitic]
    return {"cue": [*clitic, word], "source": source, "content": before or behind} if before or behind else None


def _subtree(root: Token, children: Mapping[int, list[Token]]) -> list[Token]:
    found, waiting = {root.number: root}, [root]
    while waiting:
        below = [child for child in children.get(waiting.pop().number, []) if child.number not in found]
        found |= {child.number: child for child in below}
        waiting += below
    return [found[number] for number in sorted(found)]


def _is_mark(token: Token) -> bool:
    return token.pos == "PUNCT"


def _phrase(text: str, tokens: Sequence[Token], marks: Collection[int]) -> Span | None:
    """From the first to the last token, whole words, punctuation at the edges left out. None where other tokens than punctuation
    (``marks``: their numbers) lie between."""
    start, end = min(token.span.start for token in tokens), max(token.span.end for token in tokens)
    numbers = {token.number for token in tokens}
    if any(n not in numbers and n not in marks for n in range(min(numbers), max(numbers))):  # other words lie within
        return None
    while start > 0 and is_word_char(text[start - 1]) and is_word_char(text[start]):
        start -= 1
    while end < len(text) and is_word_char(text[end]) and is_word_char(text[end - 1]):
        end += 1
    return trim(text, start, end)
