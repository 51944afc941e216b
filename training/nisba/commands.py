"""What each ``nisba`` command does with its options. Each returns the exit code."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nisba.files import FormatError, atomic
from nisba.formats import jsonl
from nisba.inputs import InputError, articles, read_all
from nisba.interrupts import Interrupts, Stopped, supervise
from nisba.schema import excerpt

if TYPE_CHECKING:
    from nisba.hub import Published, Target
    from nisba.predict import Precision, Predictor


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


def build(options: argparse.Namespace) -> int:
    """Write the datasets and say what is in them; fails when encoding would lose an annotation."""
    from nisba import builders, config, encoder
    from nisba.report.table import statistics

    settings = config.load(options.config, options.set)
    parts = builders.parts(settings.data)
    folder = options.output or Path(settings.output) / "data"
    builders.save(parts, folder)
    tokenizer, _ = encoder.build(settings.model)
    names, claims = builders.losses([d for part in parts.values() for d in part], tokenizer, window=settings.model.window)
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
    return supervise([*launch, str(script), "--config", options.config, *overrides])


def fit(options: argparse.Namespace) -> int:
    """Train in this process (one of several under ``accelerate launch``). Asked to stop, it saves where it stands: exit code 0."""
    with Interrupts() as interrupts:
        from nisba import config
        from nisba.fit import fit as run

        try:
            print(f"model: {run(config.load(options.config, options.set), interrupts=interrupts)}")
        except Stopped as stop:
            if os.environ.get("RANK", "0") == "0":
                print(stop)
    return 0


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


def wrote(count: int, target: Path) -> int:
    print(f"{count:,} documents: {target}")
    return 0


def show(options: argparse.Namespace) -> int:
    """Write the page."""
    from nisba.report.page import render

    output = options.output or options.file.with_suffix(".html")
    page = render(list(jsonl.read(options.file)))
    with atomic(output) as stream:
        stream.write(page)
    print(output)
    return 0


def export(options: argparse.Namespace) -> int:
    """Write the names of a model as ONNX."""
    from nisba.export import export as write

    model = options.model / "model" if (options.model / "model").is_dir() else options.model
    print(write(model, options.output or model.parent / "onnx"))
    return 0


def publish(options: argparse.Namespace) -> int:
    """Lay out a run for the Hub, push it, read it back."""
    from nisba.publishing import ids, lay_out, publish_model

    model = options.model.resolve()
    run = model.parent if (model / "config.json").is_file() else options.model
    folder = lay_out(run, options.repo, dataset=options.dataset, licence=options.licence)
    if not (folder / "example.png").is_file():
        print("nisba: no Chromium: the card has no picture of its example", file=sys.stderr)
    if options.dry_run:
        return laid_out(folder, [options.repo, *ids(folder)])
    return announced(publish_model(run, folder, target(options)))


def publish_data(options: argparse.Namespace) -> int:
    """Lay out the corpus of a configuration for the Hub, push it, read it back."""
    from nisba import config
    from nisba.publishing_data import lay_out
    from nisba.publishing_data import publish as send

    settings = config.load(options.config, options.set)
    output = options.output or Path(settings.output) / "hub-data"
    folder = lay_out(
        settings.data, output, repo=options.repo, title=options.title, standoff=options.standoff, licence=options.licence
    )
    if options.dry_run:
        return laid_out(folder, [options.repo])
    return announced(send(folder, target(options)))


def publish_space(options: argparse.Namespace) -> int:
    """Push a demo of a published model, read it back."""
    from nisba.demo import space_files
    from nisba.publishing import publish_space as send

    files = space_files(options.model, options.title)
    if options.dry_run:
        print("\n".join([*sorted(files), "not published (--dry-run)"]))
        return 0
    return announced(send(files, options.model, target(options)))


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


def target(options: argparse.Namespace) -> Target:
    from nisba.hub import Target

    return Target(
        options.repo,
        private=options.private,
        revision=options.revision,
        pull_request=options.pull_request,
        tag=options.tag,
    )


def laid_out(folder: Path, ids: list[str]) -> int:
    """List what would be published, after the search for tokens and paths."""
    from nisba.hub import scan

    scan(folder, ids)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        print(f"{file.stat().st_size:>12,} {file}")
    print("not published (--dry-run)")
    return 0


def announced(published: Published) -> int:
    print(f"{'published' if published.new else 'unchanged'}, read back and compared: {published.url}")
    return 0


def load(model: str, device: str | None = None, *, precision: Precision = "fp32") -> Predictor:
    from nisba.predict import load as load_model

    return load_model(model, device=device, precision=precision)
