"""The ``nisba`` command. Errors are one clear report on standard error and exit code 1 (2 for a wrong command line)."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from nisba.commands import annotating, measuring, predicting, publishing, training
from nisba.convert import READABLE, WRITABLE
from nisba.files import FormatError
from nisba.formats.offsets import REPAIRS
from nisba.schema import excerpt
from nisba.serve.limits import add_options

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
    sys.stdout = buffered(sys.stdout)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended from outside: clean up as after Ctrl-C
    try:
        code: int = options.run(options)
    except KeyboardInterrupt as stop:
        # An interrupt inside exec(), as imports use for dataclasses, would end `python -m` by SIGINT; the next exec() forgets it.
        exec("")  # noqa: S102
        return fail(str(stop) or "interrupted; no file is half-written", 130)
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


def buffered(stream: TextIO) -> TextIO:
    """The process's standard output as one that writes all of what it is given or raises OSError; other streams as they are.

    Under ``python -u`` and PYTHONUNBUFFERED a file takes what fits, and Python says nothing of the rest.
    """
    raw: object = getattr(stream, "buffer", None)
    if stream is not sys.__stdout__ or not isinstance(raw, io.RawIOBase):
        return stream
    return io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=True)


def fail(message: str, code: int = 1) -> int:
    print(f"nisba: {message}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="nisba", description="Who said what in Arabic news.")
    subs = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Any], int], text: str) -> argparse.ArgumentParser:
        sub = subs.add_parser(name, help=text, description=text)
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

    def hub(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--repo", required=True, metavar="USER/NAME", help="the repository; made where it is missing")
        sub.add_argument("--private", action="store_true", help="make it a private one")
        sub.add_argument("--revision", default="main", metavar="BRANCH", help="made where it is missing (default: main)")
        sub.add_argument("--pull-request", action="store_true", help="open a pull request instead of committing")
        sub.add_argument("--tag", help="put on the commit once it was read back")
        sub.add_argument("--dry-run", action="store_true", help="lay the files out, and stop")

    def precision(sub: argparse.ArgumentParser) -> None:
        text = "of the encoder; bf16 changes about one claim in two hundred, auto takes it where it is faster (default: fp32)"
        sub.add_argument("--precision", choices=("fp32", "bf16", "auto"), default="fp32", help=text)

    def written(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("target", type=Path, metavar="OUT", help="file, or folder where the format has one")
        sub.add_argument("--to", choices=WRITABLE, help="format of OUT (default: what its name says; .jsonl is nisba's own)")
        sub.add_argument("--lossy", action="store_true", help="write although something is lost, and list it")

    rehearsed = "print sizes, memory and time, the latter from some steps really taken, and write nothing"

    check_ = command("check", annotating.check, "list every problem of annotated files")
    check_.add_argument("files", nargs="+", type=Path, metavar="FILE")
    check_.add_argument("--lint", action="store_true", help="also list likely slips of annotation")

    build_ = command("build", training.build, "annotated articles to datasets, split by article")
    config(build_)
    build_.add_argument("-o", "--output", type=Path, help="folder (default: OUTPUT/data of the configuration)")

    train_ = command("train", training.train, "fine-tune: accelerate launch train.py")
    config(train_)
    train_.add_argument("--accelerate", metavar="FILE", help="accelerate's configuration, as configs/accelerate/gpu.yaml")
    train_.add_argument("--dry-run", action="store_true", help=rehearsed)

    fit_ = command("fit", training.fit, "what train.py runs in each process")
    config(fit_)
    fit_.add_argument("--dry-run", action="store_true", help=rehearsed)

    sweep_ = command("sweep", training.sweep, "search a configuration's best settings (extra sweep)")
    sweep_.add_argument("config", metavar="CONFIG", help="YAML file, as configs/quickstart.yaml; its output holds the trials")
    sweep_.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override, as output=runs/sweep")
    sweep_.add_argument("--space", type=Path, required=True, metavar="FILE", help="ranges, as configs/sweeps/quickstart.yaml")
    sweep_.add_argument("--trials", type=natural, required=True, metavar="N", help="in all, those of earlier runs included")

    plot_ = command("plot", training.plot, "learning curves of runs as a picture (extra plot)")
    plot_.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run, as runs/quickstart")
    plot_.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the picture: .svg or .png")

    evaluate_ = command("evaluate", measuring.evaluate, "score a model, or predictions, on annotated articles")
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

    compare_ = command("compare", measuring.compare, "which of two predictions is better, and how sure that is")
    compare_.add_argument("first", type=Path, metavar="A", help="predictions")
    compare_.add_argument("second", type=Path, metavar="B", help="predictions for the same articles")
    compare_.add_argument("--gold", type=Path, required=True, metavar="FILE", help="annotated articles")
    resampled(compare_, 10000)

    agreement_ = command("agreement", measuring.agreement, "how far two annotators agree")
    agreement_.add_argument("first", type=Path, metavar="A", help="annotated articles")
    agreement_.add_argument("second", type=Path, metavar="B", help="the same articles, annotated by somebody else")
    resampled(agreement_, 1000)

    data_ = command("data", annotating.data, "corpora that are published elsewhere")
    data_.add_argument(
        "action",
        choices=["join", "convert"],
        help="join: put a corpus's texts under the annotations that data/NAME has of them; convert: read its own annotations",
    )
    data_.add_argument("name", help="a folder of data/, as ant")
    data_.add_argument("--source", metavar="PATH|URL", help="the corpus (default: the address in data/NAME/recipe.toml)")
    data_.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="where the files go (default: runs/data/NAME)")

    predict_ = command("predict", predicting.predict, "find names and claims in texts")
    predict_.add_argument("--model", required=True, help="folder or hub id")
    predict_.add_argument(
        "--input",
        required=True,
        help=".txt, .jsonl, .jsonl.gz, .jsonl.zst or .parquet file, folder of them, - for standard input, or datasets:NAME[:SPLIT]",
    )
    predict_.add_argument(
        "-o", "--output", metavar="OUT", help=".jsonl, .jsonl.gz or .parquet file (default: standard output); with ray a folder"
    )
    predict_.add_argument("--text-column", default="text", metavar="NAME", help="of rows: their text (default: text)")
    predict_.add_argument("--id-column", metavar="NAME", help="of rows: their id (default: id, else their number)")
    predict_.add_argument("--strict", action="store_true", help="stop at the first text that cannot be read")
    again = predict_.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on with a run that was interrupted, if there is one")
    again.add_argument("--overwrite", action="store_true", help="begin anew although an interrupted run is there")
    predict_.add_argument("--device", help="as cpu or cuda:1 (default: the GPU where there is one)")
    predict_.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: .parquet files into a folder of them, on the cluster of RAY_ADDRESS or all cores of this machine (extra ray)",
    )
    predict_.add_argument("--workers", type=natural, metavar="N", help="of --engine ray (default: one a GPU, else one a core)")
    precision(predict_)

    convert_ = command("convert", annotating.convert, "annotated articles from one format to another")
    convert_.add_argument("source", type=Path, metavar="IN", help="file or folder")
    written(convert_)
    convert_.add_argument("--from", dest="form", choices=READABLE, help="format of IN (default: what it is found to hold)")
    convert_.add_argument(
        "--repair-offsets", choices=REPAIRS, help="undo a slip in the offsets; only where all spans of the file agree with it"
    )

    suggest_ = command("suggest", annotating.suggest, "what a model finds in texts, for people to correct in a tool")
    suggest_.add_argument("source", metavar="IN", help="texts, as --input of nisba predict")
    written(suggest_)
    suggest_.add_argument("--model", required=True, help="folder or hub id")
    suggest_.add_argument("--device", help="as cpu or cuda:1 (default: the GPU where there is one)")

    review_ = command("review", annotating.review, "predictions, the articles first that people had better look at")
    review_.add_argument("source", type=Path, metavar="IN", help="file or folder of what nisba predict or nisba suggest wrote")
    written(review_)
    review_.add_argument("--from", dest="form", choices=READABLE, help="format of IN (default: what it is found to hold)")
    review_.add_argument("--most", type=natural, metavar="N", help=f"write the first N only, at most {MOST:,} (default: all)")

    show_ = command("show", annotating.show, "predictions or annotations as one HTML page")
    show_.add_argument("file", type=Path, metavar="FILE")
    show_.add_argument("-o", "--output", type=Path, help="the page (default: FILE with the ending .html)")

    export_ = command("export", predicting.export, "the names of a model as ONNX")
    export_.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="a run or its model")
    export_.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="(default: RUN/onnx)")

    publish_ = command("publish", publishing.publish, "a trained run to the Hugging Face Hub, read back before it counts")
    publish_.add_argument("--model", type=Path, required=True, metavar="RUN", help="folder of the run, as runs/quickstart")
    publish_.add_argument("--dataset", metavar="USER/NAME", help="id on the Hub of the articles that the report is about")
    publish_.add_argument("--licence", default="apache-2.0", metavar="ID", help="of the weights (default: apache-2.0)")
    hub(publish_)

    data_out = command("publish-data", publishing.publish_data, "the articles of a configuration to the Hugging Face Hub")
    config(data_out)
    data_out.add_argument("--title", default="nisba: Arabic news articles with names and attributed claims")
    data_out.add_argument(
        "--standoff", type=Path, nargs="*", default=[], metavar="FOLDER", help="annotations without text to add, as data/ant"
    )
    data_out.add_argument("--licence", metavar="ID", help="of the articles; must be given for any but the project's own")
    data_out.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="where the files are laid out first")
    hub(data_out)

    space_ = command("publish-space", publishing.publish_space, "a demo of a published model to the Hugging Face Hub")
    space_.add_argument("--model", required=True, metavar="USER/NAME", help="the published model")
    space_.add_argument("--title", help="of the demo")
    hub(space_)

    demo_ = command("demo", predicting.demo, "the demo on this machine (extra demo)")
    demo_.add_argument("--model", required=True, help="folder or hub id")
    demo_.add_argument("--port", type=natural, default=7860, help="(default: 7860)")
    demo_.add_argument("--device", help="as cpu or cuda:1 (default: the GPU where there is one)")

    serve_ = command("serve", predicting.serve, "a model behind HTTP (extra serve)")
    serve_.add_argument("--model", required=True, help="folder or hub id")
    serve_.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)")
    serve_.add_argument("--port", type=natural, default=8000, help="(default: 8000; 0: a free one)")
    serve_.add_argument("--device", help="as cpu or cuda:1 (default: the GPU where there is one)")
    precision(serve_)
    add_options(serve_)
    return top


def natural(text: str) -> int:
    """A whole number from 0 to MOST, for argparse."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MOST)) or int(text) > MOST:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {MOST}: {excerpt(text)!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
