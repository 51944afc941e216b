"""What must not leave this machine with a published file: access tokens, paths, the user's name."""

from __future__ import annotations

import getpass
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

TOKEN = re.compile(rb"(?:hf|api_org)_[A-Za-z0-9]{16,}")
INSIDE = re.compile(rb"[A-Za-z0-9]$")
ESCAPE = re.compile(rb"\\[nrt]$")
HOMES = re.compile(rb"(?:/(?:home|Users|root)/|[A-Za-z]:(?:\\{1,2}|/)Users(?:\\{1,2}|/))[^\s\"'/\\<>,;|()\[\]{}*?]+")
HOST = re.compile(rb"[\w.\-]$")  # in front of a path that belongs to an address, or to a longer path
COMMON = frozenset(("root", "user", "admin", "runner", "ubuntu", "nisba", "model", "data", "news", "dev", "test", "train", "name"))
BINARY = (".safetensors", ".onnx", ".parquet", ".png")
SHORTEST = 3  # characters of a user's name that is looked for


def findings(folder: Path, ids: Sequence[str], token: str | None = None) -> list[str]:
    """A line ``file: what`` for every file under ``folder`` that holds a token, a path of this machine or the user's name.

    Tokens and paths are looked for in all files, in UTF-8, UTF-16 and as JSON escapes them; the name in texts other than the
    tokenizer's, as a word, unless it is a common one or owns one of ``ids``, the names on the Hub that may stand there.
    """
    places = [needle for path in _places() for needle in _spelt(path)]
    name = _name(ids)
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        where, data = path.relative_to(folder).as_posix(), path.read_bytes()
        if (token and any(needle in data for needle in _spelt(token))) or any(_tokens(data)):
            found.append(f"{where}: holds an access token")
        here = next(_paths(data), None) or next((needle for needle in places if needle in data), None)
        if here is not None:
            shown = here.replace(b"\0", b"").decode(errors="replace")
            found.append(f"{where}: holds a path of this machine: {shown}")
        elif name is not None and path.suffix not in BINARY and path.name != "tokenizer.json":
            text = data
            for known in ids:
                text = text.replace(known.encode(), b"")
            if name.search(text):
                found.append(f"{where}: holds the user's name")
    return found


def _tokens(data: bytes) -> Iterator[bytes]:
    for view in (data, data.replace(b"\0", b"")) if b"h\0f\0_\0" in data else (data,):
        if b"hf_" in view or b"api_org_" in view:
            for match in TOKEN.finditer(view):
                before = view[max(0, match.start() - 2) : match.start()]
                if not INSIDE.search(before) or ESCAPE.search(before):
                    yield match.group()


def _paths(data: bytes) -> Iterator[bytes]:
    """Homes of users, but for what belongs to the address of a page."""
    for match in HOMES.finditer(data):
        before = data[max(0, match.start() - 2) : match.start()]
        if not HOST.search(before) or ESCAPE.search(before):
            yield match.group()


def _places() -> set[str]:
    """This user's home, the working folder and the Python environment, where they say more than one word."""
    places = {str(Path.cwd()), sys.prefix}
    with suppress(RuntimeError):  # a user without a home
        places.add(str(Path.home()))
    return {place for place in places if len(Path(place).parts) > 2}


def _spelt(text: str) -> set[bytes]:
    escaped = {json.dumps(text, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    return {spelling.encode() for spelling in escaped | {text}} | {text.encode("utf-16-le")}


def _name(ids: Sequence[str]) -> re.Pattern[bytes] | None:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        return None
    if len(user) < SHORTEST or user.lower() in COMMON or user.lower() in {known.split("/")[0].lower() for known in ids}:
        return None
    return re.compile(rb"(?<![A-Za-z0-9])" + re.escape(user.encode()) + rb"(?![A-Za-z0-9])", re.IGNORECASE)
