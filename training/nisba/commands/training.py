"""From annotated articles to a model. Each command returns the exit code."""

from __future__ import annotations

import argparse
import os
import sys
from itertools import chain
from pathlib import Path

from nisba.inputs import InputError
from nisba.interrupts import Interrupts, Stopped, supervise


def build(options: argparse.Namespace) -> int:
    """Write the datasets and say what is in them; fails when encoding would lose an annotation."""
    from nisba import builders, config, encoder
    from nisba.report.table import statistics

    settings = config.load(options.config, options.set)
    parts = builders.parts(settings.data)
    folder = options.output or Path(settings.output) / "data"
    builders.save(parts, folder)
    tokenizer, _ = encoder.build(settings.model)
    names, claims = builders.losses(chain.from_iterable(parts.values()), tokenizer, window=settings.model.window)
    statistics(builders.statistics(parts))
    print(f"lost in encoding: {names} names, {claims} claims\nwritten: {folder}")
    return int(names > 0 or claims > 0)


def train(options: argparse.Namespace) -> int:
    """``accelerate launch train.py`` with the same options."""
    script = Path("train.py")
    if not script.is_file():
        raise InputError("train.py: not here; run nisba train in the project's folder")
    launch = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--quiet"]
    if options.accelerate:
        launch += ["--config_file", options.accelerate]
    overrides = [part for override in options.set for part in ("--set", override)]
    rehearsal = ["--dry-run"] if options.dry_run else []
    return supervise([*launch, str(script), "--config", options.config, *overrides, *rehearsal])


def fit(options: argparse.Namespace) -> int:
    """Train in this process (one of several under ``accelerate launch``). Asked to stop, it saves where it stands: exit code 0."""
    if options.dry_run:
        from nisba import config, plan

        for part in plan.rehearse(config.load(options.config, options.set)):
            if os.environ.get("RANK", "0") == "0":
                print(part, flush=True)
        return 0
    with Interrupts() as interrupts:
        from nisba import config
        from nisba.fit import fit as run

        try:
            print(f"model: {run(config.load(options.config, options.set), interrupts=interrupts)}")
        except Stopped as stop:
            if os.environ.get("RANK", "0") == "0":
                print(stop)
    return 0


def sweep(options: argparse.Namespace) -> int:
    """Trials of a configuration in this process. Asked to stop, it saves where it stands: exit code 0."""
    with Interrupts() as interrupts:
        from nisba import config, ranges
        from nisba import sweep as search

        settings = config.load(options.config, options.set)
        try:
            rows = search.run(settings, ranges.load(options.space, settings), trials=options.trials, interrupts=interrupts)
        except Stopped as stop:
            print(stop)
            return 0
        search.show(rows)
        if search.best(rows) is not None:
            print(f"written: {Path(settings.output) / search.BEST}")
    return 0


def plot(options: argparse.Namespace) -> int:
    """Draw the learning curves of runs."""
    from nisba.plot import plot as draw

    draw(options.runs, options.output)
    print(f"written: {options.output}")
    return 0
