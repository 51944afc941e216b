"""Downloads that can be taken up again: a partial file beside the target, HTTP ranges, SHA-256, a progress bar."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm.auto import tqdm

TRIES = 5  # connections that may break in a row without a byte received between them
TIMEOUT = 30.0  # seconds for the connection, and between two chunks
CHUNK = 1 << 16


class FetchError(RuntimeError):
    """A download that did not come to its end, or is not the file that was meant."""


def fetch(url: str, path: Path, *, sha256: str | None = None) -> Path:
    """The file at ``url`` (http, https) as ``path``, which appears whole or not at all; what is there already is kept.

    A download that breaks off leaves ``PATH.part`` and is taken up where it stopped, now or by the next call, if the server still
    has the same version (its ETag, RFC 9110 section 13.1.5); else it starts anew.

    Raises FetchError, also where the SHA-256 differs.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise FetchError(f"{url}: not a web address")
    if path.is_file():
        _verify(path, sha256, url)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part, tag = path.with_name(path.name + ".part"), path.with_name(path.name + ".etag")
    broken = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            _receive(url, part, tag)
            break
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else "no answer"
            raise FetchError(f"{url}: the server answers {status}") from None
        except requests.RequestException as error:
            broken = 0 if part.is_file() and part.stat().st_size > before else broken + 1
            if broken >= TRIES:
                raise FetchError(f"{url}: {_reason(error)}; run again to go on where it stopped") from None
            time.sleep(min(0.5 * 2**broken, 10.0) * (broken > 0))
    try:
        _verify(part, sha256, url)
    except FetchError:
        part.unlink()
        raise
    finally:
        tag.unlink(missing_ok=True)
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
    part.replace(path)
    return path


def _receive(url: str, part: Path, tag: Path) -> None:
    """One connection. Raises requests.RequestException when it breaks, also where it ends before the promised length."""
    have = part.stat().st_size if part.is_file() and tag.is_file() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag.read_text(encoding="utf-8")}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            part.unlink()  # longer than the file: start anew
            raise requests.ConnectionError("the file has changed")
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        have = have if resumed else 0
        etag = response.headers.get("ETag", "")
        if etag and not etag.startswith("W/"):
            tag.write_text(etag, encoding="utf-8")
        elif not resumed:
            tag.unlink(missing_ok=True)
        length = int(response.headers["Content-Length"]) + have if "Content-Length" in response.headers else None
        hidden = not sys.stderr.isatty()
        with (
            part.open("ab" if resumed else "wb") as stream,
            tqdm(total=length, initial=have, unit="B", unit_scale=True, desc=part.stem, disable=hidden) as bar,
        ):
            for chunk in response.iter_content(CHUNK):
                stream.write(chunk)
                bar.update(len(chunk))
    if length is not None and part.stat().st_size != length:
        raise requests.ConnectionError(f"{part.stat().st_size} of {length} bytes received")


def _verify(path: Path, sha256: str | None, url: str) -> None:
    if sha256 is None:
        return
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256.lower():
        raise FetchError(f"{path}: is not the file that was meant: SHA-256 {found}, not {sha256} ({url})")


def _reason(error: requests.RequestException) -> str:
    """Its last and plainest cause, on one line."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return " ".join(str(cause or error).split()) or type(cause).__name__
