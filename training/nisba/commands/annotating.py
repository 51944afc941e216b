"""Annotated articles: checked, joined, converted, pre-annotated, ordered, shown. Each command returns the exit code."""

from __future__ import annotations

import argparse
from pathlib import Path

from nisba.commands.predicting import load
from nisba.files import FormatError, atomic
from nisba.formats import jsonl
from nisba.inputs import InputError
from nisba.schema import excerpt


def check(options: argparse.Namespace) -> int:
    """Every problem of every file, with ``--lint`` every likely slip too, on standard output; exit code 1 where there is one."""
    from nisba.lint import lint

    failed = False
    for path in options.files:
        count = slips = 0
        try:
            for document in jsonl.read(path):
                count += 1
                for finding in lint(document) if options.lint else ():
                    slips += 1
                    print(f"{path}: {excerpt(document.id)}: {finding}")
            print(f"{path}: {count} documents, {f'{slips} likely slips' if slips else 'no problem'}")
        except FormatError as error:
            failed = True
            print(error)
        except OSError as error:
            failed = True
            print(f"{path}: {error.strerror}")
        failed = failed or slips > 0
    return int(failed)


def data(options: argparse.Namespace) -> int:
    """Files of the interchange format from a public corpus, all or none."""
    from nisba import corpora

    if Path(options.name).name != options.name:
        raise InputError(f"{options.name}: give the name of a folder of data/, as ant")
    run = {"join": corpora.join, "convert": corpora.convert}[options.action]
    output = options.output or Path("runs") / "data" / options.name
    for name, count in run(Path("data") / options.name, options.source, output).items():
        print(f"{count} documents: {output / name}")
    return 0


def convert(options: argparse.Namespace) -> int:
    """Documents from one format to another; fails where something would be lost, unless that is allowed."""
    from nisba.convert import convert as run

    ways = {"form": options.form, "to": options.to, "repair": options.repair_offsets, "lossy": options.lossy}
    return wrote(run(options.source, options.target, **ways), options.target)


def suggest(options: argparse.Namespace) -> int:
    """What a model finds in texts, in the format of a tool."""
    from nisba.suggest import suggest as run

    predictor = load(options.model, options.device)
    return wrote(run(options.source, options.target, predictor, to=options.to, lossy=options.lossy), options.target)


def review(options: argparse.Namespace) -> int:
    """Predictions, the most uncertain documents first, in the format of a tool."""
    from nisba.review import review as run

    ways = {"form": options.form, "to": options.to, "most": options.most, "lossy": options.lossy}
    return wrote(run(options.source, options.target, **ways), options.target)


def show(options: argparse.Namespace) -> int:
    """Write the page."""
    from nisba.report.page import render

    output = options.output or options.file.with_suffix(".html")
    page = render(list(jsonl.read(options.file)))
    with atomic(output) as stream:
        stream.write(page)
    print(output)
    return 0


def wrote(count: int, target: Path) -> int:
    print(f"{count:,} documents: {target}")
    return 0
