"""How much of the speed of offline batches a server keeps: ``python scripts/bench_serve.py --model runs/quickstart/model``.

In turn, in one environment and over the same texts: ``Predictor.stream`` in this process for ``--offline-seconds``, then clients
that each send one text after another to ``nisba serve`` for ``--seconds``, then offline again, and so on for ``--rounds``. A
round's ratio is its characters a second over the mean of the offline runs on both sides of it. Exit code 1 where a request failed
or the median ratio is below GOAL. Both sides use as many threads as ``OMP_NUM_THREADS`` says.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

from nisba.formats import jsonl
from nisba.predict import AHEAD, Predictor, load
from nisba.schema import Document

GOAL = 0.85
TEXTS = 512  # at most; they are gone through again and again
ARTICLES = Path(__file__).parent.parent / "seeds" / "articles.jsonl"
PATIENCE = 600  # seconds for the model to load, and for an answer


class Run(NamedTuple):
    """What was done, in how many seconds; seconds of every answer; what the requests that failed were told."""

    documents: int
    characters: int
    seconds: float
    latencies: Sequence[float] = ()
    errors: Sequence[str] = ()

    @property
    def rate(self) -> float:
        """Characters a second."""
        return self.characters / self.seconds

    def __str__(self) -> str:
        text = f"{self.documents / self.seconds:7.2f} documents/s {self.rate:9.0f} characters/s"
        if len(self.latencies) < 2:
            return text
        cuts = statistics.quantiles(self.latencies, n=100, method="inclusive")
        return f"{text}   p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, {len(self.latencies)} answers, {len(self.errors)} errors"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True, help="folder or hub id")
    parser.add_argument("--device", default="cpu", help="(default: cpu)")
    parser.add_argument("--texts", type=Path, default=ARTICLES, metavar="FILE", help="JSON Lines (default: seeds/articles.jsonl)")
    parser.add_argument("--clients", type=int, default=64, metavar="N", help="at the same time (default: 64)")
    parser.add_argument("--seconds", type=float, default=60, help="of load a round (default: 60)")
    parser.add_argument("--offline-seconds", type=float, default=30, help="of each offline run (default: 30)")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="(default: 1)")
    options = parser.parse_args()
    texts = [document.text for document in islice(jsonl.read(options.texts), TEXTS)]
    predictor = load(options.model, device=options.device)
    list(predictor.stream([Document("first", texts[0])]))
    ratios, errors = [], 0
    with server(options.model, options.device) as address:
        before = said("offline", offline(predictor, texts, options.offline_seconds))
        for _ in range(options.rounds):
            served = said("served", online(address, texts, clients=options.clients, seconds=options.seconds))
            after = said("offline", offline(predictor, texts, options.offline_seconds))
            ratios.append(2 * served.rate / (before.rate + after.rate))
            errors += len(served.errors)
            before = after
    ratio = statistics.median(ratios)
    print(f"served over offline: {ratio:.3f} ({', '.join(f'{each:.3f}' for each in ratios)}), {errors} errors")
    return int(errors > 0 or ratio < GOAL)


def said(name: str, run: Run) -> Run:
    print(f"{name:>7} {run}", *sorted(set(run.errors)), sep="\n        ", flush=True)
    return run


@contextmanager
def server(model: str, device: str) -> Iterator[str]:
    """The address (host:port) of a server that is ready, in a process of its own."""
    command = [sys.executable, "-m", "nisba.cli", "serve", "--model", model, "--device", device, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if "http://" not in line:
                sys.exit("the server does not start")
            address = line.split("http://")[1].split()[0]
            end = time.monotonic() + PATIENCE
            while not ready(address):
                if process.poll() is not None or time.monotonic() > end:
                    sys.exit("the server does not get ready")
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()


def ready(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    with suppress(OSError):
        connection.request("GET", "/ready")
        return bool(connection.getresponse().status == 200)
    return False


def offline(predictor: Predictor, texts: Sequence[str], seconds: float) -> Run:
    """Batches of as many documents as ``stream`` reads ahead, until the time is up."""
    began, numbers = time.perf_counter(), count()
    done: list[Document] = []
    while time.perf_counter() - began < seconds:
        chunk = [texts[number % len(texts)] for number in islice(numbers, AHEAD)]
        done += predictor.stream(Document(str(i), text) for i, text in enumerate(chunk))
    return Run(len(done), sum(len(document.text) for document in done), time.perf_counter() - began)


def online(address: str, texts: Sequence[str], *, clients: int, seconds: float) -> Run:
    """Clients that send one text a request, each the next when it has its answer, until the time is up; all answers count."""
    numbers, lock = count(), threading.Lock()
    latencies: list[float] = []
    errors: list[str] = []
    characters = 0
    began = time.perf_counter()

    def work() -> None:
        nonlocal characters
        connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        while time.perf_counter() - began < seconds:
            with lock:
                text = texts[next(numbers) % len(texts)]
            sent = time.perf_counter()
            error = ask(connection, text)
            with lock:
                latencies.append(time.perf_counter() - sent)
                if error:
                    errors.append(error)
                else:
                    characters += len(text)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Run(len(latencies) - len(errors), characters, time.perf_counter() - began, latencies, errors)


def ask(connection: http.client.HTTPConnection, text: str) -> str:
    """Send one text; what is wrong with the answer, or nothing."""
    body = json.dumps({"documents": [{"text": text}]}).encode()
    try:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        connection.close()
        return f"{type(error).__name__}: {error}"
    if response.status != 200:
        return f"{response.status}: {answer['error']}"
    return "" if [document["text"] for document in answer["documents"]] == [text] else "another text came back"


if __name__ == "__main__":
    sys.exit(main())
