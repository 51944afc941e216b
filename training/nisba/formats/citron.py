"""Citron's annotation format (BBC R&D): a JSON file a document with its text and quotes. Read only.

A quote has a cue, sources, contents, each a span with its text, and perhaps coreferences of the sources. Where Citron itself found
the quote (it has a ``confidence``) and resolved its source, the two lists have changed places: ``coreferences`` holds the words at
the cue, ``sources`` whom they mean. Either way the words at the cue are the source here, the other ones the speaker. Spans hold
quotation marks, which are left out; where a span cuts a word, it gets the whole word, which ``meta["widened"]`` counts. Only roles
are annotated, and ``meta["layers"]`` says so. All other values are kept in ``meta["citron"]``, those of quotes by the claim's id.
What Citron's service and ``citron-extract`` print has no text: it is to be added as ``text``.
Format: https://github.com/bbc/citron/blob/main/docs/data_format.md
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nisba.files import FormatError
from nisba.formats import collection
from nisba.formats.bounded import json_text, whole
from nisba.formats.fragments import named, words_of
from nisba.formats.offsets import Quote, Repair, located
from nisba.formats.problems import few
from nisba.schema import ROLES, Claim, Document, Problem, SchemaError, Span, excerpt, trim

_LISTS = ("sources", "contents", "coreferences")
_KNOWN = frozenset((*_LISTS, "cue", "confidence", "id"))


def read(path: Path, *, repair: Repair | None = None) -> Iterator[Document]:
    """The document of a file, or of every ``.json`` file of a folder and its sub-folders; its id is the file's name. Raises
    FormatError with all problems once the end is reached, OSError."""
    problems: list[str] = []
    entries = collection.files(path, ".json", problems) if path.is_dir() else [(path, path.stem)]
    yield from collection.read(entries, lambda file, name: _document(file, name, repair), problems, path)


def _document(file: Path, name: str, repair: Repair | None) -> Document:
    """Raises FormatError, SchemaError."""
    row = json_text(whole(file), str(file))
    if not isinstance(row, dict) or not isinstance(row.get("quotes"), list):
        raise FormatError([f"{file}: {excerpt(name)}: must be an object with quotes: «{excerpt(str(row))}»"])
    text = row.get("text")
    if not isinstance(text, str):
        raise FormatError([f"{file}: {excerpt(name)}: has no text; add what Citron was given as «text»"])
    reading = _Reading()
    try:
        quotes = [reading.quote(f"quotes[{number}]", quote) for number, quote in enumerate(row["quotes"])]
        groups = reading.groups(row.get("coreference_groups"))
        spans, wrong = located(text, reading.quotes, repair)
        if reading.problems or wrong:
            raise FormatError(reading.problems + wrong)
    except FormatError as error:
        raise FormatError(f"{file}: {excerpt(name)}: {problem}" for problem in error.problems) from None
    kept = {key: value for key, value in row.items() if key not in ("text", "quotes", "coreference_groups")}
    kept |= {"coreference_groups": [[list(spans[i]) for i in group] for group in groups]} if groups else {}
    return _composed(name, text, quotes, spans, kept)


@dataclass(slots=True)
class _Quoted:
    """A quote whose spans are numbers of the spans that are held against the text."""

    where: str
    spans: dict[str, list[int]]
    id: str | None = None
    score: Any = None
    rest: dict[str, Any] = field(default_factory=dict)


class _Reading:
    """The spans of a file, and what is wrong with how they are written down."""

    def __init__(self) -> None:
        self.quotes: list[Quote] = []
        self.problems: list[str] = []

    def quote(self, where: str, row: Any) -> _Quoted:
        few(self.problems)
        quoted = _Quoted(where, {key: [] for key in (*_LISTS, "cue")})
        if not isinstance(row, dict):
            self.problems.append(f"{where}: must be an object: «{excerpt(str(row))}»")
            return quoted
        for key in _LISTS:
            quoted.spans[key] = self._list(f"{where}.{key}", row.get(key))
        quoted.spans["cue"] = self._list(f"{where}.cue", [row["cue"]] if row.get("cue") is not None else None)
        quoted.id, quoted.score = row.get("id"), row.get("confidence")
        quoted.rest = {key: value for key, value in row.items() if key not in _KNOWN}
        if quoted.id is not None and not isinstance(quoted.id, str):
            self.problems.append(f"{where}.id: must be a string: «{excerpt(str(quoted.id))}»")
            quoted.id = None
        try:
            quoted.score = None if quoted.score is None else float(quoted.score)  # Citron writes it as a string
        except (TypeError, ValueError):
            self.problems.append(f"{where}.confidence: must be a number: «{excerpt(str(quoted.score))}»")
        return quoted

    def groups(self, rows: Any) -> list[list[int]]:
        """``coreference_groups``."""
        if rows is not None and not isinstance(rows, list):
            self.problems.append(f"coreference_groups: must be a list: «{excerpt(str(rows))}»")
            return []
        return [self._list(f"coreference_groups[{number}]", group) for number, group in enumerate(rows or [])]

    def _list(self, where: str, rows: Any) -> list[int]:
        if rows is not None and not isinstance(rows, list):
            self.problems.append(f"{where}: must be a list: «{excerpt(str(rows))}»")
            return []
        return [number for i, row in enumerate(rows or []) if (number := self._span(f"{where}[{i}]", row)) is not None]

    def _span(self, where: str, row: Any) -> int | None:
        few(self.problems)
        values = (row.get("start"), row.get("end"), row.get("text")) if isinstance(row, dict) else (None, None, None)
        start, end, quoted = values
        if type(start) is not int or type(end) is not int or not isinstance(quoted, str):
            self.problems.append(f"{where}: needs start, end and text: «{excerpt(str(row))}»")
            return None
        self.quotes.append((start, end, quoted, where))
        return len(self.quotes) - 1


def _composed(name: str, text: str, quotes: list[_Quoted], spans: list[tuple[int, int]], kept: dict[str, Any]) -> Document:
    """Raises SchemaError."""
    problems: list[Problem] = []
    claims: list[Claim] = []
    rests: dict[str, Any] = {}
    widened: set[int] = set()
    for quoted, claim_id in zip(quotes, named([quoted.id for quoted in quotes]), strict=True):
        resolved = quoted.spans["coreferences"]
        swapped = quoted.score is not None and bool(resolved)
        places = {"cue": quoted.spans["cue"], "source": resolved if swapped else quoted.spans["sources"]}
        places |= {"content": quoted.spans["contents"], "addressee": []}
        meant = quoted.spans["sources"] if swapped else resolved
        roles: dict[str, Any] = {role: tuple(sorted({*_words(text, spans, places[role])})) for role in ROLES}
        widened |= {
            i for numbers in places.values() for i in numbers if trim(text, *spans[i]) not in (None, words_of(text, *spans[i]))
        }
        speaker = next((span.of(text) for span in _words(text, spans, meant)), None)
        try:
            # Source types are a guess: only the roles are meant.
            kind: Any = "person" if roles["source"] else "implicit"
            claims.append(Claim(claim_id, **roles, source_type=kind, speaker=speaker, score=quoted.score))
        except SchemaError as error:
            problems += [Problem(f"{quoted.where}.{p.field}", p.message, p.text) for p in error.problems]
        rest = quoted.rest | ({"coreferences": [list(spans[i]) for i in meant]} if meant else {})
        rests |= {claim_id: rest} if rest else {}
    if problems:
        raise SchemaError(problems)
    kept |= {"quotes": rests} if rests else {}
    meta = {"layers": ["roles"]} | ({"citron": kept} if kept else {}) | ({"widened": len(widened)} if widened else {})
    return Document(name, text, claims=tuple(claims), meta=meta)


def _words(text: str, spans: list[tuple[int, int]], numbers: list[int]) -> list[Span]:
    return [span for i in numbers if (span := words_of(text, *spans[i])) is not None]
