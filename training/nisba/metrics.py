"""The scores of the guideline, section 6, as pure functions over gold and predicted documents.

Tokens are ``text.tokens``. Counts are summed over all documents before any ratio is taken (micro average):
P = correct / predicted, R = correct / gold, F1 = 2PR / (P + R), each 0 where its denominator is 0.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from nisba.schema import CLAIM_TYPES, ENTITY_LABELS, ROLES, SOURCE_TYPES, Claim, Document, Role, Span, trim
from nisba.text import fold, tokens

SOFT = 0.8  # content token F1 from which a soft pair counts
VERSION = 1  # of the report's keys


@dataclass(slots=True)
class Count:
    """Correct, predicted and gold counts. Overlap scores count tokens, the others spans or claims."""

    correct: int = 0
    predicted: int = 0
    gold: int = 0

    def add(self, correct: int, predicted: int, gold: int) -> None:
        self.correct += correct
        self.predicted += predicted
        self.gold += gold

    def scores(self) -> dict[str, float | int]:
        precision = self.correct / self.predicted if self.predicted else 0.0
        recall = self.correct / self.gold if self.gold else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return {
            "precision": round(100 * precision, 2),
            "recall": round(100 * recall, 2),
            "f1": round(100 * f1, 2),
            "correct": self.correct,
            "predicted": self.predicted,
            "gold": self.gold,
        }


class MismatchError(ValueError):
    """Gold and predictions are not of the same documents."""


def pair(gold: Iterable[Document], predicted: Iterable[Document]) -> list[tuple[Document, Document]]:
    """Gold and predicted documents by id. Raises MismatchError that lists what is missing, unknown, or of another text."""
    by_id = {document.id: document for document in predicted}
    pairs, wrong = [], []
    for document in gold:
        other = by_id.pop(document.id, None)
        if other is None:
            wrong.append(f"{document.id}: no prediction")
        elif other.text != document.text:
            wrong.append(f"{document.id}: the texts differ")
        else:
            pairs.append((document, other))
    wrong += [f"{name}: no gold document" for name in by_id]
    if wrong:
        raise MismatchError("gold and predictions do not match:\n" + "\n".join(wrong))
    return pairs


def report(pairs: Sequence[tuple[Document, Document]]) -> dict[str, Any]:
    """All scores, in percent, as a JSON-ready mapping: ``names``, ``claims`` (strict, soft, by type and source type), ``roles``,
    ``speaker``, and ``attributes`` (accuracy on aligned claims)."""
    aligned = [(gold, predicted, align(gold, predicted)) for gold, predicted in pairs]
    return {
        "version": VERSION,
        "documents": len(pairs),
        "names": names(pairs),
        "claims": claims(aligned),
        "roles": roles(aligned),
        "speaker": speakers(aligned),
        "attributes": attributes(aligned),
    }


def names(pairs: Sequence[tuple[Document, Document]]) -> dict[str, Any]:
    """Strict: same edges after trimming, same label (the exact match of CoNLL-2003, Tjong Kim Sang and De Meulder 2003)."""
    counts: dict[str, Count] = {label: Count() for label in ENTITY_LABELS}
    for gold, predicted in pairs:
        for label, count in counts.items():
            ours, theirs = ({_trimmed(d.text, [e.span]) for e in d.entities if e.label == label} for d in (predicted, gold))
            count.add(len(ours & theirs), len(ours), len(theirs))
    total = Count()
    for count in counts.values():
        total.add(count.correct, count.predicted, count.gold)
    return total.scores() | {"by_label": {label: count.scores() for label, count in counts.items()}}


Pairing = list[tuple[Claim, Claim]]
Aligned = tuple[Document, Document, Pairing]


def align(gold: Document, predicted: Document) -> Pairing:
    """(gold claim, predicted claim) pairs: the one-to-one assignment that maximises the sum of content token F1 (Hungarian method).

    Ties, as of a relay's two claims with one content, go to the pairs whose cues and sources overlap more. A pair without
    content overlap is no pair. The order in which claims are listed changes nothing.
    """
    if not gold.claims or not predicted.claims:
        return []
    index = TokenIndex(gold.text)
    ours, theirs = (sorted(document.claims, key=_order) for document in (predicted, gold))
    given = [{role: index.of(claim.role(role)) for role in ROLES} for claim in ours]
    held = [{role: index.of(claim.role(role)) for role in ROLES} for claim in theirs]
    content = np.array([[f1(g["content"], p["content"]) for p in given] for g in held])
    ties = np.array([[f1(g["cue"], p["cue"]) + f1(g["source"], p["source"]) for p in given] for g in held])
    rows, columns = linear_sum_assignment(np.where(content > 0, content + 1e-6 * ties, 0.0), maximize=True)
    return [(theirs[r], ours[c]) for r, c in zip(rows, columns, strict=True) if content[r, c] > 0]


def _order(claim: Claim) -> tuple[Any, ...]:
    """An order of claims that does not depend on how a file lists them: it decides what ties are left."""
    return (
        claim.content,
        claim.cue,
        claim.source,
        claim.addressee,
        claim.type,
        claim.source_type,
        claim.stance,
        claim.speaker or "",
    )


def claims(aligned: Sequence[Aligned]) -> dict[str, Any]:
    """End to end. strict: cue, source and content all equal. soft: an aligned pair with content token F1 of at least SOFT whose
    sources share a token or are both empty. By type and source type, precision goes by the prediction's, recall by the gold's."""
    ours = [claim for _, predicted, _ in aligned for claim in predicted.claims]
    theirs = [claim for gold, _, _ in aligned for claim in gold.claims]
    hits: dict[str, Pairing] = {"strict": [], "soft": []}
    for gold, predicted, pairing in aligned:
        index = TokenIndex(gold.text)
        hits["strict"] += equal_pairs(gold, predicted)
        hits["soft"] += [(g, p) for g, p in pairing if is_soft(index, g, p)]
    result: dict[str, Any] = {kind: Count(len(pairs), len(ours), len(theirs)).scores() for kind, pairs in hits.items()}
    for name, values in (("type", CLAIM_TYPES), ("source_type", SOURCE_TYPES)):
        predicted_of, gold_of = (Counter(getattr(claim, name) for claim in side) for side in (ours, theirs))
        for kind, pairs in hits.items():
            right_of, found_of = (Counter(getattr(pair_[side], name) for pair_ in pairs) for side in (1, 0))
            result[f"{kind}_by_{name}"] = {
                value: _ratios(right_of[value], predicted_of[value], found_of[value], gold_of[value]) for value in values
            }
    return result


def equal_pairs(gold: Document, predicted: Document) -> Pairing:
    """(gold claim, predicted claim) with equal cue, source and content after trimming, one to one."""
    waiting: dict[tuple[tuple[Span | None, ...], ...], list[Claim]] = defaultdict(list)
    for claim in predicted.claims:
        waiting[_key(predicted.text, claim)].append(claim)
    return [(claim, waiting[key].pop(0)) for claim in gold.claims if waiting[key := _key(gold.text, claim)]]


def is_soft(index: TokenIndex, gold: Claim, predicted: Claim) -> bool:
    """Whether an aligned pair counts as correct in the soft score."""
    source = index.of(gold.source), index.of(predicted.source)
    linked = bool(source[0] & source[1]) or not (source[0] or source[1])
    return linked and f1(index.of(gold.content), index.of(predicted.content)) >= SOFT


def roles(aligned: Sequence[Aligned]) -> dict[str, Any]:
    """Per role over aligned claims. strict: all fragments equal after trimming. overlap: shared tokens over predicted and gold
    tokens of the role, claims without a partner included."""
    strict: dict[Role, Count] = defaultdict(Count)
    overlap: dict[Role, Count] = defaultdict(Count)
    for gold, predicted, pairing in aligned:
        index = TokenIndex(gold.text)
        for role in ROLES:
            ours, theirs = ([index.of(c.role(role)) for c in d.claims] for d in (predicted, gold))
            same = sum(bool(g.role(role)) and _equal(gold.text, g.role(role), p.role(role)) for g, p in pairing)
            strict[role].add(same, sum(map(bool, ours)), sum(map(bool, theirs)))
            shared = sum(len(index.of(g.role(role)) & index.of(p.role(role))) for g, p in pairing)
            overlap[role].add(shared, sum(map(len, ours)), sum(map(len, theirs)))
    return {role: {"strict": strict[role].scores(), "overlap": overlap[role].scores()} for role in ROLES}


def speakers(aligned: Sequence[Aligned]) -> dict[str, float | int]:
    """Accuracy over all gold claims: right when an aligned claim names the same speaker (or none, where there is none)."""
    correct = sum(same_name(g.speaker, p.speaker) for _, _, pairing in aligned for g, p in pairing)
    return _accuracy(correct, sum(len(gold.claims) for gold, _, _ in aligned))


def attributes(aligned: Sequence[Aligned]) -> dict[str, dict[str, float | int]]:
    """Accuracy of type, source type and stance over aligned claims."""
    pairs = [item for _, _, pairing in aligned for item in pairing]
    return {
        name: _accuracy(sum(getattr(g, name) == getattr(p, name) for g, p in pairs), len(pairs))
        for name in ("type", "source_type", "stance")
    }


def same_name(one: str | None, other: str | None) -> bool:
    """Names alike but for the spelling of alef, ta marbuta and ya, diacritics, tatweel and spacing (guideline, rule 23)."""
    if one is None or other is None:
        return one is other
    return fold(one) == fold(other)


class TokenIndex:
    """The tokens of a text by offset: spans → sets of token numbers."""

    def __init__(self, text: str):
        spans = tokens(text)
        self.starts, self.ends = [span.start for span in spans], [span.end for span in spans]

    def of(self, spans: Sequence[Span]) -> frozenset[int]:
        return frozenset(
            i for span in spans for i in range(bisect_right(self.ends, span.start), bisect_left(self.starts, span.end))
        )


def f1(one: frozenset[int], other: frozenset[int]) -> float:
    """2 |A ∩ B| / (|A| + |B|): over-long spans lose as much as short ones."""
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 0.0


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """``(dotted key, number)`` of a nested report."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _trimmed(text: str, spans: Sequence[Span]) -> tuple[Span | None, ...]:
    return tuple(trim(text, span.start, span.end) for span in spans)


def _equal(text: str, one: Sequence[Span], other: Sequence[Span]) -> bool:
    return _trimmed(text, one) == _trimmed(text, other)


def _key(text: str, claim: Claim) -> tuple[tuple[Span | None, ...], ...]:
    return tuple(_trimmed(text, claim.role(role)) for role in ("cue", "source", "content"))


def _ratios(right: int, predicted: int, found: int, gold: int) -> dict[str, float | int]:
    precision = 100 * right / predicted if predicted else 0.0
    recall = 100 * found / gold if gold else 0.0
    f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": round(precision, 2), "recall": round(recall, 2), "f1": round(f, 2), "gold": gold}


def _accuracy(correct: int, total: int) -> dict[str, float | int]:
    return {"accuracy": round(100 * correct / total, 2) if total else 0.0, "correct": correct, "total": total}
