"""How far two annotators agree: the scores between them, and coefficients that discount chance.

Keys of the report, version 1: version, documents, scores (the report of ``report`` with the first annotator as gold: F1 does not
depend on who is first), alpha {cue, source, content, addressee, names}, kappa {type, source_type, stance}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from nltk.metrics.agreement import AnnotationTask

from nisba.metrics.align import TokenIndex, align
from nisba.metrics.counts import ATTRIBUTES
from nisba.metrics.report import Pairs, summary, tally
from nisba.schema import ROLES, Document

VERSION = 1


def agreement(pairs: Pairs, *, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
    """Agreement of two annotations of the same documents (see ``report.pair``).

    alpha: Krippendorff's α for nominal data (Krippendorff 2011, https://repository.upenn.edu/asc_papers/43). Units are tokens; the
    value of a token is whether it lies in that role of any claim, and for ``names`` its label or none.
    Optional claims and ambiguous names are tokens like others.
    kappa: Cohen's κ (Cohen 1960) of the attributes of aligned claims, optional ones aside. Both null where only one value occurs.
    """
    values: dict[str, list[tuple[Any, Any]]] = {name: [] for name in (*ROLES, "names", *ATTRIBUTES)}
    for one, other in pairs:
        index = TokenIndex(one.text)
        sides = [dict(_tokens(document, index)) for document in (one, other)]
        for name in (*ROLES, "names"):
            values[name] += zip(*(side[name] for side in sides), strict=True)
        alignment = align(one, other, index)
        for a, b in alignment.pairs.items():
            for name in ATTRIBUTES:
                values[name].append((getattr(alignment.gold[a].claim, name), getattr(alignment.predicted[b].claim, name)))
    return {
        "version": VERSION,
        "documents": len(pairs),
        "scores": summary(tally(pairs), resamples=resamples, seed=seed),
        "alpha": {name: alpha(values[name]) for name in (*ROLES, "names")},
        "kappa": {name: kappa(values[name]) for name in ATTRIBUTES},
    }


def alpha(values: Iterable[tuple[Any, Any]]) -> float | None:
    """Krippendorff's α of (first annotator's value, second's) per unit."""
    task = _task(values)
    return None if task is None else float(task.alpha())


def kappa(values: Iterable[tuple[Any, Any]]) -> float | None:
    """Cohen's κ of (first annotator's value, second's) per unit."""
    task = _task(values)
    return None if task is None else float(task.kappa())


def _task(values: Iterable[tuple[Any, Any]]) -> AnnotationTask | None:
    values = list(values)
    if len({value for pair in values for value in pair}) < 2:
        return None
    return AnnotationTask([(side, unit, pair[side]) for unit, pair in enumerate(values) for side in (0, 1)])


def _tokens(document: Document, index: TokenIndex) -> Iterator[tuple[str, list[Any]]]:
    """Per role, and for names, a value for every token."""
    for role in ROLES:
        bits = 0
        for claim in document.claims:
            bits |= index.of(claim.role(role))
        yield role, [bits >> i & 1 for i in range(len(index))]
    labels = ["O"] * len(index)
    for entity in document.entities:
        bits = index.of([entity.span])
        for i in range((bits & -bits).bit_length() - 1, bits.bit_length()):
            labels[i] = entity.label
    yield "names", labels
