"""Near-duplicates: texts that share many runs of words, as two versions of one agency report do.

Texts are compared by their shingles (Broder 1997, https://doi.org/10.1109/SEQUEN.1997.666900), all of them, by sorting: a hundred
thousand articles of news take some 700 MB.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from nisba.text import fold, tokens

GRAM = 5  # tokens of a shingle
ALIKE = 0.3  # share of the shorter text's shingles that makes two texts near-duplicates


def groups(texts: Iterable[str]) -> list[list[int]]:
    """Groups of texts, as indices, that ``alike`` connects; most groups hold one text."""
    found = [shingles(text) for text in texts]
    group = list(range(len(found)))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    for one, other in _alike(found):
        group[root(one)] = root(other)
    members: dict[int, list[int]] = defaultdict(list)
    for i in range(len(group)):
        members[root(i)].append(i)
    return list(members.values())


def alike(texts: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Pairs of texts that share at least ALIKE of the shorter one's 5-grams of tokens, as indices, the later one first."""
    return _alike([shingles(text) for text in texts])


def _alike(found: list[np.ndarray[tuple[int], np.dtype[np.int64]]]) -> Iterator[tuple[int, int]]:
    sizes = np.array([len(each) for each in found], dtype=np.int64)
    owners = np.repeat(np.arange(len(found), dtype=np.int32), sizes)
    whole = np.concatenate([np.zeros(0, dtype=np.int64), *found])
    order = np.argsort(whole, kind="stable")  # the owners of a shingle are then in their own order
    whole, owners = whole[order], owners[order]
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, len(whole)), dtype=bool), whole[1:] != whole[:-1]]))
    ends = np.concatenate([starts[1:], [len(whole)]])
    several = np.flatnonzero(ends - starts > 1)
    mine: dict[int, list[int]] = defaultdict(list)  # of every text that shares any: the places of its shingles in ``owners``
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        for place in range(start + 1, end):
            mine[int(owners[place])].append(start)
            mine[int(owners[place])].append(place)
    for i in sorted(mine):
        places = mine.pop(i)
        earlier = np.concatenate([owners[start:place] for start, place in zip(places[::2], places[1::2], strict=True)])
        others, counts = np.unique(earlier, return_counts=True)
        near = counts >= ALIKE * np.minimum(sizes[i], sizes[others])
        yield from ((i, other) for other in others[near].tolist())


def shingles(text: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The hashes of the text's runs of GRAM tokens, each once; those of one process only can be compared."""
    units = [fold(span.of(text)) for span in tokens(text)]
    units = [unit for unit in units if any(map(str.isalnum, unit))]
    grams = {hash(tuple(units[i : i + GRAM])) for i in range(max(1, len(units) - GRAM + 1))}
    return np.fromiter(grams, dtype=np.int64, count=len(grams))
