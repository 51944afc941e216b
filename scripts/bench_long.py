"""What a long text costs: ``python scripts/bench_long.py --model runs/quickstart/model``.

One text of each of several lengths (the seeds one after another, over and over) is annotated by a process of its own, in one
thread. What is printed: its seconds of processor time, loading left out, and its peak resident memory, as Linux gives it. Other
work on the machine makes both cores and caches slower, so leave it alone. Ends with exit code 1 where a longer text takes over a
fifth more of either a word than the one of 5,000 words.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from nisba.formats import jsonl
from nisba.text import words

SEEDS = Path(__file__).parent.parent / "seeds" / "articles.jsonl"
LENGTHS = (1_000, 5_000, 10_000, 25_000, 50_000)
BASE = 5_000  # words: a shorter text costs less a word, because its claims find fewer words in reach
MOST = 1.2


class Cost(NamedTuple):
    """Of one text. ``seconds`` of processor time, ``wall`` seconds, ``peak`` in MiB, of which ``before``, with the model loaded."""

    words: int
    characters: int
    names: int
    claims: int
    seconds: float
    wall: float
    before: float
    peak: float

    def __str__(self) -> str:
        each = 1000 * self.seconds / self.words
        found = f"{self.words:,} words: {self.names:,} names, {self.claims:,} claims"
        memory = f"{self.peak:.0f} MiB, {self.before:.0f} before"
        return f"{found}; {self.seconds:.1f} s ({each:.2f} ms a word), wall {self.wall:.1f} s; {memory}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--words", type=int, nargs="+", default=LENGTHS, help=f"lengths of the texts (default: {LENGTHS})")
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(options.model, options.work)._asdict()))
        return
    costs = []
    for length in options.words:
        costs.append(measure(options.model, length))
        print(costs[-1], flush=True)
    sys.exit(int(not linear(costs)))


def measure(model: str, length: int) -> Cost:
    """The cost of one text, in a process of its own."""
    command = [sys.executable, __file__, "--model", model, "--work", str(length)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return Cost(**json.loads(subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True).stdout))


def work(model: str, length: int) -> Cost:
    from nisba.predict import load

    predictor = load(model, device="cpu")
    predictor.predict("قال الوزير إن الماء نظيف.")  # what only the first text needs
    text = joined(length)
    before, began, used = resident("VmRSS"), time.perf_counter(), time.process_time()
    document = predictor.predict(text)
    seconds, wall = time.process_time() - used, time.perf_counter() - began
    sizes = length, len(text), len(document.entities), len(document.claims)
    return Cost(*sizes, seconds, wall, before, resident("VmHWM"))


def joined(length: int) -> str:
    """A text of as many words, punctuation marks among them."""
    parts: list[str] = []
    left = length
    for document in cycle(list(jsonl.read(SEEDS))):
        spans = words(document.text)[:left]
        parts.append(document.text[: spans[-1].end])
        left -= len(spans)
        if not left:
            return "\n".join(parts)
    raise AssertionError("the seeds hold no word")


def linear(costs: list[Cost]) -> bool:
    """Whether no longer text costs more a word than the first of BASE words or over; memory beyond the loaded model alike."""
    long = [cost for cost in costs if cost.words >= BASE]
    each = [(cost.seconds / cost.words, (cost.peak - cost.before) / cost.words) for cost in long]
    return all(now <= MOST * first for later in each[1:] for first, now in zip(each[0], later, strict=True))


def resident(name: str) -> float:
    """MiB. ``getrusage`` would count the process that started this one, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(name))) / 1024


if __name__ == "__main__":
    main()
