"""The lines of brat's ``.ann`` files: marks in the text, events, attributes and notes, parsed and checked against the text.

``T1<tab>LABEL 0 4;9 12<tab>text`` is a mark of one or several fragments, whose texts stand there with a space between;
``E1<tab>LABEL:T1 Role:T2 Role2:T3`` an event with its trigger and arguments; ``A1<tab>NAME E1 value`` an attribute, without a value
where it is a flag; ``#1<tab>KIND E1<tab>text`` a note. Relations, normalizations and equivalences are refused: nothing here has a
place for them. Offsets are code points. Format: https://brat.nlplab.org/standoff.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

from nisba.formats.offsets import Quote, Repair, Units, located
from nisba.schema import Span, excerpt

_BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"  # where Python, and with it brat, may end a line
_BREAK, _UNBROKEN = re.compile(f"[{_BREAKS}]"), re.compile(f"[^{_BREAKS}]+")
_SPACES = dict.fromkeys(map(ord, _BREAKS + "\t"), " ")
_OFFSETS = re.compile(r"([0-9]{1,12}) ([0-9]{1,12})")
_ID = re.compile(r"(?:[A-Z]|#[A-Za-z]*)[0-9]+\S*|\*")
_EVENT = re.compile(r"\s*([^\s:]+):([^\s:]+)((?:\s+[^\s:]+:[^\s:]+)*)\s*")
_ARGUMENT = re.compile(r"([^\s:]+?)[0-9]*:([^\s:]+)")  # of a role that may be numbered
_USUAL = re.compile(  # a line as nearly all are; any other matches too, without groups
    r"""(?:
    (T[0-9]++) \t (\S++)[ ]([0-9]{1,12})[ ]([0-9]{1,12})((?:;[0-9]{1,12}+[ ][0-9]{1,12}+)*+) \t ([^\r\n]++)
    |(E[0-9]++) \t ([^\s:]++):([^\s:]++)((?:[ ][^\s:]++:[^\s:]++)*+)[ ]?
    |(A[0-9]++) \t (\S++)[ ](\S++)(?:[ ](\S++))?
    |(\#[0-9]++) \t (\S++)[ ](\S++) \t ([^\r\n]*+)
    |[^\n]*
    )\r?\n""",
    re.VERBOSE,
)
_new = tuple.__new__  # takes half the time of a named tuple's own
_BLOCK = 1 << 16  # characters that are matched at once
_REFUSED = {"R": "a relation", "N": "a normalization", "*": "an equivalence"}

At = Callable[[int], str]  # how a message about a line begins: file, line, document


class Mark(NamedTuple):
    """A text-bound annotation, its fragments in code points as the file gives them."""

    id: str
    label: str
    fragments: tuple[tuple[int, int], ...]
    quoted: str
    line: int


class Event(NamedTuple):
    """An n-ary annotation: its trigger's id and (role without number, id) of each argument."""

    id: str
    label: str
    trigger: str
    arguments: tuple[tuple[str, str], ...]
    line: int


class Attribute(NamedTuple):
    """``value`` is empty for a flag."""

    name: str
    target: str
    value: str
    line: int


class Note(NamedTuple):
    kind: str
    target: str
    text: str
    line: int


@dataclass(slots=True)
class Annotations:
    """What a file holds, in its order."""

    marks: dict[str, Mark] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    attributes: list[Attribute] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def parse(text: str, at: At, problems: list[str]) -> Annotations:
    """The annotations of a file. What is wrong with them is added to ``problems``."""
    found = _usual(text) or _careful(text, at, problems)
    _check(found, at, problems)
    return found


def _usual(text: str) -> Annotations | None:
    """What ``_careful`` finds, in two thirds of its time; None where a line is unusual or anything may be wrong with one."""
    marks: dict[str, Mark] = {}
    events: dict[str, Event] = {}
    attributes: dict[str, Attribute] = {}
    notes: dict[str, Note] = {}
    number = 0
    for number, row in enumerate(_rows(text if text.endswith("\n") else f"{text}\n"), 1):
        mark, label, start, end, more, quoted, event, kind, trigger, roles, given, name, on, value, note, sort, about, said = row
        if mark:
            first, last = int(start), int(end)
            if more:
                fragments = ((first, last), *[(int(a), int(b)) for a, b in _OFFSETS.findall(more)])
                if any(a >= b for a, b in fragments) or not _apart(fragments):
                    return None
                marks[mark] = Mark(mark, label, fragments, quoted, number)
            elif first < last:
                marks[mark] = _new(Mark, (mark, label, ((first, last),), quoted, number))
        elif event:
            events[event] = _new(Event, (event, kind, trigger, tuple(_ARGUMENT.findall(roles)), number))
        elif given:
            attributes[given] = _new(Attribute, (name, on, value, number))
        elif note:
            notes[note] = _new(Note, (sort, about, said, number))
        else:
            return None
    if len(marks) + len(events) + len(attributes) + len(notes) < number:
        return None  # an id is given twice, or offsets are reversed
    return Annotations(marks, events, [*attributes.values()], [*notes.values()])


def _rows(text: str) -> Iterator[tuple[str, ...]]:
    """The groups of _USUAL for every line, some lines at a time: empty lines by the million would fill the memory."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _BLOCK) + 1 or len(text)
        yield from _USUAL.findall(text, start, end)
        start = end


def _careful(text: str, at: At, problems: list[str]) -> Annotations:
    """The annotations of any file, and what is wrong with its lines."""
    found = Annotations()
    seen: set[str] = set()
    for number, row in enumerate(text.split("\n"), 1):
        row = row.removesuffix("\r")
        if not row or row.isspace():
            continue
        key, tab, rest = row.partition("\t")
        try:
            if not tab or _ID.fullmatch(key) is None:
                raise ValueError("does not begin with the id of an annotation and a tab")
            if key in seen and key != "*":
                raise ValueError("the id is given twice")
            seen.add(key)
            _add(found, key, rest, number)
        except ValueError as error:
            problems.append(f"{at(number)}: {error}: «{excerpt(row)}»")
    return found


def _add(found: Annotations, key: str, rest: str, number: int) -> None:
    data, _, tail = rest.partition("\t")
    if key[0] == "T":
        found.marks[key] = _mark(key, data, tail, number)
    elif key[0] == "E":
        found.events[key] = _event(key, data, number)
    elif key[0] in "AM":
        fields = data.split()
        if not 2 <= len(fields) <= 3:
            raise ValueError("an attribute needs a name, a target and at most one value")
        found.attributes.append(Attribute(fields[0], fields[1], "".join(fields[2:]), number))
    elif key[0] == "#":
        fields = data.split()
        if len(fields) != 2:
            raise ValueError("a note needs a kind and a target")
        found.notes.append(Note(fields[0], fields[1], tail, number))
    else:
        raise ValueError(f"{_REFUSED.get(key[0], 'a kind of annotation that is not known')} has no place in a document")


def _mark(key: str, data: str, tail: str, number: int) -> Mark:
    label, _, offsets = data.partition(" ")
    matches = [_OFFSETS.fullmatch(pair) for pair in offsets.strip().split(";")]
    fragments = tuple((int(match[1]), int(match[2])) for match in matches if match)
    if not label or len(fragments) < len(matches):
        raise ValueError("a mark needs a label and offsets, «LABEL START END;START END»")
    if not tail:
        raise ValueError("a mark needs the text that it covers")
    if any(end <= start for start, end in fragments):
        raise ValueError("offsets are reversed or empty")
    if not _apart(fragments):
        raise ValueError("fragments overlap")
    return Mark(key, label, fragments, tail, number)


def _apart(fragments: Iterable[tuple[int, int]]) -> bool:
    return all(end <= after for (_, end), (after, _) in pairwise(sorted(fragments)))


def _event(key: str, data: str, number: int) -> Event:
    match = _EVENT.fullmatch(data)
    if match is None:
        raise ValueError("an event needs «LABEL:TRIGGER» and arguments «ROLE:ID»")
    return Event(key, match[1], match[2], tuple(_ARGUMENT.findall(match[3])), number)


def _check(found: Annotations, at: At, problems: list[str]) -> None:
    """References lead somewhere, triggers are of their event's label."""
    marks = found.marks
    for event in found.events.values():
        trigger = marks.get(event.trigger)
        wrong = [f"{excerpt(role)}: is no mark of the file: «{excerpt(to)}»" for role, to in event.arguments if to not in marks]
        if trigger is None:
            wrong.insert(0, f"its trigger is no mark of the file: «{excerpt(event.trigger)}»")
        elif trigger.label != event.label:
            kinds = f"a {excerpt(trigger.label)}, not a {excerpt(event.label)}"
            wrong.insert(0, f"its trigger is {kinds}: «{excerpt(trigger.quoted)}»")
        if wrong:
            problems += [f"{at(event.line)}: {excerpt(event.id)}: {line}" for line in wrong]


def spans(text: str, marks: Collection[Mark], at: At, repair: Repair | None) -> tuple[dict[str, tuple[Span, ...]], list[str]]:
    """The fragments of every mark by id, in text order and code points, and what is wrong: marks whose text is not there."""
    if repair is None and (exact := _exact(text, marks)) is not None:
        return exact, []
    quotes: list[Quote] = []
    owners: list[str] = []
    for mark in marks:
        where = f"{at(mark.line)}: {excerpt(mark.id)} {excerpt(mark.label)}"
        for (start, end), piece in zip(mark.fragments, _pieces(mark), strict=True):
            there = text[start:end] if end - start == len(piece) else piece
            if there != piece and _BREAK.search(there) and there.translate(_SPACES) == piece.translate(_SPACES):
                piece = there  # line ends cannot stand in a line; some tools put spaces there
            quotes.append((start, end, piece, where))
            owners.append(mark.id)
    places, problems = located(text, quotes, repair)
    found: dict[str, list[Span]] = {}
    if not problems:
        for owner, (start, end) in zip(owners, places, strict=True):
            found.setdefault(owner, []).append(Span(start, end))
    return {owner: tuple(sorted(fragments)) for owner, fragments in found.items()}, problems


def _exact(text: str, marks: Iterable[Mark]) -> dict[str, tuple[Span, ...]] | None:
    """The fragments where every mark's text is there to the letter, None where any is not: then there is more to find out."""
    found: dict[str, tuple[Span, ...]] = {}
    size = len(text)
    for key, _, fragments, quoted, _ in marks:
        if len(fragments) == 1:
            ((start, end),) = fragments
            if text[start:end] != quoted or end > size:
                return None
            found[key] = (Span(start, end),)
        else:
            there = " ".join([text[start:end] for start, end in fragments])
            if there != quoted or any(end > size for _, end in fragments):
                return None
            found[key] = tuple([Span(start, end) for start, end in sorted(fragments)])
    return found


def _pieces(mark: Mark) -> Sequence[str]:
    """The text of each fragment: the whole is cut by the lengths that the offsets give, in code points or in UTF-16 units."""
    if len(mark.fragments) == 1:
        return [mark.quoted]
    sizes = [end - start for start, end in mark.fragments]
    units = Units(mark.quoted)
    for gap in (1, 0):  # before version 1.3 there was no space between
        starts = accumulate((size + gap for size in sizes[:-1]), initial=0)
        places = [(start, start + size) for start, size in zip(starts, sizes, strict=True)]
        if places[-1][1] == len(mark.quoted):
            return [mark.quoted[start:end] for start, end in places]
        if places[-1][1] == units.of(len(mark.quoted)):
            return [mark.quoted[units.point(start) : units.point(end)] for start, end in places]
    return [mark.quoted] * len(sizes)  # they will not be found, and the message shows the whole


def pieces(text: str, fragments: Iterable[Span]) -> tuple[Span, ...]:
    """Fragments without the line ends inside them, which no mark of brat may hold."""
    found: list[Span] = []
    for fragment in fragments:
        if _BREAK.search(text, fragment.start, fragment.end) is None:
            found.append(fragment)
            continue
        for match in _UNBROKEN.finditer(text, fragment.start, fragment.end):
            start, end = match.end() - len(match[0].lstrip()), match.start() + len(match[0].rstrip())
            if start < end:
                found.append(Span(start, end))
    return tuple(found)


def joined(text: str, fragments: Sequence[Span]) -> tuple[Span, ...]:
    """Fragments that only a line end sets apart are one, as brat itself cuts what is selected over a line end."""
    if len(fragments) == 1:
        return (*fragments,)
    found: list[Span] = []
    for fragment in fragments:
        if found and _line_end(text, found[-1].end, fragment.start):
            found[-1] = Span(found[-1].start, fragment.end)
        else:
            found.append(fragment)
    return tuple(found)


def _line_end(text: str, start: int, end: int) -> bool:
    """Nothing but a line end, with or without space around it."""
    return text[start : start + 1].isspace() and text[start:end].isspace() and _BREAK.search(text, start, end) is not None


def mark(label: str, fragments: Sequence[Span], text: str) -> str:
    """What stands behind the id of a mark."""
    if len(fragments) == 1:  # as nearly all marks are
        start, end = fragments[0].start, fragments[0].end
        return f"{label} {start} {end}\t{text[start:end]}"
    offsets = ";".join(f"{span.start} {span.end}" for span in fragments)
    return f"{label} {offsets}\t{' '.join(span.of(text) for span in fragments)}"
