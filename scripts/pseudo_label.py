"""Pseudo-labels for self-training: articles that nobody annotated, with what two models find in them and agree on.

``python scripts/pseudo_label.py ARTICLES --model A B --without ANNOTATED … --before 2017-03-16 -o runs/data/ant/pseudo.jsonl``

ARTICLES is JSON Lines (plain or .gz). What is annotated, and near-duplicates of it, are left out, and what is dated on or after
``--before`` (``meta.time``) or not at all, so that nothing is learnt from the time of the development and test parts. Of the
articles in which A finds a claim the ``--share`` is kept in which A and B differ least, in names and claims by word of text; the
annotation is A's. Choosing by agreement of models: Zhou and Li 2005, https://doi.org/10.1109/TKDE.2005.186.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from nisba import duplicates, predict
from nisba.files import atomic
from nisba.formats import jsonl
from nisba.schema import Document
from nisba.text import words

SIZES = range(40, 901)  # words of an article
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)|(\d\d)/(\d\d)/(\d{4})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("articles", type=Path)
    parser.add_argument("--model", nargs=2, required=True, help="two trained models; the first one's annotation is kept")
    parser.add_argument("--without", type=Path, nargs="+", required=True, help="annotated articles (JSON Lines)")
    parser.add_argument("--before", required=True, help="date (YYYY-MM-DD) from which articles are left out, as are those of none")
    parser.add_argument("--share", type=float, default=0.7, help="of the articles with a claim, how many are kept")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    annotated = [document for path in options.without for document in jsonl.read(path)]
    articles = unseen(list(jsonl.read(options.articles)), annotated, before=options.before)
    first, second = (
        list(tqdm(predict.load(name, precision="auto").stream(articles), name, len(articles))) for name in options.model
    )
    kept = agreed(first, second, share=options.share)
    with atomic(options.output) as stream:
        stream.writelines(jsonl.dump(document) for document in kept)
    claims = sum(len(document.claims) for document in kept)
    print(f"{len(kept)} of {len(articles)} articles, {sum(map(size, kept))} words, {claims} claims: {options.output}")


def unseen(articles: Sequence[Document], annotated: Sequence[Document], *, before: str) -> list[Document]:
    """Articles of a usual length and known date that are not, and do not resemble, annotated ones or one another."""
    known = {document.id for document in annotated}
    found = [document for document in articles if document.id not in known and day(document) < before and size(document) in SIZES]
    texts = [document.text for document in (*annotated, *found)]
    alike = {later - len(annotated) for later, _ in duplicates.alike(texts)}
    return [document for i, document in enumerate(found) if i not in alike]


def day(document: Document) -> str:
    """The date as YYYY-MM-DD, where ``meta.time`` begins so or, as in half of ANT, with DD/MM/YYYY; else one behind all."""
    match = _DATE.match(str(document.meta.get("time")))
    return "9999" if match is None else f"{match[1] or match[6]}-{match[2] or match[5]}-{match[3] or match[4]}"


def agreed(first: Sequence[Document], second: Sequence[Document], *, share: float) -> list[Document]:
    """The ``share`` of the first model's documents with a claim on which the second model differs least, in their order."""
    wanted = [(differing(one, other), i) for i, (one, other) in enumerate(zip(first, second, strict=True)) if one.claims]
    chosen = sorted(wanted)[: round(share * len(wanted))]
    return [first[i] for i in sorted(i for _, i in chosen)]


def differing(one: Document, other: Document) -> float:
    """Names and claims (by cue, source and content) that only one of two annotations of a text has, by word."""
    found = [
        {(entity.span, entity.label) for entity in document.entities}
        | {(claim.cue, claim.source, claim.content) for claim in document.claims}
        for document in (one, other)
    ]
    return len(found[0] ^ found[1]) / max(1, size(one))


def size(document: Document) -> int:
    return len(words(document.text))


if __name__ == "__main__":
    main()
