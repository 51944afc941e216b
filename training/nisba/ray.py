"""Annotating on many machines with Ray Data: ``nisba predict --engine ray``, or ``Annotator`` in a pipeline of your own.

    options = {"fn_constructor_kwargs": {"model": "runs/quickstart/model"}, "batch_format": "pyarrow", "batch_size": 64}
    dataset.map_batches(Annotator, num_cpus=1, concurrency=8, **options)

``predict`` hands numbers of parts to workers. Each reads its rows from the storage, annotates them in the blocks of ``nisba
predict``, so that the answers are those of one process, and writes a file; no text passes through Ray. A worker that dies takes
only the part with it that it had, and another pass does that again.

Ray is the one of RAY_ADDRESS, else the one that runs on this machine, else one that is started here. No usage statistics are sent
unless RAY_USAGE_STATS_ENABLED asks for it.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
import ray.data
import ray.exceptions
from tqdm.auto import tqdm

from nisba import __version__
from nisba.batch import fingerprint
from nisba.blocks import BLOCK, BLOCK_BYTES, Annotate, Done, annotated, blocks
from nisba.inputs import InputError
from nisba.parts import Parts
from nisba.progress import Summary
from nisba.records import Columns
from nisba.storage import Table, place, records, tables
from nisba.tables import Annotator, predictor

if TYPE_CHECKING:
    from nisba.predict import Precision

__all__ = ["Annotator", "RayError", "predict"]

MOST = 8  # blocks of a part: a minute or so of one core
WAIT = 10.0  # seconds for a cluster to answer
DEATHS = 8  # of each worker in one pass, on average; with more something is wrong with all of them


class RayError(RuntimeError):
    """A cluster that cannot be had, or a part that no worker could do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What every worker knows. Part n has the rows from n × ``rows`` on."""

    source: str
    output: str
    model: str
    tables: tuple[Table, ...]
    columns: Columns
    device: str
    precision: Precision
    rows: int

    @property
    def total(self) -> int:
        return sum(table.rows for table in self.tables)

    @property
    def parts(self) -> int:
        return -(-self.total // self.rows)

    def identity(self) -> dict[str, str]:
        """What decides the bytes of the result, beside the model."""
        listing = "\n".join(f"{table.file} {table.rows} {table.size}" for table in self.tables)
        hashed = hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()
        made = {"nisba": __version__, "device": self.device, "precision": self.precision}
        made |= {"text column": self.columns.text, "id column": self.columns.id or "(id or row number)"}
        made |= {"rows of a part": str(self.rows), "block": f"{BLOCK} records, {BLOCK_BYTES} bytes"}
        return made | {"input": f"{len(self.tables)} files, {self.total:,} rows, SHA-256 of names, rows and sizes {hashed}"}


class Worker:
    """The actor of a run. What goes wrong with a part is told, so that the run ends with a reason and not with a lost actor."""

    def __init__(self, plan: Plan):
        self.plan = plan

    @cached_property
    def annotate(self) -> Annotate:
        return predictor(self.plan.model, self.plan.device, self.plan.precision).stream

    def __call__(self, batch: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
        outcomes = [self.outcome(int(number)) for number in batch["part"]]
        return {name: [outcome[name] for outcome in outcomes] for name in ("part", "documents", "errors", "size", "failure")}

    def outcome(self, number: int) -> dict[str, Any]:
        """What came of a part, as a row."""
        try:
            documents, errors, size = Parts(self.plan.output, self.plan.parts).save(number, self.work(number))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)  # into Ray's log of the worker
            counts = dict.fromkeys(("documents", "errors", "size"), 0)
            return {"part": number, "failure": f"{type(error).__name__}: {first_line(error)}"} | counts
        return {"part": number, "documents": documents, "errors": errors, "size": size, "failure": ""}

    def work(self, number: int) -> Iterator[Done]:
        """What comes of the blocks of a part."""
        plan, before = self.plan, number * self.plan.rows
        for block in blocks(records(place(plan.source)[0], plan.tables, plan.columns, before, plan.rows)):
            yield annotated(block, plan.columns, self.annotate, before=before, strict=False)
            before += len(block)


def predict(
    source: str,
    output: str,
    *,
    model: str,
    text: str = "text",
    id: str | None = None,
    workers: int | None = None,
    device: str | None = None,
    precision: Precision = "fp32",
    rows: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Summary:
    """Annotate the parquet files of ``source`` into the folder ``output`` (``parts.py``); what is no document goes to
    ``OUT.errors.jsonl``.

    Each of ``workers`` has a GPU of its own where the cluster has any and ``device`` is not ``cpu``, else one core; by default
    there are as many as the cluster has room for. All machines must find ``source``, ``output`` and ``model`` under the same
    names. ``rows`` of a part: a multiple of 64, by default 64 to 512, the more the longer the input is. Raises InputError,
    JournalError, RayError, OSError, and KeyboardInterrupt with what to do next.
    """
    if rows is not None and (rows < BLOCK or rows % BLOCK):
        raise InputError(f"the rows of a part must be a multiple of {BLOCK}: {rows}")
    if workers is not None and workers < 1:
        raise InputError(f"there must be at least one worker: {workers}")
    if device not in (None, "cpu", "cuda"):
        raise InputError(f"device {device}: on a cluster it is cpu or cuda")
    if precision == "auto":
        raise InputError("precision auto: machines may not agree on it; choose fp32 or bf16")
    if held(absolute(source), absolute(output)):
        raise InputError(f"{output}: is, or lies in, what is read; give another folder for the result")
    columns = Columns(text, id)
    found = tables(source, columns)
    made_of = fingerprint(model)
    with cluster():
        seats, kind = room(device)
        names = (absolute(source), absolute(output), absolute(model, if_there=True))
        plan = Plan(*names, found, columns, kind, precision, rows or usual(found))
        parts = Parts(plan.output, plan.parts)
        if summary := parts.begin(made_of | plan.identity(), resume=resume, overwrite=overwrite):
            return summary
        try:
            summary = run(plan, parts, workers or seats)
            parts.finish(summary)
        except KeyboardInterrupt:
            hint = f"what is done is kept in {output}; the same command with --resume goes on"
            raise KeyboardInterrupt(f"interrupted; {hint}") from None
    return summary


def run(plan: Plan, parts: Parts, workers: int) -> Summary:
    """Do the parts that are not there, in as many passes as it takes. Raises RayError where a part fails or a pass gets nowhere."""
    kept = parts.done()
    todo = set(range(plan.parts)) - kept
    before, errors = parts.counts(kept)
    documents, size, began = before, 0, time.monotonic()
    with tqdm(total=plan.total, initial=before + errors, unit=" texts", disable=not sys.stderr.isatty()) as bar:
        while todo:
            missing = len(todo)
            for outcome in annotate(plan, sorted(todo), min(workers, missing)):
                if outcome["failure"]:
                    raise RayError(f"{rows_of(plan, outcome['part'])}: {outcome['failure']}; what is done is kept, see --resume")
                todo.discard(outcome["part"])
                documents, errors, size = documents + outcome["documents"], errors + outcome["errors"], size + outcome["size"]
                bar.update(outcome["documents"] + outcome["errors"])
            if len(todo) == missing:
                raise RayError(f"{rows_of(plan, min(todo))}: the worker died on it again; is there enough memory? See Ray's logs")
    return Summary(documents, errors, before, size, time.monotonic() - began)


def annotate(plan: Plan, numbers: Sequence[int], workers: int) -> Iterator[dict[str, Any]]:
    """One pass over parts: what came of each, in any order; nothing of one whose worker died. Raises RayError."""
    dataset = ray.data.from_items([{"part": number} for number in numbers], override_num_blocks=len(numbers))
    dataset.context.enable_progress_bars = False
    dataset.context.max_errored_blocks = DEATHS * workers  # a part whose worker died is left out, and done in the next pass
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the last two have no other place yet
        outcomes = dataset.map_batches(
            Worker,
            fn_constructor_args=(plan,),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
            num_cpus=None if plan.device == "cuda" else 1,
            num_gpus=1 if plan.device == "cuda" else None,
            max_restarts=-1,  # a worker that died is started anew where there is room,
            max_task_retries=0,  # but its part does not wait for that: of a machine that was lost there may never be
        )
    log = logging.getLogger("ray.data")
    level = log.level
    log.setLevel(logging.CRITICAL)  # who keeps its records of dead workers keeps these alive, and their cores from the next pass
    try:
        yield from outcomes.iter_rows()
    except ray.exceptions.RayError as error:
        raise RayError(f"Ray: {type(error).__name__}: {first_line(error)}") from error
    finally:
        log.setLevel(level)
        gc.collect()


@contextmanager
def cluster() -> Iterator[None]:
    """Ray, connected or started, for the time of the block; the caller's own where there is one. Raises RayError."""
    if ray.is_initialized():
        yield
        return
    reach(os.environ.get("RAY_ADDRESS", ""))
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # among them bare ones, as of a machine too busy to start it in time
        raise RayError(f"no Ray: {first_line(error)}") from error
    if main:
        signal.signal(signal.SIGTERM, handler)  # Ray has put its own, which knows nothing of ours
    try:
        yield
    finally:
        ray.shutdown()


def reach(address: str) -> None:
    """Ray itself would try for many minutes. Raises RayError where nobody answers at ``host:port``; other addresses are Ray's
    affair."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), WAIT).close()
    except OSError as error:
        raise RayError(f"RAY_ADDRESS {address}: no Ray: {error.strerror or error}") from None


def usual(found: Sequence[Table]) -> int:
    """Rows of a part: enough parts for many workers, but of a long input no more files than need be."""
    return min(MOST, max(1, sum(table.rows for table in found) // BLOCK**2)) * BLOCK


def room(device: str | None) -> tuple[int, str]:
    """How many workers the cluster has room for, and on what: ``cuda`` or ``cpu``. Raises RayError where it has no GPU but must."""
    resources = ray.cluster_resources()
    gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    if device == "cuda" and not gpus:
        raise RayError("device cuda: the cluster has no GPU")
    return (gpus, "cuda") if gpus and device != "cpu" else (max(1, cores), "cpu")


def absolute(name: str, *, if_there: bool = False) -> str:
    """A path as other processes can read it; an address, or what is ``if_there`` and is not, as it is."""
    return name if "://" in name or (if_there and not Path(name).exists()) else str(Path(name).absolute())


def held(folder: str, name: str) -> bool:
    """Whether what is written to ``name`` would be read from ``folder``, at the latest by a run that goes on."""
    here, there = (item.rstrip("/") if "://" in item else str(Path(item).resolve()) for item in (folder, name))
    return there == here or there.startswith(f"{here}/")


def rows_of(plan: Plan, number: int) -> str:
    """A part, for people."""
    first = number * plan.rows
    return f"part {number} (rows {first + 1:,} to {min(first + plan.rows, plan.total):,})"


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
