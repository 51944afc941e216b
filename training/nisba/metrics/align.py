"""Which predicted claim answers which gold claim, and which claims count at all.

Sets of tokens are bit sets: Python integers whose bit i stands for token i of ``text.tokens``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from nisba.schema import ROLES, Claim, Document, Role, Span
from nisba.text import tokens

TIE, CORE = 1e-8, 1e-11  # weights that only decide between assignments of equal content F1


class TokenIndex:
    """The tokens of a text by offset: spans → bit set."""

    def __init__(self, text: str):
        spans = tokens(text)
        self.starts, self.ends = [span.start for span in spans], [span.end for span in spans]

    def __len__(self) -> int:
        return len(self.starts)

    def of(self, spans: Sequence[Span]) -> int:
        bits = 0
        for span in spans:
            first, last = bisect_right(self.ends, span.start), bisect_left(self.starts, span.end)
            bits |= ((1 << (last - first)) - 1) << first
        return bits


def f1(one: int, other: int) -> float:
    """2 |A ∩ B| / (|A| + |B|) of two bit sets (Dice 1945): symmetric, and over-long spans lose as much as short ones."""
    return 2 * (one & other).bit_count() / (one.bit_count() + other.bit_count()) if one or other else 0.0


@dataclass(frozen=True, slots=True)
class Held:
    """A claim with its roles as bit sets and the words of its source."""

    claim: Claim
    roles: dict[Role, int]
    source: str

    @property
    def key(self) -> tuple[tuple[Span, ...], ...]:
        """What the strict score compares. Spans are trimmed already: the schema allows no others."""
        return self.claim.cue, self.claim.source, self.claim.content


@dataclass(frozen=True, slots=True)
class Alignment:
    """The claims of both sides in canonical order, who answers whom (gold number → predicted number), and who counts.

    ``pairs`` is the one-to-one assignment that maximises the sum of content token F1; a pair without content overlap is no
    pair. ``equal`` are the claims with equal cue, source and content, one to one. Optional claims take part in both, and then
    count neither for nor against: ``core_gold`` and ``core_predicted`` hold the numbers of claims that are neither optional
    nor paired with an optional one.
    """

    gold: tuple[Held, ...]
    predicted: tuple[Held, ...]
    pairs: dict[int, int]
    equal: dict[int, int]
    core_gold: frozenset[int]
    core_predicted: frozenset[int]

    def core_pairs(self) -> list[tuple[int, int]]:
        return [(g, p) for g, p in self.pairs.items() if g in self.core_gold]


def align(gold: Document, predicted: Document, index: TokenIndex | None = None) -> Alignment:
    """Align the claims of two annotations of one text.

    Assignments of equal content F1, as of a relay's two claims with one content, are decided by the overlap of cues and
    sources, then in favour of claims that are not optional. Neither the order of the claims nor which side is called gold
    changes who is paired with whom.
    """
    index = index or TokenIndex(gold.text)
    theirs, ours = (_held(document, index) for document in (gold, predicted))
    if [_order(h.claim) for h in theirs] <= [_order(h.claim) for h in ours]:
        pairs = _assign(theirs, ours)
    else:  # always solved from the same side, so that ties fall alike
        pairs = {g: p for p, g in _assign(ours, theirs).items()}
    optional_gold = {g for g, held in enumerate(theirs) if not held.claim.core}
    optional_predicted = {p for p, held in enumerate(ours) if not held.claim.core}
    doubtful = {(g, p) for g, p in pairs.items() if g in optional_gold or p in optional_predicted}
    return Alignment(
        gold=theirs,
        predicted=ours,
        pairs=pairs,
        equal=_equal(theirs, ours),
        core_gold=frozenset(range(len(theirs))) - optional_gold - {g for g, _ in doubtful},
        core_predicted=frozenset(range(len(ours))) - optional_predicted - {p for _, p in doubtful},
    )


def _held(document: Document, index: TokenIndex) -> tuple[Held, ...]:
    claims = sorted(document.claims, key=_order)
    return tuple(
        Held(
            claim,
            {role: index.of(claim.role(role)) for role in ROLES},
            " ".join(span.of(document.text) for span in claim.source),
        )
        for claim in claims
    )


def _assign(rows: Sequence[Held], columns: Sequence[Held]) -> dict[int, int]:
    """The optimal assignment (Kuhn 1955; ``scipy.optimize.linear_sum_assignment``)."""
    worth = np.zeros((len(rows), len(columns)))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if row.roles["content"] & column.roles["content"]:
                tie = f1(row.roles["cue"], column.roles["cue"]) + f1(row.roles["source"], column.roles["source"])
                core = row.claim.core and column.claim.core
                worth[i, j] = f1(row.roles["content"], column.roles["content"]) + TIE * tie + CORE * core
    return {int(i): int(j) for i, j in zip(*linear_sum_assignment(worth, maximize=True), strict=True) if worth[i, j] > 0}


def _equal(gold: Sequence[Held], predicted: Sequence[Held]) -> dict[int, int]:
    """Claims with equal keys, one to one; optional ones only where no other is left."""
    waiting: dict[tuple[tuple[Span, ...], ...], list[int]] = defaultdict(list)
    for p in sorted(range(len(predicted)), key=lambda p: not predicted[p].claim.core):
        waiting[predicted[p].key].append(p)
    in_order = sorted(range(len(gold)), key=lambda g: not gold[g].claim.core)
    return {g: waiting[gold[g].key].pop(0) for g in in_order if waiting[gold[g].key]}


def _order(claim: Claim) -> tuple[Any, ...]:
    """An order of claims that does not depend on how a file lists them: it decides what ties are left."""
    roles = (claim.content, claim.cue, claim.source, claim.addressee)
    rest = (claim.type, claim.source_type, claim.stance, claim.speaker or "", claim.core)
    return *roles, *rest, -1.0 if claim.score is None else claim.score
