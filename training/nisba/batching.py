"""Which documents make a step, and documents → one padded batch. Both depend on nothing but their arguments."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from nisba.encode import Targets, Window
from nisba.labels import ROLE_TAGS
from nisba.model import Batch

IGNORE = -100
SOURCE_TAGS = tuple(i for i, tag in enumerate(ROLE_TAGS) if tag.endswith("-source"))


class Example(Protocol):
    """What a batch needs of an encoded article; ``encode.Encoded`` says what it is."""

    @property
    def words(self) -> Sequence[object]: ...
    @property
    def windows(self) -> Sequence[Window]: ...
    @property
    def firsts(self) -> Sequence[tuple[int, int]]: ...
    @property
    def sentence(self) -> Sequence[int]: ...
    @property
    def quotation(self) -> Sequence[int]: ...
    def reach(self, anchor: int) -> range: ...


def steps(sizes: Sequence[int], *, budget: int, seed: int, epoch: int) -> list[list[int]]:
    """The documents (indices) of every optimizer step of an epoch: each once, in a new order each epoch.

    ``sizes`` are sub-words; a step closes before it would exceed ``budget`` sub-words; a larger document is a step of its own.
    """
    order = list(range(len(sizes)))
    random.Random(f"{seed}/{epoch}").shuffle(order)
    planned: list[list[int]] = []
    used = budget
    for index in order:
        if used + sizes[index] > budget:
            planned.append([])
            used = 0
        planned[-1].append(index)
        used += sizes[index]
    return planned


def shares(step: Sequence[int], sizes: Sequence[int], parts: int) -> list[list[int]]:
    """One step's documents dealt to ``parts`` micro-batches of about equal size, the largest first; some may be empty."""
    dealt: list[list[int]] = [[] for _ in range(parts)]
    load = [0] * parts
    for index in sorted(step, key=lambda i: (-sizes[i], i)):
        least = load.index(min(load))
        dealt[least].append(index)
        load[least] += sizes[index]
    return dealt


def collate(examples: Sequence[Example], labels: Sequence[Targets] | None, *, pad: int) -> Batch:
    """Documents, with their targets in training, as one batch; windows are padded to the longest with ``pad``."""
    windows = [window for example in examples for window in example.windows]
    length = max(len(window.input_ids) for window in windows)
    input_ids = _padded([window.input_ids for window in windows], pad, length)
    attention = _padded([[1] * len(window.input_ids) for window in windows], 0, length)
    offsets = list(_offsets(len(example.windows) for example in examples))
    firsts = [(offset + w) * length + p for offset, example in zip(offsets, examples, strict=True) for w, p in example.firsts]
    word_offsets = list(_offsets(len(example.words) for example in examples))
    owners = [
        [owner + offset if owner >= 0 else -1 for owner in window.owners]
        for offset, example in zip(word_offsets, examples, strict=True)
        for window in example.windows
    ]
    batch = Batch(
        input_ids=input_ids,
        attention_mask=attention,
        firsts=torch.tensor(firsts, dtype=torch.long),
        owners=_padded(owners, -1, length),
        sentences=torch.tensor([s for example in examples for s in example.sentence], dtype=torch.long),
        quotations=torch.tensor([q for example in examples for q in example.quotation], dtype=torch.long),
        anchors=torch.zeros(0, dtype=torch.long),
        pairs=torch.zeros(0, 1, dtype=torch.long),
        source_tags=SOURCE_TAGS,
    )
    if labels is not None:
        _label(batch, examples, labels, word_offsets, length)
    return batch


def anchor_batch(batch: Batch, examples: Sequence[Example], anchors: Iterable[tuple[int, int]]) -> None:
    """Set the anchors of a batch, given as (document, word), and the words in reach of each."""
    offsets = list(_offsets(len(example.words) for example in examples))
    chosen = list(anchors)
    ranges = [(offsets[d], examples[d].reach(word)) for d, word in chosen]
    device = batch.input_ids.device
    batch.anchors = torch.tensor([offsets[d] + word for d, word in chosen], dtype=torch.long, device=device)
    width = max((len(reach) for _, reach in ranges), default=1)
    pairs = [list(range(offset + reach.start, offset + reach.stop)) for offset, reach in ranges]
    batch.pairs = _padded(pairs, -1, width).to(device)


def _label(batch: Batch, examples: Sequence[Example], labels: Sequence[Targets], offsets: list[int], length: int) -> None:
    rows = []
    for example, target in zip(examples, labels, strict=True):
        for window in example.windows:
            row, previous = [], -1
            for owner in window.owners:
                tag = target.names[owner] if owner >= 0 and "names" in target.layers else IGNORE
                # B- on a word's first sub-word, I- on the rest: a plain pipeline reads every sub-word.
                row.append(tag + 1 if owner == previous and tag > 0 and tag % 2 == 1 else tag)
                previous = owner
            rows.append(row)
    batch.name_labels = _padded(rows, IGNORE, length)
    anchor_batch(batch, examples, ((d, claim.anchor) for d, target in enumerate(labels) for claim in target.claims))
    claims = [claim for target in labels for claim in target.claims]
    known = [
        0 if "roles" in target.layers else IGNORE for example, target in zip(examples, labels, strict=True) for _ in example.words
    ]
    batch.anchor_labels = torch.tensor(known, dtype=torch.long)
    batch.anchor_labels[batch.anchors] = 1
    batch.role_labels = _padded([claim.roles for claim in claims], IGNORE, batch.pairs.shape[1])
    attributes = [
        (claim.source_type, claim.stance) if "attributes" in target.layers else (IGNORE, IGNORE)
        for target in labels
        for claim in target.claims
    ]
    batch.source_type_labels = torch.tensor([kind for kind, _ in attributes], dtype=torch.long)
    batch.stance_labels = torch.tensor([stance for _, stance in attributes], dtype=torch.long)


def _padded(rows: Sequence[Sequence[int]], value: int, length: int) -> Tensor:
    full = torch.full((len(rows), length), value, dtype=torch.long)
    for i, row in enumerate(rows):
        full[i, : len(row)] = torch.tensor(row, dtype=torch.long)
    return full


def _offsets(counts: Iterable[int]) -> Iterator[int]:
    total = 0
    for count in counts:
        yield total
        total += count
