"""How two workers on one machine compare with one: ``python scripts/bench_ray.py --model runs/quickstart/model``.

The same articles (the seeds, or those of a JSON Lines file, over and over) are annotated by ``nisba.ray.predict`` with one worker
and with two, a thread each, in turn. Two speeds are printed of every run, the medians and their ratio, with the load of the
machine before: ``all``: as a user sees it, with the start of the workers; ``steady``: while all workers are at work. The results
must all be the same.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would measure how it gives way to whatever else runs

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from nisba import ray as engine
from nisba.formats import jsonl

SEEDS = Path(__file__).parent.parent / "seeds" / "articles.jsonl"
WORKERS = (1, 2)
ROWS = 64  # of a part
LEAST = (2 * max(WORKERS) + 1) * ROWS  # articles, so that all workers have something to do for a while after their first parts


def main() -> None:
    parser = argparse.ArgumentParser(description="Articles a second with one worker and with two.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--articles", type=Path, default=SEEDS, metavar="FILE", help="JSON Lines (default: the seeds)")
    parser.add_argument("--count", type=int, default=1280, help="articles of a run (default: 1280)")
    parser.add_argument("--runs", type=int, default=3, help="with each number of workers (default: 3)")
    options = parser.parse_args()
    if options.count < LEAST or options.runs < 1:
        parser.error(f"--count: at least {LEAST} articles; --runs: at least one")
    ray.init(num_cpus=max(WORKERS), include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    speeds: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = [document.text for document in islice(cycle(jsonl.read(options.articles)), options.count)]
        pq.write_table(pa.table({"text": texts}), folder / "articles.parquet")
        results = []
        for number in range(options.runs):
            for workers in WORKERS:
                output = folder / f"{number}-{workers}"
                load = os.getloadavg()[0]
                for kind, speed in measure(folder / "articles.parquet", output, options.model, workers).items():
                    speeds.setdefault((kind, workers), []).append(speed)
                    print(f"{workers} workers, load {load:.1f}, {kind}: {speed:.2f} articles/s", flush=True)
                results.append(pq.read_table(output))
        if not all(result.equals(results[0]) for result in results):
            raise SystemExit("the results differ")
    for kind in ("all", "steady"):
        one, two = (statistics.median(speeds[kind, workers]) for workers in WORKERS)
        print(f"{kind}: {one:.2f} and {two:.2f} articles/s, ratio {two / one:.2f}")


def measure(source: Path, output: Path, model: str, workers: int) -> dict[str, float]:
    """Articles a second of one run."""
    told: list[tuple[float, int]] = []  # when a part was done, and its articles
    one_pass = engine.annotate

    def timed(*arguments):
        for outcome in one_pass(*arguments):
            told.append((time.perf_counter(), outcome["documents"]))
            yield outcome

    engine.annotate = timed
    began = time.perf_counter()
    try:
        summary = engine.predict(str(source), str(output), model=model, workers=workers, device="cpu", rows=ROWS)
    finally:
        engine.annotate = one_pass
    ended = time.perf_counter()
    busy = told[workers - 1 : len(told) - workers + 1]  # from when all have done a part to when one has nothing left
    steady = sum(documents for _, documents in busy[1:]) / (busy[-1][0] - busy[0][0])
    return {"all": summary.documents / (ended - began), "steady": steady}


if __name__ == "__main__":
    main()
