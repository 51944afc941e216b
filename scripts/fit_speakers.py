"""Fits the weights of the choice of speakers: ``python scripts/fit_speakers.py runs/joint/data/documents/train.jsonl``.

``training/nisba/candidates.json`` is made from the gold names and claims of annotated articles, by maximum likelihood with an L2
penalty (``candidates.py``): first with the gold speakers of earlier claims, then, since prediction has none, with those that these
weights choose. What no candidate gets right teaches nothing. Before that, the accuracy of rules and choice is measured, split by
article: on each of ``--folds`` parts with the weights of the others.

The weights that nisba ships are those of the 1,683 training articles that ``configs/joint.yaml`` with seed 0 had when ``data/ant``
gave 1,569 of them: they have not seen what models of that seed are measured on. With another seed some of the articles of
``seeds/`` that are held out have been seen.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

import nisba
from nisba.candidates import DROPPED, Options, likeliest
from nisba.files import atomic
from nisba.formats import jsonl
from nisba.schema import Claim, Document
from nisba.speakers import resolve
from nisba.text import same_name

TARGET = Path(nisba.__file__).parent / "candidates.json"
PENALTY = 0.3  # times the sum of the squared weights
LEAST = 3  # times that a feature must be there
ROUNDS = 60  # of L-BFGS

Case = tuple[Options, list[bool]]  # candidates, and which of them are right


def fit(documents: Sequence[Document]) -> dict[str, float]:
    """Weights by feature."""
    weights = descend(cases(documents, None))
    return descend(cases(documents, weights))


def cases(documents: Sequence[Document], weights: dict[str, float] | None) -> list[Case]:
    """Every claim's candidates, where earlier claims have the speakers that ``weights`` choose (None: gold ones)."""
    found: list[Case] = []

    def choose(claim: Claim, options: Options) -> str | None:
        if claim.core:
            found.append((options, [same_name(claim.speaker, name) for name in options]))
        return claim.speaker if weights is None else likeliest(options, weights)

    for document in documents:
        if "attributes" in document.layers:
            resolve(document, choose)
    return [(options, right) for options, right in found if any(right) and not all(right)]


def descend(known: Sequence[Case]) -> dict[str, float]:
    """The most likely weights: of all right candidates together against all."""
    counts = Counter(feature for options, _ in known for features in options.values() for feature in features)
    numbers = {feature: number for number, feature in enumerate(sorted(f for f, count in counts.items() if count >= LEAST))}
    flat: list[int] = []
    starts, owners, right = list[int](), list[int](), list[bool]()
    for number, (options, hits) in enumerate(known):
        for features, hit in zip(options.values(), hits, strict=True):
            starts.append(len(flat))
            flat += [numbers[feature] for feature in features if feature in numbers]
            owners.append(number)
            right.append(hit)
    places, offsets, owner, wrong = torch.tensor(flat), torch.tensor(starts), torch.tensor(owners), ~torch.tensor(right)
    weights = torch.zeros(len(numbers), 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scores = torch.nn.functional.embedding_bag(places, weights, offsets, mode="sum")[:, 0]
        whole, hits = (total(s, owner, len(known)) for s in (scores, scores.masked_fill(wrong, -torch.inf)))
        result = (whole - hits).sum() + PENALTY * weights.square().sum()
        result.backward()  # type: ignore[no-untyped-call]
        return result

    optimizer.step(loss)  # type: ignore[arg-type]
    return {feature: round(weights[number, 0].item(), 4) for feature, number in numbers.items()}


def total(scores: Tensor, owner: Tensor, count: int) -> Tensor:
    """log Σ exp of the scores of each owner."""
    most = scores.detach().new_full((count,), -torch.inf).scatter_reduce(0, owner, scores.detach(), "amax")
    return scores.new_zeros(count).scatter_add(0, owner, (scores - most[owner]).exp()).log() + most


def right(documents: Sequence[Document], weights: dict[str, float]) -> Counter[str]:
    """Right speakers by kind of source, and all claims as ``… in all``; without weights it is the rules that choose."""
    found: Counter[str] = Counter()
    for document in documents:
        said = {claim.id: claim.speaker for claim in resolve(document, lambda _, options: likeliest(options, weights)).claims}
        for claim in document.claims:
            for kind in (claim.source_type if claim.source else DROPPED, "all") if claim.core else ():
                found[kind] += same_name(claim.speaker, said[claim.id])
                found[f"{kind} in all"] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Fits the weights of the choice of speakers.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="annotated training articles (JSON Lines)")
    parser.add_argument("-o", "--output", type=Path, default=TARGET, help="(default: the package's candidates.json)")
    parser.add_argument("--folds", type=int, default=4, help="parts of the measurement, 0 for none (default: 4)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    documents = [document for file in options.files for document in jsonl.read(file)]
    rules, chosen = Counter[str](), Counter[str]()
    for fold in range(options.folds):
        held = documents[fold :: options.folds]
        weights = fit([document for number, document in enumerate(documents) if number % options.folds != fold])
        rules += right(held, {})
        chosen += right(held, weights)
    for kind in sorted(key for key in rules if f"{key} in all" in rules):
        count = rules[f"{kind} in all"]
        print(f"{kind:13} {count:6} claims   rules {rules[kind] / count:6.1%}   choice {chosen[kind] / count:6.1%}")
    weights = fit(documents)
    with atomic(options.output) as stream:
        made = {"of": [file.name for file in options.files], "articles": len(documents), "weights": weights}
        stream.write(json.dumps(made, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
    print(f"{len(weights)} weights: {options.output}")


if __name__ == "__main__":
    main()
