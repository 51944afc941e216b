"""What a training would take, before it is made: sizes and an estimate of the memory, then the time from steps really taken.

``nisba train --config configs/quickstart.yaml --dry-run``. Nothing is written; the model that learnt for a moment is thrown away.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast

from nisba import builders, config, encoder
from nisba.batching import steps
from nisba.descent import Learner
from nisba.evaluate import evaluate
from nisba.examples import Examples
from nisba.fit import FitError, arithmetic, half
from nisba.footprint import Room, estimate
from nisba.predict import Predictor
from nisba.schema import Document
from nisba.sharding import refuse

STEPS = 20  # that are timed
WARMING = 2  # steps before them: the first ones build kernels and moments
DEV = 8  # dev articles that are scored, spread over all of them
GIB = 2**30


@dataclass(frozen=True)
class Sizes:
    """What there is to do. Sub-words are of one epoch (the first); ``largest`` is that of all epochs' micro-batches that takes the
    most ``memory`` (bytes, by estimate), in sub-words, padding included."""

    articles: Mapping[str, int]
    windows: int
    epochs: int
    steps: int
    total: int
    subwords: int
    padding: int
    micro: int
    largest: int
    memory: int
    processes: int
    device: str

    def __str__(self) -> str:
        parts = ", ".join(f"{count:,} {part}" for part, count in self.articles.items())
        share = 100 * self.padding / (self.subwords + self.padding)
        shared = "" if self.processes == 1 else f" on each of {self.processes} processes"
        return "\n".join(
            [
                f"articles: {parts}; {self.windows:,} windows to train on, {self.device}{shared}",
                f"steps: {self.steps:,} in an epoch, {self.total:,} in {self.epochs} epochs",
                f"sub-words: {self.subwords:,} in an epoch; padding is {share:.1f} % of the batches that hold them",
                f"micro-batches: {self.micro} a step at most{shared}, the largest of {self.largest:,} sub-words with its padding",
                f"memory: {self.memory / GIB:.2f} GiB by estimate for the model and that micro-batch, beside program and articles",
            ]
        )


@dataclass(frozen=True)
class Costs:
    """What was measured: ``tried`` steps of ``subwords`` in ``seconds``; the dev articles' ``share`` (by characters) that was
    scored in ``scoring`` seconds; ``peak`` bytes more than before the model was built, the largest micro-batch included."""

    sizes: Sizes
    tried: int
    subwords: int
    seconds: float
    share: float
    scoring: float
    peak: int

    @property
    def epoch(self) -> tuple[float, float]:
        """Seconds of training and of scoring in an epoch."""
        return self.sizes.subwords / self.subwords * self.seconds, self.scoring / self.share

    def __str__(self) -> str:
        training, scoring = self.epoch
        whole = self.sizes.epochs * (training + scoring)
        clock = tqdm.format_interval
        return "\n".join(
            [
                f"tried: {self.tried} steps in {self.seconds:.1f} s, {self.subwords / self.seconds:,.0f} sub-words/s; "
                f"{100 * self.share:.0f} % of the dev articles scored in {self.scoring:.1f} s",
                f"memory: {self.peak / GIB:.2f} GiB more than before the model was built, the largest micro-batch included",
                f"time: {self.sizes.epochs} epochs of {clock(training)} and {clock(scoring)} for scoring, "
                f"{clock(whole)} at most, loading aside",
            ]
        )


def rehearse(settings: config.Config) -> Iterator[Sizes | Costs]:
    """First the sizes, then what some steps cost. All processes must go through both.

    Raises FitError where a step cannot be taken, and what ``fit`` raises over data, encoder and memory.
    """
    train = settings.train
    refuse(os.environ)
    accelerator = Accelerator()
    arithmetic(accelerator)
    set_seed(train.seed)
    parts = builders.parts(settings.data)
    before = peak(accelerator)
    tokenizer, model = encoder.build(settings.model)
    data = Examples.of(parts["train"], tokenizer, settings.model.window)
    plans = [steps(data.sizes, budget=train.batch, seed=train.seed, epoch=epoch) for epoch in range(train.epochs)]
    learner = Learner(model, accelerator, train)
    room = None if train.memory is None else Room(model, train.memory, train.gradient_checkpointing, half(accelerator))
    if room is not None:
        data.check(room)

    def needed(step: Sequence[int]) -> tuple[int, int]:
        """Bytes and padded sub-words of the micro-batch of a step that takes most."""
        parts = data.dealt(step, train.accumulate, accelerator.num_processes, room=room)
        repeated = len(parts) > accelerator.num_processes or train.adversarial > 0
        ways = {"checkpointing": train.gradient_checkpointing, "half": half(accelerator), "repeated": repeated}
        return max((estimate(model, load, **ways), load.padded) for load in (data.load(part) for part in parts if part))

    heaviest = max((step for plan in plans for step in plan), key=needed)
    memory, largest = needed(heaviest)
    dealt = [data.dealt(step, train.accumulate, accelerator.num_processes, room=room) for step in plans[0]]
    padded = sum(data.load(part).padded for each in dealt for part in each if part)
    sizes = Sizes(
        articles={part: len(documents) for part, documents in parts.items()},
        windows=sum(len(example.windows) for example in data.encoded),
        epochs=train.epochs,
        steps=len(plans[0]),
        total=sum(map(len, plans)),
        subwords=sum(data.sizes),
        padding=padded - sum(data.sizes),
        micro=max(map(len, dealt)) // accelerator.num_processes,
        largest=largest,
        memory=memory,
        processes=accelerator.num_processes,
        device=accelerator.device.type,
    )
    yield sizes

    taken = [step for plan in plans for step in plan][: WARMING + STEPS]
    seconds = []
    for done, step in enumerate([*taken, heaviest]):
        began = time.perf_counter()
        _, fault = learner.look(data.share(step, accelerator, train, room=room), done=done)
        if fault is not None:
            raise FitError(f"behind {done} steps: {fault}, in {data.names(step)}")
        learner.step(done=done, total=sizes.total + WARMING)
        seconds.append(time.perf_counter() - began)
    timed = range(min(WARMING, len(taken) - 1), len(taken))
    share, scoring = sampled(learner, tokenizer, parts["dev"], settings.model.window)
    learner.release()
    yield Costs(
        sizes=sizes,
        tried=len(timed),
        subwords=sum(data.sizes[article] for number in timed for article in taken[number]),
        seconds=sum(seconds[number] for number in timed),
        share=share,
        scoring=scoring,
        peak=peak(accelerator) - before,
    )
    accelerator.end_training()


def sampled(learner: Learner, tokenizer: PreTrainedTokenizerFast, dev: Sequence[Document], window: int) -> tuple[float, float]:
    """The share of the dev articles (by characters) that was scored, and the seconds that took."""
    some = dev[:: max(1, len(dev) // DEV)][:DEV]
    began = time.perf_counter()
    evaluate(Predictor(learner.kept.eval(), tokenizer, window=window), some)
    share = sum(len(document.text) for document in some) / max(1, sum(len(document.text) for document in dev))
    return share, time.perf_counter() - began


def peak(accelerator: Accelerator) -> int:
    """The most bytes that this process has held so far, on its GPU where it computes on one."""
    if accelerator.device.type == "cuda":
        return torch.cuda.max_memory_allocated(accelerator.device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
