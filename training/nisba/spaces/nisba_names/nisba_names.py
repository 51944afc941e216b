"""Named entities in IOB2 tags: strict and partial precision, recall and F1. ``evaluate.load`` runs this file by itself.

It imports nothing but what ``evaluate`` brings, so that the metric works where nisba is not installed. The loader reads import
lines one by one: one module each, and no comment behind it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import datasets
import evaluate

DESCRIPTION = """\
Scores named entities given as IOB2 tags. An entity is right if its edges and its type are (the exact match of CoNLL-2003). Tags are
read strictly: an I- without its B- is no entity. Partial scores give half a point for any overlap, as in SemEval-2013 task 9.
"""
INPUTS = """
Args:
    predictions: one list of IOB2 tags (O, B-x, I-x) a sequence; x is any type.
    references: the right tags, of the same lengths.

Returns:
    for each type {"precision", "recall", "f1", "number"}, number being the entities of that type in the references;
    overall_precision, overall_recall, overall_f1 and overall_accuracy (of tags); overall_partial_precision, overall_partial_recall
    and overall_partial_f1. Fractions in [0, 1]; 0 where there is nothing to divide by.

Raises:
    ValueError: a tag that is not IOB2, or sequences of unequal length. The message names all of them by number, counted from 1.
"""
CITATION = """\
@inproceedings{tjong-kim-sang-de-meulder-2003-introduction,
  title = {Introduction to the {C}o{NLL}-2003 Shared Task: Language-Independent Named Entity Recognition},
  author = {Tjong Kim Sang, Erik F. and De Meulder, Fien},
  booktitle = {Proceedings of the Seventh Conference on Natural Language Learning at {HLT}-{NAACL} 2003},
  year = {2003},
  pages = {142--147},
  url = {https://aclanthology.org/W03-0419}
}
@inproceedings{segura-bedmar-etal-2013-semeval,
  title = {{S}em{E}val-2013 Task 9: Extraction of Drug-Drug Interactions from Biomedical Texts ({DDIE}xtraction 2013)},
  author = {Segura-Bedmar, Isabel and Mart{\\'i}nez, Paloma and Herrero-Zazo, Mar{\\'i}a},
  booktitle = {Second Joint Conference on Lexical and Computational Semantics (*{SEM}), Volume 2},
  year = {2013},
  pages = {341--350},
  url = {https://aclanthology.org/S13-2056}
}
"""
LISTED = 20  # problems that a message lists before it counts the rest
_TAG = re.compile(r"O|[BI]-.+")

Tags = Sequence[str]
Entity = tuple[int, int, str]  # first token, behind the last token, type


class NisbaNames(evaluate.Metric):  # type: ignore[misc]
    """See INPUTS."""

    def _info(self) -> evaluate.MetricInfo:
        tags = datasets.List(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS,
            features=datasets.Features({"predictions": tags, "references": tags}),
            reference_urls=["https://aclanthology.org/W03-0419", "https://aclanthology.org/S13-2056"],
        )

    def _compute(self, *, predictions: Sequence[Tags], references: Sequence[Tags]) -> dict[str, Any]:
        wrong = [x for i, row in enumerate(zip(predictions, references, strict=True), 1) for x in _problems(i, *row)]
        if wrong:
            more = [f"… and {len(wrong) - LISTED} more"] if len(wrong) > LISTED else []
            raise ValueError("\n".join([*wrong[:LISTED], *more]))
        right, found, gold = Counter[str](), Counter[str](), Counter[str]()
        partial, equal, tokens = 0.0, 0, 0
        for ours, theirs in zip(predictions, references, strict=True):
            spans, real = entities(ours), entities(theirs)
            right.update(label for _, _, label in set(spans) & set(real))
            found.update(label for _, _, label in spans)
            gold.update(label for _, _, label in real)
            partial += overlap(spans, real)
            equal += sum(a == b for a, b in zip(ours, theirs, strict=True))
            tokens += len(theirs)
        result: dict[str, Any] = {x: _ratios(right[x], found[x], gold[x]) | {"number": gold[x]} for x in sorted(found | gold)}
        for name, hits in (("overall", right.total()), ("overall_partial", partial)):
            result |= {f"{name}_{key}": value for key, value in _ratios(hits, found.total(), gold.total()).items()}
        return result | {"overall_accuracy": equal / tokens if tokens else 0.0}


def entities(tags: Tags) -> list[Entity]:
    """The entities of a sequence in order. Only a B begins one; an I that does not go on with one of its own type is nothing."""
    result: list[Entity] = []
    for i, tag in enumerate(tags):
        if tag[0] == "B":
            result.append((i, i + 1, tag[2:]))
        elif tag[0] == "I" and result and result[-1][1:] == (i, tag[2:]):
            result[-1] = result[-1][0], i + 1, tag[2:]
    return result


def overlap(found: Sequence[Entity], gold: Sequence[Entity]) -> float:
    """1 for the same edges, ½ for any other overlap, whatever the type; one to one, in text order."""
    points, at = 0.0, 0
    for start, end, _ in found:
        while at < len(gold) and gold[at][1] <= start:
            at += 1
        if at < len(gold) and gold[at][0] < end:
            points += 1.0 if gold[at][:2] == (start, end) else 0.5
            at += 1
    return points


def _ratios(right: float, found: int, gold: int) -> dict[str, float]:
    f1 = 2 * right / (found + gold) if found + gold else 0.0
    return {"precision": right / found if found else 0.0, "recall": right / gold if gold else 0.0, "f1": f1}


def _problems(number: int, predicted: Tags | None, gold: Tags | None) -> Iterator[str]:
    for side, tags in (("predictions", predicted), ("references", gold)):
        if tags is None:
            yield f"sequence {number} of the {side}: null"
        for tag in dict.fromkeys(tags or ()):
            if not _TAG.fullmatch(str(tag)):
                yield f"sequence {number} of the {side}: {tag!r} is no IOB2 tag (O, B-x, I-x)"
    if predicted is not None and gold is not None and len(predicted) != len(gold):
        yield f"sequence {number}: {len(predicted)} tags in the predictions, {len(gold)} in the references"
