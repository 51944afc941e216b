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
from nisba.formats.bounded import LIMIT, elements, load_row

HEAD = 1 << 16  # bytes of a file that are looked at where there is no first line of JSON
LINES = 50  # lines that must all look like a word and its tag
WRITTEN = {".jsonl": "jsonl", ".conll": "conll", ".tsv": "webanno-tsv", ".xmi": "cas", ".spacy": "docbin", ".ann": "brat"}
OURS = frozenset(("id", "text", "meta", "entities", "claims", "schema"))
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
        return _json_lines(path)
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
    rows = [row for row in text.split("\n")[:-1] or [text] if row.strip()][:LINES]
    return {"conll"} if rows and all(map(_TAGGED.fullmatch, rows)) else set()


def _json(path: Path, start: str) -> set[str]:
    """Of a file of JSON: one value, or one a line."""
    with path.open("rb") as stream:
        if start.startswith("["):
            try:
                _, first = next(elements(stream, str(path)), (0, {}))
            except FormatError:
                return set()
            return {"label-studio"} if "data" in first else _keys(start)
    return _json_lines(path) or _keys(start)


def _json_lines(path: Path) -> set[str]:
    """Of a file, packed or not, that has JSON in its first line."""
    packed = _head(path).startswith(b"\x1f\x8b")
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            lines: Iterator[bytes] = iter(lambda: stream.readline(LIMIT), b"")
            row = load_row(next((line for line in lines if line.strip()), b""))
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError):
        return set()
    found = _row(row) if isinstance(row, dict) else set()
    return found & {"jsonl"} if packed else found


def _row(row: dict[str, Any]) -> set[str]:
    """The formats that have such rows."""
    entities = row.get("entities")
    offsets = isinstance(entities, list) and any(isinstance(item, dict) and "start_offset" in item for item in entities)
    found: set[str] = set()
    if isinstance(row.get("id"), str) and "text" in row and row.keys() <= OURS and not offsets:
        found.add("jsonl")
    written = "text" in row or "data" in row
    if written and (offsets or not row.keys().isdisjoint({"Comments", "relations", "label", "labels"})) and "spans" not in row:
        found.add("doccano")
    if "text" in row and not row.keys().isdisjoint({"spans", "tokens", "_input_hash", "_task_hash", "answer"}):
        found.add("prodigy")
    if "anno.jsonld" in str(row.get("@context")) or row.get("type") in ("Annotation", "AnnotationPage", "AnnotationCollection"):
        found.add("w3c")
    return found


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
