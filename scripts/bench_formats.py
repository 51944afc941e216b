"""How fast formats are read and written, beside the parser alone, and whether memory grows: ``python scripts/bench_formats.py``.

The seeds' articles, repeated under new ids, in JSON Lines, brat and Label Studio. Figures are megabytes of the files (of the text
and marks of brat, without its configuration) a second of CPU time of one process, that of the system included, medians of RUNS
taken in turn. "bare" is what Python itself takes for the same files: to read them, ``json`` for JSON, for brat whole files split at
line ends and tabs; to write them, ``json`` of the same objects, for brat the same files, whole on the disk. Then the peak resident
memory of converting each to JSON Lines, and back, for a corpus and one eight times as large, each in a process of its own (Linux).

Ends with exit code 1 where a format is read or written slower than 20 MB/s and at less than half the rate of the bare way, or where
memory grows by more than 10 %.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from nisba.convert import convert, module
from nisba.formats import jsonl
from nisba.schema import Document

ARTICLES = Path(__file__).parent.parent / "seeds" / "articles.jsonl"
FORMATS = {"jsonl": "articles.jsonl", "brat": "brat", "label-studio": "tasks.json"}
SMALL, LARGE = 250, 2000  # documents
RUNS = 5
ENOUGH, SLOWER, MOST = 20, 2, 1.10  # MB/s; times the bare parser's time; times the memory


def main() -> None:
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for form, file in FORMATS.items():
            for count in (SMALL, LARGE):
                module(form).write(articles(count), folder / str(count) / file)
        print(f"{'':>12} {'read':>8} {'bare':>8} {'write':>8} {'bare':>8}   MB/s")
        for form, file in FORMATS.items():
            figures = speeds(form, folder / str(SMALL) / file, folder / "again")
            print(f"{form:>12} " + " ".join(f"{figure:8.1f}" for figure in figures), flush=True)
            read, bare_read, write, bare_write = figures
            failed |= read < ENOUGH and read * SLOWER < bare_read
            failed |= write < ENOUGH and write * SLOWER < bare_write
        print(f"\n{'':>25} {SMALL:>8} {LARGE:>8}   documents, MiB at most")
        for form, to in [(form, "jsonl") for form in FORMATS] + [("jsonl", form) for form in FORMATS if form != "jsonl"]:
            small, large = (
                peak(folder / str(count) / FORMATS[form], folder / f"{count}.{form}.{to}", form, to) for count in (SMALL, LARGE)
            )
            print(f"{form:>12} → {to:<12} {small:6.0f} {large:8.0f}", flush=True)
            failed |= large > small * MOST
    sys.exit(failed)


def articles(count: int) -> Iterator[Document]:
    seeds = list(jsonl.read(ARTICLES))
    return (replace(document, id=f"{document.id}-{i}") for i, document in enumerate(islice(cycle(seeds), count)))


def speeds(form: str, path: Path, again: Path) -> list[float]:
    """MB/s of reading, of the bare parser, of writing, and of bare writing, taken in turn."""
    found = list(module(form).read(path))
    kept = [*parsed(form, path)]
    ways: tuple[Callable[[], object], ...] = (
        lambda: sum(1 for _ in module(form).read(path)),
        lambda: sum(1 for _ in parsed(form, path)),
        lambda: module(form).write(found, again / path.name),
        lambda: dumped(form, kept, again / f"bare.{path.name}"),
    )
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(RUNS):
        for way, taken in zip(ways, seconds, strict=True):
            shutil.rmtree(again, ignore_errors=True)
            again.mkdir()
            began = time.process_time()
            way()
            taken.append(time.process_time() - began)
    size = sum(file.stat().st_size for file in files(path)) / 1e6
    return [size / statistics.median(taken) for taken in seconds]


def files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if file.suffix in (".txt", ".ann")] if path.is_dir() else [path]


def parsed(form: str, path: Path) -> Iterator[Any]:
    """What the files hold, one document or file at a time where they are so."""
    if form == "brat":
        for file in files(path):
            text = file.read_text(encoding="utf-8")
            yield file.name, [line.split("\t") for line in text.split("\n")] if file.suffix == ".ann" else text
    elif form == "jsonl":
        with path.open(encoding="utf-8") as stream:
            yield from map(json.loads, stream)
    else:
        with path.open(encoding="utf-8") as stream:
            yield from json.load(stream)


def dumped(form: str, kept: list[Any], path: Path) -> None:
    """The reverse of ``parsed``."""
    if form == "brat":
        path.mkdir()
        for name, rows in kept:
            with (path / name).open("w", encoding="utf-8") as stream:
                stream.write(rows if isinstance(rows, str) else "\n".join("\t".join(row) for row in rows))
                stream.flush()
                os.fsync(stream.fileno())
        return
    with path.open("w", encoding="utf-8") as stream:
        for row in kept:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def peak(source: Path, target: Path, form: str, to: str) -> float:
    """MiB at most, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(converted, source, target, form, to).result()


def converted(source: Path, target: Path, form: str, to: str) -> float:
    convert(source, target, form=form, to=to)
    # Not getrusage: its figure begins with what the parent held when it started this process.
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
