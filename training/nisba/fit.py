"""The training loop, on one screen: ``accelerate launch train.py --config configs/quickstart.yaml``."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from torch.optim.swa_utils import AveragedModel
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerFast

from nisba import builders, checkpoint, config, encoder, offline
from nisba.batching import collate, shares, steps
from nisba.encode import Encoded, Targets, encode_all, targets
from nisba.evaluate import evaluate
from nisba.files import atomic, atomic_folder
from nisba.metrics.calibration import platt
from nisba.metrics.report import summary
from nisba.model import HEADS, Batch, NisbaModel
from nisba.predict import Predictor, prefer_onednn
from nisba.schema import Document

CHECKPOINTS, METRICS, MODEL, CONFIG, DATA = "checkpoints", "metrics.jsonl", "model", "config.yaml", "data"


class FitError(RuntimeError):
    """Training cannot begin: the labels cannot hold the annotation, or the output folder belongs to another run."""


def fit(settings: config.Config) -> Path:
    """Train on the train articles, keep the epoch that scores best on the dev articles, return the folder of the model.

    What is scored and kept is the running average of the weights over the steps (Polyak and Juditsky 1992,
    https://doi.org/10.1137/0330046; exponential). The
    scores of its claims are calibrated on the dev articles.

    Writes ``config.yaml``, ``data/``, ``metrics.jsonl`` (a line an epoch) and ``model/`` into the output folder. The same command
    takes an interrupted run up again behind its last whole epoch.

    Raises FitError, DataError, FormatError, EncoderError, OfflineError, OSError.
    """
    train = settings.train
    accelerator = Accelerator(log_with=train.tracker, project_dir=settings.output)
    if accelerator.device.type == "cpu":
        prefer_onednn()
        torch.use_deterministic_algorithms(True, warn_only=True)  # gathering words would add gradients up in any order
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs a third of the speed
    set_seed(train.seed)
    parts = builders.parts(settings.data)
    tokenizer, model = encoder.build(settings.model)
    output = claim_folder(settings)
    if accelerator.is_main_process:
        builders.save(parts, output / DATA)
    data = Examples.of(parts["train"], tokenizer, settings.model.window)
    plans = [steps(data.sizes, budget=train.batch, seed=train.seed, epoch=epoch) for epoch in range(train.epochs)]
    optimizer = torch.optim.AdamW(parameter_groups(model, train), fused=True)
    bare = model
    model, optimizer = accelerator.prepare(model, optimizer)
    averaged = AveragedModel(bare, multi_avg_fn=moving(train.average))
    kept: NisbaModel = averaged.module  # type: ignore[assignment]
    state: dict[str, Any] = {"epoch": 0, "best": -1.0, "best_epoch": 0, "lines": []}
    if (found := checkpoint.latest(output / CHECKPOINTS)) is not None:
        state = checkpoint.load(found, bare, kept, optimizer)
        averaged.n_averaged.fill_(sum(map(len, plans[: state["epoch"]])))
        accelerator.print(f"going on behind epoch {state['epoch']}")
    if train.tracker:
        accelerator.init_trackers(
            "nisba", {k: v for k, v in config.flat(settings.model_dump()) if isinstance(v, int | float | str)}
        )

    for epoch in range(state["epoch"], train.epochs):
        if epoch - state["best_epoch"] >= train.patience:
            break
        set_seed(train.seed + 1_000_003 * (epoch + 1))
        model.train()
        began, losses = time.perf_counter(), torch.zeros(len(HEADS))
        done, total = sum(map(len, plans[:epoch])), sum(map(len, plans))
        for step in tqdm(plans[epoch], f"epoch {epoch + 1}/{train.epochs}", disable=not accelerator.is_main_process, leave=False):
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * slope(done, total, train.warmup)
            losses += descend(accelerator, model, optimizer, data.share(step, accelerator, train), train)
            averaged.update_parameters(bare)
            done += 1
        seconds = time.perf_counter() - began
        kept.calibration = (1.0, 0.0)
        counted = evaluate(Predictor(kept.eval(), tokenizer, window=settings.model.window), parts["dev"])
        dev = summary(counted)
        kept.calibration = platt([score for score, _ in counted.scored], [right for _, right in counted.scored])
        [score] = broadcast_object_list([criterion(dev, train.metric)])  # all processes must agree on when to stop
        line = {
            "epoch": epoch + 1,
            "step": done,
            "seconds": round(seconds, 1),
            "subwords_per_second": round(sum(data.sizes) / seconds),
        }
        line |= {f"loss.{head}": round(float(loss) / len(plans[epoch]), 4) for head, loss in zip(HEADS, losses, strict=True)}
        line |= {f"dev.{name}": criterion(dev, name) for name in ("names.strict.f1", "claims.soft80.f1", "claims.strict.f1")}
        line |= {"dev.speaker": criterion(dev, "speaker.all.accuracy"), "score": score}
        better = score > state["best"]
        state |= {"epoch": epoch + 1, "lines": [*state["lines"], line]} | (
            {"best": score, "best_epoch": epoch + 1} if better else {}
        )
        accelerator.log(line, step=done)
        if accelerator.is_main_process:
            tqdm.write(f"epoch {epoch + 1:3} {seconds:5.0f} s  {progress(line)}{'  *' if better else ''}")
            if better:
                save(kept, tokenizer, settings, output / MODEL)
            checkpoint.save(output / CHECKPOINTS, bare, kept, optimizer, state)
            with atomic(output / METRICS) as stream:
                stream.writelines(json.dumps(row) + "\n" for row in state["lines"])
        accelerator.wait_for_everyone()

    if accelerator.is_main_process:
        shutil.rmtree(output / CHECKPOINTS, ignore_errors=True)
    accelerator.end_training()
    return output / MODEL


def descend(
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[tuple[Batch, bool]],
    train: config.Train,
) -> torch.Tensor:
    """One optimizer step over this process's micro-batches; returns the mean loss of each of HEADS.

    A head's loss is its sum over all micro-batches of all processes, divided once by what ``Batch.counts`` adds up to there.
    """
    counts = torch.tensor([batch.counts() if real else [0] * len(HEADS) for batch, real in batches]).sum(0)
    counts = accelerator.reduce(counts.to(accelerator.device), "sum").clamp(min=1)
    weights = torch.tensor([getattr(train.weights, head) for head in HEADS], device=accelerator.device)
    means = torch.zeros(len(HEADS), device=accelerator.device)
    for number, (batch, real) in enumerate(batches, 1):
        with nullcontext() if number == len(batches) else accelerator.no_sync(model):
            with accelerator.autocast():
                losses = model(batch.to(accelerator.device)) * real / counts
            means += losses.detach()
            accelerator.backward((losses * weights).sum() * accelerator.num_processes)  # gradients are averaged over processes
    accelerator.clip_grad_norm_(model.parameters(), train.clip)
    optimizer.step()
    optimizer.zero_grad()
    reduced: torch.Tensor = accelerator.reduce(means, "sum")
    return reduced.cpu()


@dataclass(frozen=True)
class Examples:
    """The encoded articles with their labels; ``sizes`` are in sub-words."""

    encoded: list[Encoded]
    labels: list[Targets]
    sizes: list[int]
    pad: int

    @classmethod
    def of(cls, documents: Sequence[Document], tokenizer: PreTrainedTokenizerFast, window: int) -> Examples:
        """Articles without a word are left out. Raises FitError when the labels cannot hold an annotation."""
        encoded = [example for example in encode_all(documents, tokenizer, window=window) if example.words]
        labels = [targets(example) for example in encoded]
        lost = [(e.document.id, t) for e, t in zip(encoded, labels, strict=True) if t.lost_entities or t.lost_claims]
        if lost:
            each = ", ".join(f"{name}: {t.lost_entities} names, {t.lost_claims} claims" for name, t in lost)
            raise FitError(f"encoding would lose annotation ({each})")
        sizes = [sum(len(window.input_ids) for window in example.windows) for example in encoded]
        return cls(encoded, labels, sizes, tokenizer.pad_token_id)

    def share(self, step: Sequence[int], accelerator: Accelerator, train: config.Train) -> list[tuple[Batch, bool]]:
        """This process's micro-batches of a step. Where there are fewer articles than micro-batches, one stands in that does not
        count (False): every process must take part in every backward pass."""
        parts = shares(step, self.sizes, train.accumulate * accelerator.num_processes)
        mine = parts[accelerator.process_index :: accelerator.num_processes]
        return [
            (
                collate([self.encoded[i] for i in part or step[:1]], [self.labels[i] for i in part or step[:1]], pad=self.pad),
                bool(part),
            )
            for part in mine
        ]


def claim_folder(settings: config.Config) -> Path:
    """The run's folder, with the resolved configuration in it. Raises FitError where an unfinished run of another one stands."""
    output = Path(settings.output)
    resolved, file = config.dump(settings), output / CONFIG
    if checkpoint.latest(output / CHECKPOINTS) is not None and file.is_file() and file.read_text(encoding="utf-8") != resolved:
        raise FitError(
            f"{output}: holds an unfinished run of another configuration; finish it, remove it, or choose another output"
        )
    try:
        with atomic(file) as stream:
            stream.write(resolved)
    except OSError as error:
        raise FitError(f"{output}: cannot be written: {error.strerror}") from error
    return output


def parameter_groups(model: NisbaModel, train: config.Train) -> list[dict[str, Any]]:
    """New heads learn at their own rate; biases and norms do not decay."""
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        head = name.startswith(("claims.", "names.classifier."))
        groups.setdefault((head, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "peak": train.head_learning_rate if head else train.learning_rate,
            "lr": 0.0,
            "weight_decay": train.weight_decay if decays else 0.0,
        }
        for (head, decays), parameters in groups.items()
    ]


def slope(step: int, total: int, warmup: float) -> float:
    """The share of the peak rate: linear warm-up over ``warmup`` of all steps, then linear decay to 0."""
    warm = max(1, round(warmup * total))
    return min((step + 1) / warm, (total - step) / max(1, total - warm + 1))


Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


def moving(decay: float) -> Callable[[Tensors, Tensors, torch.Tensor | int], None]:
    """The step of a running average for ``AveragedModel``: what is left of the old one grows to ``decay`` over the first steps."""

    @torch.no_grad()
    def step(averaged: Tensors, current: Tensors, count: torch.Tensor | int) -> None:
        left = min(decay, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(averaged, current, 1 - left)

    return step


def criterion(report: dict[str, Any], metric: str) -> float:
    """The number that chooses the checkpoint, in percent; 0 where the development articles have nothing to find."""
    if metric == "mean":
        return round((criterion(report, "names.strict.f1") + criterion(report, "claims.soft80.f1")) / 2, 2)
    value: Any = report
    for key in metric.split("."):
        value = value[key]
    return float(value or 0)


def progress(line: dict[str, Any]) -> str:
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
        notice = Path(settings.model.encoder) / "NOTICE"
        if settings.model.encoder == offline.NAME or notice.is_file():  # whose weights these derive from
            text = offline.NOTICE if settings.model.encoder == offline.NAME else notice.read_text(encoding="utf-8")
            (partial / "NOTICE").write_text(text, encoding="utf-8")
