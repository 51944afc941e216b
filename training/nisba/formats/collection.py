"""Folders that hold a file or two for each document, collections in sub-folders: names of files, their order, nothing outside.

A document's file is named after its id where that is safe everywhere (``news/a1`` → folder ``news``, file ``a1``), else by number.
``nisba.order`` lists the files in the order of the documents, each with the SHA-256 of what was written, so that a folder which
somebody has annotated since is never replaced.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nisba.files import FormatError, atomic_folder, digest
from nisba.formats.bounded import lines
from nisba.formats.problems import few
from nisba.schema import Document, SchemaError, excerpt

ORDER = "nisba.order"
LINE = 1 << 12  # bytes of a line of the order
LONGEST = 120  # characters of a file's name: with an ending, well under what any file system takes
_FILE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_LINE = re.compile(r"([0-9a-f]{64})  ([^\0\n]+)")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)  # device names of Windows


class Names:
    """A file name for every document, no two alike even where case is ignored."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._count = 0

    def of(self, document_id: str) -> str:
        """The path without its ending, with ``/`` between folders."""
        self._count += 1
        name = document_id if _safe(document_id) else f"document-{self._count:05}"
        while name.casefold() in self._taken:
            self._count += 1
            name = f"document-{self._count:05}"
        self._taken.add(name.casefold())
        return name


def _safe(name: str) -> bool:
    *folders, file = name.split("/")
    return (
        len(name) <= LONGEST
        and _FILE.fullmatch(file) is not None
        and all(map(_FOLDER.fullmatch, folders))
        and not any(map(_RESERVED.fullmatch, [*folders, file]))
    )


def files(folder: Path, ending: str, problems: list[str]) -> Iterator[tuple[Path, str]]:
    """(file, path inside the folder without its ending) of every file with the ending: first in the order that ``write`` kept, then
    by name. ``problems``: see ``found``."""
    names = found(folder, lambda name: name.endswith(ending), problems)
    listed = dict.fromkeys(name for _, name in _listed(folder) if name in names)
    for name in listed | names:
        yield folder / name, name.removesuffix(ending)


def found(folder: Path, wanted: Callable[[str], bool], problems: list[str]) -> dict[str, None]:
    """The paths inside a folder, with ``/``, of the files in it and its sub-folders that are ``wanted``, sorted by folder and
    file. Hidden ones are passed over. What keeps files from being found is added to ``problems``, sorted too: folders that
    cannot be read, links so named that lead outside or to nothing, and links to folders, which are not followed, unless they
    lead to a place inside, where the files are found anyway."""
    inside = folder.resolve()
    names: list[str] = []
    wrong: list[str] = []
    for name, entry in _entries(folder, wrong):
        if entry.is_symlink() and (problem := _link(folder / name, inside, wanted=wanted(name))):
            wrong.append(f"{folder / name}: {problem}")
        elif wanted(name) and entry.is_file():
            names.append(name)
    problems += sorted(wrong)
    return dict.fromkeys(sorted(names, key=lambda name: name.split("/")))


def _entries(folder: Path, wrong: list[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """(path inside the folder, entry) of all that is not hidden and no folder itself, one folder after the other."""
    waiting = [""]
    while waiting:
        within = waiting.pop()
        try:
            with os.scandir(folder / within) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{within}{entry.name}/")
                    else:
                        yield within + entry.name, entry
        except OSError as error:
            wrong.append(f"{folder / within}: the folder cannot be read: {error.strerror}")


def _link(path: Path, inside: Path, *, wanted: bool) -> str:
    """What is wrong with a link, if anything. Where its path is not ``wanted``, it matters only if it may lead to a folder."""
    try:
        target = path.resolve(strict=True)
        is_folder = target.is_dir()
    except (OSError, RuntimeError) as error:  # the latter: links in a circle
        return "leads to nothing that can be read" if wanted or isinstance(error, PermissionError) else ""
    if not is_folder:
        return "leads outside the folder" if wanted and inside not in target.parents else ""
    here = inside in (target, *target.parents) and not any(part.startswith(".") for part in target.relative_to(inside).parts)
    return "" if here else "linked folders are not followed"


def read(
    entries: Iterable[tuple[Path, str]], parse: Callable[[Path, str], Document], problems: list[str], path: Path
) -> Iterator[Document]:
    """The documents that ``parse`` makes of (file, name), one by one. Raises FormatError with all that is wrong with any of them,
    and with ``problems``, once the end is reached or there are too many. ``path`` stands in the message where there are none."""
    seen: dict[str, Path] = {}
    for file, name in entries:
        few(problems)
        try:
            document = parse(file, name)
        except SchemaError as error:
            problems += [f"{file}: {excerpt(name)}: {problem}" for problem in error.problems]
        except FormatError as error:
            problems += error.problems
        else:
            if document.id in seen:
                problems.append(
                    f"{file}: {excerpt(document.id)}: id: given before, in {seen[document.id]}: «{excerpt(document.id)}»"
                )
                continue
            seen[document.id] = file
            yield document
    if not seen and not problems:
        problems.append(f"{path}: holds no document")
    if problems:
        raise FormatError(dict.fromkeys(problems))  # a folder in which two kinds of files are looked for is walked twice


@contextmanager
def folder(path: Path, *endings: str) -> Iterator[Callable[[str, str], None]]:
    """A new folder that takes the place of ``path`` when the block ends well. What it gives writes a text as a file of a name.
    Raises FileExistsError where ``path`` holds other files than ``nisba`` wrote there, or documents (files with one of the
    ``endings``) that were changed, added or taken away since."""
    _check(path, endings)
    written: list[str] = []
    made: set[Path] = set()
    with atomic_folder(path, marker=ORDER) as partial:

        def put(name: str, text: str) -> None:
            file = partial / name
            if file.parent not in made:
                file.parent.mkdir(parents=True, exist_ok=True)
                made.add(file.parent)
            data = text.encode("utf-8")
            file.write_bytes(data)
            if name.endswith(endings):
                written.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")

        yield put
        put(ORDER, "".join(written))


def _check(path: Path, endings: tuple[str, ...]) -> None:
    if not (path / ORDER).is_file():
        return  # atomic_folder says what it thinks of others' folders
    listed = {name: checksum for checksum, name in _listed(path)}
    present = {file.relative_to(path).as_posix() for ending in endings for file in path.rglob(f"*{ending}")}
    changed = sorted(present ^ listed.keys()) or [name for name in listed if digest(path / name) != listed[name]]
    if changed:
        message = f"has been worked on since nisba wrote it ({excerpt(changed[0])}); choose another folder"
        raise FileExistsError(errno.EEXIST, message, str(path))


def _listed(path: Path) -> Iterator[tuple[str, str]]:
    """(checksum, name) of the lines of the order, as a stream: a folder from elsewhere may hold anything under that name. Nothing
    where there is no such file. Raises FormatError for a line that is too long."""
    file = path / ORDER
    if not file.is_file():
        return
    with file.open("rb") as stream:
        for row in lines(stream, str(file), LINE):
            if match := _LINE.fullmatch(row.decode("utf-8", "replace").removesuffix("\n")):
                yield match[1], match[2]
