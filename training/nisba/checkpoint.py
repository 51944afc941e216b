"""Where training stands, on disk: weights and AdamW's moments as safetensors, the rest as JSON. No pickle.

A checkpoint is a folder that appears whole, by rename, with the SHA-256 of each of its files. One that was cut short or changed
later is passed over for the one before it. The learning rate, the order of the articles and all random numbers follow from the
configuration and the step, so there is no other state.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nisba.descent import Learner
from nisba.files import atomic_folder, digest
from nisba.model import FORMAT, HEADS
from nisba.ranks import together, told
from nisba.sharding import dealt, fill, gathered

LOG = logging.getLogger("nisba")
LAYOUT = 3  # of a checkpoint; raised when one could be misread
WEIGHTS, AVERAGED, MOMENTS, PROGRESS = "model.safetensors", "averaged.safetensors", "optimizer.safetensors", "progress.json"
FILES = (WEIGHTS, AVERAGED, MOMENTS, PROGRESS)
MANIFEST = "manifest.json"
COST = 0.02  # the share of the time that saving within an epoch may take at most


class CheckpointError(ValueError):
    """Checkpoints that cannot be taken up."""


@dataclass(frozen=True)
class Progress:
    """``epoch`` epochs are behind, scored and all, and ``step`` steps of the next one; ``done`` are all steps.

    ``losses`` are sums over the steps of this epoch, of each of HEADS; ``seconds`` is the time that those took. ``lines`` are those
    of the metrics.
    """

    epoch: int = 0
    step: int = 0
    done: int = 0
    losses: tuple[float, ...] = (0.0,) * len(HEADS)
    seconds: float = 0.0
    best: float = -1.0
    best_epoch: int = 0
    lines: tuple[Mapping[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"step {self.step} of epoch {self.epoch + 1}" if self.step else f"epoch {self.epoch}"

    def stepped(self, losses: list[float], seconds: float) -> Progress:
        """Another step is done."""
        sums = tuple(before + loss for before, loss in zip(self.losses, losses, strict=True))
        return replace(self, step=self.step + 1, done=self.done + 1, losses=sums, seconds=self.seconds + seconds)

    def scored(self, line: Mapping[str, Any], score: float) -> Progress:
        """The epoch is scored."""
        best = (score, self.epoch + 1) if score > self.best else (self.best, self.best_epoch)
        return Progress(self.epoch + 1, 0, self.done, best=best[0], best_epoch=best[1], lines=(*self.lines, line))


class Checkpoints:
    """The checkpoints of one run, in ``root``: the last ``train.keep``, and for a moment one more.

    ``articles`` tells the articles from others (a digest). All processes call ``restore``, ``due`` and ``save``; the main one reads
    the digests and writes.
    """

    def __init__(self, root: Path, learner: Learner, *, articles: str):
        self.root, self.learner, self.articles = root, learner, articles
        self.accelerator, self.every, self.keep = learner.accelerator, learner.train.save_every, learner.train.keep
        names = {parameter: name for name, parameter in learner.bare.named_parameters()}
        self._learning = [parameter for group in learner.optimizer.param_groups for parameter in group["params"]]
        self._names = [names[parameter] for parameter in self._learning]
        self._saved: Progress | None = None
        self._at, self._cost = time.monotonic(), 0.0

    def restore(self) -> Progress:
        """Put models and optimizer where the newest whole checkpoint stands, if there is any. A damaged one is passed over with a
        warning. Raises CheckpointError for those of another version or of other articles, and where all are damaged."""
        with together(self.accelerator):
            newest = self._newest() if self.accelerator.is_main_process else None
        name = told(self.accelerator, None if newest is None else newest.name)
        self._at = time.monotonic()
        if name is None:
            return Progress()
        self._saved = self._load(self.root / name)
        return self._saved

    def due(self) -> bool:
        """Whether it is time for a checkpoint within an epoch: after ``every`` minutes, later where saving takes long."""
        return not self.every or time.monotonic() - self._at >= max(60 * self.every, self._cost / COST)

    def save(self, progress: Progress) -> None:
        """Write a checkpoint, then remove the oldest; nothing where this one was the last to be saved.

        Raises OSError on the main process and RanksError on the others; the last good one stays then.
        """
        if progress == self._saved:
            return
        began, main = time.monotonic(), self.accelerator.is_main_process
        files = {WEIGHTS: gathered(self.learner.bare.tensors(), keep=main), MOMENTS: gathered(self._moments(), keep=main)}
        with together(self.accelerator):
            if main:
                self._write(progress, files | {AVERAGED: self.learner.kept.weights()})
        self._saved, self._at = progress, time.monotonic()
        self._cost = self._at - began

    def _write(self, progress: Progress, files: Mapping[str, dict[str, Tensor]]) -> None:
        folder = self.root / f"epoch-{progress.epoch:04d}-step-{progress.step:06d}"
        if folder.exists():  # damaged: training would stand behind it otherwise
            shutil.rmtree(folder)
        row: dict[str, Any] = {"version": version(), "articles": self.articles} | asdict(progress)
        if self.accelerator.scaler is not None:  # of gradients in half precision
            row["scaler"] = self.accelerator.scaler.state_dict()
        with atomic_folder(folder, marker=MANIFEST) as partial:
            for name, tensors in files.items():
                save_file(tensors, partial / name)
            (partial / PROGRESS).write_text(json.dumps(row), encoding="utf-8")
            (partial / MANIFEST).write_text(json.dumps({name: digest(partial / name) for name in FILES}), encoding="utf-8")
            sync(partial)
        sync(self.root)
        written = sorted(path for path in self.root.iterdir() if path.name.startswith("epoch-"))
        at = written.index(folder) + 1
        for other in [*written[: max(0, at - self.keep)], *written[at:]]:  # what lies ahead is damaged
            shutil.rmtree(other)

    def _newest(self) -> Path | None:
        """The newest whole checkpoint. What a killed process has left unfinished goes."""
        for left in self.root.glob(".epoch-*"):
            shutil.rmtree(left)
        found = sorted(self.root.glob("epoch-*"), reverse=True)
        for folder in found:
            if "-step-" not in folder.name:
                raise CheckpointError(f"{folder}: {OTHER}")
            problem = damage(folder)
            if problem is None:
                return folder
            LOG.warning("%s: %s; going on from the checkpoint before it", folder, problem)
        if found:
            raise CheckpointError(f"{self.root}: every checkpoint is damaged; remove the folder to begin anew")
        return None

    def _load(self, folder: Path) -> Progress:
        row = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        if row.pop("version", None) != version():
            raise CheckpointError(f"{folder}: {OTHER}")
        if row.pop("articles") != self.articles:
            raise CheckpointError(f"{folder}: an unfinished run on other articles; remove it, or choose another output")
        if scaler := row.pop("scaler", None):
            self.accelerator.scaler.load_state_dict(scaler)
        fill(self.learner.bare.tensors(), load_file(folder / WEIGHTS))
        self.learner.kept.load_weights(load_file(folder / AVERAGED))
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in load_file(folder / MOMENTS).items():
            parameter, _, key = name.rpartition(".")
            number = self._names.index(parameter)
            state.setdefault(number, {})[key] = dealt(value, self._learning[number])
        self.learner.optimizer.load_state_dict(self.learner.optimizer.state_dict() | {"state": state})
        return Progress(**row | {"losses": tuple(row["losses"]), "lines": tuple(row["lines"])})

    def _moments(self) -> dict[str, Tensor]:
        """The optimizer's state under ``parameter.key``."""
        moments = self.learner.optimizer.state_dict()["state"]
        return {
            f"{self._names[number]}.{key}": torch.as_tensor(value)
            for number, state in moments.items()
            for key, value in state.items()
        }


OTHER = "an unfinished run of another version of nisba; remove it, or choose another output"


def version() -> str:
    """What a checkpoint must have been written by."""
    return f"{LAYOUT}.{FORMAT}"


def damage(folder: Path) -> str | None:
    """How a checkpoint differs from what was written, None where it does not."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return f"{MANIFEST} is damaged or missing"
    for name in FILES:
        try:
            whole = isinstance(manifest, dict) and manifest.get(name) == digest(folder / name)
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
        if not whole:
            return f"{name} is not what was written"
    return None


def unfinished(root: Path) -> bool:
    """Whether there is a checkpoint."""
    return any(root.glob("epoch-*"))


def sync(folder: Path) -> None:
    """The folder's own entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
