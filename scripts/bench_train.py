"""Sub-words a second in training against ``transformers.Trainer`` on the same windows, and the loss that each comes to.

``python scripts/bench_train.py ARTICLES [--steps 60] [--size 12x768] [--rounds 3] [--threads 2]``

ARTICLES is JSON Lines; every fifth is kept for the loss. ``trainer`` is token classification of the names as transformers' example
``run_ner`` sets it up: batches of 8 windows in random order, padded to the longest, AdamW with a learning rate that falls from 5e-5
to 0, dropout as the encoder has it. ``nisba`` reads articles of as many sub-words a step with the same rates; only the names count
in its loss, so that the two can be compared, and the heads of claims, which weigh nothing, are not computed. Both in 32 bits and in
bfloat16, each in a process of its own, in turns; the clock starts behind the first tenth of the steps. A sub-word counts once,
padding never. ``loss`` is the names' mean over the sub-words of the articles kept, with the last weights.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path

import torch
from accelerate import Accelerator
from torch.nn import functional as F
from transformers import BertConfig, BertForTokenClassification, Trainer, TrainerCallback, TrainingArguments, set_seed

from nisba import encoder, offline
from nisba.batching import IGNORE, collate, steps
from nisba.config import Model, Train
from nisba.descent import Learner
from nisba.examples import Examples
from nisba.formats import jsonl
from nisba.labels import NAME_TAGS
from nisba.model import Batch, NisbaModel, packable
from nisba.predict import prefer_onednn

ROWS, RATE = 8, 5e-5  # of run_ner: windows of a step, learning rate
WAYS = ("trainer fp32", "trainer bf16", "nisba fp32", "nisba bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description="Training against transformers' Trainer.")
    parser.add_argument("articles", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--size", help="as 12x768: an encoder with random weights (default: the offline encoder)")
    parser.add_argument("--window", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(run(options)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way in WAYS:
            command, environment = [sys.executable, *sys.argv, "--way", way], os.environ | {"ACCELERATE_USE_CPU": "true"}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
    base = statistics.median(each["rate"] for each in found["trainer fp32"])
    print(f"{options.size or 'offline encoder'}, {options.threads} threads, {options.steps} steps, {options.rounds} rounds")
    for way, each in found.items():
        rates, losses = [one["rate"] for one in each], [one["loss"] for one in each]
        rate = statistics.median(rates)
        row = f"{way:13} {rate:7.0f} sub-words/s ({min(rates):.0f}–{max(rates):.0f})  {rate / base:5.2f}×"
        print(
            f"{row}  loss {statistics.median(losses):.4f}  {each[0]['size']:.0f} sub-words a step, padding {each[0]['padding']:.0%}"
        )


def run(options: argparse.Namespace) -> dict[str, float]:
    """One way, once."""
    torch.set_num_threads(options.threads)
    nisba, half = options.way.startswith("nisba"), options.way.endswith("bf16")
    if nisba:
        prefer_onednn()
    set_seed(options.seed)
    tokenizer, model = encoder.build(Model(encoder="offline", window=options.window))
    articles = list(jsonl.read(options.articles))
    held = Examples.of(articles[::5], tokenizer, options.window)
    data = Examples.of([article for number, article in enumerate(articles) if number % 5], tokenizer, options.window)
    batches = (collate([example], [labels], pad=data.pad) for example, labels in zip(data.encoded, data.labels, strict=True))
    windows = [row for batch in batches for row in rows(batch)]
    budget = ROWS * sum(len(row["input_ids"]) for row in windows) // len(windows)
    if nisba:
        if options.size:
            config = sized(model, options.size, attention_probs_dropout_prob=0.0)
            ours = {key: model.names.config.nisba[key] for key in ("roles", "source_types", "stances", "window")}
            model = NisbaModel(packable(BertForTokenClassification(config)), **ours)
        return learn(model, data, options, budget=budget, half=half) | {"loss": loss(model.names, held)}
    if options.size:
        plain = BertForTokenClassification(sized(model, options.size))
    else:
        plain = BertForTokenClassification.from_pretrained(offline.folder(), num_labels=len(NAME_TAGS))
    return train(plain, windows, options, half=half, pad=data.pad) | {"loss": loss(plain, held)}


def learn(model: NisbaModel, data: Examples, options: argparse.Namespace, *, budget: int, half: bool) -> dict[str, float]:
    weights = {"names": 1.0, "anchors": 0.0, "roles": 0.0, "source_types": 0.0, "stances": 0.0}
    settings = Train(learning_rate=RATE, head_learning_rate=RATE, warmup=0.0, average=0.0, weights=weights, seed=options.seed)
    accelerator = Accelerator(mixed_precision="bf16" if half else "no")
    learner, began, counted = Learner(model, accelerator, settings), 0.0, 0
    plan = planned(data.sizes, options, size=budget)
    for done, step in enumerate(plan):
        if done == options.steps // 10:
            began = time.perf_counter()
        learner.look(data.share(step, accelerator, settings), done=done)
        learner.step(done=done, total=options.steps)
        counted += sum(data.sizes[i] for i in step) if began else 0
    seconds = time.perf_counter() - began
    return {"rate": counted / seconds, "padding": 0.0, "size": sum(data.sizes[i] for step in plan for i in step) / len(plan)}


def planned(sizes: Sequence[int], options: argparse.Namespace, *, size: int) -> list[list[int]]:
    """Steps of ``size`` sub-words in the mean: whole articles seldom fill a budget."""
    for budget in range(size, 4 * size, 16):
        epochs = (steps(sizes, budget=budget, seed=options.seed, epoch=epoch) for epoch in range(options.steps))
        plan = list(islice(chain.from_iterable(epochs), options.steps))
        if sum(sizes[i] for step in plan for i in step) >= size * len(plan):
            break
    return plan


class Clock(TrainerCallback):
    """When the first step that counts begins."""

    def __init__(self, first: int):
        self.first, self.began = first, 0.0

    def on_step_begin(self, args, state, control, **_):  # type: ignore[no-untyped-def]
        if state.global_step == self.first:
            self.began = time.perf_counter()


def train(
    model: BertForTokenClassification, windows: Sequence[dict[str, list[int]]], options: argparse.Namespace, *, half: bool, pad: int
) -> dict[str, float]:
    sizes: list[tuple[int, int]] = []

    def collator(batch: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        length = max(len(row["input_ids"]) for row in batch)
        sizes.append((sum(len(row["input_ids"]) for row in batch), length * len(batch)))
        fill = {"input_ids": pad, "attention_mask": 0, "labels": IGNORE}
        return {
            name: torch.tensor([row[name] + [value] * (length - len(row[name])) for row in batch]) for name, value in fill.items()
        }

    clock = Clock(options.steps // 10)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=ROWS,
            learning_rate=RATE,
            max_steps=options.steps,
            bf16=half,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_strategy="no",
            seed=options.seed,
        )
        model.train()
        made = Trainer(model, arguments, data_collator=collator, train_dataset=list(windows), callbacks=[clock])
        made.train()
        seconds = time.perf_counter() - clock.began
    sizes = sizes[: options.steps]
    counted = sum(real for real, _ in sizes[clock.first :])
    real, whole = (sum(pair[i] for pair in sizes) for i in (0, 1))
    return {"rate": counted / seconds, "padding": 1 - real / whole, "size": real / len(sizes)}


def rows(batch: Batch) -> list[dict[str, list[int]]]:
    """The windows of a batch as a token-classification data set has them."""
    found = []
    for ids, mask, labels in zip(batch.input_ids, batch.attention_mask, batch.name_labels, strict=True):
        length = int(mask.sum())
        found.append({"input_ids": ids[:length].tolist(), "attention_mask": [1] * length, "labels": labels[:length].tolist()})
    return found


def sized(model: NisbaModel, size: str, **options: float) -> BertConfig:
    """The configuration of an encoder of that many layers of that width."""
    layers, width = map(int, size.split("x"))
    shape = {"num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": width // 64, "intermediate_size": 4 * width}
    known = model.names.config
    return BertConfig(vocab_size=known.vocab_size, pad_token_id=known.pad_token_id, num_labels=len(NAME_TAGS), **shape, **options)


@torch.no_grad()
def loss(model: BertForTokenClassification, data: Examples) -> float:
    """The names' mean loss over the sub-words of the articles."""
    model.eval()
    total, count = 0.0, 0
    for example, labels in zip(data.encoded, data.labels, strict=True):
        batch = collate([example], [labels], pad=data.pad)
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        total += float(F.cross_entropy(logits.flatten(0, 1), batch.name_labels.flatten(), ignore_index=IGNORE, reduction="sum"))
        count += int((batch.name_labels != IGNORE).sum())
    return total / count


if __name__ == "__main__":
    main()
