"""Articles in the tagged text that TREC introduced, as the ANT corpus is published: ``<DOC>`` with DOCNO, TITLE, TEXT and others.

It looks like XML and is not: nothing is escaped. One or several articles a file; a folder or a zip archive of such files. The
text of a Document is the title, a line end and the text, both without white space around (one of them where the other is empty).
Format: https://github.com/antcorpus/antcorpus.data
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from nisba.files import FormatError, decode
from nisba.schema import Document, SchemaError, excerpt

ENDINGS = (".txt", ".xml")
LARGEST = 1 << 24  # bytes of one file in an archive: none of the corpus has a thousandth of that
_DOC = re.compile(r"<DOC>(.*?)</DOC>", re.DOTALL)
_FIELDS = {name: re.compile(rf"<{name}>(.*?)</{name}>", re.DOTALL) for name in ("DOCNO", "TITLE", "TEXT", "CAT", "URL", "TIME")}


def read(path: Path) -> Iterator[Document]:
    """Every article of a file, a folder or a zip archive, files in order of name. Raises FormatError with all problems."""
    problems: list[str] = []
    seen: set[str] = set()
    for name, data in _files(path):
        try:
            text = decode(data, name)
        except FormatError as error:
            problems += error.problems
            continue
        found = list(_DOC.finditer(text))
        if not found:
            problems.append(f"{name}: holds no <DOC>…</DOC>: «{excerpt(text)}»")
        for match in found:
            at = f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
            try:
                document = _document(match[1])
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
        problems.append(f"{path}: holds no {' or '.join(ENDINGS)} file")
    if problems:
        raise FormatError(problems)


def _document(block: str) -> Document:
    values = {name: match[1].strip() for name, pattern in _FIELDS.items() if (match := pattern.search(block))}
    if missing := [name for name in ("DOCNO", "TITLE", "TEXT") if name not in values]:
        raise ValueError(f"the article lacks {', '.join(missing)}: «{excerpt(block.strip())}»")
    meta = {key: values[name] for key, name in (("category", "CAT"), ("url", "URL"), ("time", "TIME")) if values.get(name)}
    return Document(values["DOCNO"], "\n".join(filter(None, (values["TITLE"], values["TEXT"]))), meta=meta)


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents. An archive is read in memory, member by member; nothing is ever unpacked to disk."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix in ENDINGS and file.is_file():
                yield str(file), file.read_bytes()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in sorted(archive.infolist(), key=lambda info: info.filename):
                if info.is_dir() or Path(info.filename).suffix not in ENDINGS:
                    continue
                name = f"{path}/{info.filename}"
                with archive.open(info) as stream:
                    data = stream.read(LARGEST + 1)
                if len(data) > LARGEST:
                    raise FormatError([f"{name}: larger than {LARGEST} bytes"])
                yield name, data
    else:
        yield str(path), path.read_bytes()
