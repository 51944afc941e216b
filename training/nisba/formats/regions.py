"""Documents as tools draw them: labelled regions of the text, and links between the regions of one claim.

A name is a region. So is every fragment of a claim's roles; a cue, source or addressee that several claims share is one region, a
content never is. Links have no direction that means anything and all are of one kind, ``LINK``. They join the first fragment of a
claim's content (no claim is without) to its other fragments, of whatever role: which role is said by the regions' labels.

What is chosen for a claim stands where annotators look for it: its type at the content, its source type at the source, its stance
at the cue. Tools that know nothing but labels take these, and doubt, into the label: ``content:direct``, ``source:person``,
``cue:deny``, ``addressee``, ``PER``; a question mark at the end (``PER?``, ``content:mixed?``) makes a name ambiguous, a claim
optional. ``LABELS`` lists them. A label without its choice (``source``) leaves the choice open.
"""

from __future__ import annotations

from typing import NamedTuple

from nisba.schema import CLAIM_TYPES, ENTITY_LABELS, ROLES, SOURCE_TYPES, STANCES, Document

LINK = "claim"
CHOICES: dict[str, tuple[str, ...]] = {"content": CLAIM_TYPES, "source": SOURCE_TYPES[:-1], "cue": STANCES}  # implicit: no source
FIELDS = {"content": "type", "source": "source_type", "cue": "stance"}
_DOUBTED = (*ENTITY_LABELS, "content")


class Region(NamedTuple):
    """A labelled piece of the text, ``[start, end)`` in code points. ``label`` is one of ENTITY_LABELS and ROLES, ``choice`` one of
    CHOICES[label] or None where nothing is chosen. ``doubt`` makes a name ambiguous, a claim optional. ``where`` is what messages
    call it. A tuple, since corpora have millions of them."""

    start: int
    end: int
    label: str
    choice: str | None = None
    doubt: bool = False
    speaker: str | None = None  # at the first fragment of a content
    score: float | None = None  # at a name, and at the first fragment of a content
    where: str = ""


def draw(document: Document) -> tuple[list[Region], list[tuple[int, int]]]:
    """The regions of a document and the links between them, as pairs of indices; names come first, claims in their order."""
    chosen = "attributes" in document.layers
    regions = [Region(e.span.start, e.span.end, e.label, doubt=e.ambiguous, score=e.score) for e in document.entities]
    links: list[tuple[int, int]] = []
    shared: dict[Region, int] = {}
    for claim in document.claims:
        head = len(regions)
        kind = claim.type if chosen else None
        first, *others = claim.content
        regions.append(Region(first.start, first.end, "content", kind, not claim.core, claim.speaker, claim.score))
        for span in others:
            links.append((head, len(regions)))
            regions.append(Region(span.start, span.end, "content", kind, not claim.core))
        for role in ("cue", "source", "addressee"):
            choice = getattr(claim, FIELDS[role]) if chosen and role in FIELDS else None
            for span in getattr(claim, role):
                region = Region(span.start, span.end, role, choice)
                index = shared.setdefault(region, len(regions))
                if index == len(regions):
                    regions.append(region)
                links.append((head, index))
    return regions, links


def name(region: Region) -> str:
    """The label with its choice and doubt in it."""
    return region.label + (f":{region.choice}" if region.choice else "") + ("?" if region.doubt else "")


def _names() -> dict[str, tuple[str, str | None, bool]]:
    named: dict[str, tuple[str, str | None, bool]] = {}
    for label in (*ENTITY_LABELS, *ROLES):
        for choice in (None, *CHOICES.get(label, ())):
            for doubt in (False, True) if label in _DOUBTED else (False,):
                named[label + (f":{choice}" if choice else "") + ("?" if doubt else "")] = (label, choice, doubt)
    return named


NAMED = _names()  # "content:direct?" → ("content", "direct", True)
LABELS = tuple(text for text, (label, choice, _) in NAMED.items() if choice or label not in CHOICES)  # what annotators choose from
