"""What went wrong, claim by claim: the kinds of error that the report counts and its page lets people browse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nisba.metrics.align import Alignment, Held
from nisba.schema import Role
from nisba.text import same_name

KINDS = {
    "missed_cue": "a gold claim that no prediction answers",
    "spurious_cue": "a predicted claim that answers no gold claim",
    "wrong_cue": "another cue, or other edges of it",
    "wrong_source": "another source, or other edges of it",
    "wrong_link": "the cue or source of another claim",
    "content_long": "content with words too many",
    "content_short": "content with words missing",
    "content_shifted": "content with words too many and words missing, or parted otherwise",
    "wrong_addressee": "another addressee, or other edges of it",
    "wrong_speaker": "another speaker",
    "wrong_attribute": "another type, source type or stance",
}


@dataclass(frozen=True, slots=True)
class Error:
    """A kind of KINDS with the ids of the claims concerned."""

    kind: str
    gold: str | None
    predicted: str | None


def errors(alignment: Alignment) -> Iterator[Error]:
    """The errors of one document, by the alignment. Optional claims have none."""
    gold, predicted = alignment.gold, alignment.predicted
    answered, answers = set(alignment.pairs), set(alignment.pairs.values())
    for g in sorted(alignment.core_gold - answered):
        yield Error("missed_cue", gold[g].claim.id, None)
    for g, p in alignment.pairs.items():
        for kind in _kinds(alignment, gold[g], predicted[p]):
            yield Error(kind, gold[g].claim.id, predicted[p].claim.id)
    for p in sorted(alignment.core_predicted - answers):
        yield Error("spurious_cue", None, predicted[p].claim.id)


def _kinds(alignment: Alignment, gold: Held, predicted: Held) -> Iterator[str]:
    """Of an aligned pair."""
    linked = [_foreign(alignment, role, gold, predicted) for role in ("cue", "source")]
    if any(linked):
        yield "wrong_link"
    for role, foreign in zip(("cue", "source"), linked, strict=True):
        if gold.claim.role(role) != predicted.claim.role(role) and not foreign:  # type: ignore[arg-type]
            yield f"wrong_{role}"
    if gold.claim.content != predicted.claim.content:
        ours, theirs = predicted.roles["content"], gold.roles["content"]
        if ours & ~theirs and not theirs & ~ours:
            yield "content_long"
        elif theirs & ~ours and not ours & ~theirs:
            yield "content_short"
        else:
            yield "content_shifted"
    if gold.claim.addressee != predicted.claim.addressee:
        yield "wrong_addressee"
    if not same_name(gold.claim.speaker, predicted.claim.speaker):
        yield "wrong_speaker"
    if any(getattr(gold.claim, name) != getattr(predicted.claim, name) for name in ("type", "source_type", "stance")):
        yield "wrong_attribute"


def _foreign(alignment: Alignment, role: str, gold: Held, predicted: Held) -> bool:
    """Whether the predicted span shares nothing with the gold one and is that of another gold claim."""
    name: Role = role  # type: ignore[assignment]
    ours = predicted.roles[name]
    if not ours or ours & gold.roles[name]:
        return False
    return any(other.roles[name] == ours for other in alignment.gold if other is not gold)
