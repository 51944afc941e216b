"""A document from brat's pair of files, whose layout ``nisba.formats.brat`` tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from nisba.characters import is_edge_char
from nisba.files import FormatError
from nisba.formats import ann, brat_notes
from nisba.formats.brat_notes import CARRIED, NOTES, REMARKS, Remark
from nisba.formats.brat_project import AMBIGUOUS, CUE, LABELS, OPTIONAL, UNCUED, VALUES
from nisba.formats.offsets import Repair
from nisba.schema import ENTITY_LABELS, Claim, Document, Entity, SchemaError, Span, excerpt, trim

_TRIGGERS = {CUE: "cue", UNCUED: "content"}  # the role of an event's trigger
_KNOWN = dict.fromkeys((*ENTITY_LABELS, *LABELS, *_TRIGGERS))
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_LABEL = itemgetter(1)  # of a mark
_CARRIED: dict[str, dict[str, Any]] = {  # by the first letter of what a note is on: keys and their types
    "#": {"id": str, "meta": dict},
    "E": {"id": str, "score": (int, float), "fragments": dict},
    "T": {"score": (int, float)},
}


def document(text: str, rows: str, *, file: str, name: str, repair: Repair | None) -> Document:
    """The document of a text and the lines about it. ``file`` stands in messages; ``name`` is its id where none is carried along.
    Raises FormatError with everything that is wrong."""
    return _Reading(text, rows, file, name).document(repair)


class _Reading:
    """One document under way, and what is wrong with it."""

    def __init__(self, text: str, rows: str, file: str, name: str):
        self.text, self.name, self._file, self._shown = text, name, file, excerpt(name)
        self.problems: list[str] = []
        self.found = ann.parse(rows, self.at, self.problems)
        self.carried = self._carry()
        self.name = self.carried.get("#", {}).get("id", name)
        self._shown = excerpt(self.name)
        self.values: dict[str, dict[str, str]] = {}  # of attributes, by what they are on and by name
        self.speakers: dict[str, str] = {}
        self.places: dict[str, tuple[Span, ...]] = {}
        self.words: dict[str, tuple[Span, ...]] = {}

    def at(self, line: int) -> str:
        return f"{self._file}:{line}: {self._shown}"

    def document(self, repair: Repair | None) -> Document:
        """Raises FormatError."""
        self.places, wrong = ann.spans(self.text, self.found.marks.values(), self.at, repair)
        self.problems += wrong
        self._attributes()
        said = self._speakers()
        if not self._linked():
            self._strays()
        self._raise()
        self.words = self._words()
        entities = {mark.line: self._entity(mark) for mark in self.found.marks.values() if mark.label in ENTITY_LABELS}
        ids = self._ids()
        claims = {event.line: self._claim(event, ids[event.id]) for event in self.found.events.values()}
        self._raise()
        meta = dict(self.carried.get("#", {}).get("meta", {}))
        if said:
            earlier = meta.get(REMARKS, [])
            meta[REMARKS] = [
                *(earlier if isinstance(earlier, list) else [earlier]),
                *(self._remark(note, ids).to_dict() for note in said),
            ]
        try:
            return Document(
                self.name, self.text, tuple(filter(None, entities.values())), tuple(filter(None, claims.values())), meta
            )
        except SchemaError as error:
            lines = {f"entities[{i}]": line for i, line in enumerate(entities)}
            lines |= {f"claim {excerpt(claim.id)}": line for line, claim in claims.items() if claim}
            where = [lines.get(problem.field, lines.get(problem.field.rpartition(".")[0], 1)) for problem in error.problems]
            raise FormatError(f"{self.at(line)}: {problem}" for line, problem in zip(where, error.problems, strict=True)) from None

    def _raise(self) -> None:
        if self.problems:
            raise FormatError(self.problems)

    def _carry(self) -> dict[str, dict[str, Any]]:
        """What is carried along, by the id of what it is on; by ``#`` for the document. What it was on may be gone."""
        carried: dict[str, dict[str, Any]] = {}
        for note in self.found.notes:
            if note.kind == CARRIED and note.target[0] in _CARRIED:
                key = "#" if note.target[0] == "#" else note.target
                try:
                    if key in carried:
                        raise ValueError("given twice")
                    carried[key] = brat_notes.load(note.text, _CARRIED[key[0]])
                except ValueError as error:
                    self.problems.append(f"{self.at(note.line)}: {note.target}: {error}: «{excerpt(note.text)}»")
        return carried

    def _attributes(self) -> None:
        for name, target, value, line in self.found.attributes:
            values = self.values.setdefault(target, {})
            if value in VALUES.get(name, ()) and name not in values and target in self.found.events:
                values[name] = value
                continue
            on_name = target in self.found.marks and self.found.marks[target].label in ENTITY_LABELS
            flags = [OPTIONAL] if target in self.found.events else [AMBIGUOUS] if on_name else []
            choices = VALUES if target in self.found.events else {}
            if name not in flags and name not in choices:
                known = ", ".join([*choices, *flags]) or "no attributes"
                message = f"{excerpt(target)} has {known}, not this one"
            elif name in values:
                message = f"{target} has this attribute twice"
            elif value not in choices.get(name, ("",)):
                message = (
                    f"{name} of {target} must be one of {', '.join(choices[name])}" if name in choices else f"{name} has no value"
                )
            else:
                values[name] = value
                continue
            self.problems.append(f"{self.at(line)}: {message}: «{excerpt(f'{name} {value}'.strip())}»")

    def _speakers(self) -> list[ann.Note]:
        """Takes who speaks out of the notes; what is left of them is what people remarked."""
        said: list[ann.Note] = []
        for note in self.found.notes:
            if note.kind == CARRIED:
                continue
            text = note.text.strip()
            if note.target not in self.found.events and note.target not in self.found.marks:
                self.problems.append(
                    f"{self.at(note.line)}: the note is on no mark or event of the file: «{excerpt(note.target)} {excerpt(text)}»"
                )
                continue
            if note.kind == NOTES and note.target in self.found.events:
                try:
                    name, text = brat_notes.speaker(text)
                except ValueError as error:
                    self.problems.append(f"{self.at(note.line)}: {note.target}: {error}: «{excerpt(text)}»")
                    continue
                if name is not None and self.speakers.setdefault(note.target, name) != name:
                    self.problems.append(f"{self.at(note.line)}: {note.target} has two speakers: «{excerpt(name)}»")
            if text:
                said.append(note._replace(text=text))
        return said

    def _linked(self) -> bool:
        """Whether ``_strays`` surely finds nothing."""
        marks = self.found.marks
        used: set[str] = set()
        for _, label, trigger, arguments, _ in self.found.events.values():
            if label not in _TRIGGERS or trigger not in marks or marks[trigger].label != label:
                return False
            used.add(trigger)
            whole = label != CUE
            for role, target in arguments:
                if role not in LABELS or target not in marks or marks[target].label != role:
                    return False
                used.add(target)
                whole = whole or role == "Content"
            if not whole:
                return False
        labels = Counter(map(_LABEL, marks.values()))
        return len(used) == labels.total() - sum([labels[label] for label in ENTITY_LABELS])

    def _strays(self) -> None:
        """Labels that are not known, and marks of roles that no claim has."""
        marks = self.found.marks
        used = {event.trigger for event in self.found.events.values()}
        for event in self.found.events.values():
            if event.label not in _TRIGGERS:
                self.problems.append(
                    f"{self.at(event.line)}: {event.id}: an event must be {' or '.join(_TRIGGERS)}: «{excerpt(event.label)}»"
                )
            if event.label == CUE and "Content" not in [role for role, _ in event.arguments]:
                quoted = marks[event.trigger].quoted if event.trigger in marks else ""
                self.problems.append(f"{self.at(event.line)}: {event.id}: needs an argument Content: «{excerpt(quoted)}»")
            for role, target in event.arguments:
                used.add(target)
                label = marks[target].label if target in marks else role
                if label != role or role not in LABELS:
                    of = (
                        f"must point to a {role}, not to a {excerpt(label)}"
                        if role in LABELS
                        else f"is none of {', '.join(LABELS)}"
                    )
                    self.problems.append(
                        f"{self.at(event.line)}: {event.id}: the argument {excerpt(role)} {of}: «{excerpt(target)}»"
                    )
        for mark in [m for m in marks.values() if m.label not in ENTITY_LABELS and (m.id not in used or m.label not in _KNOWN)]:
            if mark.label not in _KNOWN:
                known = ", ".join(_KNOWN)
                self.problems.append(f"{self.at(mark.line)}: {mark.id}: the label is none of {known}: «{excerpt(mark.label)}»")
            else:
                self.problems.append(
                    f"{self.at(mark.line)}: {mark.id}: no claim has this {mark.label}: link or delete it: «{excerpt(mark.quoted)}»"
                )

    def _words(self) -> dict[str, tuple[Span, ...]]:
        """What is meant by each mark: what a line end cut is joined, space and punctuation at the edges are left out."""
        text, places = self.text, self.places
        first = [spans[0] for spans in places.values()]
        ends = {text[span.start] for span in first} | {text[span.end - 1] for span in first}
        clean = not any(map(is_edge_char, ends))
        odd = [key for key, spans in places.items() if len(spans) > 1 or not clean]
        return places | {key: _trimmed(text, ann.joined(text, places[key])) for key in odd} if odd else places

    def _ids(self) -> dict[str, str]:
        """The claims' ids by event: what is carried along, else the number of the event, with a dash where that is taken."""
        ids = {key: row["id"] for key, row in self.carried.items() if key in self.found.events and "id" in row}
        taken = set(ids.values())
        for key in self.found.events:
            if key not in ids:
                name = f"c{key[1:]}"
                while name in taken:
                    name += "-"
                ids[key] = name
                taken.add(name)
        return ids

    def _entity(self, mark: ann.Mark) -> Entity | None:
        spans, edges = self.places[mark.id], self.words[mark.id]
        in_pieces = len(spans) > 1 and len(ann.joined(self.text, spans)) > 1
        if in_pieces or not edges:
            message = "a name must be in one piece" if in_pieces else "holds no word"
            self.problems.append(f"{self.at(mark.line)}: {mark.id} {mark.label}: {message}: «{excerpt(mark.quoted)}»")
            return None
        try:
            score = self.carried[mark.id].get("score") if mark.id in self.carried else None
            return Entity(edges[0], mark.label, score, AMBIGUOUS in self.values.get(mark.id, _NOTHING))  # type: ignore[arg-type]
        except SchemaError as error:
            self.problems += [f"{self.at(mark.line)}: {mark.id} {mark.label}: {problem}" for problem in error.problems]
            return None

    def _where(self, event: ann.Event) -> str:
        return f"{self.at(event.line)}: {event.id}"

    def _claim(self, event: ann.Event, name: str) -> Claim | None:
        roles = self._plain(event) or self._roles(event)
        carried = self.carried.get(event.id, _NOTHING)
        values = self.values.get(event.id, _NOTHING)
        source_type = values.get("SourceType")
        if roles.get("source") and not source_type:
            mark = next(target for label, target in event.arguments if LABELS[label] == "source")
            quoted = self.found.marks[mark].quoted
            self.problems.append(f"{self._where(event)}: has a Source and needs a SourceType: «{excerpt(quoted)}»")
            return None
        try:
            return Claim(
                name,
                roles.get("content", ()),
                roles.get("cue", ()),
                roles.get("source", ()),
                roles.get("addressee", ()),
                values.get("Type", "indirect"),  # type: ignore[arg-type]
                source_type or "implicit",  # type: ignore[arg-type]
                values.get("Stance", "neutral"),  # type: ignore[arg-type]
                self.speakers.get(event.id),
                carried.get("score"),
                OPTIONAL not in values,
            )
        except SchemaError as error:
            self.problems += [f"{self._where(event)}: claim {excerpt(name)}.{problem}" for problem in error.problems]
            return None

    def _plain(self, event: ann.Event) -> dict[str, tuple[Span, ...]] | None:
        """The roles of an event as nearly all are: one mark each that holds words, nothing carried along."""
        if "fragments" in self.carried.get(event.id, _NOTHING):
            return None
        words, arguments = self.words, event.arguments
        roles = {_TRIGGERS[event.label]: words[event.trigger]}
        for label, target in arguments:
            roles[LABELS[label]] = words[target]
        return roles if len(roles) > len(arguments) and all(roles.values()) else None

    def _roles(self, event: ann.Event) -> dict[str, tuple[Span, ...]]:
        """The roles of any event, however many marks each has."""
        marks: dict[str, dict[str, None]] = {_TRIGGERS[event.label]: {event.trigger: None}}
        for label, target in event.arguments:
            marks.setdefault(LABELS[label], {})[target] = None
        exact = self.carried.get(event.id, _NOTHING).get("fragments", _NOTHING)
        return {role: self._role(ids, exact.get(role), event, role) for role, ids in marks.items()}

    def _role(self, marks: Collection[str], exact: Any, event: ann.Event, role: str) -> tuple[Span, ...]:
        """The fragments of a role: those carried along where the marks are still theirs, else what the marks show."""
        if exact is not None:
            shown = [span for mark in marks for span in self.places[mark]]
            try:
                fragments = [Span(start, end) for start, end in exact]
            except (SchemaError, TypeError, ValueError) as error:
                where = f"{self._where(event)}: {role}"
                self.problems.append(f"{where}: what nisba carries along is no list of fragments: {error}: «{excerpt(str(exact))}»")
                return ()
            if ann.pieces(self.text, fragments) == tuple(sorted(shown)):
                return tuple(fragments)
        found: list[Span] = []
        for mark in marks:
            if not self.words[mark]:
                where = f"{self._where(event)}: {role}"
                self.problems.append(f"{where}: {mark} holds no word: «{excerpt(self.found.marks[mark].quoted)}»")
            found += self.words[mark]
        return tuple(sorted(found))

    def _remark(self, note: ann.Note, ids: Mapping[str, str]) -> Remark:
        if note.target in ids:
            return Remark(note.kind, ids[note.target], note.text)
        spans = self.places[note.target]
        return Remark(note.kind, (self.found.marks[note.target].label, spans[0].start, spans[-1].end), note.text)


def _trimmed(text: str, spans: Iterable[Span]) -> tuple[Span, ...]:
    """The spans without space and punctuation at their edges; those that hold nothing else are left out."""
    return tuple([span for s in spans if (span := trim(text, s.start, s.end)) is not None])
