"""``nisba predict``: which input, which model, which of several processes, and where the answers go."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nisba import shards
from nisba.files import digest
from nisba.inputs import InputError, open_input
from nisba.job import Job
from nisba.records import Columns
from nisba.shards import Rank

if TYPE_CHECKING:
    from nisba.blocks import Annotate
    from nisba.predict import Predictor

MODEL = {"model weights": "model.safetensors", "model config": "config.json", "tokenizer": "tokenizer.json"}


def predict(
    source: str,
    output: Path | None,
    *,
    model: str,
    device: str | None,
    load: Callable[[str, str | None], Predictor],
    columns: Columns,
    precision: str = "fp32",
    strict: bool = False,
    resume: bool = False,
    overwrite: bool = False,
) -> int:
    """Annotate ``source`` (see ``inputs.open_input``) into ``output``, or line by line onto standard output. Returns the exit code.

    Raises InputError and what ``Job.run`` and ``load`` raise.
    """
    rank = shards.rank(os.environ)
    texts = open_input(source, columns, result=output)
    chosen = own_device(device, rank)

    def annotator() -> Annotate:
        return load(model, chosen).stream

    if output is None:
        if rank.world > 1 or resume or overwrite:
            raise InputError("several processes, --resume and --overwrite need a file for the result: give one with -o")
        summary = Job(texts, columns, annotator, strict=strict).stream(_print)
    else:
        identity = fingerprint(model) | {"device": kind(device), "precision": precision}
        job = Job(texts, columns, annotator, identity, strict=strict)
        summary = job.run(output, rank=rank, resume=resume, overwrite=overwrite)
    part = "its part of " if rank.world > 1 else ""
    print(f"{rank}{summary}" + (f": {part}{output}" if output else ""), file=sys.stderr)
    return 0


def fingerprint(model: str) -> dict[str, str]:
    """The SHA-256 of the files that make a model, in a folder or on the Hub. Raises InputError where one is missing."""
    return {name: f"SHA-256 {digest(_file(model, file))}" for name, file in MODEL.items()}


def _file(model: str, name: str) -> Path:
    folder = Path(model)
    if folder.is_dir():
        path: str | None = str(folder / name) if (folder / name).is_file() else None
    elif folder.exists() or model.count("/") != 1:
        raise InputError(f"{model}: no such model folder")
    else:
        from transformers.utils.hub import cached_file

        try:
            path = cached_file(model, name)
        except (OSError, ValueError) as error:
            raise InputError(f"{model}: no model could be loaded: {str(error).strip().splitlines()[0]}") from error
    if path is None:
        raise InputError(f"{model}: no model: {name} is missing")
    return Path(path)


def kind(device: str | None) -> str:
    """What computes: the kind of device decides the last bits of a score."""
    import torch

    return (device or ("cuda" if torch.cuda.is_available() else "cpu")).partition(":")[0]


def own_device(device: str | None, rank: Rank) -> str | None:
    """Each of several processes on its own GPU, where there are any and none was named."""
    if rank.world == 1 or kind(device) != "cuda" or ":" in (device or ""):
        return device
    import torch

    return f"cuda:{rank.local % max(1, torch.cuda.device_count())}"


def _print(lines: str) -> None:
    sys.stdout.write(lines)
    sys.stdout.flush()
