"""Articles in the tagged text that TREC introduced, as the ANT corpus is published: ``<DOC>`` with DOCNO, TITLE, TEXT and others.

It looks like XML and is not: nothing is escaped. One or several articles a file; a folder or a zip archive of such files. The
text of a Document is the title, a line end and the text, both without white space around (one of them where the other is empty).
Format: https://github.com/antcorpus/antcorpus.data
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nisba.files import FormatError, decode
from nisba.formats import collection
from nisba.formats.bounded import whole
from nisba.formats.problems import few
from nisba.schema import Document, SchemaError, excerpt

ENDINGS = (".txt", ".xml")
LARGEST = 1 << 24  # bytes of one file: none of the corpus has a thousandth of that
NEEDED, META = ("DOCNO", "TITLE", "TEXT"), {"category": "CAT", "url": "URL", "time": "TIME"}


def read(path: Path) -> Iterator[Document]:
    """Every article of a file, a folder or a zip archive, files in order of name; files without any ``<DOC>``, and hidden ones, are
    passed over. Of a folder nothing is read that lies outside (``collection.found``). Raises FormatError with all problems, once
    the end is reached or there are too many (``problems.few``)."""
    problems: list[str] = []
    seen: set[str] = set()
    for name, data in _files(path, problems):
        try:
            text = decode(data, name)
        except FormatError as error:
            problems += error.problems
            few(problems)
            continue
        for at, block in _blocks(text, name, problems):
            try:
                document = _document(block)
            except SchemaError as error:
                problems += [f"{at}: {problem}" for problem in error.problems]
            except ValueError as error:
                problems.append(f"{at}: {error}")
            else:
                if document.id in seen:
                    problems.append(f"{at}: the document id is given twice: «{excerpt(document.id)}»")
                    continue
                seen.add(document.id)
                yield document
    if not seen and not problems:
        problems.append(f"{path}: holds no <DOC>…</DOC>")
    if problems:
        raise FormatError(problems)


def _blocks(text: str, name: str, problems: list[str]) -> Iterator[tuple[str, str]]:
    """(place, what stands between ``<DOC>`` and ``</DOC>``) of every article of a file."""
    line, start, number = 1, 0, 0
    while start <= len(text):  # piece by piece: a file may be nothing but tags
        end = text.find("<DOC>", start)
        piece = text[start : end if end >= 0 else len(text)]
        at = f"{name}:{line}"
        line += piece.count("\n")
        block, closed, behind = piece.partition("</DOC>") if number else ("", "</DOC>", piece)
        if not closed:
            problems.append(f"{at}: <DOC> is never closed: «{excerpt(piece.strip())}»")
        elif number:
            yield at, block
        if "</DOC>" in behind or "<DOCNO>" in behind:
            problems.append(f"{at}: an article without <DOC> stands behind: «{excerpt(behind.strip())}»")
        few(problems)
        start, number = (end if end >= 0 else len(text)) + len("<DOC>"), number + 1


def _document(block: str) -> Document:
    values = {name: value for name in (*NEEDED, *META.values()) if (value := _field(block, name)) is not None}
    if missing := [name for name in NEEDED if name not in values]:
        raise ValueError(f"the article lacks {', '.join(missing)}: «{excerpt(block.strip())}»")
    meta = {key: values[name] for key, name in META.items() if values.get(name)}
    return Document(values["DOCNO"], "\n".join(filter(None, (values["TITLE"], values["TEXT"]))), meta=meta)


def _field(block: str, name: str) -> str | None:
    """What stands between a field's tags. Raises ValueError where they stand there more than once, or one without the other."""
    opening, closing = f"<{name}>", f"</{name}>"
    if block.count(opening) > 1 or block.count(opening) != block.count(closing):
        raise ValueError(f"{opening} and {closing} do not stand there once each: «{excerpt(block.strip())}»")
    _, opened, rest = block.partition(opening)
    value, closed, _ = rest.partition(closing)
    return value.strip() if opened and closed else None


def _files(path: Path, problems: list[str]) -> Iterator[tuple[str, bytes]]:
    """Names and contents. An archive is read in memory, member by member; nothing is ever unpacked to disk."""
    if path.is_dir():
        for name in collection.found(path, _is_article, problems):
            try:
                data = whole(path / name, LARGEST)
            except FormatError as error:
                problems += error.problems
            else:
                yield str(path / name), data
    elif zipfile.is_zipfile(path):
        yield from _members(path, problems)
    else:
        data = whole(path, LARGEST)
        if data.startswith(b"PK"):
            raise FormatError([f"{path}: a damaged zip archive"])
        yield str(path), data


def _members(path: Path, problems: list[str]) -> Iterator[tuple[str, bytes]]:
    name = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            for info in sorted(archive.infolist(), key=lambda info: info.filename):
                name = f"{path}/{excerpt(info.filename)}"
                if info.is_dir() or not _is_article(info.filename):
                    continue
                with archive.open(info) as stream:
                    data = stream.read(LARGEST + 1)
                if len(data) > LARGEST:
                    problems.append(f"{name}: is longer than {LARGEST:,} bytes")
                else:
                    yield name, data
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, UnicodeDecodeError) as error:
        raise FormatError([f"{name}: the zip archive cannot be read: {error}"]) from None


def _is_article(name: str) -> bool:
    """By the path inside a folder or an archive; what file managers leave in archives is none."""
    path = PurePosixPath(name)
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".") and "__MACOSX" not in path.parts
