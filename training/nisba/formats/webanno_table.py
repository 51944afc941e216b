"""The rows of a WebAnno TSV file: its text, put together from the sentences, and the annotations of its layers.

A unit is a token (``3-2``) or a part of one (``3-2.1``); a cell holds the values that the annotations over its unit have for a
feature, with ``|`` between annotations. ``[4]`` behind a value says that all units with that number are one annotation. Offsets are
UTF-16 units. Span layers are read whatever they are called; relations and chains are only counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nisba.files import FormatError
from nisba.formats import webanno_escapes as escapes
from nisba.formats.ann import At
from nisba.formats.bounded import LIMIT
from nisba.formats.offsets import Units
from nisba.schema import EXCERPT, excerpt, is_word_char

FORMAT, TEXT, SENTENCE = "#FORMAT=WebAnno TSV ", "#Text=", "#Sentence.id="
KINDS = {"#T_SP=": "span", "#T_CH=": "chain", "#T_RL=": "relation"}
ROLE = "ROLE_"
ANYTHING = "uima.tcas.Annotation"
_VERSION = re.compile(r"3\.([0-9]{1,3})")
_ROW = re.compile(r"([0-9]{1,9}-[0-9]{1,9}(?:\.[0-9]{1,9})?)\t([0-9]{1,9})-([0-9]{1,9})\t")
_CHAIN = re.compile(r"->([0-9]{1,9})-[0-9]{1,9}$")


class Column(NamedTuple):
    """``kind`` is span, chain or relation; ``feature`` is empty where a layer has none. A slot feature has two columns: one with
    the roles, and one with the layer that they lead to as its ``target``."""

    layer: str
    kind: str
    feature: str = ""
    roles: bool = False
    target: str = ""


@dataclass(slots=True)
class Mark:
    """An annotation of a span layer: offsets in the file's units, values by feature, (role, unit, number) of every slot."""

    layer: str
    number: int  # 0 where it has none
    begin: int
    end: int
    line: int
    values: dict[str, str | None] = field(default_factory=dict)
    slots: list[tuple[str | None, str, int]] = field(default_factory=list)
    target: str = ""  # the layer that the slots lead to


@dataclass(slots=True)
class Table:
    """What a file holds. ``note`` is the id of its first sentence; ``others`` counts what relation and chain layers have."""

    text: str = ""
    note: str | None = None
    marks: list[Mark] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    units: dict[str, list[Mark]] = field(default_factory=dict)
    numbers: dict[int, Mark] = field(default_factory=dict)

    def target(self, mark: Mark, unit: str, number: int) -> Mark | None:
        """What a slot leads to: by number, else the annotation of its layer over the unit, where there is but one."""
        if number:
            return self.numbers.get(number)
        found = [other for other in self.units.get(unit, []) if mark.target in (other.layer, ANYTHING)]
        return found[0] if len(found) == 1 else None


def parse(raw: str, at: At, *, points: bool) -> Table:
    """The table of a file; ``points`` where its offsets are code points. Raises FormatError with everything that is wrong."""
    return _Reading(raw, at, points).table()


class _Reading:
    """A file under way, and what is wrong with it."""

    def __init__(self, raw: str, at: At, points: bool):
        self.rows = [row.removesuffix("\r") for row in raw.split("\n")]
        self.at, self.points = at, points
        self.problems: list[str] = []
        self.found = Table()
        self.columns: list[Column] = []
        self._layers: dict[str, range] = {}
        self.java = False
        self._text: list[str] = []
        self._length = 0
        self._quotes: list[tuple[int, int, str, int]] = []
        self._chains: dict[str, set[str]] = {}

    def table(self) -> Table:
        """Raises FormatError."""
        self._body(self._header())
        # A line end follows every sentence, the last one too.
        self.found.text = "".join(self._text).removesuffix("\n")
        self.found.others |= {layer: len(chains) for layer, chains in self._chains.items()}
        if not self.problems:
            self._check()
        if self.problems:
            raise FormatError(self.problems)
        return self.found

    def wrong(self, line: int, message: str, text: str) -> None:
        self.problems.append(f"{self.at(line)}: {message}: «{excerpt(text)}»")

    def _header(self) -> int:
        """Reads the declarations; the index of the row behind them."""
        version = _VERSION.fullmatch(self.rows[0].removeprefix(FORMAT)) if self.rows[0].startswith(FORMAT) else None
        if version is None:
            self.wrong(1, f"must begin with «{FORMAT}3.…»", self.rows[0])
            raise FormatError(self.problems)
        self.java = int(version[1]) < 2
        at = 1
        while at < len(self.rows) and self.rows[at].startswith("#T_"):
            prefix, row = self.rows[at][:6], self.rows[at][6:]
            layer, *features = [part for part in row.split("|") if part] or [""]
            if prefix not in KINDS or not layer:
                self.wrong(at + 1, "no layer of spans, chains or relations", self.rows[at])
            elif layer in self._layers:
                self.wrong(at + 1, "the layer is declared twice", layer)
            else:
                columns = _columns(layer, KINDS[prefix], features)
                self._layers[layer] = range(len(self.columns), len(self.columns) + len(columns))
                self.columns += columns
            at += 1
        return at

    def _body(self, start: int) -> None:
        lines: list[str] = []
        pending = False
        for number, row in enumerate(self.rows[start:], start + 1):
            if row.startswith(TEXT):
                lines.append(escapes.plain_text(row.removeprefix(TEXT), java=self.java))
                pending = True
            elif row.startswith(SENTENCE):
                if self.found.note is None:
                    self.found.note = escapes.plain_text(row.removeprefix(SENTENCE), java=self.java)
            elif match := _ROW.match(row):
                begin, end = int(match[2]), int(match[3])
                if pending:
                    self._sentence(lines, begin, number)
                    lines, pending = [], False
                elif not self._text:
                    self.wrong(number, f"a token without a sentence ({TEXT}) before it", row)
                self._row(match[1], begin, end, row.split("\t")[2:], number)
            elif row and not row.startswith("#"):
                self.wrong(number, "needs «SENTENCE-TOKEN<tab>BEGIN-END<tab>text<tab>…»", row)
        if pending:  # a text without any token
            self._sentence(lines, self._length, len(self.rows))
        if not self._text and not self.problems:
            self.wrong(len(self.rows), "holds no sentence", self.rows[-1])

    def _sentence(self, lines: Sequence[str], begin: int, number: int) -> None:
        """Adds a sentence that begins where its first token does: without the line end before it, or with spaces for what no file
        of this format tells."""
        gap = begin - self._length
        if gap == -1 and self._text:
            self._text[-1] = self._text[-1][:-1]
        elif 0 <= gap <= LIMIT:
            self._text.append(" " * gap)
        else:
            where = "before the end of the text so far" if gap < 0 else "far beyond it"
            self.wrong(number, f"the sentence begins at {begin}, {where} ({self._length} UTF-16 units)", lines[0])
        self._text.append("\n".join(lines) + "\n")
        self._length = begin + (len(self._text[-1]) if self.points else Units(self._text[-1]).of(len(self._text[-1])))

    def _row(self, unit: str, begin: int, end: int, fields: Sequence[str], number: int) -> None:
        quoted, *cells = fields
        if end > begin or "." not in unit:  # parts of tokens may be empty
            self._quotes.append((begin, end, quoted, number))
        if len(cells) < len(self.columns):
            self.wrong(number, f"has {len(cells)} of the {len(self.columns)} columns that are declared", "\t".join(fields))
            return
        if unit in self.found.units:
            self.wrong(number, "the unit is given twice", unit)
        marks = self.found.units[unit] = []
        for layer, columns in self._layers.items():
            held = cells[columns.start : columns.stop]
            given = [(self.columns[i], escapes.split(cells[i], "|")) for i in columns if cells[i] != "_"]
            if not given:
                continue
            kind = given[0][0].kind
            if kind == "chain":
                ends = [match for _, values in given for value in values if (match := _CHAIN.search(value))]
                self._chains.setdefault(layer, set()).update(match[1] for match in ends)
            elif kind == "relation":
                self.found.others[layer] = self.found.others.get(layer, 0) + len(given[-1][1])
            elif len({len(values) for _, values in given}) > 1:
                self.wrong(number, f"the columns of {excerpt(layer)} hold different numbers of annotations", "\t".join(held))
            else:
                for values in zip(*(values for _, values in given), strict=True):
                    try:
                        marks.append(
                            self._mark(layer, begin, end, number, [(c, v) for (c, _), v in zip(given, values, strict=True)])
                        )
                    except ValueError as error:
                        self.wrong(number, f"{excerpt(layer)}: {error}", "\t".join(held))

    def _mark(self, layer: str, begin: int, end: int, line: int, cells: Sequence[tuple[Column, str]]) -> Mark:
        """The annotation to which a unit belongs; a new one, or one of an earlier unit. Raises ValueError."""
        mark = Mark(layer, 0, begin, end, line)
        numbers = {""}
        roles: list[str | None] = []
        for column, cell in cells:
            if column.target:
                mark.target = column.target
                leads = [] if cell in ("*", "_") else [escapes.numbered(piece) for piece in escapes.split(cell, ";")]
                continue
            body, number = escapes.numbered(cell)
            numbers.add(number)
            if column.roles:
                roles = [] if body == "_" else [escapes.plain_value(piece) for piece in escapes.split(body, ";")]
            else:
                mark.values[column.feature] = escapes.plain_value(body)
        if mark.target:
            if len(roles) != len(leads) and leads:
                raise ValueError("its roles and what they lead to differ in number")
            mark.slots = [(role, unit, int(number or 0)) for role, (unit, number) in zip(roles, leads, strict=False)]
        numbers.discard("")
        if len(numbers) > 1 or any("_" in number for number in numbers):
            raise ValueError("an annotation has one number")
        mark.number = int(numbers.pop()) if numbers else 0
        before = self.found.numbers.get(mark.number) if mark.number else None
        if before is None:
            self.found.marks.append(mark)
            self.found.numbers |= {mark.number: mark} if mark.number else {}
            return mark
        if (before.layer, before.values, before.slots) != (mark.layer, mark.values, mark.slots):
            raise ValueError(f"is not as in line {before.line}, though the number [{mark.number}] says that it is the same")
        before.begin, before.end = min(before.begin, begin), max(before.end, end)
        return before

    def _check(self) -> None:
        """Every unit's text stands where it says, and there are tokens to the end of the text: else the file was cut."""
        units = Units("" if self.points else self.found.text)
        text = self.found.text
        last = max((end for _, end, _, _ in self._quotes), default=0)
        rest = text[last if self.points else units.point(last) or 0 :] if last <= self._length else ""
        if any(map(is_word_char, rest)):
            self.wrong(len(self.rows), "no tokens stand for the end of the text", rest.strip())
        for begin, end, quoted, line in self._quotes:
            start, stop = (begin, end) if self.points else (units.point(begin), units.point(end))
            inside = start is not None and stop is not None and start < stop
            # No plain text is longer than what was made of it: as much more as is shown.
            there = text[start : min(stop or 0, (start or 0) + len(quoted) + EXCERPT)] if inside else None
            if there is None or (there != quoted and there != escapes.plain_text(quoted, java=self.java)):
                holds = "lies outside the text or inside a character" if there is None else f"holds «{excerpt(there)}»"
                self.wrong(line, f"[{begin}, {end}) {holds}, not", quoted)


def _columns(layer: str, kind: str, features: Sequence[str]) -> list[Column]:
    """The columns of a layer, at least one."""
    columns: list[Column] = []
    for feature in features:
        if kind == "span" and feature.startswith(ROLE):
            name = feature.removeprefix(ROLE).rpartition("_")[0].rpartition(":")[2]
            columns.append(Column(layer, kind, name, roles=True))
        elif columns and columns[-1].roles:
            columns.append(Column(layer, kind, columns[-1].feature, target=feature))
        else:
            columns.append(Column(layer, kind, feature))
    return columns or [Column(layer, kind)]
