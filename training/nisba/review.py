"""``nisba review``: predicted documents in the order in which people had better look at them.

An article comes first where looking at it is likely to repay the time most. What it repays is measured by least confidence, as in
Settles and Craven (2008, https://aclanthology.org/D08-1112): 1 - score of each name and claim, summed. As far as scores are
calibrated, that is how many of them are wrong, so how many corrections the article will bring. What it takes is measured in words
to be read; benefit over cost is the return on investment of Haertel et al. (2008, Return on Investment for Active Learning). FIXED
words are added for what every article takes, so that a line with one doubtful name does not come before everything else.

What the model has missed has no score and does not count: an article in which it found nothing comes last, though it may hold
much. Draw some articles by chance as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile

from nisba.convert import ConvertError, documents, save
from nisba.formats import jsonl
from nisba.schema import Claim, Document, Entity
from nisba.text import words

FIXED = 100  # words that could be read while an article is opened, understood and handed in
KEY = "uncertainty"  # of a document's meta: the measure


def review(
    source: Path, target: Path, *, form: str | None = None, to: str | None = None, most: int | None = None, lossy: bool = False
) -> int:
    """Write the documents of ``source``, predictions in a format of ``convert``, the most uncertain first, ``most`` of them at
    most; returns how many. ``meta["uncertainty"]`` holds the measure. Raises ConvertError, FormatError, OSError."""
    if not source.exists():
        raise ConvertError(f"{source}: no such file or folder")
    return save(islice(ordered(documents(source, form), str(source)), most), target, to, source=source, lossy=lossy)


def uncertainty(document: Document) -> float:
    """Wrong names and claims to be expected, per word of reading; what has no score counts as certain. Sources: see above."""
    return sum(1 - score for score in _scores(document)) / (len(words(document.text)) + FIXED)


def ordered(found: Iterable[Document], name: str) -> Iterator[Document]:
    """Documents by falling uncertainty, equal ones as they came; they wait on disk. ``name`` stands in messages. Raises
    ConvertError where nothing has a score."""
    with TemporaryFile() as store:
        order: list[tuple[float, int]] = []
        scored = False
        for document in found:
            value = uncertainty(document)
            scored = scored or bool(_scores(document))
            order.append((-value, store.tell()))
            meta = {**document.meta, KEY: round(value, 6)}
            store.write(jsonl.dump(replace(document, meta=meta)).encode())
        if not scored:
            raise ConvertError(f"{name}: no name or claim has a score; give what nisba predict or nisba suggest wrote")
        for _, place in sorted(order):
            store.seek(place)
            yield Document.from_dict(json.loads(store.readline()))


def _scores(document: Document) -> list[float]:
    found: tuple[Entity | Claim, ...] = (*document.entities, *document.claims)
    return [item.score for item in found if item.score is not None]
