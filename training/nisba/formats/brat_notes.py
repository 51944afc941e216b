"""The notes of a brat file: who speaks, what people remarked, and the JSON that ``nisba`` has carried along."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from nisba.formats.bounded import load_row
from nisba.schema import excerpt

CARRIED, NOTES = "Nisba", "AnnotatorNotes"  # kinds of notes: ours, and what brat's field for notes writes
REMARKS = "brat_notes"  # the key of meta for what people remarked
_SPEAKER, _REMARK = "speaker:", " | "
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")  # those that JSON does not escape
_ESCAPED = {ord(char): f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"}
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class Remark(NamedTuple):
    """A note of somebody, on a claim (its id) or on a mark (label, start, end)."""

    kind: str
    on: str | tuple[str, int, int]
    text: str

    def to_dict(self) -> dict[str, Any]:
        place = {"claim": self.on} if isinstance(self.on, str) else dict(zip(("mark", "start", "end"), self.on, strict=True))
        return place | ({} if self.kind == NOTES else {"kind": self.kind}) | {"note": self.text}


def remarks(meta: Mapping[str, Any]) -> list[Remark]:
    """What people remarked, as ``Remark.to_dict`` gives it; nothing where anything of it could not come back from a file."""
    rows = meta.get(REMARKS)
    found: list[Remark] = []
    for row in rows if isinstance(rows, list) else []:
        match row:
            case {"claim": str(claim), "note": str(text), **rest}:
                on: str | tuple[str, int, int] = claim
            case {"mark": str(label), "start": int(start), "end": int(end), "note": str(text), **rest}:
                on = (label, start, end)
            case _:
                return []
        kind = rest.pop("kind", NOTES)
        remark = Remark(kind, on, text) if isinstance(kind, str) else None
        if remark is None or remark.to_dict() != row or not _fits(remark):
            return []
        found.append(remark)
    return found


def _fits(remark: Remark) -> bool:
    """It stands in a line of its own, and is not taken for anything else there."""
    of_ours = remark.kind == CARRIED or (remark.kind == NOTES and remark.text.startswith(_SPEAKER))
    return not of_ours and _KIND.fullmatch(remark.kind) is not None and [remark.text.strip()] == remark.text.splitlines()


def speaker_text(speaker: str) -> str:
    """The note of a claim that says who speaks: plain, or as a JSON string where that would not be read as it is."""
    plain = speaker.isprintable() and speaker.strip() == speaker and _REMARK not in speaker and speaker[0] != '"'
    return f"{_SPEAKER} {speaker if plain else dump(speaker)}"


def speaker(text: str) -> tuple[str | None, str]:
    """Who speaks according to a claim's note, and the rest of it. Raises ValueError for a JSON string that is none."""
    if not text.startswith(_SPEAKER):
        return None, text
    text = text.removeprefix(_SPEAKER).strip()
    if not text.startswith('"'):
        name, _, remark = text.partition(_REMARK)
        return name.strip() or None, remark.strip()
    try:
        name, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        raise ValueError("the speaker begins with a quotation mark and is no JSON string") from None
    return name, text[end:].strip().removeprefix(_REMARK.strip()).strip()


def dump(value: Any) -> str:
    """JSON on one line, whatever counts as a line end."""
    row = _JSON.encode(value)
    return row.translate(_ESCAPED) if _LINE_ENDS.search(row) else row


def load(text: str, keys: Mapping[str, type]) -> dict[str, Any]:
    """What was carried along: an object with some of the keys, each of its type. Raises ValueError."""
    row = load_row(text.encode())
    for key, value in (row if isinstance(row, dict) else {"": row}).items():
        if key not in keys or not isinstance(value, keys[key]):
            raise ValueError(f"what nisba carries along is an object without such a {excerpt(key)!r}")
    found: dict[str, Any] = row
    return found
