"""Draw the articles of ANT that are annotated: ``python scripts/draw_ant.py SOURCE -o data/ant/drawn.txt``.

SOURCE is the corpus as JSON Lines (plain or .gz). Articles are taken from four classes of length in turn and, within a class, from
the categories in turn, in a seeded order; first those that name an anonymous source (ANONYMOUS), until there are MANY.
Near-duplicates of what was drawn are passed over. The list holds one id a line, in the order drawn.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import regex

from nisba import duplicates
from nisba.files import atomic
from nisba.formats import jsonl
from nisba.schema import Document
from nisba.text import words

SIZES = {40: 46, 80: 54, 150: 90, 300: 190}  # words from which a class begins: articles of it
SHORTEST = min(SIZES)
MANY = 70
ANONYMOUS = regex.compile(
    r"مصدر (?:مطّ?لع|أمني|قضائي|عسكري|مسؤول|حكومي|طبي|دبلوماسي|موثوق|من|في|ب)"
    r"|مصادر (?:مطّ?لعة|أمنية|قضائية|عسكرية|طبية|محلية|إعلامية)"
    r"|شهود عيان|شاهد عيان|(?:رفض|طلب عدم|فضّ?ل عدم|عدم) (?:ال)?كشف (?:عن )?(?:هوي|اسم)|عدم ذكر اسم|لم تسمّ?ه|لم يسمّ?ه"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    drawn = draw(list(jsonl.read(options.source)), seed=options.seed)
    with atomic(options.output) as stream:
        stream.writelines(f"{document.id}\n" for document in drawn)
    print(f"{len(drawn)} articles, {sum(map(size, drawn))} words, {sum(map(anonymous, drawn))} with an anonymous source")
    print(dict(Counter(str(document.meta["category"]) for document in drawn)))


def draw(documents: Sequence[Document], *, seed: int) -> list[Document]:
    """Articles by class and category in turn, those with anonymous sources first."""
    order = sorted(documents, key=lambda document: document.id)
    random.Random(seed).shuffle(order)
    drawn: list[Document] = []
    open_ = dict(SIZES)
    for wanted, limit in ((True, MANY), (False, sum(SIZES.values()))):
        queues: dict[int, dict[str, list[Document]]] = defaultdict(lambda: defaultdict(list))
        for document in order:
            if size(document) >= SHORTEST and anonymous(document) == wanted:
                queues[class_of(document)][str(document.meta["category"])].append(document)
        while len(drawn) < limit and any(open_[start] and any(queues[start].values()) for start in SIZES):
            for start in SIZES:
                for category in sorted(queues[start]):
                    if open_[start] and len(drawn) < limit and queues[start][category]:
                        document = queues[start][category].pop()
                        if not any(duplicates.alike(each.text for each in [*drawn, document])):
                            drawn.append(document)
                            open_[start] -= 1
    return drawn


def size(document: Document) -> int:
    return len(words(document.text))


def class_of(document: Document) -> int:
    return max(start for start in SIZES if size(document) >= start)


def anonymous(document: Document) -> bool:
    return ANONYMOUS.search(document.text) is not None


if __name__ == "__main__":
    main()
