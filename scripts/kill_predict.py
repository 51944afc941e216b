"""How well ``nisba predict`` survives being killed: ``python scripts/kill_predict.py --kills 200``.

Jobs over a made-up input with bad lines in it, with a stand-in for the model that finds one name a text, are killed with SIGKILL
after a random part of the time that they take and taken up with ``--resume`` until they end. Result and errors must be, byte for
byte, those of a run that nobody disturbed. Three forms of result, one process and two, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

from nisba import job
from nisba.inputs import open_input
from nisba.records import Columns
from nisba.schema import Document, Entity, trim
from nisba.shards import Rank

LINES = 3000
WAYS = [(form, world) for world in (1, 2) for form in (".jsonl", ".jsonl.gz", ".parquet")]
WORDS = ["قال", "الوزير", "إن", "الماء", "نظيف", "وأكدت", "الصحيفة", "أن", "الخبر", "صحيح"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--lines", type=int, default=LINES, help=f"of the input (default: {LINES})")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        kills, runs = disturb(Path(name), kills=options.kills, lines=options.lines, seed=options.seed)
    print(f"{kills} kills in {runs} jobs: results and errors are the same bytes as without")


def disturb(folder: Path, *, kills: int, lines: int, seed: int, ways: Sequence[tuple[str, int]] = WAYS) -> tuple[int, int]:
    """Kill until there were ``kills``. Returns how many there were, in how many jobs. Raises SystemExit at the first difference."""
    draw = random.Random(seed)
    source = folder / "in.jsonl"
    source.write_text("".join(line(number, draw) for number in range(lines)), encoding="utf-8")
    whole, took = {}, {}
    for form, world in ways:
        output = folder / f"whole{form}"
        began = time.monotonic()
        for process in start(source, output, world, resume=False):
            process.wait()
        took[form] = time.monotonic() - began
        if results(output) != whole.setdefault(form, results(output)) or not all(whole[form]):
            sys.exit(f"{form}: {world} processes and one do not agree, or there is no result")
    killed = runs = 0
    turns = cycle(ways)
    while killed < kills:
        runs += 1
        form, world = next(turns)
        output = folder / f"{runs}{form}"
        killed += interrupted(source, output, world, draw, most=kills - killed, took=took[form])
        if results(output) != whole[form]:
            sys.exit(f"{output.name}, {world} processes: not the bytes of an undisturbed run")
        left = sorted(path.name for path in folder.iterdir() if path.name.startswith(f"{output.name}."))
        if left != [f"{output.name}.errors.jsonl", f"{output.name}.progress.json"]:
            sys.exit(f"left behind: {', '.join(left)}")
        for path in folder.glob(f"{output.name}*"):
            path.unlink()
    return killed, runs


def interrupted(source: Path, output: Path, world: int, draw: random.Random, *, most: int, took: float) -> int:
    """One job, killed and taken up until it ends. Every second kill comes late, where the parts are put together."""
    killed = 0
    while True:
        processes = start(source, output, world, resume=True)
        time.sleep(draw.uniform(0.5 * (killed % 2), 1) * took)
        alive = [process for process in processes if process.poll() is None]
        victim = draw.choice(alive) if alive and killed < most else None
        if victim:
            victim.kill()
            killed += 1
        codes = {process: process.wait() for process in processes}
        if not any(codes.values()):
            return killed
        if any(code for process, code in codes.items() if process is not victim):
            sys.exit(f"{output.name}: a process that nobody killed has failed")


def start(source: Path, output: Path, world: int, *, resume: bool) -> list[subprocess.Popen[bytes]]:
    """The processes of one job; each runs ``work`` below."""
    here = str(Path(__file__).parent)
    program = f"import sys; sys.path.insert(0, {here!r}); import kill_predict; kill_predict.work(*sys.argv[1:])"
    arguments = [str(source), str(output), "resume" if resume else "anew", str(world)]
    return [subprocess.Popen([sys.executable, "-c", program, *arguments, str(number)]) for number in range(world)]


def work(source: str, output: str, way: str, world: str, number: str) -> None:
    """The job itself, an entry in the journal after every block."""
    job.EVERY = 0
    columns = Columns()
    work = job.Job(open_input(source, columns), columns, lambda: stand_in, {"model": "stand-in"})
    work.run(Path(output), rank=Rank(int(number), int(world)), resume=way == "resume")


def stand_in(documents: Iterable[Document]) -> Iterator[Document]:
    """The first word of every text is a name."""
    time.sleep(0.005)
    for document in documents:
        end = document.text.find(" ") if " " in document.text else len(document.text)
        span = trim(document.text, 0, end)
        yield replace(document, entities=(Entity(span, "PER", score=0.5),) if span else ())


def line(number: int, draw: random.Random) -> str:
    if draw.random() < 0.02:
        return draw.choice(["{broken\n", '{"id": "x", "text": ""}\n', '{"id": "y", "text": 5}\n', "[]\n", "\n"])
    words = " ".join(draw.choices(WORDS, k=draw.randint(1, 60)))
    return json.dumps({"id": f"d{number}", "text": words, "meta": {"number": number}}, ensure_ascii=False) + "\n"


def results(output: Path) -> tuple[bytes, bytes]:
    return output.read_bytes(), output.with_name(f"{output.name}.errors.jsonl").read_bytes()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
