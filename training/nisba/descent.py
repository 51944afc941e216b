"""A model that learns: gradients over micro-batches and processes, whether to trust them, the running average of the weights."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.optim.swa_utils import AveragedModel

from nisba.config import Train
from nisba.model import HEADS, Batch, NisbaModel
from nisba.rates import freeze, parameter_groups, slope

EXPLODED = 1e6  # a head's mean loss beyond which nothing is learnt; a first step in which hardly a word is labelled comes to 1e4
Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


class Learner:
    """A model with what AdamW remembers of it and the running average of its weights (``kept``), which is what is scored and saved.

    Raises RatesError where the encoder has not the layers that ``train`` speaks of.
    """

    def __init__(self, model: NisbaModel, accelerator: Accelerator, train: Train):
        freeze(model, train.freeze)
        self.accelerator, self.train, self.bare = accelerator, train, model
        optimizer = torch.optim.AdamW(parameter_groups(model, train), fused=True)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        self.averaged = AveragedModel(model, multi_avg_fn=moving(train.average))
        self.kept: NisbaModel = self.averaged.module  # type: ignore[assignment]

    def look(self, batches: Sequence[tuple[Batch, bool]], *, done: int) -> tuple[list[float], str | None]:
        """The gradients of the step behind ``done`` others, clipped, from this process's micro-batches.

        Returns the mean loss of each of HEADS, and why the step must not be taken (None: it may), both the same on every process.

        A head's loss is its sum over all micro-batches of all processes, divided once by what ``Batch.counts`` adds up to there.
        """
        accelerator = self.accelerator
        reseed(self.train.seed, done, accelerator.process_index)
        self.model.train()
        counts = torch.tensor([batch.counts() if real else [0] * len(HEADS) for batch, real in batches]).sum(0)
        counts = accelerator.reduce(counts.to(accelerator.device), "sum").clamp(min=1)
        weights = torch.tensor([getattr(self.train.weights, head) for head in HEADS], device=accelerator.device)
        means = torch.zeros(len(HEADS), device=accelerator.device)
        for number, (batch, real) in enumerate(batches, 1):
            with nullcontext() if number == len(batches) else accelerator.no_sync(self.model):
                with accelerator.autocast():
                    losses = self.model(batch.to(accelerator.device)) * real / counts
                means += losses.detach()
                accelerator.backward((losses * weights).sum() * accelerator.num_processes)  # gradients are averaged over processes
        norm = accelerator.clip_grad_norm_(self.model.parameters(), self.train.clip)
        reduced: list[float] = accelerator.reduce(means, "sum").tolist()
        # In half precision gradients are scaled, and the scaler itself passes over steps in which they grew too large.
        return reduced, diverged(reduced, 0.0 if accelerator.scaler is not None else float(norm))

    def step(self, *, done: int, total: int) -> None:
        """Take the step behind ``done`` of ``total``."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * slope(done, total, self.train.warmup)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.averaged.update_parameters(self.bare)

    def release(self) -> None:
        """Part with the wrapper that talks to the other processes; to be called before their group ends.

        Whoever holds the group last waits for its threads. The wrapper would do so without letting them run, for ever
        (torch 2.13; see https://github.com/pytorch/pytorch/issues/56297).
        """
        self.model = self.bare
        self.accelerator.free_memory()


def reseed(seed: int, step: int, process: int) -> None:
    """All random numbers of a step (dropout) follow from these three alone, so that a resumed run draws the same ones."""
    set_seed(random.Random(f"{seed}/{step}/{process}").getrandbits(32))


def diverged(losses: Sequence[float], norm: float) -> str | None:
    """What is wrong with the figures of a step, None where nothing is: ``losses`` of HEADS and the norm of the gradient."""
    for head, loss in zip(HEADS, losses, strict=True):
        if not math.isfinite(loss) or loss > EXPLODED:
            return f"the loss of {head} is {loss:g}"
    return None if math.isfinite(norm) else f"the norm of the gradient is {norm:g}"


def moving(decay: float) -> Callable[[Tensors, Tensors, torch.Tensor | int], None]:
    """The step of a running average for ``AveragedModel``: what is left of the old one grows to ``decay`` over the first steps."""

    @torch.no_grad()
    def step(averaged: Tensors, current: Tensors, count: torch.Tensor | int) -> None:
        left = min(decay, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(averaged, current, 1 - left)

    return step
