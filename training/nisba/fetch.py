"""Downloads that can be taken up again: a partial file beside the target, HTTP ranges, SHA-256, a progress bar."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm.auto import tqdm
from urllib3.exceptions import HTTPError

TRIES = 5  # connections in a row that bring the file no further
TIMEOUT = 30.0  # seconds for the connection, and between two chunks
CHUNK = 1 << 13  # what a broken connection loses at most
BREAKS = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
AGAIN = (429, 500, 502, 503, 504)  # answers that may be others in a moment


class FetchError(RuntimeError):
    """A download that did not come to its end, or is not the file that was meant."""


class Broken(Exception):
    """A connection that ended early, or brought something that does not fit what is there."""


def fetch(url: str, path: Path, *, sha256: str | None = None) -> Path:
    """The file at ``url`` (http, https) as ``path``, which appears whole or not at all; what is there already is kept.

    A download that breaks off leaves ``PATH.part``. It is taken up where it stopped, now or by the next call, if the server can
    (ranges, RFC 9110 section 14) and still has the same version (a strong ETag, section 13.1.5); else it starts anew. One process
    at a time downloads to a path. Without a SHA-256 only a length that the server names tells a whole file from a cut one.

    Raises FetchError, also where the SHA-256 differs.
    """
    if not _is_address(url):
        raise FetchError(f"{url}: not a web address")
    if path.is_file():
        _verify(path, sha256, url)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.with_name(path.name + ".lock")):
        if path.is_file():  # another process was faster
            _verify(path, sha256, url)
            return path
        part, tag = path.with_name(path.name + ".part"), path.with_name(path.name + ".etag")
        farthest, vain = 0, 0
        while True:
            before = _size(part)
            try:
                _receive(url, part, tag)
                break
            except (Broken, *BREAKS, HTTPError) as error:
                size = _size(part)
                vain = 0 if size > max(before, farthest) else vain + 1
                farthest = max(farthest, size)
                if vain >= TRIES:
                    hint = "; run again to go on where it stopped" if size and tag.is_file() else ""
                    raise FetchError(f"{url}: {_reason(error)}{hint}") from None
                time.sleep(min(0.5 * 2**vain, 10.0))
            except (requests.RequestException, ValueError) as error:
                raise FetchError(f"{url}: {_reason(error)}") from None
        try:
            _verify(part, sha256, url)
        except FetchError:
            part.unlink()
            tag.unlink(missing_ok=True)
            raise
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
        tag.unlink(missing_ok=True)
    return path


def _receive(url: str, part: Path, tag: Path) -> None:
    """One connection. Raises Broken, requests.RequestException and urllib3's HTTPError where it brings no whole file."""
    known = tag.read_text(encoding="utf-8") if tag.is_file() else ""
    have = _size(part) if known else 0
    asked = {"Range": f"bytes={have}-", "If-Range": known} if have else {}
    with requests.get(url, headers={"Accept-Encoding": "identity"} | asked, stream=True, timeout=TIMEOUT) as response:
        status, etag = response.status_code, response.headers.get("ETag", "")
        if status in AGAIN:
            raise Broken(f"the server answers {status}")
        if have and status == requests.codes.requested_range_not_satisfiable:
            if response.headers.get("Content-Range") == f"bytes */{have}":
                return  # all of it was there
            part.unlink()
            raise Broken("the file has changed")
        going_on = bool(have) and status == requests.codes.partial_content
        if status not in (200, 206) or (status == 206 and not have):
            raise FetchError(f"{url}: the server answers {status}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise FetchError(f"{url}: the server packs the file ({response.headers['Content-Encoding']}) although asked not to")
        if going_on and (not response.headers.get("Content-Range", "").startswith(f"bytes {have}-") or etag not in ("", known)):
            part.unlink()
            raise Broken("the server went on elsewhere than asked")
        size = response.headers.get("Content-Length", "")
        total = int(size) + have * going_on if size.isdecimal() else None
        with (
            part.open("ab" if going_on else "wb") as stream,
            tqdm(
                total=total, initial=have * going_on, unit="B", unit_scale=True, desc=part.stem, disable=not sys.stderr.isatty()
            ) as bar,
        ):
            if not going_on:
                tag.unlink(missing_ok=True)
                if etag and not etag.startswith("W/"):
                    tag.write_text(etag, encoding="utf-8")
            for chunk in response.iter_content(CHUNK):
                stream.write(chunk)
                bar.update(len(chunk))
    if total is not None and _size(part) != total:
        raise Broken(f"{_size(part)} of {total} bytes received")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Only one process at a time is in the block."""
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _is_address(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _verify(path: Path, sha256: str | None, url: str) -> None:
    if sha256 is None:
        return
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256.lower():
        raise FetchError(f"{path}: is not the file that was meant: SHA-256 {found}, not {sha256} ({url})")


def _reason(error: BaseException) -> str:
    """Its last and plainest cause, on one line."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return " ".join(str(error).split()) or type(error).__name__
