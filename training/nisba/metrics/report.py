"""The report of ``nisba evaluate``: gold and predicted documents to one JSON-ready mapping.

Keys, version 2 (ratios and intervals are percent; null: nothing to divide by)::

    version, documents
    optional              {names, claims}: gold items that count neither for nor against
    names                 {strict, partial: SCORE, by_label: {PER …: {strict, partial: SCORE}}}
    claims                {strict, soft80, soft50: SCORE}
    links                 SCORE
    roles                 {cue, source, content, addressee: {strict, overlap: SCORE}}
    speaker               {all, named, described, dropped: ACCURACY}
    attributes            {type, source_type, stance: {accuracy, correct, total, macro_f1, interval, by_value: {value: SCORE}}}
    confusion             {type, source_type, stance: {gold value: {predicted value: aligned pairs}}}
    by                    {type, source_type, phenomenon: {value: claims … attributes as above},
                           length, category: {value: documents, names … attributes as above}}
    calibration           {ece, bins, average_precision, curve} in [0, 1], or null where a predicted claim that counts has no score
    errors                {kind: how many}
    intervals             {level, resamples, seed}, or null where none were asked for or there is one document only

SCORE is {precision, recall, f1, correct, predicted, found, gold, interval: {precision, recall, f1: [low, high]}}; precision =
correct / predicted, recall = found / gold, where found differs from correct in slices only (see ``counts``). ACCURACY is
{accuracy, correct, total, interval: {accuracy: [low, high]}}. ``length`` is in tokens of ``text.tokens``; ``category`` is the gold
document's ``meta.category``. What the figures mean: ``counts``, ``phenomena``, ``errors``, ``calibration``, ``resampling``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

import numpy as np

from nisba.metrics.align import Alignment, TokenIndex, align
from nisba.metrics.calibration import calibration
from nisba.metrics.counts import ATTRIBUTES, FOUND, GOLD, KEYS, OVERALL, PREDICTED, RIGHT, Counts, count, is_soft, measures
from nisba.metrics.errors import KINDS, Error, errors
from nisba.metrics.phenomena import SLICES
from nisba.metrics.resampling import intervals
from nisba.schema import LAYERS, Document, excerpt

VERSION = 2  # of the report's keys
LENGTHS = (128, 256, 512)  # tokens: the edges between the length classes
LISTED = 100  # differences that a message lists before it counts the rest

Pairs = Sequence[tuple[Document, Document]]


class MismatchError(ValueError):
    """Gold and predictions are not of the same documents. ``problems`` has every difference."""

    def __init__(self, problems: Sequence[str]):
        self.problems = tuple(problems)
        more = [f"… and {len(problems) - LISTED} more"] if len(problems) > LISTED else []
        super().__init__("\n".join(["the documents do not match:", *problems[:LISTED], *more]))


def pair(gold: Iterable[Document], predicted: Iterable[Document], *, annotators: bool = False) -> list[tuple[Document, Document]]:
    """Gold and predicted documents by id, in gold's order. Raises MismatchError that lists what is missing, unknown, given twice
    or of another text.

    What gold does not annotate (its ``layers``) is left out on both sides.

    What is optional is for gold to say: the flags of predicted claims and names are dropped, unless both sides are ``annotators``.
    """
    sides = ("first annotator's documents", "second annotator's documents") if annotators else ("gold documents", "predictions")
    found, wrong = [], []
    for name, documents in zip(sides, (gold, predicted), strict=True):
        by_id: dict[str, Document] = {}
        for document in documents:
            if document.id in by_id:
                wrong.append(f"{excerpt(document.id)}: twice in the {name}")
            by_id[document.id] = document
        found.append(by_id)
    held, given = found
    for name, document in held.items():
        if name not in given:
            wrong.append(f"{excerpt(name)}: not in the {sides[1]}")
        elif given[name].text != document.text:
            wrong.append(f"{excerpt(name)}: {_difference(document.text, given[name].text)}")
    wrong += [f"{excerpt(name)}: not in the {sides[0]}" for name in given if name not in held]
    if wrong:
        raise MismatchError(wrong)
    pairs = [(document, given[name] if annotators else _firm(given[name])) for name, document in held.items()]
    return [_known(*both, layers=both[0].layers & (both[1].layers if annotators else LAYERS)) for both in pairs]


def _known(gold: Document, other: Document, *, layers: frozenset[str]) -> tuple[Document, Document]:
    """Both documents without what is not annotated: names, or claims (whole: without roles or attributes they are not scored)."""
    if layers == LAYERS:
        return gold, other
    names, claims = "names" in layers, layers >= {"roles", "attributes"}
    one, two = (replace(d, entities=d.entities if names else (), claims=d.claims if claims else ()) for d in (gold, other))
    return one, two


def _firm(document: Document) -> Document:
    """The document with nothing optional in it."""
    if all(claim.core for claim in document.claims) and not any(entity.ambiguous for entity in document.entities):
        return document
    return replace(
        document,
        claims=tuple(replace(claim, core=True) for claim in document.claims),
        entities=tuple(replace(entity, ambiguous=False) for entity in document.entities),
    )


def _difference(gold: str, other: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(gold, other, strict=False)) if a != b), min(len(gold), len(other)))
    around = [excerpt(text[max(0, at - 10) : at + 20]) for text in (gold, other)]
    return f"the texts differ from character {at} on: «{around[0]}», «{around[1]}»"


@dataclass(frozen=True, slots=True)
class Tally:
    """What scoring keeps of documents; ``counts`` has shape (documents, len(KEYS), 4)."""

    ids: list[str]
    counts: Counts
    lengths: list[str]
    categories: list[str]
    optional: Counter[str]
    confusion: Counter[tuple[str, str, str]]  # attribute, gold value, predicted value
    scored: list[tuple[float, bool]]  # of the predicted claims that count: score, whether correct in soft80
    unscored: int  # predicted claims without a score
    errors: list[list[Error]]
    wrong: list[Counter[Any]]  # per document, what is not right: missed gold and spurious predicted claims (soft80) and names


def tally(pairs: Pairs) -> Tally:
    """Count every document once. Memory: 9 KB a document."""
    result = Tally([], np.zeros((len(pairs), len(KEYS), 4), dtype=np.float32), [], [], Counter(), Counter(), [], 0, [], [])
    unscored = 0
    for row, (gold, predicted) in zip(result.counts, pairs, strict=True):
        index = TokenIndex(gold.text)
        alignment = align(gold, predicted, index)
        row[:] = count(gold, predicted, alignment)
        result.ids.append(gold.id)
        result.lengths.append(length(len(index)))
        result.categories.append(str(gold.meta.get("category") or "-"))
        result.optional["names"] += sum(e.ambiguous for e in gold.entities)
        result.optional["claims"] += sum(not claim.core for claim in gold.claims)
        result.errors.append(list(errors(alignment)))
        right = set()
        for g, p in alignment.pairs.items():
            ours, theirs = alignment.predicted[p], alignment.gold[g]
            result.confusion.update((name, getattr(theirs.claim, name), getattr(ours.claim, name)) for name in ATTRIBUTES)
            if is_soft(theirs, ours):
                right.add(p)
        result.wrong.append(_wrong(gold, predicted, alignment, right))
        for p in sorted(alignment.core_predicted):
            score = alignment.predicted[p].claim.score
            if score is None:
                unscored += 1
            else:
                result.scored.append((score, p in right))
    return Tally(**{name: getattr(result, name) for name in Tally.__slots__} | {"unscored": unscored})


def _wrong(gold: Document, predicted: Document, alignment: Alignment, right: set[int]) -> Counter[Any]:
    """What is missed or spurious in a document, by its spans. ``right``: the numbers of predicted claims that are right."""
    found = {g for g, p in alignment.pairs.items() if p in right}
    missed = [("gold", alignment.gold[g].key) for g in alignment.core_gold - found]
    spurious = [("predicted", alignment.predicted[p].key) for p in alignment.core_predicted - right]
    held, given = ({(e.span, e.label) for e in d.entities if not e.ambiguous} for d in (gold, predicted))
    return Counter([*missed, *spurious, *(("name", *name) for name in held ^ given)])


def length(tokens: int) -> str:
    """The length class of a text."""
    low = max((edge for edge in LENGTHS if tokens >= edge), default=0)
    high = min((edge for edge in LENGTHS if tokens < edge), default=0)
    return f"{low}-{high - 1}" if high else f"{low}+"


def _class_order(name: str) -> int:
    return int(name.rstrip("+").split("-")[0])


def report(pairs: Pairs, *, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
    """Score pairs of documents (see ``pair``). ``resamples``: of the bootstrap, 0 for no intervals."""
    return summary(tally(pairs), resamples=resamples, seed=seed)


def summary(counted: Tally, *, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
    """The report of documents that were counted before."""
    sliced = _scores(counted.counts, resamples, seed)
    confusion = {
        name: {g: {p: counted.confusion[name, g, p] for p in values} for g in values} for name, values in ATTRIBUTES.items()
    }
    by: dict[str, dict[str, Any]] = {kind: {} for kind, _ in SLICES[1:]}
    for kind, value in SLICES[1:]:
        by[kind][value] = sliced[kind, value]
    for kind, values in (("length", counted.lengths), ("category", counted.categories)):
        by[kind] = {}
        for value in sorted(set(values), key=_class_order if kind == "length" else None):
            rows = [i for i, other in enumerate(values) if other == value]
            by[kind][value] = {"documents": len(rows)} | _scores(counted.counts[rows, :OVERALL], resamples, seed)[SLICES[0]]
    found = Counter(error.kind for row in counted.errors for error in row)
    points = ([s for s, _ in counted.scored], [hit for _, hit in counted.scored])
    gold = int(counted.counts[:, KEYS.index(("claims.soft80", SLICES[0])), GOLD].sum(dtype=float))
    return {
        "version": VERSION,
        "documents": len(counted.ids),
        "optional": {name: counted.optional[name] for name in ("names", "claims")},
        **sliced[SLICES[0]],
        "confusion": confusion,
        "by": by,
        "calibration": None if counted.unscored else calibration(*points, gold),
        "errors": {kind: found[kind] for kind in KINDS},
        "intervals": {"level": 0.95, "resamples": resamples, "seed": seed} if resamples and len(counted.ids) > 1 else None,
    }


def _scores(counts: Counts, resamples: int, seed: int) -> dict[tuple[str, str], dict[str, Any]]:
    """Slice → the report's part from ``names`` to ``attributes``."""
    values = measures(counts.sum(axis=0, dtype=float))
    spans = intervals(counts, measures, resamples=resamples, seed=seed) if resamples and len(counts) > 1 else {}
    result: dict[tuple[str, str], dict[str, Any]] = {}
    for (slice_, name), value in values.items():
        path, _, measure = name.rpartition(".")
        _node(result.setdefault(slice_, {}), path)[measure] = _percent(float(value))
    for (key, slice_), sums in zip(KEYS, counts.sum(axis=0, dtype=float), strict=False):
        node = _node(result[slice_], key)
        if key.startswith("speaker."):
            node |= {"correct": _number(sums[FOUND]), "total": _number(sums[GOLD])}
        else:
            named = (("correct", RIGHT), ("predicted", PREDICTED), ("found", FOUND), ("gold", GOLD))
            node |= {name: _number(sums[at]) for name, at in named}
    for parts in result.values():
        for attribute in parts["attributes"].values():
            for name, at in (("correct", "found"), ("total", "gold")):
                attribute[name] = sum(value[at] for value in attribute["by_value"].values())
    for (slice_, name), (low, high) in spans.items():
        path, _, measure = name.rpartition(".")
        _node(result[slice_], path).setdefault("interval", {})[measure] = [_percent(low), _percent(high)]
    return result


def _node(tree: dict[str, Any], path: str) -> dict[str, Any]:
    """Where the report keeps a key of ``counts``: labels and attribute values stand in a mapping of their own."""
    match path.split("."):
        case ["names", kind, label]:
            steps = ["names", "by_label", label, kind]
        case ["attributes", name, value]:
            steps = ["attributes", name, "by_value", value]
        case steps:
            pass
    for step in steps:
        tree = tree.setdefault(step, {})
    return tree


def _percent(value: float) -> float | None:
    return None if isnan(value) else round(100 * value, 2)


def _number(value: float) -> float | int:
    """Counts are whole but for the halves of partial names."""
    return int(value) if value == int(value) else float(value)
