"""Whether prediction needs more memory for more texts: ``python scripts/bench_memory.py``.

Peak resident memory of jobs over 10,000 and 1,000,000 lines, and wall seconds, with a stand-in for the model that leaves texts as
they are, so that reading, journal and writing are what is measured. Each job is a process of its own and reads its own peak, as
Linux gives it. Ends with exit code 1 where a larger input takes over 10 % more than the smaller.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from nisba.inputs import open_input
from nisba.job import Job
from nisba.records import Columns
from nisba.schema import Document

SIZES = (10_000, 1_000_000)
MOST = 1.10
WAYS = ((".jsonl", ".jsonl"), (".jsonl", ".parquet"), (".jsonl.zst", ".jsonl.gz"), (".parquet", ".jsonl"))
WORDS = ["قال", "الوزير", "إن", "الماء", "نظيف", "وأكدت", "الصحيفة", "أن", "الخبر", "صحيح"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs=2, default=SIZES, metavar=("SMALL", "LARGE"))
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(*map(Path, options.work))
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in options.sizes:
            write(size, folder)
        for source, form in WAYS:
            (small, first), (large, second) = (measure(folder / f"{size}{source}", folder / f"out{form}") for size in options.sizes)
            failed = failed or large > MOST * small
            print(
                f"{source} to {form}: {options.sizes[0]:,} lines {small:.0f} MiB, {first:.0f} s; "
                f"{options.sizes[1]:,} lines {large:.0f} MiB, {second:.0f} s: {large / small - 1:+.1%}",
                flush=True,
            )
    sys.exit(int(failed))


def write(size: int, folder: Path) -> None:
    """The same lines as JSON Lines, packed, and as a table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = random.Random(0)
    plain = folder / f"{size}.jsonl"
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    with plain.open("w", encoding="utf-8") as stream, pq.ParquetWriter(folder / f"{size}.parquet", schema) as table:
        for start in range(0, size, 5000):
            numbers = range(start, start + 5000)
            rows = [{"id": str(number), "text": " ".join(draw.choices(WORDS, k=draw.randint(20, 100)))} for number in numbers]
            table.write_table(pa.Table.from_pylist(rows, schema))
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with plain.open("rb") as stream, pa.CompressedOutputStream(str(folder / f"{size}.jsonl.zst"), "zstd") as packed:
        while chunk := stream.read(1 << 20):
            packed.write(chunk)


def measure(source: Path, output: Path) -> tuple[float, float]:
    """Peak MiB and wall seconds of one job."""
    began = time.perf_counter()
    command = [sys.executable, __file__, "--work", str(source), str(output)]
    peak = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    output.unlink()
    return int(peak) / 1024, time.perf_counter() - began


def work(source: Path, output: Path) -> None:
    """The job itself; prints its peak in KiB. ``getrusage`` would count the process that started this one, too."""
    columns = Columns()
    Job(open_input(str(source), columns), columns, lambda: as_they_are, {"model": "stand-in"}).run(output)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def as_they_are(documents: Iterator[Document]) -> Iterator[Document]:
    return documents


if __name__ == "__main__":
    main()
