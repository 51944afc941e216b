"""Counts of one document, and the measures that sums of counts give.

A document gives an array of shape (len(KEYS), 4): per key how many predicted items are right, how many were predicted, how
many gold items were found, and how many there are. Counts of documents add up; bootstrap and randomisation resample them.
P = right / predicted, R = found / gold, F1 = 2PR / (P + R), accuracy = found / gold; not a number where nothing is to be
divided by, but F1 is 0 where one of P and R is a number. All averages are micro averages unless they are called macro.

Items are names, claims, tokens of a role (``overlap``) or links. In a slice (a ``type``, say) the predicted items are those whose
own annotation is in the slice, and likewise the gold items: a direct claim found as a mixed one is a hit for direct's recall and
for mixed's precision. Overall, right and found are the same.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import regex
from numpy.typing import NDArray

from nisba.metrics.align import Alignment, Held, f1
from nisba.metrics.phenomena import SLICES, slices
from nisba.schema import CLAIM_TYPES, ENTITY_LABELS, ROLES, SOURCE_TYPES, STANCES, WORD, Document, Entity, Role, Span
from nisba.text import fold, same_name

Counts = NDArray[np.float64]
RIGHT, PREDICTED, FOUND, GOLD = range(4)
SOFT = {"soft80": 0.8, "soft50": 0.5}  # content token F1 from which a soft pair counts
SPEAKERS = ("all", "named", "described", "dropped")
ATTRIBUTES: dict[str, tuple[str, ...]] = {"type": CLAIM_TYPES, "source_type": SOURCE_TYPES, "stance": STANCES}
LINKED: tuple[Role, ...] = ("cue", "source", "content")

NAME_KEYS = tuple(f"names.{kind}{label}" for kind in ("strict", "partial") for label in ("", *(f".{x}" for x in ENTITY_LABELS)))
CLAIM_KEYS = (
    "claims.strict",
    *(f"claims.{name}" for name in SOFT),
    "links",
    *(f"roles.{role}.{kind}" for role in ROLES for kind in ("strict", "overlap")),
    *(f"speaker.{name}" for name in SPEAKERS),
    *(f"attributes.{name}.{value}" for name, values in ATTRIBUTES.items() for value in values),
)
KEYS: tuple[tuple[str, tuple[str, str]], ...] = (
    *((key, SLICES[0]) for key in NAME_KEYS),
    *((key, slice_) for slice_ in SLICES for key in CLAIM_KEYS),
)
OVERALL = len(NAME_KEYS) + len(CLAIM_KEYS)  # the first of KEYS: those of all claims
_WORD = regex.compile(f"{WORD}+")
_AT = {key: i for i, key in enumerate(CLAIM_KEYS)}


def count(gold: Document, predicted: Document, alignment: Alignment) -> Counts:
    """The counts of one document, of shape (len(KEYS), 4)."""
    return np.concatenate([names(gold, predicted), claims(alignment).reshape(-1, 4)])


def names(gold: Document, predicted: Document) -> Counts:
    """Shape (len(NAME_KEYS), 4). strict: same edges, same label (the exact match of CoNLL-2003, Tjong Kim Sang and De Meulder 2003;
    overall and by label). partial: 1 for the same edges, ½ for any overlap, one to one in text order, whatever the label
    (SemEval-2013 task 9, Segura-Bedmar et al. 2013, as in nervaluate); by label, among the names of that label.

    An ambiguous name counts neither for nor against, and neither does a name of the other side that overlaps one and nothing else.
    """
    sides = _certain(predicted.entities, gold.entities), _certain(gold.entities, predicted.entities)
    rows = np.zeros((2, 1 + len(ENTITY_LABELS), 4))
    for i, label in enumerate(ENTITY_LABELS, 1):
        ours, theirs = ([e.span for e in side if e.label == label] for side in sides)
        hits = len(set(ours) & set(theirs))
        rows[0, i] = hits, len(ours), hits, len(theirs)
        rows[1, i] = _partial(ours, theirs)
    rows[0, 0] = rows[0].sum(axis=0)
    rows[1, 0] = _partial([e.span for e in sides[0]], [e.span for e in sides[1]])
    return rows.reshape(-1, 4)


def _certain(entities: Sequence[Entity], others: Sequence[Entity]) -> list[Entity]:
    """The names that count, in text order: not ambiguous themselves, nor over none but ambiguous names of the other side."""
    others = sorted(others, key=lambda e: e.span)
    starts, ends = [e.span.start for e in others], [e.span.end for e in others]
    result = []
    for entity in sorted((e for e in entities if not e.ambiguous), key=lambda e: e.span):
        met = others[bisect_right(ends, entity.span.start) : bisect_left(starts, entity.span.end)]
        if not met or not all(other.ambiguous for other in met):
            result.append(entity)
    return result


def _partial(ours: Sequence[Span], theirs: Sequence[Span]) -> tuple[float, int, float, int]:
    """Spans in text order, those of one side apart: taking the first free partner in turn pairs as many as can be."""
    hits, at = 0.0, 0
    for span in ours:
        while at < len(theirs) and theirs[at].end <= span.start:
            at += 1
        if at < len(theirs) and theirs[at].start < span.end:
            hits += 1.0 if theirs[at] == span else 0.5
            at += 1
    return hits, len(ours), hits, len(theirs)


def claims(alignment: Alignment) -> Counts:
    """Shape (len(SLICES), len(CLAIM_KEYS), 4).

    claims.strict: cue, source and content all equal (all fragments), whoever the alignment pairs; what equals an optional claim and
    no other is left out. claims.soft80, soft50: an aligned pair with content token F1
    of at least 0.8 or 0.5 whose sources share a token or are both empty. roles.strict: all fragments of an aligned pair's role
    equal. roles.overlap: tokens that the roles of an aligned pair share, over the tokens of that role. links: of the pairs of
    roles (cue, source, content) in one claim, those whose two spans both sides have, in whatever claim: linking on gold spans.
    speaker: see ``speaker_kind``. attributes: over aligned pairs.
    """
    gold, predicted = alignment.gold, alignment.predicted
    found, right = (np.zeros((len(side), len(CLAIM_KEYS), 2)) for side in (gold, predicted))  # hits and totals of each claim
    for rows, side, others, core, hits in (
        (found, gold, predicted, alignment.core_gold, alignment.equal.keys()),
        (right, predicted, gold, alignment.core_predicted, alignment.equal.values()),
    ):
        optional = {held.key for held in others if not held.claim.core}
        for i in core:
            rows[i, _AT["claims.strict"]] = i in hits, i in hits or side[i].key not in optional
            for key, total in _totals(side[i]):
                rows[i, _AT[key], 1] = total
    for g, p in alignment.pairs.items():
        for key, hit in _hits(gold[g], predicted[p]):
            found[g, _AT[key], 0] = right[p, _AT[key], 0] = hit
        for name in ATTRIBUTES:
            ours, theirs = (_AT[f"attributes.{name}.{getattr(side.claim, name)}"] for side in (predicted[p], gold[g]))
            found[g, theirs] = ours == theirs, 1
            right[p, ours] = ours == theirs, 1
        if same_name(gold[g].claim.speaker, predicted[p].claim.speaker):
            for kind in ("all", speaker_kind(gold[g])):
                found[g, _AT[f"speaker.{kind}"], 0] = 1
    for rows, links in zip((right, found), _links(alignment), strict=True):
        rows[:, _AT["links"]] = links
    result = np.zeros((len(SLICES), len(CLAIM_KEYS), 4))
    for rows, side, at in ((right, predicted, RIGHT), (found, gold, FOUND)):
        for row, numbers in zip(rows, slices(side), strict=True):
            result[numbers, :, at : at + 2] += row
    return result


def _totals(held: Held) -> Iterator[tuple[str, int]]:
    """What a claim adds to the denominators, strict aside."""
    for name in SOFT:
        yield f"claims.{name}", 1
    for role in ROLES:
        yield f"roles.{role}.strict", bool(held.roles[role])
        yield f"roles.{role}.overlap", held.roles[role].bit_count()
    for kind in ("all", speaker_kind(held)):
        yield f"speaker.{kind}", 1


def _hits(gold: Held, predicted: Held) -> Iterator[tuple[str, int]]:
    """What an aligned pair adds to the numerators."""
    for name, least in SOFT.items():
        yield f"claims.{name}", is_soft(gold, predicted, least)
    for role in ROLES:
        yield f"roles.{role}.strict", bool(gold.roles[role]) and gold.claim.role(role) == predicted.claim.role(role)
        yield f"roles.{role}.overlap", (gold.roles[role] & predicted.roles[role]).bit_count()


def is_soft(gold: Held, predicted: Held, least: float = SOFT["soft80"]) -> bool:
    """Whether an aligned pair counts as correct in a soft score."""
    ours, theirs = predicted.roles["source"], gold.roles["source"]
    linked = bool(ours & theirs) or not (ours or theirs)
    return linked and f1(gold.roles["content"], predicted.roles["content"]) >= least


def _links(alignment: Alignment) -> tuple[Counts, Counts]:
    """Hits and totals of links for each predicted and each gold claim. A link that one side has twice is right twice only where the
    other has it twice."""
    sides = (alignment.predicted, sorted(alignment.core_predicted)), (alignment.gold, sorted(alignment.core_gold))
    ends = [{(role, side[i].claim.role(role)) for i in core for role in LINKED} for side, core in sides]
    both = ends[0] & ends[1]
    links = [{i: _judged(side[i], both) for i in core} for side, core in sides]
    shared = [Counter(link for row in side.values() for link in row) for side in links]
    left = shared[0] & shared[1]
    result = []
    for (side, _), judged in zip(sides, links, strict=True):
        rows, waiting = np.zeros((len(side), 2)), left.copy()
        for i, row in judged.items():
            for link in row:
                rows[i] += waiting[link] > 0, 1
                waiting[link] -= 1
        result.append(rows)
    return result[0], result[1]


_End = tuple[Role, tuple[Span, ...]]


def _judged(held: Held, both: set[_End]) -> list[tuple[_End, _End]]:
    ends = [(role, held.claim.role(role)) for role in LINKED if held.claim.role(role)]
    return [(one, other) for one, other in combinations(ends, 2) if one in both and other in both]


def speaker_kind(held: Held) -> str:
    """``dropped``: no source words (a dropped subject, a colon, a quotation that goes on). ``named``: a person or organisation
    whose source shares a word with the speaker. ``described``: the rest, as pronouns and offices: the speaker stands elsewhere."""
    claim = held.claim
    if not claim.source:
        return "dropped"
    shared = set(_WORD.findall(fold(held.source))) & set(_WORD.findall(fold(claim.speaker or "")))
    return "named" if shared and claim.source_type in ("person", "organization") else "described"


def measures(sums: Counts) -> dict[tuple[tuple[str, str], str], Counts]:
    """``(slice, dotted name) → value``, in [0, 1], of shape ``…`` for sums of counts of shape (…, the first of KEYS, 4).

    macro_f1 is the mean F1 of the values that gold or predictions have; accuracies of attributes are over aligned pairs.
    """
    keys = KEYS[: sums.shape[-2]]
    result: dict[tuple[tuple[str, str], str], Counts] = {}
    macro: dict[tuple[tuple[str, str], str], list[Counts]] = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for i, (key, slice_) in enumerate(keys):
            right, predicted, found, gold = np.moveaxis(sums[..., i, :], -1, 0)
            if key.startswith("speaker."):
                result[slice_, f"{key}.accuracy"] = found / gold
                continue
            precision, recall = right / predicted, found / gold
            both = np.nan_to_num(precision), np.nan_to_num(recall)
            f = np.where(predicted + gold > 0, np.nan_to_num(2 * both[0] * both[1] / (both[0] + both[1])), np.nan)
            result |= {(slice_, f"{key}.{name}"): v for name, v in (("precision", precision), ("recall", recall), ("f1", f))}
            if key.startswith("attributes."):
                macro.setdefault((slice_, key.rsplit(".", 1)[0]), []).append(f)
        for (slice_, name), values in macro.items():
            known = np.stack(values)
            result[slice_, f"{name}.macro_f1"] = np.nansum(known, axis=0) / (~np.isnan(known)).sum(axis=0)
            at = [i for i, (key, where) in enumerate(keys) if where == slice_ and key.startswith(f"{name}.")]
            result[slice_, f"{name}.accuracy"] = sums[..., at, FOUND].sum(axis=-1) / sums[..., at, GOLD].sum(axis=-1)
    return result
