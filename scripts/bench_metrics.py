"""How long scoring takes: ``python scripts/bench_metrics.py``.

1. ``nisba evaluate`` on 1,250 to 10,000 documents (seed articles, repeated, and disturbed copies as predictions), on one core: wall
   seconds and peak resident memory of the whole command, reading and 1,000 bootstrap resamples included.
2. ``nisba compare`` with 10,000 resamples on 1,000 documents, likewise.
3. The page of 500 documents in headless Chromium, where there is one: milliseconds from navigation until its script is done.
Every figure is the median of three runs, the sizes taken in turn.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from nisba.formats import jsonl
from nisba.schema import Claim, Document
from nisba.text import words

SIZES = (1250, 2500, 5000, 10000)
RUNS = 3
ARTICLES = Path(__file__).parent.parent / "seeds" / "articles.jsonl"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in sorted({*SIZES, 1000, 500}):
            write(size, folder)
        timed = [(f"evaluate {size}", ["evaluate", *files(size, folder)]) for size in SIZES]
        gold, first, second = (str(folder / f"1000.{kind}.jsonl") for kind in ("gold", "a", "b"))
        timed.append(("compare 1000", ["compare", first, second, "--gold", gold, "--json"]))
        results: dict[str, list[tuple[float, float]]] = {label: [] for label, _ in timed}
        for _ in range(RUNS):
            for label, command in timed:
                results[label].append(measure(command))
        for label, values in results.items():
            seconds, peak = (statistics.median(column) for column in zip(*values, strict=True))
            print(f"{label:>15}: {seconds:6.1f} s, {peak:6.0f} MiB")
        page = folder / "report.html"
        measure(["evaluate", *files(500, folder), "--report", str(page)])
        print(f"page of 500 documents: {page.stat().st_size / 2**20:.1f} MiB, ready after {ready(page)} ms")


def files(size: int, folder: Path) -> list[str]:
    return ["--gold", str(folder / f"{size}.gold.jsonl"), "--predictions", str(folder / f"{size}.a.jsonl"), "--json"]


def write(size: int, folder: Path) -> None:
    """Gold and two predictions of ``size`` documents."""
    seeds = list(jsonl.read(ARTICLES))
    gold = [replace(document, id=f"{document.id}-{i}") for i, document in enumerate(islice(cycle(seeds), size))]
    print(f"{size} documents, {sum(len(d.claims) for d in gold)} claims", flush=True)
    jsonl.write(gold, folder / f"{size}.gold.jsonl")
    for seed, kind in enumerate("ab"):
        rng = random.Random(seed)
        jsonl.write((disturbed(document, rng) for document in gold), folder / f"{size}.{kind}.jsonl")


def disturbed(document: Document, rng: random.Random) -> Document:
    """A prediction: one claim in ten lost, one content in five cut at a word, scores from 0.5 to 1."""
    claims = [cut(document, claim, rng) for claim in document.claims if rng.random() > 0.1]
    return replace(document, claims=tuple(claims), entities=tuple(e for e in document.entities if rng.random() > 0.1))


def cut(document: Document, claim: Claim, rng: random.Random) -> Claim:
    claim = replace(claim, score=round(rng.uniform(0.5, 1), 3))
    *before, last = claim.content
    inside = [word for word in words(document.text[: last.end]) if word.start >= last.start]
    ends = [word.end for word in inside[:-1] if document.text[word.end - 1].isalpha()]
    if rng.random() < 0.2 and ends:
        return replace(claim, content=(*before, replace(last, end=rng.choice(ends))))
    return claim


def measure(arguments: list[str]) -> tuple[float, float]:
    """Wall seconds and peak MiB of one command on one core."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    pin = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    began = time.perf_counter()
    process = subprocess.Popen([*pin, sys.executable, "-m", "nisba.cli", *arguments], stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(arguments)}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def ready(page: Path) -> str:
    """What the page itself measured (``performance.now`` when its script was done), or why nothing was."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        return "(no Chromium here)"
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{flag}")
    values = []
    for _ in range(RUNS):
        browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
        browser.get(page.as_uri())
        values.append(json.loads(browser.execute_script("return document.documentElement.dataset.ready")))
        browser.quit()
    return f"{statistics.median(values):.0f}"


if __name__ == "__main__":
    main()
