"""Names in columns, a word and its tag a line, an empty line between sentences: the layout of the CoNLL shared tasks.

Read are files of two or more columns, parted by tabs, else by spaces: the first is the word, the last its tag, in any spelling
that ``tagging`` tells. Lines ``-DOCSTART-`` begin documents, as in CoNLL 2003 (https://aclanthology.org/W03-0419); without any,
each sentence is a document. Such files hold no text: it is rebuilt with a space between words and a line end between sentences,
and ``meta["text"]`` says so. Where edges of punctuation had to be left out of names, ``meta["changed"]`` lists these names.

Written is IOB2, words as ``nisba.text`` finds them, or as they were read where the text was rebuilt; the ``-DOCSTART-`` line holds
the document's id as its second column (``%20`` for white space). Claims, scores, doubts and meta have no place; ``losses`` names
each.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from urllib.parse import quote, unquote

from nisba.files import FormatError
from nisba.formats import bounded
from nisba.formats.columns import rebuilt
from nisba.formats.gather import write_texts
from nisba.formats.tagging import LETTERS, Spelling, Tagged, names
from nisba.schema import ENTITY_LABELS, Document, EntityLabel, SchemaError, Span, excerpt, trim
from nisba.text import sentences, words

START = "-DOCSTART-"
NO_ID = ("-X-", "O")  # what CoNLL 2003 has in the second column of START
REBUILT = "rebuilt from words"
LABELS: dict[str, EntityLabel] = {label: label for label in ENTITY_LABELS}
LABELS |= {"PERS": "PER", "PERSON": "PER", "ORGANIZATION": "ORG", "LOCATION": "LOC"}
MOST = 1000  # problems that are listed before the reading ends
_WORD, _LINE = re.compile(r"\S+"), re.compile(r"\n")
_APART = re.compile(r"[\s%]")  # would end a column, or be taken for an escape
Word = tuple[str, str]  # and its tag


def read(path: Path) -> Iterator[Document]:
    """The documents of a file, ids from its name where it gives none.

    The file is read twice: first for what is wrong with it, raised as one FormatError before any document. One document at a time
    is in memory.
    """
    problems = _problems(path)
    if problems:
        raise FormatError(problems)
    seen: dict[str, int] = {}
    number = 0
    for line, given, group in _documents(path):
        number += 1
        name = given or f"{path.stem}-{number:05}"
        at = f"{path}:{line}: {excerpt(name)}"
        if name in seen:
            problems.append(f"{at}: id: given before, in line {seen[name]}: «{excerpt(name)}»")
            continue
        seen[name] = line
        try:
            yield _document(name, group)
        except SchemaError as error:
            problems += [f"{at}: {problem}" for problem in error.problems]
    if not number:
        problems.append(f"{path}: holds no word")
    if problems:
        raise FormatError(problems)


def write(documents: Iterable[Document], path: Path) -> int:
    """Write the names of documents as IOB2; the file appears whole or not at all. Returns how many documents there were."""
    return write_texts(map(_dump, documents), path)


def _dump(document: Document) -> str:
    rows = ["".join(f"{word} {tag}\n" for word, tag in sentence) + "\n" for sentence in _tagged(document)[0]]
    return f"{START} {_escaped(document.id)} O\n\n" + "".join(rows)


def losses(document: Document) -> list[str]:
    """One line for each thing of the document that the columns cannot hold."""
    tagged, missed = _tagged(document)
    lost = [f"claim {excerpt(claim.id)}: the whole claim" for claim in document.claims]
    if missed:
        lost.append(f"names: {missed} that are not of whole words")
    for entity in document.entities:
        extra = [what for what, there in (("score", entity.score is not None), ("doubt", entity.ambiguous)) if there]
        lost += [f"name «{excerpt(entity.span.of(document.text))}»: its {what}" for what in extra]
    if any(after.span < before.span for before, after in pairwise(document.entities)):
        lost.append("names: their order, which is that of the text")
    back = _document(document.id, tagged)
    lost += [f"meta: {excerpt(key)}" for key, value in document.meta.items() if key != "layers" and back.meta.get(key) != value]
    if document.layers != {"names"}:
        lost.append("layers: that more than names is annotated")
    if back.text != document.text:
        lost.append("text: its white space and what has no width, rebuilt from words")
    return lost


def _problems(path: Path) -> list[str]:
    """What is wrong with a file, from a reading of its own: every line, then the labels, then the spelling of the names."""
    spelling, unknown = Spelling(), Counter[str]()
    problems: list[str] = []
    sentence: list[Tagged] = []
    columns, size, marked = 0, 0, False
    for number, row in _rows(path, problems):
        if len(problems) + len(unknown) >= MOST:
            return [*problems, f"{path}: so many problems that the rest was not read"]
        if not row or row[0] == START:
            marked = marked or bool(row)
            size = size if marked and not row else 0
            spelling.add(sentence)
            sentence = []
            continue
        columns, size = columns or len(row), size + sum(map(len, row))
        wrong = _wrong(row, columns)
        if wrong:
            problems.append(f"{path}:{number}: {wrong}: «{excerpt(' '.join(row))}»")
        elif row[-1] == "O" or row[-1][2:] in LABELS:
            sentence.append((number, row[0], row[-1]))
        else:
            unknown[row[-1][2:]] += 1
        if size > bounded.LIMIT:
            return [*problems, f"{path}:{number}: the document is longer than {bounded.LIMIT:,} characters: «{excerpt(row[0])}»"]
    spelling.add(sentence)
    problems += [f"{path}: label «{excerpt(label)}» in {n:,} lines is none of {', '.join(LABELS)}" for label, n in unknown.items()]
    return problems or spelling.problems(str(path))  # a line left out would look like a name cut short


def _wrong(row: Sequence[str], columns: int) -> str:
    if len(row) < 2 or not row[0]:
        return "needs a word and a tag"
    if len(row) != columns:
        return f"has {len(row)} columns, lines before it {columns}"
    known = row[-1] == "O" or (row[-1][:1] in LETTERS and row[-1][1:2] == "-")
    return "" if known else "no known tag (as O, B-PER or I-PER) in the last column"


def _rows(path: Path, problems: list[str]) -> Iterator[tuple[int, list[str]]]:
    """(line, its columns) of every line that is UTF-8, without columns for one that is empty."""
    with path.open("rb") as stream:
        for number, raw in enumerate(bounded.lines(stream, str(path)), 1):
            if number == 1 and raw.startswith(codecs.BOM_UTF8):
                problems.append(f"{path}:1: begins with a byte order mark; save the file as UTF-8 without BOM")
                continue
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                near = excerpt(raw.decode("utf-8", "replace").strip())
                problems.append(f"{path}:{number}: not UTF-8: byte 0x{raw[error.start]:02x}: «{near}»")
                continue
            yield number, [cell.strip() for cell in text.split("\t")] if "\t" in text.strip() else text.split()


def _documents(path: Path) -> Iterator[tuple[int, str | None, list[list[Word]]]]:
    """(line, id if it has one, sentences) of every document of a file in which nothing is wrong."""
    line, name, marked = 0, None, False
    group: list[list[Word]] = []
    sentence: list[Word] = []
    for number, row in chain(_rows(path, []), [(0, [])]):
        begins = bool(row) and row[0] == START
        if row and not begins:
            line = line or number
            sentence.append((row[0], row[-1]))
            continue
        if sentence:
            group.append(sentence)
            sentence = []
        if begins or number == 0 or not marked:
            if group or name is not None:
                yield line, name, group
            line, name, group = (number, _id(row), []) if begins else (0, None, [])
            marked = marked or begins


def _id(row: Sequence[str]) -> str | None:
    """The id in a line of START."""
    if len(row) != 3 or row[1] in NO_ID:
        return None
    try:
        return unquote(row[1], errors="strict")
    except UnicodeDecodeError:
        return row[1]


def _escaped(name: str) -> str:
    """An id as one column that ``_id`` reads back."""
    name = _APART.sub(lambda match: quote(match[0]), name)
    return f"%{ord(name[0]):02X}{name[1:]}" if name in NO_ID else name


def _document(name: str, group: Sequence[Sequence[Word]]) -> Document:
    found, changed = [], []
    for sentence in group:
        forms = [word for word, _ in sentence]
        spans = names([tag for _, tag in sentence], LABELS)
        found.append((forms, spans))
        for first, last, _ in spans:
            whole = " ".join(forms[first : last + 1])
            kept = trim(whole, 0, len(whole))
            if kept != Span(0, len(whole)):
                changed.append(f"«{whole}» → {f'«{kept.of(whole)}»' if kept else 'no name'}")
    return rebuilt(name, found, {"layers": ["names"], "text": REBUILT} | ({"changed": changed} if changed else {}))


def _tagged(document: Document) -> tuple[list[list[Word]], int]:
    """The sentences of a document, none ending inside a name, and how many names their words cannot hold."""
    text = document.text
    if document.meta.get("text") == REBUILT and START not in text:  # the words that were read
        spans, ends = [Span(*match.span()) for match in _WORD.finditer(text)], [match.end() for match in _LINE.finditer(text)]
    else:
        spans, ends = words(text), [sentence.end for sentence in sentences(text)]
    tags, missed = _tags(document, spans)
    result: list[list[Word]] = []
    last = -1
    for span, tag in zip(spans, tags, strict=True):
        within = bisect_right(ends, span.start)
        if within != last and not tag.startswith("I-"):
            result.append([])
            last = within
        result[-1].append((span.of(text), tag))
    return result, missed


def _tags(document: Document, spans: Sequence[Span]) -> tuple[list[str], int]:
    """A tag a word, and how many names are not whole words but for punctuation."""
    tags, missed = ["O"] * len(spans), 0
    starts, ends = [span.start for span in spans], [span.end for span in spans]
    for entity in document.entities:
        first, last = bisect_right(ends, entity.span.start), bisect_left(starts, entity.span.end)
        taken = any(tag != "O" for tag in tags[first:last])
        if taken or trim(document.text, starts[first], ends[last - 1]) != entity.span:
            missed += 1
        else:
            tags[first:last] = [f"B-{entity.label}"] + [f"I-{entity.label}"] * (last - first - 1)
    return tags, missed
