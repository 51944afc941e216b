"""How a file's tags spell names: found from the file as a whole, because no line tells it.

IOB1 (https://aclanthology.org/W95-0107): ``I-`` begins a name, ``B-`` only one that follows another of its label at once. IOB2
(https://aclanthology.org/E99-1023): ``B-`` begins every name. IOBES, and BILOU (https://aclanthology.org/W09-1119) and BMEWO, which
are the same in other letters: ``E-`` ends a name and ``S-`` is one of a single word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from nisba.formats.columns import Name
from nisba.schema import EntityLabel, excerpt

FAMILIES = ("BI", "BIES", "BILU", "BMES", "BMEW")  # letters that occur together
SAME = {"L": "E", "U": "S", "M": "I", "W": "S"}  # other letters → those of IOBES
LETTERS = frozenset("".join(FAMILIES))
SHOWN = 20  # lines of one kind that a report lists
Tagged = tuple[int, str, str]  # line, word, tag: O, or a letter, a hyphen and a label


@dataclass
class Lines:
    """The lines where one thing was seen: how many, and the first of them."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, row: Tagged) -> None:
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append((row[0], f"{row[1]} {row[2]}"))

    def report(self, path: str, message: str) -> list[str]:
        found = [f"{path}:{line}: {message}: «{excerpt(text)}»" for line, text in self.first]
        more = self.count - len(found)
        return [*found, f"{path}: and {more:,} more such lines"] if more else found


@dataclass
class Spelling:
    """What the sentences of a file show of its spelling, in memory that does not grow with them."""

    letters: dict[str, int] = field(default_factory=dict)  # letter → the first line that has it
    leading: Lines = field(default_factory=Lines)  # I or E that continues nothing
    needless: Lines = field(default_factory=Lines)  # B where no name of its label ends: IOB1 would have I
    unfinished: Lines = field(default_factory=Lines)  # B or I that nothing continues

    def add(self, sentence: Sequence[Tagged]) -> None:
        out = (0, "", "O")
        for before, row in pairwise([out, *sentence, out]):
            letter = row[2][0]
            if letter != "O":
                self.letters.setdefault(letter, row[0])
            goes_on = continues(before[2], row[2])
            if _kind(row[2]) in ("I", "E") and not goes_on:
                self.leading.add(row)
            if letter == "B" and before[2][2:] != row[2][2:]:
                self.needless.add(row)
            if _kind(before[2]) in ("B", "I") and not goes_on:
                self.unfinished.add(before)

    def problems(self, path: str) -> list[str]:
        """Why the file's tags cannot be read; empty where they can."""
        if not any(set(family) >= self.letters.keys() for family in FAMILIES):
            where = ", ".join(f"{letter}- in line {line}" for letter, line in sorted(self.letters.items()))
            return [f"{path}: letters of tags that do not go together (IOB, IOBES, BILOU or BMEWO): {where}"]
        if self.letters.keys() - {"B", "I"}:
            lost = self.leading.report(path, "continues no name, in a file that marks where names begin")
            return lost + self.unfinished.report(path, "never ends, in a file that marks where names end")
        if not self.leading.count or not self.needless.count:
            return []
        if self.leading.count <= self.needless.count:
            return self.leading.report(
                path, f"I- begins a name where B- begins {self.needless.count:,} others: neither IOB1 nor IOB2"
            )
        return self.needless.report(path, f"B- begins a name where I- begins {self.leading.count:,} others: neither IOB1 nor IOB2")


def names(tags: Sequence[str], labels: dict[str, EntityLabel]) -> list[Name]:
    """The names of a sentence, left to right, its tags in any of the spellings. ``labels``: the file's label → ours."""
    found: list[Name] = []
    for i, (before, tag) in enumerate(pairwise(["O", *tags])):
        if continues(before, tag):
            found[-1] = (found[-1][0], i, found[-1][2])
        elif tag != "O":
            found.append((i, i, labels[tag[2:]]))
    return found


def continues(before: str, tag: str) -> bool:
    """Whether a tag goes on with the name of the tag before it."""
    return _kind(tag) in ("I", "E") and _kind(before) in ("B", "I") and before[2:] == tag[2:]


def _kind(tag: str) -> str:
    """The letter that IOBES would have."""
    return SAME.get(tag[0], tag[0])
