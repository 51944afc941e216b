"""The figures of a run in TensorBoard, Weights & Biases, MLflow or Trackio, through accelerate; on this machine alone.

A run that goes on writes into the curve that it has begun: its id lies in ``tracker.json`` beside its metrics. A line is logged
behind the checkpoint that holds it, so a killed run may leave one out, and never logs one twice.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import get_available_trackers

from nisba import config
from nisba.checkpoint import Progress
from nisba.files import atomic
from nisba.interrupts import Stopped
from nisba.ranks import together

PROJECT = "nisba"
STATE = "tracker.json"


class TrackerError(RuntimeError):
    """A tracker that is not installed, or that cannot be taken up."""


def installed(tracker: str | None) -> str | None:
    """The tracker that the configuration names. Raises TrackerError where accelerate would silently leave it out."""
    if tracker is not None and tracker not in [str(found) for found in get_available_trackers()]:
        raise TrackerError(f"train.tracker: {tracker} is not installed: pip install {tracker}")
    return tracker


def begin(accelerator: Accelerator, settings: config.Config, progress: Progress) -> None:
    """Open the tracker of the configuration, or the curve behind ``progress``; nothing where there is none.

    Raises TrackerError where it cannot be opened, OSError.
    """
    tracker, file = settings.train.tracker, Path(settings.output) / STATE
    if tracker is None:
        return
    fresh = not progress.done
    with together(accelerator):
        if accelerator.is_main_process:
            run = uuid.uuid4().hex if fresh else known(file)
            try:
                known_as = {tracker: options(tracker, settings, progress, run)}
                accelerator.init_trackers(PROJECT, flat(settings) if fresh else None, known_as)
            except Exception as error:  # each has its own
                raise TrackerError(f"train.tracker: {tracker} cannot be opened: {error}") from error
            if tracker == "mlflow":  # gives out its own ids
                run = accelerator.get_tracker("mlflow", unwrap=True).info.run_id
            with atomic(file) as stream:
                json.dump({"run": run}, stream)


def known(file: Path) -> str:
    """The id of a run that goes on. Raises TrackerError, OSError."""
    try:
        run = json.loads(file.read_bytes())["run"]
    except (ValueError, KeyError, TypeError, FileNotFoundError):
        run = None
    if not isinstance(run, str):
        raise TrackerError(f"{file}: does not tell which run to go on with; remove {file.parent} to begin anew")
    return run


def options(tracker: str, settings: config.Config, progress: Progress, run: str) -> dict[str, Any]:
    """What a tracker is opened with, so that it goes on where ``progress`` is. ``run``: the id."""
    name = Path(settings.output).name
    if tracker == "tensorboard":  # what an earlier run left in the folder, or a lost checkpoint, is hidden
        return {"purge_step": progress.lines[-1]["step"] + 1 if progress.lines else 0}
    if tracker == "wandb":
        mode = os.environ.get("WANDB_MODE", "offline")
        return {"id": run, "name": name, "dir": settings.output, "resume": "allow", "mode": mode}
    if tracker == "trackio":
        return {"name": f"{name}-{run[:8]}", "resume": "allow"}
    return {"run_name": name} if not progress.done else {"run_id": run}


def flat(settings: config.Config) -> dict[str, bool | int | float | str]:
    """The configuration as trackers take it: dotted keys, no lists, nothing that is not set."""
    values = config.flat(settings.model_dump())
    return {
        key: value if isinstance(value, bool | int | float | str) else json.dumps(value, ensure_ascii=False)
        for key, value in values
        if value is not None
    }


def log(accelerator: Accelerator, line: Mapping[str, Any]) -> None:
    """An epoch's line, under its step. Raises what the tracker raises, RanksError on the other processes."""
    if accelerator.log_with:
        with together(accelerator):
            accelerator.log(dict(line), step=line["step"])


@contextmanager
def closed(accelerator: Accelerator) -> Iterator[None]:
    """However the block ends, nothing stays open; where it ends well, or in Stopped, it has seen to that itself."""
    try:
        yield
    except Stopped:
        raise
    except BaseException:
        for tracker in accelerator.trackers:
            with suppress(Exception):  # one that could not be opened; what has gone wrong is already on its way
                tracker.finish()
        accelerator.trackers.clear()
        raise
