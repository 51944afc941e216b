"""A CAS as JSON: the feature structures in a list, references under keys that begin with ``@``, arrays as structures of their own.

Format: https://github.com/apache/uima-uimaj-io-jsoncas (JSON CAS 0.4.0). It leaves open in which units offsets are; the Java and
Python libraries count UTF-16 units, and so do we. Older versions call begin and end ``^begin`` and ``^end``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from nisba.files import FormatError
from nisba.formats.bounded import load_row
from nisba.formats.cas_types import ARRAY, LINKS, SOFA, VIEW, section
from nisba.formats.problems import few
from nisba.formats.structures import KEPT, Cas, Structure, checked
from nisba.schema import excerpt

_TYPES, _STRUCTURES, _VIEWS = "%TYPES", "%FEATURE_STRUCTURES", "%VIEWS"
_REFERENCES = ("sofa", "roles", "target")


def render(text: str, structures: Sequence[Structure], members: Sequence[int]) -> str:
    """The JSON CAS of a text, whose id is 1, and structures."""
    sofa = {"%ID": 1, "%TYPE": SOFA, "sofaNum": 1, "sofaID": VIEW, "mimeType": "text/plain", "sofaString": text}
    spare = max((structure.id for structure in structures), default=1)
    rows = [sofa]
    for structure in structures:
        row: dict[str, Any] = {"%ID": structure.id, "%TYPE": structure.type}
        for name, value in structure.values.items():
            if name == "roles" and value:
                spare += 1
                rows.append({"%ID": spare, "%TYPE": LINKS, "%ELEMENTS": list(value)})  # type: ignore[arg-type]
                row["@roles"] = spare
            elif isinstance(value, tuple):
                row |= {f"@{name}": reference for reference in value}
            else:
                row[name] = value
        rows.append(row)
    cas = {_TYPES: section(), _STRUCTURES: rows, _VIEWS: {VIEW: {"%SOFA": 1, "%MEMBERS": list(members)}}}
    return json.dumps(cas, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def parse(data: bytes) -> Cas:
    """The CAS of a JSON file. Raises FormatError with everything that is wrong."""
    try:
        row = load_row(data)
    except ValueError as error:
        raise FormatError([str(error)]) from None
    if not isinstance(row, dict) or _STRUCTURES not in row:
        raise FormatError([f"not a JSON CAS: has no {_STRUCTURES}: «{excerpt(str(row))}»"])
    problems: list[str] = []
    cas = Cas()
    for where, given in _listed(row[_STRUCTURES]):
        few(problems)
        if not isinstance(given, dict) or type(given.get("%ID")) is not int or not isinstance(given.get("%TYPE"), str):
            problems.append(f"{where}: needs a %ID and a %TYPE: «{excerpt(str(given))}»")
            continue
        kind = ARRAY if given["%TYPE"].endswith("[]") else given["%TYPE"]
        if kind == SOFA and given.get("sofaID") == VIEW:
            if cas.sofa:
                problems.append(f"{where}: a second text of the view {VIEW}")
            cas.sofa, cas.text = given["%ID"], _text(given, where, problems)
        elif kind in KEPT:
            cas.add(_structure(given, kind, where, problems), problems)
    cas.members = _members(row.get(_VIEWS), problems)
    return checked(cas, problems)


def _listed(given: Any) -> Iterable[tuple[str, Any]]:
    """(where, structure): a list, or an object by id, as early versions of the format had it. Raises FormatError."""
    if isinstance(given, list):
        return ((f"{_STRUCTURES}[{i}]", row) for i, row in enumerate(given))
    if isinstance(given, dict):
        ids = ((key, int(key) if key.isascii() and key.isdigit() and len(key) < 10 else None) for key in given)
        return (
            (f"{_STRUCTURES}.{excerpt(key)}", {"%ID": id_} | given[key] if isinstance(given[key], dict) else given[key])
            for key, id_ in ids
        )
    raise FormatError([f"{_STRUCTURES} must be a list: «{excerpt(str(given))}»"])


def _text(given: dict[str, Any], where: str, problems: list[str]) -> str | None:
    text = given.get("sofaString")
    if text is not None and not isinstance(text, str):
        problems.append(f"{where}: sofaString must be a string: «{excerpt(str(text))}»")
        return None
    return text


def _structure(given: dict[str, Any], kind: str, where: str, problems: list[str]) -> Structure:
    values: dict[str, Any] = {}
    for key, value in given.items():
        name = key.lstrip("@^")
        if value is None or (key.startswith("%") and key != "%ELEMENTS"):
            continue
        if key == "%ELEMENTS":
            if kind == ARRAY and isinstance(value, list) and all(type(i) is int or i is None for i in value):
                values["elements"] = tuple(i or 0 for i in value)
        elif key.startswith("@"):
            if type(value) is not int:
                problems.append(f"{where}: {key} must be the id of a structure: «{excerpt(str(value))}»")
                continue
            values[name] = (value,)
        elif not isinstance(value, str | int) or name in _REFERENCES:
            problems.append(f"{where}: {excerpt(key)} must be text, a whole number or a truth: «{excerpt(str(value))}»")
        else:
            values[name] = value
    return Structure(given["%ID"], kind, values, where)


def _members(views: Any, problems: list[str]) -> frozenset[int]:
    view = views.get(VIEW) if isinstance(views, dict) else None
    members = view.get("%MEMBERS") if isinstance(view, dict) else None
    if not isinstance(members, list) or not all(type(member) is int for member in members):
        problems.append(f"{_VIEWS}.{VIEW}.%MEMBERS must be a list of ids: «{excerpt(str(members))}»")
        return frozenset()
    return frozenset(members)
