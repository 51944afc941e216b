"""What a tool shows no place for travels beside the text, as a string of JSON under the key ``nisba``, and comes back from there.

A string, since what tools are built on takes liberties with numbers: doccano exports through pandas, which rounds to ten digits,
Prodigy through ujson. It holds the whole annotation, so that ids, speakers and scores find their claims again. What a person
changed in the tool wins: only what cannot be seen there is taken from here, and only for claims that can still be recognised.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nisba.formats.bounded import load_row
from nisba.schema import ROLES, Document, Problem, SchemaError

KEY = "nisba"
Place = tuple[int, int]
Roles = Mapping[str, tuple[Place, ...]]  # the fragments of each of ROLES, in text order
_Mark = tuple[Any, ...] | None


class Was(NamedTuple):
    """A claim as it was when it was written. But for the id, fields are checked where they are used."""

    roles: Roles
    fields: Mapping[str, Any]


class Carried(NamedTuple):
    """A document as it was when it was written, without its text. Ids, meta and fields are checked where they are used."""

    id: Any
    meta: Mapping[str, Any]
    scores: Mapping[tuple[Any, Any, Any], Any]  # of names, by start, end and label
    named: bool  # there were names
    claims: Sequence[Was]

    def without_scores(self) -> Carried:
        """The same as a person leaves it: what somebody has looked at is no longer a guess."""
        claims = [Was(claim.roles, {**claim.fields, "score": None}) for claim in self.claims]
        return self._replace(scores={}, claims=claims)


def pack(document: Document) -> str:
    """All but the text, as JSON."""
    row = document.to_dict()
    del row["text"]
    return json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def unpack(value: Any) -> Carried | None:
    """What ``pack`` made; None from None. Raises SchemaError."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise SchemaError([Problem(KEY, "must be the string that nisba wrote", repr(value))])
    try:
        row = load_row(value.encode())
        names = {(e["start"], e["end"], e["label"]): e.get("score") for e in row["entities"]}
        claims = [_was(claim) for claim in row["claims"]]
        if row.keys() != {"id", "meta", "entities", "claims"} or not isinstance(row["meta"], dict):
            raise ValueError("must have id, meta, entities and claims")
    except (KeyError, TypeError, AttributeError) as error:
        raise SchemaError([Problem(KEY, f"is not what nisba wrote: {type(error).__name__}: {error}", value)]) from None
    except ValueError as error:
        raise SchemaError([Problem(KEY, f"is not what nisba wrote: {error}", value)]) from None
    scores = {name: score for name, score in names.items() if score is not None}
    return Carried(row["id"], row["meta"], scores, bool(names), claims)


def recognised(drawn: Sequence[Roles], before: Sequence[Was]) -> list[Was | None]:
    """For every claim that is drawn, the one that it was; None for a new one. No claim is taken twice, the first comes first.

    It is the claim with the same spans, else with the same content, else with the same cue and source, else one whose content
    begins or ends at the same place. Linear in the number of claims.
    """
    found: list[Was | None] = [None] * len(drawn)
    left = list(before)
    for mark in _MARKS:
        waiting: dict[_Mark, list[Was]] = defaultdict(list)
        for claim in reversed(left):
            waiting[mark(claim.roles)].append(claim)
        waiting.pop(None, None)
        for i, roles in enumerate(drawn):
            if found[i] is None and (same := waiting.get(mark(roles))):
                found[i] = same.pop()
        taken = {id(claim) for claim in found}
        left = [claim for claim in left if id(claim) not in taken]
        if not left or None not in found:
            break
    return found


def _was(row: dict[str, Any]) -> Was:
    """Raises KeyError, TypeError or ValueError where the roles are not what ``pack`` wrote."""
    roles: Roles = {role: tuple([(start, end) for start, end in row.pop(role)]) for role in ROLES}
    if not all(type(offset) is int for spans in roles.values() for span in spans for offset in span) or not roles["content"]:
        raise ValueError("a claim must have content, and integers for offsets")
    if not isinstance(row["id"], str):
        raise TypeError("the id of a claim must be a string")
    return Was(roles, row)


def _by_source(roles: Roles) -> _Mark:
    return (roles["cue"], roles["source"]) if roles["cue"] else None


_MARKS: tuple[Callable[[Roles], _Mark], ...] = (
    lambda roles: (roles["content"], roles["cue"], roles["source"], roles["addressee"]),
    lambda roles: (roles["content"],),
    _by_source,
    lambda roles: (roles["content"][0][0],),
    lambda roles: (roles["content"][-1][1],),
)
