"""The ``result`` of a Label Studio annotation as regions and links (https://labelstud.io/guide/task_format; see ``label_studio``).

Several entries tell of one region: its labels, and choices, taxonomies and texts for it. They are joined by their ``id``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nisba.files import FormatError
from nisba.formats.offsets import Quote, Repair, Units, located
from nisba.formats.regions import CHOICES, FIELDS, LINK, Region
from nisba.schema import ENTITY_LABELS, ROLES, excerpt

FLAGS = {"content": "optional"} | dict.fromkeys(ENTITY_LABELS, "ambiguous")
_Relation = tuple[str, Mapping[str, Any]]  # where it stands, the entry
_CONTROLS = (*FIELDS.values(), *FLAGS.values())
_DISPLAYED = " (HTML, globalOffsets)"
_BREAKS = re.compile(r"\\n|\s+")  # the editor writes \n for a line end, and white space as the browser displays it


@dataclass(slots=True)
class _Marked:
    """What the entries of one region say. ``start`` is None until one has said where it is."""

    where: str
    start: int | None = None
    end: int = 0
    quoted: str | None = None
    labels: list[Any] = field(default_factory=list)
    chosen: dict[str, str] = field(default_factory=dict)
    speaker: str | None = None
    score: float | None = None


def drawn(
    text: str, result: Sequence[Any], where: str, *, repair: Repair | None, scores: bool
) -> tuple[list[Region], list[tuple[int, int]]]:
    """The regions of a result and the links between them, as pairs of indices. ``where`` the result is, for messages; ``scores``:
    it is a prediction, whose scores count. Raises FormatError with every entry that cannot be taken."""
    problems: list[str] = []
    marked: dict[str, _Marked] = {}
    relations: list[_Relation] = []
    for i, entry in enumerate(result):
        try:
            if isinstance(entry, dict) and entry.get("type") == "relation":
                relations.append((f"{where}[{i}]", entry))
            else:
                _mark(marked, entry, where, i)
        except FormatError as error:
            problems += [f"{where}[{i}]: {line}" for line in error.problems]
    regions = [] if problems else _regions(text, list(marked.values()), problems, repair=repair, scores=scores)
    links = _links(relations, {name: i for i, name in enumerate(marked)}, problems)
    if problems:
        raise FormatError(problems)
    return regions, links


def _links(relations: Sequence[_Relation], index: Mapping[str, int], problems: list[str]) -> list[tuple[int, int]]:
    """The relations between the regions of ``index``."""
    links = []
    for at, entry in relations:
        given = entry.get("labels") or []
        strange = [label for label in given if label != LINK] if isinstance(given, list) else [given]
        one, other = entry.get("from_id"), entry.get("to_id")
        if strange:
            problems.append(f"{at}: a relation that nisba has no place for: «{excerpt(str(strange[0]))}»")
        elif isinstance(one, str) and isinstance(other, str) and one in index and other in index:
            links.append((index[one], index[other]))
        else:
            problems.append(f"{at}: relates what is not there: «{excerpt(f'{one} – {other}')}»")
    return links


def _mark(marked: dict[str, _Marked], entry: Any, where: str, number: int) -> None:
    """Add what an entry says to its region. Raises FormatError."""
    value, name = (entry.get("value"), entry.get("id")) if isinstance(entry, dict) else (None, None)
    if not isinstance(value, dict) or not isinstance(name, str):
        raise FormatError([f"must be an object with id and value: «{excerpt(str(entry))}»"])
    region = marked.get(name)
    if region is None:
        region = marked[name] = _Marked(f"{where}[{number}]")
    start, end, quoted = value.get("start"), value.get("end"), value.get("text")
    if isinstance(start, str):
        start, end = _displayed(region, value)
    if type(start) is not int or type(end) is not int:
        raise FormatError([f"start and end must be integers: «{excerpt(str(value))}»"])
    if region.start is None:
        region.start, region.end = start, end
    elif region.start != start or region.end != end:
        raise FormatError([f"the region is at [{start}, {end}) here, at [{region.start}, {region.end}) in {region.where}"])
    if isinstance(quoted, str):
        if region.quoted not in (None, quoted):
            raise FormatError([f"the region is «{excerpt(quoted)}» here, «{excerpt(str(region.quoted))}» in {region.where}"])
        region.quoted = quoted
    kind, control = entry.get("type"), entry.get("from_name")
    if kind in ("labels", "hypertextlabels"):
        region.labels += _strings(value.get(kind), kind)
        region.score = entry.get("score", region.score)
    elif kind in ("choices", "taxonomy") and control in _CONTROLS:
        (region.chosen[control],) = _one(value.get(kind), control, region.chosen.get(control))
    elif kind == "textarea" and control == "speaker":
        (region.speaker,) = _one(quoted, control, region.speaker)
    else:
        raise FormatError([f"nisba has no place for «{excerpt(str(control))}», which is of type «{excerpt(str(kind))}»"])


def _displayed(region: _Marked, value: Mapping[str, Any]) -> tuple[Any, Any]:
    """Where a region of HTML is: ``start`` is a path there, and ``globalOffsets`` count the characters that are displayed."""
    place = value.get("globalOffsets")
    if not isinstance(place, dict) or not isinstance(value.get("text"), str):
        raise FormatError(
            [f"a region of HTML without its text or globalOffsets; annotate with the Text tag: «{excerpt(str(value))}»"]
        )
    if not region.where.endswith(_DISPLAYED):
        region.where += _DISPLAYED
    return place.get("start"), place.get("end")


def _one(value: Any, control: str, before: str | None) -> list[str]:
    """The one thing chosen or written; the last step of the path in a taxonomy. Raises FormatError."""
    if isinstance(value, list):
        value = [item[-1] if isinstance(item, list) and item else item for item in value]
    options = _strings(value, control)
    if len(options) != 1 or before not in (None, options[0]):
        said = [*options, *([before] if before else [])]
        raise FormatError([f"{control}: must be one: «{excerpt(' / '.join(said))}»"])
    return options


def _strings(value: Any, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise FormatError([f"{what}: must be a list of strings: «{excerpt(str(value))}»"])
    return value


def _regions(text: str, marked: Sequence[_Marked], problems: list[str], *, repair: Repair | None, scores: bool) -> list[Region]:
    spans = _spans(text, marked, problems, repair)
    regions = []
    for region, span in zip(marked, spans, strict=True):
        label = region.labels[0] if len(region.labels) == 1 else ""
        said = region.quoted or text[slice(*span)]
        if label not in (*ENTITY_LABELS, *ROLES):
            given = f"the label {excerpt(' and '.join(region.labels))}, not one of nisba's" if region.labels else "no label"
            problems.append(f"{region.where}: has {given}: «{excerpt(said)}»")
            continue
        choice = region.chosen.pop(FIELDS.get(label, ""), None)
        if choice is not None and choice not in CHOICES[label]:
            problems.append(f"{region.where}: {FIELDS[label]}: must be one of {', '.join(CHOICES[label])}: «{excerpt(choice)}»")
        doubt = region.chosen.pop(FLAGS.get(label, ""), None) is not None
        odd = [*region.chosen, *(["speaker"] if region.speaker is not None and label != "content" else [])]
        problems += [f"{region.where}: a {label} has no {control}: «{excerpt(said)}»" for control in odd]
        score = region.score if scores else None
        regions.append(Region(*span, label, choice, doubt, region.speaker, score, region.where))
    return regions


def _spans(text: str, marked: Sequence[_Marked], problems: list[str], repair: Repair | None) -> list[tuple[int, int]]:
    """The regions' spans in code points, checked against what they quote; stand-ins where that fails."""
    units = Units(text)
    quotes: list[Quote] = []
    for region in marked:
        start, end = region.start or 0, region.end
        if region.quoted is None and repair:
            problems.append(f"{region.where}: quotes nothing, so nobody can tell whether the offsets need a repair")
        elif region.quoted is None and not 0 <= start < end <= len(text):
            problems.append(f"{region.where}: [{start}, {end}) is reversed, empty or outside the text ({len(text)} characters)")
        quoted = text[start:end] if region.quoted is None else _exact(text, units, start, end, region.quoted)
        quotes.append((start, end, quoted, region.where))
    spans, wrong = located(text, quotes, repair) if quotes else ([], [])
    if problems or wrong:
        problems += [line for line in wrong if line not in problems]
        return [(0, 1)] * len(marked)
    return spans


def _exact(text: str, units: Units, start: int, end: int, quoted: str) -> str:
    """The quoted text as it is in the document, where it is there but for white space."""
    for one, other in ((start, end), (units.point(start), units.point(end))):
        if one is not None and other is not None and 0 <= one < other:
            there = text[one:other]
            if there == quoted or _BREAKS.sub("", there) == _BREAKS.sub("", quoted):
                return there
    return quoted
