"""A search for the best settings: trials of one configuration, each a run in a folder of its own (extra ``sweep``).

``nisba sweep configs/quickstart.yaml --space configs/sweeps/quickstart.yaml --trials 20 --set output=runs/sweep``

The study lies in ``sweep.db`` in the output folder (Optuna's, SQLite). What a trial tries follows from the configuration's seed,
its number and the trials before it, so that an interrupted sweep comes to the same trials as one that nobody interrupted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table
from tqdm.auto import tqdm

from nisba import builders, config
from nisba.checkpoint import unfinished
from nisba.examples import digest
from nisba.files import atomic
from nisba.fit import FitError, fit
from nisba.interrupts import Interrupts
from nisba.ranges import Range, Value, chosen
from nisba.rates import RatesError
from nisba.report.table import Terminal
from nisba.runs import CHECKPOINTS, CONFIG, METRICS, MODEL, alone, discard
from nisba.schema import excerpt

STUDY, TRIALS, BEST = "sweep.db", "trials.jsonl", "best.yaml"
NAME, SEARCH, REASON = "nisba", "nisba.search", "nisba.reason"  # the study's name; what stands in it beside Optuna's own


class SweepError(RuntimeError):
    """A sweep that cannot be made, or not in this folder."""


@dataclass(frozen=True)
class Row:
    """A trial: ``score`` is its best epoch's (percent; None before the first), ``state`` running, complete, pruned or failed."""

    trial: int
    state: str
    score: float | None
    epochs: int
    parameters: Mapping[str, Value]
    reason: str | None = None


class _Pruned(Exception):
    """Leaves ``fit`` behind an epoch."""


class Sweep:
    """The study of ``settings`` over ``ranges`` in its output folder, which must be this process's alone.

    Raises SweepError where Optuna is missing, or where the folder holds something else.
    """

    def __init__(self, settings: config.Config, ranges: Mapping[str, Range]):
        try:
            import optuna
        except ImportError as error:
            raise SweepError(f"nisba sweep needs {error.name}: pip install 'nisba[sweep]'") from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.optuna, self.settings, self.ranges, self.output = optuna, settings, ranges, Path(settings.output)
        if (self.output / CONFIG).exists() or (self.output / MODEL).exists():
            raise SweepError(f"{self.output}: holds a run; choose another output for the sweep, as --set output=runs/sweep")
        search = identity(settings, ranges)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
        file = self.output / STUDY
        try:
            self.study = optuna.create_study(
                storage=f"sqlite:///{file}", study_name=NAME, direction="maximize", pruner=pruner, load_if_exists=True
            )
        except Exception as error:  # of SQLite, of what lies between, of Optuna
            raise SweepError(f"{file}: cannot be opened as the study of a sweep: {excerpt(str(error))}") from error
        if self.study.user_attrs.get(SEARCH, search) != search:
            other = "holds a sweep of another configuration, other ranges or other articles; choose another output"
            raise SweepError(f"{self.output}: {other}")
        self.study.set_user_attr(SEARCH, search)

    def rows(self) -> list[Row]:
        """All trials so far, in their order."""
        return [row(trial) for trial in self.study.get_trials(deepcopy=False)]

    def begun(self) -> list[int]:
        """The trials that a killed process has left, by number."""
        return [trial.number for trial in self.study.get_trials(deepcopy=False) if not trial.state.is_finished()]

    def trial(self, number: int | None) -> Any:
        """A trial with a value for each range: the one of this number again, or a new one for None."""
        optuna, count = self.optuna, len(self.study.get_trials(deepcopy=False)) if number is None else number
        seed = int.from_bytes(hashlib.sha256(f"{self.settings.train.seed}/{count}".encode()).digest()[:4])
        self.study.sampler = optuna.samplers.TPESampler(seed=seed)
        if number is None:
            trial = self.study.ask()
        else:
            trial = optuna.trial.Trial(self.study, self.study.get_trials(deepcopy=False)[number]._trial_id)
        for key, one in self.ranges.items():  # a value that the trial has already stays
            suggest(trial, key, one)
        return trial

    def run(self, number: int | None, interrupts: Interrupts) -> Row:
        """Run a new trial, or go on with one, and enter what came of it. Raises Stopped, and what ``fit`` raises where that
        does not lie in the trial's own values."""
        state, trial = self.optuna.trial.TrialState, self.trial(number)
        folder = self.output / f"trial-{trial.number + 1:04d}"
        settings = chosen(self.settings, trial.params | {"output": str(folder)}, f"trial {trial.number + 1}")
        if (folder / CONFIG).is_file() and (folder / CONFIG).read_text(encoding="utf-8") != config.dump(settings):
            raise SweepError(f"{folder}: holds a run that is none of this sweep's; remove it, or choose another output")

        def report(line: Mapping[str, Any]) -> None:
            if line["epoch"] - 1 not in self.study.get_trials(deepcopy=False)[trial.number].intermediate_values:
                trial.report(line["score"], line["epoch"] - 1)
            if line["epoch"] < settings.train.epochs and trial.should_prune():
                raise _Pruned

        try:
            lines = metrics(folder)
            for line in lines:  # of a process that was killed between an epoch and its entry here
                report(line)
            if not lines or unfinished(folder / CHECKPOINTS):
                fit(settings, interrupts=interrupts, on_epoch=report)
            self.study.tell(trial, max(line["score"] for line in metrics(folder)))
        except _Pruned:
            self.study.tell(trial, state=state.PRUNED)
        except (FitError, RatesError) as error:  # what these values bring about; anything else is not the trial's fault
            trial.set_user_attr(REASON, str(error))
            self.study.tell(trial, state=state.FAIL)
        return row(self.study.get_trials(deepcopy=False)[trial.number])

    def tidy(self) -> None:
        """Of trials that are over and not complete only metrics, configuration and data stay."""
        for one in self.rows():
            folder = self.output / f"trial-{one.trial:04d}"
            if one.state != "running":
                discard(folder / CHECKPOINTS)
            if one.state in ("pruned", "failed"):
                discard(folder / MODEL)

    def write(self) -> None:
        """The table of all trials, and the configuration of the best one with a folder of its own to train it in again."""
        rows = self.rows()
        with atomic(self.output / TRIALS) as stream:
            stream.writelines(json.dumps(vars(one), ensure_ascii=False) + "\n" for one in rows)
        if (first := best(rows)) is not None:
            values = {**first.parameters, "output": str(self.output / "best")}
            with atomic(self.output / BEST) as stream:
                stream.write(f"# trial {first.trial} of a sweep, score {first.score}\n")
                stream.write(config.dump(chosen(self.settings, values, BEST)))


def run(settings: config.Config, ranges: Mapping[str, Range], *, trials: int, interrupts: Interrupts | None = None) -> list[Row]:
    """Search until there are ``trials`` in all, and return them. What a killed process has left is gone on with first.

    Writes ``trials.jsonl`` and ``best.yaml`` behind each trial. Raises SweepError, Stopped where ``interrupts`` ask to stop, and
    what ``fit`` raises, unless that lies in a trial's own values: such a trial has failed, and the next one begins.
    """
    interrupts = interrupts or Interrupts()
    with alone(Path(settings.output)):
        search = Sweep(settings, ranges)
        search.tidy()
        left: list[int | None] = [*search.begun()]
        left += [None] * (trials - len(search.rows()))
        for number in left:
            done = search.run(number, interrupts)
            search.tidy()
            search.write()
            tqdm.write(f"trial {done.trial} of {trials}: {told(done)}")
        search.write()
        return search.rows()


def identity(settings: config.Config, ranges: Mapping[str, Range]) -> str:
    """What must be the same for a sweep to go on: configuration, ranges, articles."""
    parts = builders.parts(settings.data)
    spans = {key: [one.kind, *one.values] for key, one in ranges.items()}
    return json.dumps([config.dump(settings), spans, digest(chain(parts["train"], parts["dev"]))])


def suggest(trial: Any, key: str, one: Range) -> None:
    """Let a trial (``optuna.Trial``) choose from a range."""
    if one.kind == "choice":
        trial.suggest_categorical(key, one.values)
    elif one.kind == "int":
        trial.suggest_int(key, *one.values)
    else:
        trial.suggest_float(key, *one.values, log=one.kind == "log")


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The epochs that a run has behind it."""
    try:
        return [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []


def row(trial: Any) -> Row:
    """What the study (``optuna.trial.FrozenTrial``) knows of a trial."""
    names = {"RUNNING": "running", "WAITING": "running", "COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    scores = trial.intermediate_values.values()
    reason = trial.user_attrs.get(REASON)
    return Row(trial.number + 1, names[trial.state.name], max(scores, default=None), len(scores), trial.params, reason)


def best(rows: Sequence[Row]) -> Row | None:
    """The complete trial with the highest score, the first of several; None where none is complete."""
    return max((one for one in rows if one.state == "complete"), key=lambda one: (one.score or 0.0, -one.trial), default=None)


def told(one: Row) -> str:
    """What came of a trial, on one line."""
    score = "" if one.score is None else f", {one.score:.2f} after {one.epochs} epochs"
    reason = "" if one.reason is None else f": {excerpt(one.reason)}"
    return f"{one.state}{score}{reason}"


def show(rows: Sequence[Row]) -> None:
    """Print the table of all trials, the best ones first."""
    keys = list(dict.fromkeys(key for one in rows for key in one.parameters))
    table = Table(title=f"{len(rows)} trials", title_justify="left")
    for column in ("trial", "state", "score", "epochs", *keys):
        table.add_column(escape(column), justify="left" if column == "state" else "right", overflow="fold")
    for one in sorted(rows, key=lambda one: (one.state != "complete", -(one.score or 0.0), one.trial)):
        score = "" if one.score is None else f"{one.score:.2f}"
        values = (escape(spelt(one.parameters[key])) if key in one.parameters else "" for key in keys)
        table.add_row(str(one.trial), one.state, score, str(one.epochs), *values)
    Terminal().print(table)
    for one in rows:
        if one.reason is not None:
            print(f"trial {one.trial}: {excerpt(one.reason)}")
    first = best(rows)
    print("no trial is complete" if first is None else f"best: trial {first.trial}, {first.score:.2f}")


def spelt(value: Value) -> str:
    """A value of a setting for the table."""
    return f"{value:.4g}" if isinstance(value, float) else excerpt(str(value))
