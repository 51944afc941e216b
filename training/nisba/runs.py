"""The folder of a run: which names it holds, that it belongs to this run and to one process group alone."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from accelerate import Accelerator

from nisba import builders, checkpoint, config
from nisba.files import atomic
from nisba.ranks import together
from nisba.schema import Document

LOG = logging.getLogger("nisba")
CHECKPOINTS, METRICS, MODEL, CONFIG, DATA = "checkpoints", "metrics.jsonl", "model", "config.yaml", "data"


class RunError(RuntimeError):
    """The output folder cannot be this run's: it is another one's, or another process is training in it."""


@contextmanager
def claimed(settings: config.Config, accelerator: Accelerator, parts: Mapping[str, Sequence[Document]]) -> Iterator[Path]:
    """The run's folder, with the resolved configuration and the articles in it, for the time of the block this run's alone.

    Raises RunError, OSError.
    """
    output = Path(settings.output)
    with ExitStack() as held:
        with together(accelerator):
            if accelerator.is_main_process:
                held.enter_context(alone(output))
                check(settings, output)
                tidy(output)
                with atomic(output / CONFIG) as stream:
                    stream.write(config.dump(settings))
                builders.save(parts, output / DATA)
        yield output


def check(settings: config.Config, output: Path) -> None:
    """Raises RunError where an unfinished run of another configuration stands in the folder, or the model to begin with."""
    file = output / CONFIG
    begun = checkpoint.unfinished(output / CHECKPOINTS) and file.is_file()
    if begun and file.read_text(encoding="utf-8") != config.dump(settings):
        raise RunError(f"{output}: holds an unfinished run of another configuration; finish or remove it, or choose another output")
    if Path(settings.model.encoder).resolve() in (output.resolve(), (output / MODEL).resolve()):
        raise RunError(f"{output}: is the run that model.encoder names; choose another output")


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """A lock on the folder itself, which ends with the process whatever ends that. Raises RunError where another process has it."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(output, os.O_RDONLY)
    except OSError as error:
        raise RunError(f"{output}: cannot be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{output}: another process is training here") from None
        except OSError as error:
            LOG.warning("%s: cannot be locked (%s): see that only one run writes there", output, error.strerror)
        yield
    finally:
        os.close(descriptor)


def tidy(output: Path) -> None:
    """Remove what a killed process has left half-written; a model that was to be replaced just then comes back."""
    for name in (MODEL, DATA):
        old = output / f".{name}.old"
        if old.exists() and not (output / name).exists():
            old.rename(output / name)
        for left in output.glob(f".{name}.*"):
            shutil.rmtree(left)
    shutil.rmtree(output / f".{CHECKPOINTS}.old", ignore_errors=True)
    for left in output.glob(".nisba.*.partial"):
        left.unlink()


def discard(folder: Path) -> None:
    """Remove a folder that may be there, its name first: of a process that dies meanwhile nothing is left that looks whole."""
    gone = folder.with_name(f".{folder.name}.old")
    with suppress(FileNotFoundError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
