"""The training loop, on one screen: ``accelerate launch train.py --config configs/quickstart.yaml``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerFast

from nisba import builders, config, encoder, offline, trackers
from nisba.batching import steps
from nisba.checkpoint import Checkpoints, Progress
from nisba.descent import Learner
from nisba.evaluate import evaluate
from nisba.examples import Examples, digest
from nisba.files import atomic, atomic_folder
from nisba.footprint import Room
from nisba.interrupts import Interrupts, Stopped
from nisba.metrics.calibration import platt
from nisba.metrics.report import summary
from nisba.model import HEADS, NisbaModel
from nisba.pace import behind, pace
from nisba.predict import Predictor, prefer_onednn
from nisba.ranks import agreed, together
from nisba.rates import slope
from nisba.runs import CHECKPOINTS, METRICS, MODEL, claimed, discard
from nisba.schema import Document
from nisba.sharding import refuse


class FitError(RuntimeError):
    """Training cannot go on: a loss or the gradient is no number any more, or far too large."""


def fit(
    settings: config.Config, *, interrupts: Interrupts | None = None, on_epoch: Callable[[dict[str, Any]], None] | None = None
) -> Path:
    """Train on the train articles, keep the epoch that scores best on the dev articles, return the folder of the model.

    What is scored and kept is the running average of the weights over the steps (Polyak and Juditsky 1992,
    https://doi.org/10.1137/0330046; exponential). The scores of its claims are calibrated on the dev articles.

    Writes ``config.yaml``, ``data/``, ``metrics.jsonl`` (a line an epoch) and ``model/`` into the output folder. The same command
    takes an interrupted run up again where it was last saved. On a CPU, with as many processes, the result is then that of a run
    that nobody interrupted, bit for bit. ``on_epoch`` is called with every epoch's line, on every process.

    Raises Stopped where ``interrupts`` ask to stop, FitError, RunError, ExamplesError, RatesError, TrackerError, CheckpointError,
    DataError, FormatError, EncoderError, OfflineError, LaunchError, OSError.
    """
    train, interrupts = settings.train, interrupts or Interrupts()
    refuse(os.environ)
    accelerator = Accelerator(log_with=trackers.installed(train.tracker), project_dir=settings.output)
    arithmetic(accelerator)
    set_seed(train.seed)  # of the new heads
    parts = builders.parts(settings.data)
    tokenizer, model = encoder.build(settings.model)

    with claimed(settings, accelerator, parts) as output, trackers.closed(accelerator):
        data = Examples.of(parts["train"], tokenizer, settings.model.window, folder=output)
        plans = [steps(data.sizes, budget=train.batch, seed=train.seed, epoch=epoch) for epoch in range(train.epochs)]
        total, stop = sum(map(len, plans)), False
        learner = Learner(model, accelerator, train)
        room = None if train.memory is None else Room(model, train.memory, train.gradient_checkpointing, half(accelerator))
        if room is not None:
            data.check(room)
        checkpoints = Checkpoints(output / CHECKPOINTS, learner, articles=digest(chain(parts["train"], parts["dev"])))
        del parts["train"]  # their encodings lie on disk now
        progress = checkpoints.restore()
        if progress.done:
            accelerator.print(f"going on behind {progress}")
        trackers.begin(accelerator, settings, progress)

        while progress.epoch < train.epochs and progress.epoch - progress.best_epoch < train.patience:
            plan, name = plans[progress.epoch], f"epoch {progress.epoch + 1}/{train.epochs}"
            quiet = not accelerator.is_main_process
            ends = behind(plan, data.sizes)
            bar = tqdm(plan[progress.step :], name, len(plan), initial=progress.step, leave=False, disable=quiet)
            for step in bar:
                began = time.perf_counter()
                losses, fault = learner.look(data.share(step, accelerator, train, room=room), done=progress.done)
                if fault is not None:
                    raise FitError(f"behind {progress}: {fault}, in {data.names(step)}; what was saved before stays")
                learner.step(done=progress.done, total=total)
                progress = progress.stepped(losses, time.perf_counter() - began)
                rate, done = train.learning_rate * slope(progress.done - 1, total, train.warmup), ends[progress.step - 1]
                left = ends[-1] * (train.epochs - progress.epoch) - done
                bar.set_postfix_str(pace(losses, rate, done=done, seconds=progress.seconds, left=left), refresh=False)
                stop, due = agreed(accelerator, interrupts.asked, checkpoints.due())
                if due:
                    checkpoints.save(progress)
                if stop:
                    break
            bar.close()
            evaluated = partial(scored, learner.kept, tokenizer, parts["dev"], window=settings.model.window)
            report = None if stop else interrupts.attempt(evaluated)
            [stop] = agreed(accelerator, report is None)
            if report is None or stop:
                checkpoints.save(progress)
                break
            [score] = broadcast_object_list([criterion(report, train.metric)])  # all processes must agree on when to stop
            line = figures(progress, report, score, steps=len(plan), size=sum(data.sizes))
            better = score > progress.best
            progress = progress.scored(line, score)
            with together(accelerator):
                if accelerator.is_main_process:
                    tqdm.write(f"epoch {progress.epoch:3} {line['seconds']:5.0f} s  {brief(line)}{'  *' if better else ''}")
                    if better:
                        save(learner.kept, tokenizer, settings, output / MODEL)
                    with atomic(output / METRICS) as stream:
                        stream.writelines(json.dumps(each) + "\n" for each in progress.lines)
            checkpoints.save(progress)  # last: a process killed before comes to the same model and line again
            trackers.log(accelerator, line)
            if on_epoch is not None:
                on_epoch(line)

        learner.release()
        accelerator.end_training()
        if stop:
            raise Stopped(f"stopped behind {progress}, as asked; the same command goes on from there")
        if accelerator.is_main_process:
            discard(output / CHECKPOINTS)
    return output / MODEL


def arithmetic(accelerator: Accelerator) -> None:
    """On a CPU: the fast products, and the same sums every time."""
    if accelerator.device.type == "cpu":
        prefer_onednn()
        torch.set_num_threads(torch.get_num_threads())  # once said MKL keeps to it, and scoring says it: steps before would differ
        torch.use_deterministic_algorithms(True, warn_only=True)  # gathering words would add gradients up in any order
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs a third of the speed


def half(accelerator: Accelerator) -> bool:
    """Whether products are computed in 16 bits."""
    return bool(accelerator.mixed_precision != "no")


def scored(model: NisbaModel, tokenizer: PreTrainedTokenizerFast, dev: Sequence[Document], *, window: int) -> dict[str, Any]:
    """The report on the development articles; calibrates the scores of the model's claims on them."""
    model.calibration = (1.0, 0.0)
    counted = evaluate(Predictor(model.eval(), tokenizer, window=window), dev)
    model.calibration = platt([score for score, _ in counted.scored], [right for _, right in counted.scored])
    return summary(counted)


def figures(progress: Progress, report: dict[str, Any], score: float, *, steps: int, size: int) -> dict[str, Any]:
    """An epoch's line of the metrics. ``size``: the sub-words of all its steps."""
    line: dict[str, Any] = {"epoch": progress.epoch + 1, "step": progress.done, "seconds": round(progress.seconds, 1)}
    line["subwords_per_second"] = round(size / progress.seconds)
    line |= {f"loss.{head}": round(loss / steps, 6) for head, loss in zip(HEADS, progress.losses, strict=True)}
    line |= {f"dev.{name}": criterion(report, name) for name in ("names.strict.f1", "claims.soft80.f1", "claims.strict.f1")}
    return line | {"dev.speaker": criterion(report, "speaker.all.accuracy"), "score": score}


def criterion(report: dict[str, Any], metric: str) -> float:
    """The number that chooses the checkpoint, in percent; 0 where the development articles have nothing to find."""
    if metric == "mean":
        return round((criterion(report, "names.strict.f1") + criterion(report, "claims.soft80.f1")) / 2, 2)
    value: Any = report
    for key in metric.split("."):
        value = value[key]
    return float(value or 0)


def brief(line: dict[str, Any]) -> str:
    """An epoch's line for the terminal."""
    loss = sum(value for key, value in line.items() if key.startswith("loss."))
    scores = {"names": "dev.names.strict.f1", "claims": "dev.claims.soft80.f1", "speakers": "dev.speaker"}
    return f"loss {loss:6.3f}" + "".join(f"  {name} {line[key]:5.1f}" for name, key in scores.items())


def save(model: NisbaModel, tokenizer: PreTrainedTokenizerFast, settings: config.Config, folder: Path) -> None:
    """Weights, tokenizer and resolved configuration, whole or not at all."""
    with atomic_folder(folder, marker="nisba.yaml") as partial:
        model.save(str(partial))
        tokenizer.save_pretrained(partial)
        (partial / "nisba.yaml").write_text(config.dump(settings), encoding="utf-8")
        notice = Path(encoder.place(settings.model.encoder)) / "NOTICE"
        if settings.model.encoder == offline.NAME or notice.is_file():  # whose weights these derive from
            text = offline.NOTICE if settings.model.encoder == offline.NAME else notice.read_text(encoding="utf-8")
            (partial / "NOTICE").write_text(text, encoding="utf-8")
