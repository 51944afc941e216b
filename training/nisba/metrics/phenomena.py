"""What is hard about a claim: the slices by which scores are broken down. Each is a property of one side's own annotation."""

from __future__ import annotations

from collections.abc import Sequence

from nisba.metrics.align import Held
from nisba.schema import CLAIM_TYPES, SOURCE_TYPES

LONG = 20  # tokens
PHENOMENA = {
    "content_first": "the content begins before the cue",
    "split": "content in several fragments",
    "nested": "the content lies inside another claim's content",
    "relayed": "another claim has the same content",
    "cueless": "no cue: a colon, or a quotation that goes on",
    "addressee": "somebody is told",
    "long": f"content of more than {LONG} tokens",
}
SLICES: tuple[tuple[str, str], ...] = (
    ("", ""),  # all claims
    *(("type", value) for value in CLAIM_TYPES),
    *(("source_type", value) for value in SOURCE_TYPES),
    *(("phenomenon", name) for name in PHENOMENA),
)
_NUMBER = {slice_: i for i, slice_ in enumerate(SLICES)}


def slices(claims: Sequence[Held]) -> list[list[int]]:
    """Per claim of one document and side, the numbers in SLICES that it belongs to."""
    result = []
    for held in claims:
        claim, content = held.claim, held.roles["content"]
        others = [other.roles["content"] for other in claims if other is not held]
        found = {
            "content_first": bool(claim.cue) and claim.content[0] < claim.cue[0],
            "split": len(claim.content) > 1,
            "nested": any(content != other and content & other == content for other in others),
            "relayed": content in others,
            "cueless": not claim.cue,
            "addressee": bool(claim.addressee),
            "long": content.bit_count() > LONG,
        }
        keys = [("", ""), ("type", claim.type), ("source_type", claim.source_type)]
        keys += [("phenomenon", name) for name, holds in found.items() if holds]
        result.append([_NUMBER[key] for key in keys])
    return result
