"""Names in columns: a word and its tag or tags a line, an empty line between sentences, as CoNLL 2002 and its heirs have them.

Such files hold no text. It is rebuilt with one space between words and a line end between sentences, so spans are true to the
rebuilt text, not to the article as it was printed. What a recipe of ``data/`` says is all that the corpora differ in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nisba.files import FormatError, read_text
from nisba.schema import Document, Entity, EntityLabel, SchemaError, excerpt, trim

Line = tuple[int, str, tuple[str, ...]]  # number, word, tags
Name = tuple[int, int, EntityLabel]  # first word, last word, label


@dataclass(frozen=True, slots=True)
class Columns:
    """How to read a corpus: its label → ours (labels left out are no names of ours), wrong tag → what was meant, words that are no
    words, and whether an article is a whole file or each sentence stands alone."""

    labels: Mapping[str, EntityLabel]
    ignored: Sequence[str] = ()
    typos: Mapping[str, str] = field(default_factory=dict)
    skip: Sequence[str] = ()
    whole_files: bool = False


def read(path: Path, columns: Columns, *, prefix: str) -> Iterator[Document]:
    """The documents of a file, their ids from ``prefix``, the file's name and, where each is a sentence, its number. They say in
    ``meta["layers"]`` that names are all that is annotated. Raises FormatError with every line that cannot be read."""
    problems: list[str] = []
    sentences = list(_sentences(path, columns, problems))
    if problems:
        raise FormatError(problems)
    if not sentences:
        raise FormatError([f"{path}: holds no sentence"])
    groups = [sentences] if columns.whole_files else [[sentence] for sentence in sentences]
    for number, group in enumerate(groups, 1):
        name = f"{prefix}-{path.stem}" + ("" if columns.whole_files else f"-{number:05}")
        try:
            found = [([word for _, word, _ in lines], _outermost(lines, columns)) for lines in group]
            yield rebuilt(name, found, {"layers": ["names"]})
        except SchemaError as error:
            raise FormatError([f"{path}:{group[0][0][0]}: {name}: {problem}" for problem in error.problems]) from None


def _sentences(path: Path, columns: Columns, problems: list[str]) -> Iterator[list[Line]]:
    known = {*columns.labels, *columns.ignored}
    text = read_text(path)
    if text.startswith("\ufeff"):
        problems.append(f"{path}:1: begins with a byte order mark; save the file as UTF-8 without BOM")
    sentence: list[Line] = []
    for number, row in enumerate(text.split("\n"), 1):
        word, *given = row.split() or [""]
        if not word:
            if sentence:
                yield sentence
            sentence = []
            continue
        tags = tuple(columns.typos.get(tag, tag) for tag in given)
        wrong = [tag for tag in tags if tag != "O" and (tag[:2] not in ("B-", "I-") or tag[2:] not in known)]
        if wrong or not tags:
            problems.append(f"{path}:{number}: {'no known tag' if tags else 'needs a word and a tag'}: «{excerpt(row)}»")
        if word not in columns.skip:
            sentence.append((number, word, tags))
        elif set(tags) != {"O"}:
            problems.append(f"{path}:{number}: a word that is to be skipped has a tag: «{excerpt(row)}»")
    if sentence:
        yield sentence


def rebuilt(name: str, sentences: Iterable[tuple[Sequence[str], Sequence[Name]]], meta: Mapping[str, Any]) -> Document:
    """The document of sentences, each its words and its names, left to right. Edges of punctuation are left out of names, and a
    name that is nothing but punctuation is no name. Raises SchemaError."""
    pieces: list[str] = []
    length, found = 0, []
    for words, names in sentences:
        edges: list[tuple[int, int]] = []
        for word in words:
            gap = " " if edges else "\n" if pieces else ""
            pieces += [gap, word]
            start = length + len(gap)
            length = start + len(word)
            edges.append((start, length))
        found += [(edges[first][0], edges[last][1], label) for first, last, label in names]
    text = "".join(pieces)
    entities = [Entity(span, label) for start, end, label in found if (span := trim(text, start, end)) is not None]
    return Document(name, text, tuple(entities), meta=meta)


def _outermost(sentence: Sequence[Line], columns: Columns) -> list[Name]:
    """(first word, last word, label) of the names that lie in no other, left to right; of two that cross, the first. A leading I-
    begins a name."""
    open_from: dict[str, int] = {}
    spans: list[Name] = []
    for i, (_, _, tags) in enumerate([*sentence, (0, "", ())]):
        going_on = {tag[2:] for tag in tags if tag.startswith("I-")}
        for label in [label for label in open_from if label not in going_on]:
            spans.append((open_from.pop(label), i - 1, columns.labels[label]))
        for tag in tags:
            if tag != "O" and tag[2:] in columns.labels:
                open_from.setdefault(tag[2:], i)
    kept: list[Name] = []
    for first, last, label in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not kept or first > kept[-1][1]:
            kept.append((first, last, label))
    return kept
