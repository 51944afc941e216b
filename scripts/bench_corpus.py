"""Whether training needs more memory for more articles: ``python scripts/bench_corpus.py [--sizes 10000 100000]``.

Articles of WORDS random words of the seeds, annotated at random, so that none is another's near-duplicate. Each corpus goes through
``nisba build``, which writes the datasets, and ``nisba train --dry-run``, which reads, splits and encodes it and takes some
steps, each in a process of its own that tells its peak resident memory (Linux) and seconds. What is asked is how much more that is
than for SMALL articles: model, optimizer and libraries are the same. Temporary files go where ``TMPDIR`` says; a folder in memory
(tmpfs) would be missing from the figure.

Ends with exit code 1 where the largest corpus takes MOST more.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from nisba.formats import jsonl
from nisba.schema import Claim, Document, Entity, Span
from nisba.text import tokens

ARTICLES = Path(__file__).parent.parent / "seeds" / "articles.jsonl"
SMALL, WORDS = 500, 200
MOST = 2 << 10  # MiB
CONFIG = """data:
  paths: []
  train_paths: [{train}]
  dev_paths: [{dev}]
model:
  encoder: offline
  layers: 8
output: {output}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(options.work)
    print(f"{'articles':>9} {'build':>9} {'more':>8} {'s':>6} {'dry run':>9} {'more':>8} {'s':>6}   MiB at most")
    base: list[float] = []
    for size in (SMALL, *options.sizes):
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
            folder = Path(name)
            jsonl.write(drawn(size, "t"), folder / "train.jsonl")
            jsonl.write(drawn(20, "d"), folder / "dev.jsonl")
            files = {"train": folder / "train.jsonl", "dev": folder / "dev.jsonl", "output": folder / "run"}
            (folder / "config.yaml").write_text(CONFIG.format(**files), encoding="utf-8")
            found = [measured(command, folder / "config.yaml") for command in (["build"], ["fit"])]
        base = base or [peak for peak, _ in found]
        rows = [f"{peak:9.0f} {peak - least:8.0f} {seconds:6.0f}" for (peak, seconds), least in zip(found, base, strict=True)]
        print(f"{size:9,} {' '.join(rows)}", flush=True)
    sys.exit(any(peak - least > MOST for (peak, _), least in zip(found, base, strict=True)))


def measured(command: list[str], config: Path) -> tuple[float, float]:
    """MiB and seconds."""
    began = time.perf_counter()
    environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
    call = [sys.executable, __file__, "--work", *command, str(config)]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1]) / 1024, time.perf_counter() - began


def work(command: list[str]) -> None:
    """A command in this process, then its peak in KiB."""
    *words, config = command
    if words == ["fit"]:
        from nisba import plan
        from nisba.config import load

        for _ in plan.rehearse(load(config)):
            pass
    else:
        from nisba.cli import main as nisba

        nisba([*words, "--config", config])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def drawn(count: int, prefix: str) -> Iterator[Document]:
    """Articles that nobody wrote: every fiftieth word or so is a name; four claims each."""
    chance = random.Random(prefix)
    vocabulary = sorted({span.of(d.text) for d in jsonl.read(ARTICLES) for span in tokens(d.text) if span.of(d.text).isalpha()})
    for number in range(count):
        spans, text = [], ""
        for place in range(WORDS):
            word = chance.choice(vocabulary)
            spans.append(Span(len(text), len(text) + len(word)))
            text += word + ("\n" if place % 40 == 39 else " ")
        names = tuple(Entity(spans[place], "PER") for place in sorted(chance.sample(range(WORDS), 4)))
        claims = tuple(
            Claim(f"c{at}", (Span(spans[at + 3].start, spans[at + 12].end),), (spans[at],), (spans[at + 1],), source_type="person")
            for at in range(0, WORDS - 20, 50)
        )
        yield Document(f"{prefix}{number}", text, names, claims)


if __name__ == "__main__":
    main()
