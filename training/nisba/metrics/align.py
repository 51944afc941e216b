"""Which predicted claim answers which gold claim, and which claims count at all.

Sets of tokens are bit sets: Python integers whose bit i stands for token i of ``text.tokens``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from nisba.schema import ROLES, Claim, Document, Role, Span
from nisba.text import same_name, tokens

TIES = 1e-8, 1e-10, 1e-12  # weights that only decide between assignments of equal content F1
HALF = 0.5  # content token F1 from which a claim may answer an optional one
Array = NDArray[np.float64]


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

    ``pairs`` is the one-to-one assignment of claims that count; a pair without content overlap is no pair. ``equal`` are the claims
    that count with equal cue, source and content, one to one. ``core_gold`` and ``core_predicted`` hold the numbers of the claims
    that count: those that are neither optional nor an answer to an optional one.
    """

    gold: tuple[Held, ...]
    predicted: tuple[Held, ...]
    pairs: dict[int, int]
    equal: dict[int, int]
    core_gold: frozenset[int]
    core_predicted: frozenset[int]


def align(gold: Document, predicted: Document, index: TokenIndex | None = None) -> Alignment:
    """Align the claims of two annotations of one text such that the sum of content token F1 is greatest.

    Assignments of equal sums, as of a relay's two claims with one content, are decided by the overlap of cues and sources, then by
    addressee, speaker and attributes. Neither the order of the claims, nor which side is called gold, nor a claim that overlaps
    none of them changes who is paired with whom.

    Optional claims count neither for nor against. A claim that shares at least half (F1) of its content with an optional one and
    less with every claim that counts, answers the optional one; the rest are aligned as if there were no optional ones; what is
    then left without a partner and overlaps an optional claim answers that.
    """
    index = index or TokenIndex(gold.text)
    sides = [_held(document, index) for document in (gold, predicted)]
    turned = [_order(h.claim) for h in sides[0]] > [_order(h.claim) for h in sides[1]]
    rows, columns = sides[::-1] if turned else sides  # always solved from the same side, so that ties fall alike
    alike = np.zeros((len(rows), len(columns)))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if row.roles["content"] & column.roles["content"]:
                alike[i, j] = f1(row.roles["content"], column.roles["content"])
    core = [{i for i, held in enumerate(side) if held.claim.core} for side in (rows, columns)]
    optional = [set(range(len(side))) - of for side, of in zip((rows, columns), core, strict=True)]
    views = alike.T, alike  # of each side: the other side by this one
    firmly = [_answers(views[k], optional[1 - k], _unlike(views[k], core[1 - k], core[k]), HALF) for k in (0, 1)]
    kept = [core[k] - set(firmly[k].values()) for k in (0, 1)]
    pairs = _assign(rows, columns, alike, sorted(kept[0]), sorted(kept[1]))
    single = kept[0] - pairs.keys(), kept[1] - set(pairs.values())
    loosely = [_answers(views[k], optional[1 - k] - firmly[k].keys(), single[k], 0.0) for k in (0, 1)]
    kept = [kept[k] - set(loosely[k].values()) for k in (0, 1)]
    if turned:
        kept, pairs = kept[::-1], {g: p for p, g in pairs.items()}
    return Alignment(
        gold=sides[0],
        predicted=sides[1],
        pairs=pairs,
        equal=_equal(sides[0], sides[1], kept[0], kept[1]),
        core_gold=frozenset(kept[0]),
        core_predicted=frozenset(kept[1]),
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


def _unlike(alike: Array, rows: set[int], columns: set[int]) -> set[int]:
    """The columns that share less than HALF with every row."""
    far = np.all(alike[sorted(rows)] < HALF, axis=0)
    return columns & set(np.flatnonzero(far).tolist())


def _answers(alike: Array, rows: set[int], columns: set[int], least: float) -> dict[int, int]:
    """Row → column, one to one, with content overlap of at least ``least``."""
    some, others = sorted(rows), sorted(columns)
    worth = alike[np.ix_(some, others)] if some and others else np.zeros((0, 0))
    worth = np.where(worth >= least, worth, 0.0)
    return {some[i]: others[j] for i, j in zip(*linear_sum_assignment(worth, maximize=True), strict=True) if worth[i, j] > 0}


def _assign(
    rows: Sequence[Held], columns: Sequence[Held], alike: Array, some: Sequence[int], others: Sequence[int]
) -> dict[int, int]:
    """The optimal assignment of some rows to some columns (Kuhn 1955; ``scipy.optimize.linear_sum_assignment``)."""
    worth = np.zeros((len(some), len(others)))
    for i, r in enumerate(some):
        for j, c in enumerate(others):
            if alike[r, c]:
                worth[i, j] = alike[r, c] + sum(weight * tie for weight, tie in zip(TIES, _ties(rows[r], columns[c]), strict=True))
    return {some[i]: others[j] for i, j in zip(*linear_sum_assignment(worth, maximize=True), strict=True) if worth[i, j] > 0}


def _ties(one: Held, other: Held) -> tuple[float, float, float]:
    """What decides between assignments of equal content F1: cues and sources, then the rest, then a number that only depends on the
    two claims, so that no third one has a say."""
    first = f1(one.roles["cue"], other.roles["cue"]) + f1(one.roles["source"], other.roles["source"])
    same = [getattr(one.claim, name) == getattr(other.claim, name) for name in ("type", "source_type", "stance")]
    second = f1(one.roles["addressee"], other.roles["addressee"]) + same_name(one.claim.speaker, other.claim.speaker) + sum(same)
    keys = sorted(repr(_order(held.claim)[:-2]) for held in (one, other))
    return first, second, crc32("".join(keys).encode()) / 2**32


def _equal(gold: Sequence[Held], predicted: Sequence[Held], some: set[int], others: set[int]) -> dict[int, int]:
    """Claims with equal keys, one to one."""
    waiting: dict[tuple[tuple[Span, ...], ...], list[int]] = defaultdict(list)
    for p in sorted(others):
        waiting[predicted[p].key].append(p)
    return {g: waiting[gold[g].key].pop(0) for g in sorted(some) if waiting[gold[g].key]}


def _order(claim: Claim) -> tuple[Any, ...]:
    """An order of claims that does not depend on how a file lists them: it decides what ties are left."""
    roles = (claim.content, claim.cue, claim.source, claim.addressee)
    rest = (claim.type, claim.source_type, claim.stance, claim.speaker or "", claim.core)
    return *roles, *rest, -1.0 if claim.score is None else claim.score
