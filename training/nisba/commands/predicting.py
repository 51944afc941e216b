"""A model at work. Each command returns the exit code."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nisba.predict import Precision, Predictor


def predict(options: argparse.Namespace) -> int:
    """Annotate texts: line by line onto standard output, or as a job that can be interrupted into a file."""
    from nisba.batch import predict as run
    from nisba.predict import chosen
    from nisba.records import Columns

    precision = chosen(options.precision, options.device)
    if options.precision != precision:
        print(f"precision: {precision}", file=sys.stderr)
    ways = {name: getattr(options, name) for name in ("model", "device", "strict", "resume", "overwrite")}
    columns = Columns(options.text_column, options.id_column)
    return run(options.input, options.output, columns=columns, load=partial(load, precision=precision), precision=precision, **ways)


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
