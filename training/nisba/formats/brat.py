"""brat: a folder of ``.txt`` and ``.ann`` files, collections in sub-folders, or a single pair. Lossless.

What an annotator sees: names as PER, ORG, LOC and MISC. A claim is an event, ``Cue`` on the words that attribute, or ``Uncued`` on
the content itself where there are none, with arrows to Content, Source and Addressee; a role in several fragments is one
discontinuous mark (several marks of one role are read as well). Attributes: Type (absent: indirect), SourceType (absent: implicit),
Stance (absent: neutral), the flag Optional (not core) and, on names, Ambiguous. The note of an event is «speaker: name»; what
stands behind « | » in it, and any other note, is kept in ``meta["brat_notes"]``. brat allows no line end in a mark: one is cut
there, and joined in reading. Edges of punctuation and space are left out in reading.

What brat has no place for stands as JSON in notes of the kind ``Nisba``, which brat keeps: a document's id and meta in one that
points to itself; a claim's id and score, and fragments that only a line end sets apart; a name's score. What somebody changes in
brat wins: fragments count only while they are those of the marks, and what is deleted takes its notes along.

A folder is written with the configuration of the project (``configs/annotation/brat``), ready to be put under brat's ``data``.
Offsets are code points of the text as it is, CRLF being two. Format: https://brat.nlplab.org/standoff.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from nisba.files import FormatError, atomic
from nisba.formats import bounded, brat_project, collection
from nisba.formats.brat_document import document
from nisba.formats.brat_lines import lines
from nisba.formats.offsets import Repair
from nisba.schema import Document

TEXT, MARKS = ".txt", ".ann"


def read(path: Path, *, repair: Repair | None = None) -> Iterator[Document]:
    """The documents of a folder with its sub-folders, or of the pair to which a ``.txt`` or ``.ann`` file belongs. A document that
    carries no id is named after its file. Raises FormatError with everything that is wrong, once the end is reached."""
    problems: list[str] = []

    def parse(file: Path, name: str) -> Document:
        text, rows = bounded.text(file.with_suffix(TEXT)), bounded.text(file)
        return document(text, rows, file=str(file), name=name, repair=repair)

    entries = _pairs(path, problems) if path.is_dir() else _pair(path)
    yield from collection.read(entries, parse, problems, path)


def _pairs(path: Path, problems: list[str]) -> Iterator[tuple[Path, str]]:
    texts = {name: file for file, name in collection.files(path, TEXT, problems)}
    for file, name in collection.files(path, MARKS, problems):
        if texts.pop(name, None) is None:
            problems.append(f"{file}: there is no {file.stem}{TEXT} beside it")
        else:
            yield file, name
    problems += [
        f"{file}: there is no {file.stem}{MARKS} beside it; an empty one says that nothing is annotated" for file in texts.values()
    ]


def _pair(path: Path) -> list[tuple[Path, str]]:
    if path.suffix not in (TEXT, MARKS):
        raise FormatError([f"{path}: brat's files end in {TEXT} and {MARKS}"])
    return [(path.with_suffix(MARKS), path.stem)]


def write(documents: Iterable[Document], path: Path) -> int:
    """Write a folder, or one document as a pair where ``path`` ends in ``.txt`` or ``.ann``; whole or not at all. Returns how many
    documents there were. Raises FileExistsError where the folder holds anything else, or annotation that somebody has changed."""
    if path.suffix in (TEXT, MARKS):
        return _write_pair(documents, path)
    names = collection.Names()
    count = 0
    with collection.folder(path, TEXT, MARKS) as put:
        for name, text in brat_project.files().items():
            put(name, text)
        for count, found in enumerate(documents, 1):  # noqa: B007
            name = names.of(found.id)
            put(name + TEXT, found.text)
            put(name + MARKS, _rows(found))
    return count


def _write_pair(documents: Iterable[Document], path: Path) -> int:
    first, *others = documents
    if others:
        raise FormatError([f"{path}: a pair of files holds one document, and there are {len(others) + 1}; name a folder"])
    with atomic(path.with_suffix(TEXT)) as text, atomic(path.with_suffix(MARKS)) as rows:
        text.write(first.text)
        rows.write(_rows(first))
    return 1


def _rows(found: Document) -> str:
    return "\n".join([*lines(found), ""])


def losses(document: Document) -> list[str]:
    """Nothing is lost."""
    return []
