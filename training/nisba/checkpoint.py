"""Where training stands, on disk: weights and AdamW's moments as safetensors, the rest as JSON. No pickle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nisba.files import atomic_folder
from nisba.model import FORMAT, NisbaModel


class CheckpointError(ValueError):
    """A checkpoint that this version of nisba cannot take up."""


def save(root: Path, model: NisbaModel, averaged: NisbaModel, optimizer: torch.optim.Optimizer, progress: dict[str, Any]) -> None:
    """Write ``root/epoch-N`` (N from ``progress["epoch"]``), then remove older ones: a crash leaves the old or the new."""
    folder = root / f"epoch-{progress['epoch']:04d}"
    with atomic_folder(folder, marker="progress.json") as partial:
        save_file(model.weights(), partial / "model.safetensors")
        save_file(averaged.weights(), partial / "averaged.safetensors")
        moments: dict[str, Tensor] = {}
        for number, state in optimizer.state_dict()["state"].items():
            moments |= {f"{number}.{key}": torch.as_tensor(value).detach().cpu().contiguous() for key, value in state.items()}
        save_file(moments, partial / "optimizer.safetensors")
        (partial / "progress.json").write_text(json.dumps({"format": FORMAT} | progress), encoding="utf-8")
    for other in root.glob("epoch-*"):
        if other != folder:
            shutil.rmtree(other)


def latest(root: Path) -> Path | None:
    """The newest checkpoint, if any."""
    return max(root.glob("epoch-*"), default=None)


def load(folder: Path, model: NisbaModel, averaged: NisbaModel, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Restore models and optimizer in place; returns the progress that was saved. Raises CheckpointError."""
    progress: dict[str, Any] = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
    if progress.pop("format", None) != FORMAT or not (folder / "averaged.safetensors").is_file():
        raise CheckpointError(f"{folder}: an unfinished run of another version of nisba; remove it, or choose another output")
    model.load_weights(load_file(folder / "model.safetensors"))
    averaged.load_weights(load_file(folder / "averaged.safetensors"))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in load_file(folder / "optimizer.safetensors").items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = value
    whole = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)
    return progress
