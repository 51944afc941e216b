"""Who may be meant by a claim: candidates, what speaks for each, and a log-linear choice among them (``speakers.py``).

The candidates are the answer of the rules, the source as it stands, the names in it, and what the article has around: who spoke
last, persons and bodies last named, sources with the same head word. What speaks for one of them is a list of features, each a
text, and a candidate's score is the sum of their weights, as in the entity-centric rankers of coreference (Denis and Baldridge
2008, Specialized Models and Ranking for Coreference Resolution, https://aclanthology.org/D08-1069). The weights in
``candidates.json`` are those of ``scripts/fit_speakers.py``. No more than a fixed number of candidates is looked at, so that long
articles take time in proportion to their length.
"""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import regex

from nisba.schema import Document, Span
from nisba.text import fold

SPOKEN = 6  # speakers looked back at
NAMED = 6  # persons, and bodies, named last before the claim
AHEAD = 2  # of those, and of sources, behind it
SOURCES = 4  # sources before the claim
STEPS = 48  # mentions of names passed over while looking for those
NEAR = 60  # characters on either side of a person's name in which an office may stand
OPENING = 200  # characters of the article's beginning
SENTENCE = regex.compile(r"[.!؟?\n]")
CASE = regex.compile(r"(?<=\p{L}{3})(?:ون|ين)$")  # of the sound masculine plural
DROPPED = "dropped"  # the kind of a claim without source words; others have that of their source
OF_PERSONS = {"person", "role", "anonymous", "group", DROPPED}
OF_BODIES = {"organization", "document", "group", DROPPED}

Key = tuple[str, ...]
Options = dict[str | None, list[str]]  # candidate → its features; None: nobody


@dataclass(frozen=True, slots=True)
class Case:
    """A claim as the choice of its speaker sees it."""

    kind: str  # of the source
    at: int  # where its cue begins, or its content where there is none
    rule: str | None  # what the rules say
    bare: str  # the source without attached particles and relative clause, "" where there is none
    whole: tuple[str, ...]  # the source as it stands, with attached particles and without
    inside: tuple[tuple[str, str, bool], ...]  # the names in the source: name, label, whether the source begins with it
    feminine: bool | None  # the cue's gender, where it tells
    nested: bool  # inside another claim's content
    cued: bool
    impersonal: bool
    anaphor: bool  # the source is a word such as `المصدر` ("the source")
    demonstrative: bool  # it begins with `هذا` ("this") or the like


class Known:
    """What an article has in names and sources. ``full``: the fullest form of each person's and body's name; ``sources``: where
    each source begins, and its bare phrase."""

    def __init__(self, document: Document, full: Mapping[Span, str], sources: Iterable[tuple[int, str]]):
        text = document.text
        self._breaks = [mark.start() for mark in SENTENCE.finditer(text)]
        self.labels: dict[str, str] = {}
        self._starts: dict[str, list[int]] = {}  # name → where it is mentioned
        self._mentions: dict[str, list[tuple[int, str]]] = {"PER": [], "ORG": []}  # by label, in order
        self._beside: dict[str, set[str]] = {}  # person → stems of the words beside a mention
        for entity in sorted(document.entities, key=lambda entity: entity.span):
            name = full.get(entity.span)
            if name is None or entity.label not in self._mentions:
                continue
            self.labels.setdefault(name, entity.label)
            start, end = entity.span.start, entity.span.end
            insort(self._starts.setdefault(name, []), start)
            insort(self._mentions[entity.label], (start, name))
            if entity.label == "PER":
                words = text[max(0, start - NEAR) : start].split()[-8:] + text[end : end + NEAR].split()[:6]
                self._beside.setdefault(name, set()).update(stem(word.strip("،").removeprefix("و")) for word in words)
        self._sources = sorted(sources)
        self._by_head: dict[str, list[tuple[int, str]]] = {}
        for place, phrase in self._sources:
            self._by_head.setdefault(stem(phrase), []).append((place, phrase))

    def sentence(self, at: int) -> int:
        return bisect_left(self._breaks, at)

    def around(self, label: str, at: int) -> Iterator[str]:
        """The names of a kind mentioned last before ``at``, the nearest first, then those behind."""
        mentions = self._mentions[label]
        here = bisect_left(mentions, (at, ""))
        yield from _distinct((name for _, name in reversed(mentions[max(0, here - STEPS) : here])), NAMED)
        yield from _distinct((name for _, name in mentions[here : here + STEPS]), AHEAD)

    def sources(self, head: str | None, at: int) -> Iterator[tuple[str, str]]:
        """Sources before and behind ``at`` (with this head word, if any), and which of it."""
        found = self._sources if head is None else self._by_head.get(head, [])
        here = bisect_left(found, (at, ""))
        for _, phrase in reversed(found[max(0, here - SOURCES) : here]):
            yield "earlier source", phrase
        for place, phrase in found[here : here + AHEAD + 1]:
            if place > at:
                yield "later source", phrase

    def mentions(self, name: str, at: int) -> tuple[int, int | None, bool]:
        """How often a name is there, how many sentences before ``at`` last, and whether at the article's beginning."""
        starts = self._starts[name]
        before = bisect_left(starts, at)
        return len(starts), self.sentence(at) - self.sentence(starts[before - 1]) if before else None, starts[0] < OPENING

    def beside(self, phrase: str, person: str) -> tuple[bool, float]:
        """Whether the phrase's head stands beside the person's name somewhere, and the share of its words that do."""
        near, stems = self._beside.get(person, set()), {stem(word) for word in fold(phrase).split()}
        return stem(phrase) in near, len(stems & near) / max(1, len(stems))


class Said:
    """Who has spoken so far."""

    def __init__(self) -> None:
        self._last: list[Key] = []  # the last distinct speakers, the newest first
        self._times: Counter[Key] = Counter()
        self._feminine: dict[Key, bool] = {}
        self._meant: dict[Key, Key] = {}  # a source's phrase → who it was
        self.names: list[str] = []  # of ``_last``
        self.before: tuple[Key, int] | None = None  # the claim before: its speaker, and its sentence
        self._outside: Key | None = None  # the last who spoke outside other claims' contents

    def add(self, case: Case, speaker: str | None, *, feminine: bool | None, sentence: int) -> None:
        said = key(speaker)
        self.before = said, sentence
        if speaker is None:
            return
        if said in self._last:
            place = self._last.index(said)
            del self._last[place], self.names[place]
        self._last.insert(0, said)
        self.names.insert(0, speaker)
        del self._last[2 * SPOKEN :], self.names[2 * SPOKEN :]
        self._times[said] += 1
        if not case.nested:
            self._outside = said
        if case.bare:
            self._meant[key(case.bare)] = said
            if feminine is not None:
                self._feminine[said] = feminine

    def features(self, case: Case, known: Known, name: str) -> Iterator[str]:
        kind, last, candidate = case.kind, self._last, key(name)
        depth = "nested" if case.nested else "plain"
        yield f"last={_class(last.index(candidate), 0, 1, 2, 4) if candidate in last else 'never'}|{kind}|{depth}"
        if candidate == self._outside:
            yield f"last outside|{kind}|{depth}"
        if case.feminine is not None:
            known_gender = self._feminine.get(candidate)
            agrees = "?" if known_gender is None else known_gender == case.feminine
            yield f"gender={agrees}|{kind == DROPPED}|{known.labels.get(name, 'phrase')}"
        yield f"times={_class(self._times[candidate], 0, 1, 3)}|{kind == DROPPED}"
        if case.bare and self._meant.get(key(case.bare)) == candidate:
            yield f"as before|{kind}"
        if not case.bare and self.before is not None:
            same = known.sentence(case.at) == self.before[1]
            yield f"claim before={candidate == self.before[0]}|{same}|{case.cued}|{depth}"


def candidates(case: Case, known: Known, said: Said) -> Options:
    """Who may be meant, and what speaks for each."""
    found: dict[Key, tuple[str | None, list[str]]] = {}
    for name, how in _found(case, known, said):
        if name is None or name.strip():
            tag = f"{how}|{case.kind}"
            features = found.setdefault(key(name), (name, []))[1]
            if tag not in features:
                features.append(tag)
    nearest = next(known.around("PER", case.at), None)
    for name, features in found.values():
        features += _of_rule(case, name, known)
        if name is None:
            features += ["nobody", f"nobody|{case.impersonal}|{case.cued}", f"nobody|first={said.before is None}"]
            continue
        features += said.features(case, known, name)
        features += _of_name(case, name, known, nearest)
        features += _of_phrase(case, name, known, first=key(name) == key(said.names[0]) if said.names else False)
    return dict(found.values())


def _found(case: Case, known: Known, said: Said) -> Iterator[tuple[str | None, str]]:
    """Candidates, and how each was found."""
    yield case.rule, "rule"
    if case.bare:
        yield case.bare, "bare"
        for phrase in case.whole:
            yield phrase, "whole"
    for name, label, first in case.inside:
        yield name, f"inside {label}"
        yield name, f"inside, {'first' if first else 'later'}"
    for name in said.names[:SPOKEN]:
        yield name, "spoke"
    for label, kinds in (("PER", OF_PERSONS), ("ORG", OF_BODIES)):
        if case.kind in kinds:
            for name in known.around(label, case.at):
                yield name, label
    for how, phrase in known.sources(stem(case.bare) if case.bare else None, case.at):
        yield phrase, how
    if case.kind == DROPPED:
        yield None, "nobody"


def _of_rule(case: Case, name: str | None, known: Known) -> Iterator[str]:
    if key(name) == key(case.rule):
        yield f"rule|{case.kind}|{'bare' if name == case.bare else 'name' if name in known.labels else 'other'}"


def _of_name(case: Case, name: str, known: Known, nearest: str | None) -> Iterator[str]:
    kind, label = case.kind, known.labels.get(name, "phrase")
    yield f"label={label}|{kind}"
    if label == "phrase":
        if not case.bare:
            yield f"words={min(5, len(name.split()))}"
        return
    times, distance, opening = known.mentions(name, case.at)
    yield f"mentions={_class(times, 1, 2, 4)}|{kind}"
    yield f"sentences={'later' if distance is None else _class(distance, 0, 1, 2, 4)}|{kind}"
    if opening:
        yield f"opening|{kind}"
    if name == nearest:
        yield f"nearest person|{kind}"
    if case.bare and label == "PER":
        head, share = known.beside(case.bare, name)
        yield f"head beside={head}|{kind}"
        yield f"words beside={_class(share, 0, 0.34, 0.67, 0.99)}|{kind}|{min(3, len(case.bare.split()))}"


def _of_phrase(case: Case, name: str, known: Known, *, first: bool) -> Iterator[str]:
    """What the candidate has in common with the source's words."""
    if not case.bare:
        return
    kind, size = case.kind, min(4, len(case.bare.split()))
    form = "definite" if fold(case.bare).startswith("ال") else "indefinite"
    if key(name) == key(case.bare):
        yield f"itself|{kind}|{size}|{form}"
        return
    its, bare = _stems(name), _stems(case.bare)
    yield f"other|{kind}|{size}|{form}|{name in known.labels}"
    yield f"holds it={bare <= its}|held={its <= bare}|{kind}"
    yield f"same head={stem(name) == stem(case.bare)}|{kind}|{form}"
    if stem(name) == stem(case.bare):
        yield f"longer={_class(len(its) - len(bare), -1, 0, 2)}|{kind}|{size == 1}"
    yield f"demonstrative={case.demonstrative}|anaphor={case.anaphor}|{name in known.labels}|{first}"


def likeliest(options: Options, weights: Mapping[str, float] | None = None) -> str | None:
    """The candidate of the highest score, of equals the first."""
    known = _weights() if weights is None else weights
    return max(options, key=lambda name: sum(known.get(feature, 0.0) for feature in options[name]))


@cache
def _weights() -> dict[str, float]:
    held: dict[str, Any] = json.loads(files("nisba").joinpath("candidates.json").read_text("utf-8"))
    return dict(held["weights"])


@lru_cache(maxsize=4096)
def key(name: str | None) -> Key:
    """Names of one key are one candidate: those that differ in case alone, which is -ون or -ين in the sound masculine plural; () is
    nobody."""
    return tuple(CASE.sub("", word) for word in fold(name).split()) if name else ()


@lru_cache(maxsize=4096)
def stem(phrase: str) -> str:
    """The first word, without the article."""
    return (fold(phrase).split() or [""])[0].removeprefix("ال")


@lru_cache(maxsize=4096)
def _stems(phrase: str) -> frozenset[str]:
    return frozenset(word.removeprefix("ال") for word in fold(phrase).split())


def _class(value: float, *edges: float) -> int:
    """The number of the first edge that is not below the value."""
    return bisect_left(edges, value)


def _distinct(names: Iterable[str], most: int) -> Sequence[str]:
    found: dict[str, None] = {}
    for name in names:
        found.setdefault(name)
        if len(found) == most:
            break
    return list(found)
