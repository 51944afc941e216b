"""UIMA CAS, in which INCEpTION exports and imports: XMI (``.xmi``), JSON (``.json``), zipped exports of documents and of projects.

The layers are our own (``cas_types``); INCEpTION gets them from ``configs/annotation/inception/layers.json``, which is to be
imported into a project (settings, layers) before any document. Offsets in the files are UTF-16 units. A folder is written with one
XMI file a document and ``TypeSystem.xml``; a text that XML cannot hold (a NUL, say) becomes a JSON file there. Nothing is lost.

A project's export holds a copy a person: the curated one is read, else the only one. Type systems in the files are not needed and
never read (the library dkpro-cassis makes Python source of the names in them), nor document types; nothing is unpacked to disk.
Formats: https://uima.apache.org/d/uimaj-current/references.html, https://github.com/apache/uima-uimaj-io-jsoncas,
https://inception-project.github.io (user guide, formats)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from nisba.files import FormatError, atomic
from nisba.formats import archives, cas_json, collection, xmi
from nisba.formats.archives import Read
from nisba.formats.bounded import LIMIT
from nisba.formats.cas_document import document as compose
from nisba.formats.cas_document import structures
from nisba.formats.cas_types import descriptor
from nisba.formats.gather import Row, gathered
from nisba.schema import Document, excerpt

XMI, JSON, ZIP = ENDINGS = (".xmi", ".json", ".zip")
TYPE_SYSTEM = "TypeSystem.xml"
ANNOTATION, CURATION = "annotation", "curation"  # folders of a project's export
INITIAL = "INITIAL_CAS"  # the copy that nobody annotated

Item = tuple[str, str, Read]  # the document's name where the file says none, the ending, what gives the contents


def read(path: Path) -> Iterator[Document]:
    """The documents of a file, an archive, or all such files of a folder. Raises FormatError with all problems once the end is
    reached, OSError."""
    yield from gathered(_rows(path), lambda item, _: _document(*item), str(path))


def _rows(path: Path) -> Iterator[Row]:
    """Every CAS, numbered. Raises FormatError behind the last with what could not be looked into."""
    wrong: list[str] = []
    files = [pair for pair in collection.files(path, "", wrong) if _ending(pair[0])] if path.is_dir() else [(path, path.name)]
    for number, (at, item) in enumerate(_items(files), 1):
        yield at, number, item
    if wrong:
        raise FormatError(wrong)


def _document(name: str, ending: str, contents: Read) -> Document:
    return compose((xmi if ending == XMI else cas_json).parse(contents()), name)


def _ending(path: Path | PurePosixPath) -> str:
    """The one of ENDINGS that the name has, else nothing."""
    return path.suffix.lower() if path.suffix.lower() in ENDINGS else ""


def _items(files: Iterable[tuple[Path, str]]) -> Iterator[tuple[str, Item]]:
    """(where, file) of every CAS. What cannot be read is an item too, so that the others are."""
    for file, name in files:
        ending, title = _ending(file), name[: -len(file.suffix)] if file.suffix else name
        if ending == ZIP:
            yield from _archived(file, str(file), title)
        elif ending:
            yield str(file), (title, ending, lambda file=file: _contents(file))  # type: ignore[misc]
        else:
            yield str(file), _failed(f"the name must end in one of {', '.join(ENDINGS)}")


def _contents(file: Path) -> bytes:
    with file.open("rb") as stream:
        data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise FormatError([f"is longer than {LIMIT:,} bytes"])
    return data


def _archived(source: Path | bytes, at: str, title: str) -> Iterator[tuple[str, Item]]:
    """The files of an archive: of a document's export, or one a document of a project's, which are archives again for XMI."""
    try:
        with archives.opened(source, LIMIT) as found:
            files = [(path, contents) for path, contents in found if _ending(path)]
            project = _project(files)
            if not (files if project is None else project):
                raise FormatError(["holds no CAS; export as UIMA CAS XMI or UIMA CAS JSON"])
            for name, path, contents in [(title, *file) for file in files] if project is None else project:
                where = f"{at}/{excerpt(str(path))}"
                if _ending(path) != ZIP:
                    yield where, (path.stem if project is None and len(files) > 1 else name, _ending(path), contents)
                elif isinstance(source, Path):
                    try:
                        yield from _archived(contents(), where, name)
                    except FormatError as error:
                        yield where, _failed(*error.problems)
                else:
                    yield where, _failed("an archive in an archive in an archive")
    except FormatError as error:
        yield at, _failed(*error.problems)


def _project(files: Sequence[tuple[PurePosixPath, Read]]) -> list[tuple[str, PurePosixPath, Read]] | None:
    """(document's name, path, contents) of a project's export: ``annotation/DOCUMENT/PERSON.zip`` and, where somebody curated,
    ``curation/DOCUMENT/….zip``. None where the files are not laid out like that."""
    copies: dict[str, dict[str, list[tuple[PurePosixPath, Read]]]] = {}
    for path, contents in files:
        *_, kind, document, _ = ("", "", *path.parts) if len(path.parts) < 3 else path.parts
        if kind in (ANNOTATION, CURATION) and path.stem != INITIAL:
            copies.setdefault(document, {}).setdefault(kind, []).append((path, contents))
    if not any(path.parts[0] in (ANNOTATION, CURATION) or ANNOTATION in path.parts[1:2] for path, _ in files):
        return None
    chosen = []
    for document, kinds in copies.items():
        own = kinds.get(CURATION) or kinds[ANNOTATION]
        path, contents = own[0]
        if len(own) > 1:
            people = ", ".join(excerpt(path.stem) for path, _ in own)
            contents = _failed(f"annotated by {people}, and nobody curated it: curate it, or export one person's document")[2]
        chosen.append((PurePosixPath(document).stem, path.parent / "*" if len(own) > 1 else path, contents))
    return chosen


def _failed(*problems: str) -> Item:
    def contents() -> bytes:
        raise FormatError(problems)

    return "", JSON, contents


def write(documents: Iterable[Document], path: Path) -> int:
    """Write a folder of XMI files (JSON where XML cannot hold a text); one document alone may become a file whose name ends in
    ``.xmi`` or ``.json``. All appears or nothing. Returns how many documents there were. Raises OSError, FileExistsError for a
    folder that is not ours or that was worked on, FormatError where one file cannot hold them."""
    if path.suffix.lower() in (XMI, JSON):
        return _write_one(documents, path)
    count, names = 0, collection.Names()
    with collection.folder(path, XMI, JSON) as put:
        for document in documents:
            rows, members = structures(document)
            form = cas_json if xmi.unfit(document.text, rows) else xmi
            put(names.of(document.id) + (XMI if form is xmi else JSON), form.render(document.text, rows, members))
            count += 1
        put(TYPE_SYSTEM, descriptor())
    return count


def _write_one(documents: Iterable[Document], path: Path) -> int:
    given = iter(documents)
    first = next(given, None)
    if first is None or next(given, None) is not None:
        raise FormatError([f"{path}: holds one document, no more and no fewer; give the name of a folder"])
    rows, members = structures(first)
    if path.suffix.lower() == XMI and (sign := xmi.unfit(first.text, rows)):
        raise FormatError([f"{path}: {excerpt(first.id)}: XML cannot hold {sign}; choose a name that ends in {JSON}"])
    with atomic(path) as stream:
        stream.write((xmi if path.suffix.lower() == XMI else cas_json).render(first.text, rows, members))
    return 1


def losses(document: Document) -> list[str]:
    """Nothing is lost."""
    return []
