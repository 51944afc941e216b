"""A model that learns: gradients over micro-batches and processes, whether to trust them, the running average of the weights."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from copy import deepcopy

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from nisba.adversary import disturbed
from nisba.config import Train
from nisba.model import CLAIM_HEADS, HEADS, Batch, NisbaModel
from nisba.rates import RatesError, freeze, parameter_groups, slope
from nisba.sharding import one_arithmetic, whole

EXPLODED = 1e6  # a head's mean loss beyond which nothing is learnt; a first step in which hardly a word is labelled comes to 1e4


class Learner:
    """A model with what AdamW remembers of it and the running average of its weights (``kept``), which is what is scored and saved.

    Under FSDP2 each process holds a shard of the model and of the optimizer's memory, but the average whole: it is what is scored.

    Raises RatesError where the encoder has not the layers that ``train`` speaks of, or cannot compute them again.
    """

    def __init__(self, model: NisbaModel, accelerator: Accelerator, train: Train):
        freeze(model, train.freeze)
        if train.gradient_checkpointing:
            again(model)
        self.accelerator, self.train, self.bare = accelerator, train, model
        self.kept: NisbaModel = deepcopy(model).requires_grad_(False).to(accelerator.device)  # before it is dealt out in shards
        one_arithmetic(accelerator)
        optimizer = torch.optim.AdamW(parameter_groups(model, train), fused=True)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)

    def look(self, batches: Sequence[tuple[Batch, bool]], *, done: int) -> tuple[list[float], str | None]:
        """The gradients of the step behind ``done`` others, clipped, from this process's micro-batches.

        Returns the mean loss of each of HEADS, and why the step must not be taken (None: it may), both the same on every process.

        A head's loss is its sum over all micro-batches of all processes, divided once by what ``Batch.counts`` adds up to there.
        Where training is adversarial, gradients on disturbed word embeddings are added; losses stay those on the words as they are.
        """
        accelerator = self.accelerator
        reseed(self.train.seed, done, accelerator.process_index)
        self.model.train()
        if not any(getattr(self.train.weights, head) for head in CLAIM_HEADS):
            batches = [(batch.without_claims(), real) for batch, real in batches]
        counts = torch.tensor([batch.counts() if real else [0] * len(HEADS) for batch, real in batches]).sum(0)
        counts = accelerator.reduce(counts.to(accelerator.device), "sum").clamp(min=1)
        means = self._gradients(batches, counts)
        if self.train.adversarial:
            with disturbed(self.bare.names.get_input_embeddings().weight, self.train.adversarial):
                self._gradients(batches, counts)
        norm = whole(accelerator.clip_grad_norm_(self.model.parameters(), self.train.clip))
        reduced: list[float] = accelerator.reduce(means, "sum").tolist()
        # In half precision gradients are scaled, and the scaler itself passes over steps in which they grew too large.
        return reduced, diverged(reduced, 0.0 if accelerator.scaler is not None else float(norm))

    def _gradients(self, batches: Sequence[tuple[Batch, bool]], counts: torch.Tensor) -> torch.Tensor:
        """Add the gradients of all heads' mean losses; returns this process's part of the latter (5)."""
        accelerator = self.accelerator
        weights = torch.tensor([getattr(self.train.weights, head) for head in HEADS], device=accelerator.device)
        means = torch.zeros(len(HEADS), device=accelerator.device)
        for number, (batch, real) in enumerate(batches, 1):
            with nullcontext() if number == len(batches) else accelerator.no_sync(self.model):
                with accelerator.autocast():
                    losses = self.model(batch.to(accelerator.device)) * real / counts
                means += losses.detach()
                accelerator.backward((losses * weights).sum() * accelerator.num_processes)  # gradients are averaged over processes
        return means

    def step(self, *, done: int, total: int) -> None:
        """Take the step behind ``done`` of ``total``."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * slope(done, total, self.train.warmup)
        self.optimizer.step()
        self.optimizer.zero_grad()
        with torch.no_grad():
            for mean, now in zip(self.kept.parameters(), self.bare.parameters(), strict=True):
                mean.lerp_(whole(now), 1 - left(self.train.average, done))

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


def left(decay: float, done: int) -> float:
    """What the step behind ``done`` others leaves of the running average: nothing at first, ``decay`` behind the first steps."""
    return min(decay, (1 + done) / (10 + done)) if done else 0.0


def again(model: NisbaModel) -> None:
    """Have the encoder compute its layers again in the backward pass instead of keeping what they need (Chen et al. 2016,
    https://arxiv.org/abs/1604.06174). Raises RatesError where it cannot."""
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # its new name is not in transformers 5.0
            model.names.gradient_checkpointing_enable({"use_reentrant": False})
    except ValueError as error:
        raise RatesError(f"train.gradient_checkpointing: {error}") from None
    model.names.disable_input_require_grads()  # gradients would flow through frozen layers
