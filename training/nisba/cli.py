"""The ``nisba`` command. Errors are one clear report on standard error and exit code 1 (2 for a wrong command line)."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nisba.files import FormatError, atomic
from nisba.formats import jsonl
from nisba.inputs import InputError, articles, documents, read_all
from nisba.schema import Document, excerpt

if TYPE_CHECKING:
    from nisba.predict import Predictor

DEFAULT_CONFIG = "configs/arabert.yaml"
MOST = 100_000  # resamples (1.3 GB), and the largest seed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(arguments)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # its report on new heads would read like a fault
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows no Arabic gets escapes, not a traceback
            stream.reconfigure(errors="backslashreplace")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended from outside: clean up as after Ctrl-C
    try:
        code: int = options.run(options)
    except KeyboardInterrupt:
        return fail("interrupted; no file is half-written", 130)
    except BrokenPipeError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except FormatError as error:
        return fail(str(error))
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        return fail(f"{name}{error.strerror or error}")
    except (ValueError, RuntimeError) as error:
        if type(error).__module__.startswith("nisba."):
            return fail(str(error))
        raise
    return code


def fail(message: str, code: int = 1) -> int:
    print(f"nisba: {message}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="nisba", description="Who said what in Arabic news.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Any], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    def config(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--config", default=DEFAULT_CONFIG, metavar="FILE", help=f"YAML file (default: {DEFAULT_CONFIG})")
        sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override, as train.epochs=3")

    def resampled(sub: argparse.ArgumentParser, default: int) -> None:
        sub.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the result as JSON")
        sub.add_argument("--json", action="store_true", help="print the result as JSON, not as a table")
        sub.add_argument(
            "--resamples", type=natural, default=default, help=f"of the documents, 0 for none, at most {MOST} (default: {default})"
        )
        sub.add_argument("--seed", type=natural, default=0, help="of the resampling (default: 0)")

    check_ = command("check", check, "list every problem of annotated files")
    check_.add_argument("files", nargs="+", type=Path, metavar="FILE")
    check_.add_argument("--lint", action="store_true", help="also list likely slips of annotation")

    build_ = command("build", build, "annotated articles to datasets, split by article")
    config(build_)
    build_.add_argument("-o", "--output", type=Path, help="folder (default: OUTPUT/data of the configuration)")

    train_ = command("train", train, "fine-tune: accelerate launch train.py")
    config(train_)
    train_.add_argument("--accelerate", metavar="FILE", help="accelerate's configuration, as configs/accelerate/gpu.yaml")

    config(command("fit", fit, "what train.py runs in each process"))

    evaluate_ = command("evaluate", evaluate, "score a model, or predictions, on annotated articles")
    which = evaluate_.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", help="folder or hub id")
    which.add_argument("--predictions", type=Path, metavar="FILE", help="predictions for the articles of --gold")
    evaluate_.add_argument("--gold", type=Path, metavar="FILE", help="annotated articles, for --predictions")
    evaluate_.add_argument(
        "--data",
        metavar="SPLIT",
        help="for --model: a split of its run (train, dev, test) or a file of annotated articles (default: test)",
    )
    evaluate_.add_argument("--report", type=Path, metavar="FILE", help="write the report as one HTML page, with every error")
    resampled(evaluate_, 1000)

    compare_ = command("compare", compare, "which of two predictions is better, and how sure that is")
    compare_.add_argument("first", type=Path, metavar="A", help="predictions")
    compare_.add_argument("second", type=Path, metavar="B", help="predictions for the same articles")
    compare_.add_argument("--gold", type=Path, required=True, metavar="FILE", help="annotated articles")
    resampled(compare_, 10000)

    agreement_ = command("agreement", agreement, "how far two annotators agree")
    agreement_.add_argument("first", type=Path, metavar="A", help="annotated articles")
    agreement_.add_argument("second", type=Path, metavar="B", help="the same articles, annotated by somebody else")
    resampled(agreement_, 1000)

    data_ = command("data", data, "corpora that are published elsewhere")
    data_.add_argument(
        "action",
        choices=["join", "convert"],
        help="join: put a corpus's texts under the annotations that data/NAME has of them; convert: read its own annotations",
    )
    data_.add_argument("name", help="a folder of data/, as ant")
    data_.add_argument("--source", metavar="PATH|URL", help="the corpus (default: the address in data/NAME/recipe.toml)")
    data_.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="where the files go (default: runs/data/NAME)")

    predict_ = command("predict", predict, "find names and claims in texts")
    predict_.add_argument("--model", required=True, help="folder or hub id")
    predict_.add_argument("--input", required=True, metavar="PATH", help=".txt, .jsonl, a folder of them, or - for standard input")
    predict_.add_argument("-o", "--output", type=Path, help="JSON Lines file (default: standard output)")
    predict_.add_argument("--device", help="as cpu or cuda:1 (default: the GPU where there is one)")

    show_ = command("show", show, "predictions or annotations as one HTML page")
    show_.add_argument("file", type=Path, metavar="FILE")
    show_.add_argument("-o", "--output", type=Path, help="the page (default: FILE with the ending .html)")
    return top


def natural(text: str) -> int:
    """A whole number from 0 to MOST, for argparse."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MOST)) or int(text) > MOST:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {MOST}: {excerpt(text)!r}")
    return int(text)


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
    # A group of its own: what ends this command must end the launcher and all that it started.
    process = subprocess.Popen([*launch, str(script), "--config", options.config, *overrides], start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise


def fit(options: argparse.Namespace) -> int:
    """Train in this process (one of several under ``accelerate launch``)."""
    from nisba import config
    from nisba.fit import fit as run

    print(f"model: {run(config.load(options.config, options.set))}")
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
    """Annotate texts as a stream, one line a document."""
    from tqdm.auto import tqdm

    source = documents(options.input)
    first = next(source, None)
    if first is None:
        raise InputError(f"{options.input}: holds no text")
    predictor = load(options.model, options.device)

    def whole() -> Iterator[Document]:
        yield first
        yield from source

    annotated = tqdm(predictor.stream(whole()), unit=" documents", disable=not sys.stderr.isatty())
    if options.output is None:
        for document in annotated:
            sys.stdout.write(jsonl.dump(document))
    else:
        print(f"{jsonl.write(annotated, options.output)} documents: {options.output}", file=sys.stderr)
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


def load(model: str, device: str | None = None) -> Predictor:
    from nisba.predict import load as load_model

    return load_model(model, device=device)


if __name__ == "__main__":
    sys.exit(main())
