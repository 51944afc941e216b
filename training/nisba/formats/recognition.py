"""Which format a file or folder has, by what it holds, and by the ending of its name only where that says all.

Nothing is guessed: where no format or more than one can be meant, the answer is None and whoever asks must be told.
"""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from nisba.files import FormatError
from nisba.formats import rows
from nisba.formats.bounded import LIMIT, elements, load_row

HEAD = 1 << 16  # bytes of a file that are looked at where there is no first line of JSON
LINES = 50  # lines that must all look like a word and its tag
WRITTEN = {".jsonl": "jsonl", ".conll": "conll", ".tsv": "webanno-tsv", ".xmi": "cas", ".spacy": "docbin", ".ann": "brat"}
_TAGGED = re.compile(r"\S+[ \t](?:.*[ \t])?(?:O|[BIELSUMW]-\S+)\s*")
_MARKUP = re.compile(r"(?:===\s*\n)?(?:[\w-]+: .*\n)*id: .*\n(?:[\w-]+: .*\n)*---[ \t]*\n")
_ATTRIBUTION = re.compile(r"^E\d+\tAttribution", re.MULTILINE)
_KEYS = {  # in the head of a file of JSON, all of these
    "cas": (r'"%(?:TYPES|FEATURE_STRUCTURES|VIEWS)"',),
    "spkatt": (r'"Sentences"', r'"Tokens"'),
    "citron": (r'"quotes"\s*:\s*\[', r'"text"'),
    "w3c": (r'anno\.jsonld|"AnnotationPage"|"AnnotationCollection"',),
}


def recognise(path: Path) -> str | None:
    """The name of the format, None where it cannot be told. Raises OSError."""
    found = _folder(path) if path.is_dir() else _file(path)
    return found.pop() if len(found) == 1 else None


def likely(path: Path) -> str:
    """What ``recognise`` cannot tell for sure, as words for a message; empty where nothing is near. Raises OSError."""
    found = _folder(path) if path.is_dir() else _file(path)
    if found or path.is_dir() or zipfile.is_zipfile(path):
        return f"perhaps {' or '.join(sorted(found))}" if found else ""
    row = _element(path) or _line(path)
    told = sorted(rows.formats(row))
    return f"perhaps {' or '.join(told)}, which nisba reads with one object a line, not packed" if told else rows.likely(row)


def written(path: Path) -> str | None:
    """The format that the name of a file to be written stands for. ``.jsonl`` is our own, whoever else uses the ending."""
    return WRITTEN.get(path.suffix.lower())


def _folder(path: Path) -> set[str]:
    found: set[str] = set()
    for ending, kind in ((".ann", None), (".xmi", "cas"), (".tsv", "webanno-tsv")):
        files = (file for file in path.rglob(f"*{ending}") if file.is_file() and not file.name.startswith("."))
        first = list(islice(files, LINES))
        if first:
            found.add(kind or _brat(first))
    for file in islice((file for file in path.rglob("*.json") if file.is_file()), LINES):
        found |= _file(file)
    if not found and any(b"<DOC>" in _head(file) for file in islice(path.rglob("*.txt"), LINES) if file.is_file()):
        found.add("trec")
    return found


def _brat(files: list[Path]) -> str:
    heads = (_head(file).decode("utf-8", "replace") for file in files)
    return "polnear" if any(_ATTRIBUTION.search(head) for head in heads) else "brat"


def _file(path: Path) -> set[str]:
    if zipfile.is_zipfile(path):
        return _zip(path)
    head = _head(path)
    if head.startswith(b"\x1f\x8b"):
        return rows.formats(_line(path)) & {"jsonl"}
    text = head.decode("utf-8", "replace").lstrip("\ufeff")
    start = text.lstrip()
    if start.startswith("#FORMAT=WebAnno TSV 3"):
        return {"webanno-tsv"}
    if start.startswith(("{", "[")):
        return _json(path, start)
    if path.suffix == ".ann" or (path.suffix == ".txt" and path.with_suffix(".ann").is_file()):
        return {_brat([path.with_suffix(".ann")])}
    if "<xmi:XMI" in text[:2000]:
        return {"cas"}
    if path.suffix == ".spacy":
        return {"docbin"}
    if "<DOC>" in text:
        return {"trec"}
    if _MARKUP.match(start):
        return {"markup"}
    words = [row for row in text.split("\n")[:-1] or [text] if row.strip()][:LINES]
    return {"conll"} if words and all(map(_TAGGED.fullmatch, words)) else set()


def _json(path: Path, start: str) -> set[str]:
    """Of a file of JSON: one value, or one a line."""
    if start.startswith("["):
        return {"label-studio"} if isinstance(_element(path).get("data"), dict) else _keys(start)
    return rows.formats(_line(path)) or _keys(start)


def _element(path: Path) -> dict[str, Any]:
    """The first object of an array, empty where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return next(elements(stream, str(path)), (0, {}))[1]
    except FormatError:
        return {}


def _line(path: Path) -> dict[str, Any]:
    """The object in the first line of a file, packed or not, empty where it cannot be read."""
    packed = _head(path).startswith(b"\x1f\x8b")
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            lines: Iterator[bytes] = iter(lambda: stream.readline(LIMIT), b"")
            row = load_row(next((line for line in lines if line.strip()), b""))
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError):
        return {}
    return row if isinstance(row, dict) else {}


def _keys(head: str) -> set[str]:
    return {name for name, keys in _KEYS.items() if all(re.search(key, head) for key in keys)}


def _zip(path: Path) -> set[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            endings = {Path(name).suffix.lower() for name in archive.namelist() if not name.endswith("/")}
    except (zipfile.BadZipFile, OSError, ValueError):
        return set()
    inside = {"cas": {".xmi", ".json", ".zip"}, "trec": {".txt"}}
    return {name for name, known in inside.items() if endings & known}


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEAD)
