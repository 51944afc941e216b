"""A document as the lines of brat's ``.ann`` file, whose layout ``nisba.formats.brat`` tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nisba.formats import ann
from nisba.formats.brat_notes import CARRIED, NOTES, REMARKS, Remark, dump, remarks, speaker_text
from nisba.formats.brat_project import AMBIGUOUS, CUE, LABELS, OPTIONAL, UNCUED
from nisba.schema import ROLES, Claim, Document, Span


def lines(document: Document) -> list[str]:
    """Marks of names in their order, then each claim with its marks, attributes and notes. Without line ends."""
    file = _File(document.text)
    for entity in document.entities:
        key = file.mark(entity.label, (entity.span,))
        if entity.ambiguous:
            file.attribute(AMBIGUOUS, key)
        if entity.score is not None:
            file.carry(key, {"score": entity.score})
    events = {claim.id: _claim(file, claim) for claim in document.claims}
    meta = dict(document.meta)
    said = _said(file, events, remarks(meta))
    if said and all(key for key, _ in said):
        del meta[REMARKS]
        for on, remark in said:
            file.note(remark.kind, str(on), remark.text)
    file.carry(file.coming("#"), {"id": document.id} | ({"meta": meta} if meta else {}))
    return file.rows


def _said(file: _File, events: Mapping[str, str], found: Sequence[Remark]) -> list[tuple[str | None, Remark]]:
    """Remarks with the id of what they are on; None where that is not in the file."""
    marks = {(label, places[0][0], places[-1][1]): key for (label, places), key in file.marks.items()} if found else {}
    return [(events.get(remark.on) if isinstance(remark.on, str) else marks.get(remark.on), remark) for remark in found]


class _File:
    """Lines under way; ids count up by kind."""

    def __init__(self, text: str):
        self.text = text
        self.rows: list[str] = []
        self.marks: dict[tuple[str, tuple[tuple[int, int], ...]], str] = {}  # by label and where the pieces are
        self._counts = Counter[str]()

    def coming(self, kind: str) -> str:
        """The id that the next line of a kind will have."""
        return f"{kind}{self._counts[kind] + 1}"

    def _add(self, kind: str, rest: str) -> str:
        self._counts[kind] += 1
        key = f"{kind}{self._counts[kind]}"
        self.rows.append(f"{key}\t{rest}")
        return key

    def mark(self, label: str, fragments: Sequence[Span]) -> str:
        """The id of a mark; claims that share it point to the same."""
        spans = ann.pieces(self.text, fragments)
        place = (label, tuple([(span.start, span.end) for span in spans]))
        key = self.marks.get(place)
        if key is None:
            key = self.marks[place] = self._add("T", ann.mark(label, spans, self.text))
        return key

    def event(self, label: str, trigger: str, arguments: Sequence[tuple[str, str]]) -> str:
        return self._add("E", " ".join(f"{role}:{target}" for role, target in [(label, trigger), *arguments]))

    def attribute(self, name: str, target: str, value: str = "") -> None:
        self._add("A", f"{name} {target} {value}" if value else f"{name} {target}")

    def note(self, kind: str, target: str, text: str) -> None:
        self._add("#", f"{kind} {target}\t{text}")

    def carry(self, target: str, row: Mapping[str, Any]) -> None:
        self.note(CARRIED, target, dump(row))


def _claim(file: _File, claim: Claim) -> str:
    """Writes a claim; the id of its event."""
    trigger = file.mark(CUE, claim.cue) if claim.cue else file.mark(UNCUED, claim.content)
    roles = [(label, claim.role(role)) for label, role in LABELS.items() if claim.cue or role != "content"]
    arguments = [(label, file.mark(label, spans)) for label, spans in roles if spans]
    key = file.event(CUE if claim.cue else UNCUED, trigger, arguments)
    for name, value, absent in (
        ("Type", claim.type, "indirect"),
        ("SourceType", claim.source_type, "implicit"),
        ("Stance", claim.stance, "neutral"),
    ):
        if value != absent:
            file.attribute(name, key, value)
    if not claim.core:
        file.attribute(OPTIONAL, key)
    if claim.speaker is not None:
        file.note(NOTES, key, speaker_text(claim.speaker))
    row: dict[str, Any] = {} if claim.id == f"c{key[1:]}" else {"id": claim.id}
    row |= {} if claim.score is None else {"score": claim.score}
    merged = [role for role in ROLES if len(claim.role(role)) > 1 and _merged(file.text, claim.role(role))]
    fragments = {role: [[span.start, span.end] for span in claim.role(role)] for role in merged}
    row |= {"fragments": fragments} if fragments else {}
    if row:
        file.carry(key, row)
    return key


def _merged(text: str, fragments: Sequence[Span]) -> bool:
    """Whether some of several fragments would be read as one."""
    return ann.joined(text, ann.pieces(text, fragments)) != tuple(fragments)
