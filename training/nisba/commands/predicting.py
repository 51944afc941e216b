"""A model at work. Each command returns the exit code."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from nisba.predict import Precision, Predictor


def predict(options: argparse.Namespace) -> int:
    """Annotate texts: line by line onto standard output, or as a job that can be interrupted into a file, or a folder with Ray."""
    if options.engine == "ray":
        return predict_on_ray(options)
    from nisba.batch import predict as run
    from nisba.inputs import InputError
    from nisba.predict import chosen
    from nisba.records import Columns

    if options.workers is not None:
        raise InputError("--workers is for --engine ray; torchrun starts several processes here")
    if "://" in (options.output or ""):
        raise InputError(f"{options.output}: an address; only --engine ray writes there")
    output = Path(options.output) if options.output is not None else None
    precision = chosen(options.precision, options.device)
    if options.precision != precision:
        print(f"precision: {precision}", file=sys.stderr)
    ways = {name: getattr(options, name) for name in ("model", "device", "strict", "resume", "overwrite")}
    columns = Columns(options.text_column, options.id_column)
    return run(options.input, output, columns=columns, load=partial(load, precision=precision), precision=precision, **ways)


def predict_on_ray(options: argparse.Namespace) -> int:
    """Annotate parquet files into a folder of them with many workers. Raises InputError for what does not go with that."""
    from nisba import shards
    from nisba.inputs import DATASETS, InputError
    from nisba.outputs import GZIP, LINES, TABLE

    output = options.output
    if output is None:
        raise InputError("--engine ray needs a folder for the result: give one with -o")
    if output.lower().endswith((LINES, GZIP)):
        raise InputError(f"{output}: --engine ray writes a folder of {TABLE} files; give another name for it")
    if options.input == "-" or options.input.startswith(DATASETS):
        raise InputError(f"{options.input}: --engine ray reads {TABLE} files and folders of them; put the texts into one")
    if options.strict:
        raise InputError("--strict does not go with --engine ray, where texts have no first")
    if shards.rank(os.environ).world > 1:
        raise InputError("--engine ray starts its workers itself: not under torchrun or accelerate launch")
    ways = {name: getattr(options, name) for name in ("model", "workers", "device", "precision", "resume", "overwrite")}
    summary = engine().predict(options.input, output, text=options.text_column, id=options.id_column, **ways)
    print(f"{summary}: {output}", file=sys.stderr)
    return 0


def engine() -> ModuleType:
    """``nisba.ray``. Raises InputError where the extra is missing."""
    from nisba.inputs import InputError

    try:
        import nisba.ray
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("nisba"):
            raise
        raise InputError(f"--engine ray: needs the package {error.name}: pip install 'nisba[ray]'") from None
    return nisba.ray


def export(options: argparse.Namespace) -> int:
    """Write the names of a model as ONNX."""
    from nisba.export import export as write

    model = options.model / "model" if (options.model / "model").is_dir() else options.model
    print(write(model, options.output or model.parent / "onnx"))
    return 0


def demo(options: argparse.Namespace) -> int:
    """Serve the demo on this machine until interrupted."""
    from nisba.demo import launch

    launch(load(options.model, options.device), port=options.port)
    return 0


def serve(options: argparse.Namespace) -> int:
    """Serve a model over HTTP until told to stop."""
    from nisba.serve import serve as run
    from nisba.serve.limits import Limits

    return run(
        lambda: load(options.model, options.device, precision=options.precision),
        host=options.host,
        port=options.port,
        limits=Limits.of(vars(options)),
    )


def load(model: str, device: str | None = None, *, precision: Precision = "fp32") -> Predictor:
    from nisba.predict import load as load_model

    return load_model(model, device=device, precision=precision)
