"""Scores, and how sure they are. Each command returns the exit code."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nisba.commands.predicting import load
from nisba.files import atomic
from nisba.formats import jsonl
from nisba.inputs import InputError, articles, read_all


def evaluate(options: argparse.Namespace) -> int:
    """Print the scores, and write them where asked."""
    from nisba.metrics.report import pair, summary, tally
    from nisba.report.table import scores

    results(options)
    if options.predictions:
        if options.gold is None or options.data is not None:
            raise InputError("evaluate --predictions needs --gold, and no --data")
        pairs = pair(*read_all(options.gold, options.predictions))
    else:
        if options.gold is not None:
            raise InputError("evaluate --model takes its articles with --data; --gold goes with --predictions")
        file = articles(options.model, options.data)
        gold = list(jsonl.read(file))
        pairs = pair(gold, load(options.model).stream(gold))
    counted = tally(pairs)
    result = summary(counted, resamples=options.resamples, seed=options.seed)
    page = None
    if options.report:
        from nisba.report.evaluation import render

        page = render(pairs, counted, result)
    return answer(result, scores, options, page)


def compare(options: argparse.Namespace) -> int:
    """Print both systems' scores, their difference and its p-value."""
    from nisba.metrics.compare import compare as measure
    from nisba.metrics.report import MismatchError, pair
    from nisba.report.table import comparison

    results(options)
    gold, first, second = read_all(options.gold, options.first, options.second)
    pairs, problems = [], []
    for path, side in ((options.first, first), (options.second, second)):
        try:
            pairs.append(pair(gold, side))
        except MismatchError as error:
            problems += [f"{path}: {problem}" for problem in error.problems]
    if problems:
        raise MismatchError(problems)
    return answer(measure(*pairs, resamples=options.resamples, seed=options.seed), comparison, options)


def agreement(options: argparse.Namespace) -> int:
    """Print the scores between two annotators and the coefficients."""
    from nisba.metrics.agreement import agreement as measure
    from nisba.metrics.report import pair
    from nisba.report.table import agreed

    results(options)
    pairs = pair(*read_all(options.first, options.second), annotators=True)
    return answer(measure(pairs, resamples=options.resamples, seed=options.seed), agreed, options)


def results(options: argparse.Namespace) -> None:
    """Raises InputError for a result that could not be written, or that would take the place of an input or of the other result."""
    wanted = [path for path in (options.output, getattr(options, "report", None)) if path is not None]
    given = [getattr(options, name, None) for name in ("first", "second", "gold", "predictions", "data")]
    inputs = [Path(path).resolve() for path in given if path is not None]
    for path in wanted:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; give the name of a file")
        if path.resolve() in inputs:
            raise InputError(f"{path}: is read by this command; give another name for the result")
    if len({path.resolve() for path in wanted}) < len(wanted):
        raise InputError(f"{wanted[0]}: named for both the result and the report")


def answer(
    result: dict[str, Any], table: Callable[[dict[str, Any]], None], options: argparse.Namespace, page: str | None = None
) -> int:
    """A result as JSON in ``--output``, its page in ``--report``, both or neither; on standard output as JSON or as a table."""
    text = json.dumps(result, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    with ExitStack() as files:
        for path, content in ((options.output, text), (getattr(options, "report", None), page)):
            if path is not None and content is not None:
                files.enter_context(atomic(path)).write(content)
    if options.json:
        sys.stdout.write(text)
    else:
        table(result)
    return 0
