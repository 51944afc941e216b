"""Which tool a row of JSON Lines comes from: by keys and shapes that no other tool has, never by a key that everybody uses.

``text`` and ``label`` are everybody's. Only the places that labels have, and what a tool adds of its own, tell where a row is from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OURS = frozenset(("id", "text", "meta", "entities", "claims", "schema"))
_HASHES = frozenset(("_input_hash", "_task_hash"))  # Prodigy gives them to everything that it saves
_ANSWERS = ("accept", "reject", "ignore")
_WEB = ("Annotation", "AnnotationPage", "AnnotationCollection")


def formats(row: Mapping[str, Any]) -> set[str]:
    """The formats that have such rows. More than one where that cannot be told, none where it is everybody's."""
    found: set[str] = set()
    offsets = _offsets(row.get("entities"))
    if isinstance(row.get("id"), str) and "text" in row and row.keys() <= OURS and not offsets:
        found.add("jsonl")
    if _doccano(row, offsets=offsets or _offsets(row.get("annotations"))):
        found.add("doccano")
    if _prodigy(row):
        found.add("prodigy")
    if "anno.jsonld" in str(row.get("@context")) or row.get("type") in _WEB:
        found.add("w3c")
    return found


def likely(row: Mapping[str, Any]) -> str:
    """What a row may be that has no format for sure, for a message; empty where nothing speaks for any."""
    if "text" not in row and "data" not in row:
        return ""
    labels = _labels(row)
    if any(isinstance(label, str | int) for label in labels):
        return "perhaps doccano or prodigy, with labels of whole texts, not of spans"
    if any(isinstance(label, list) and not _places(label) for label in labels):
        return "perhaps doccano, with labels of whole texts, not of spans"
    if isinstance(row.get("accept"), list):
        return "perhaps prodigy, with labels of whole texts, not of spans"
    return "perhaps doccano" if isinstance(row.get("entities", row.get("annotations")), list) else ""


def _doccano(row: Mapping[str, Any], *, offsets: bool) -> bool:
    """Spans as doccano has them, or its own keys; not where labels are those of a whole text."""
    if ("text" not in row and "data" not in row) or "spans" in row:
        return False
    labels = _labels(row)
    return all(map(_places, labels)) and (offsets or bool(labels) or "Comments" in row or "relations" in row)


def _prodigy(row: Mapping[str, Any]) -> bool:
    """Its hashes, an answer to its question, spans, or tokens that know their places: other data sets have tokens too."""
    tokens = row.get("tokens")
    first = tokens[0] if isinstance(tokens, list) and tokens else None
    placed = isinstance(first, dict) and {"start", "end"} <= first.keys()
    return "text" in row and (bool(_HASHES & row.keys()) or "spans" in row or placed or row.get("answer") in _ANSWERS)


def _labels(row: Mapping[str, Any]) -> list[Any]:
    return [row[key] for key in ("label", "labels") if row.get(key) is not None]


def _places(labels: Any) -> bool:
    """Whether labels are a list of [start, end, label], or of objects with such offsets; an empty one may become that."""
    return isinstance(labels, list) and all(
        "start_offset" in item if isinstance(item, dict) else isinstance(item, list) and [*map(type, item[:2])] == [int, int]
        for item in labels
    )


def _offsets(items: Any) -> bool:
    return isinstance(items, list) and any(isinstance(item, dict) and "start_offset" in item for item in items)
