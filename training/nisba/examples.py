"""What training reads: the encoded articles with their labels, dealt out to processes and micro-batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from accelerate import Accelerator
from transformers import PreTrainedTokenizerFast

from nisba import shelf
from nisba.batching import collate, shares
from nisba.config import Train
from nisba.encode import Encoded, Targets, encode_all, targets
from nisba.footprint import Load, Room
from nisba.formats import jsonl
from nisba.model import Batch
from nisba.schema import Document, excerpt
from nisba.shelf import Article

CHUNK = 256  # articles whose encoding is in memory at a time


class ExamplesError(ValueError):
    """Articles whose annotation the labels cannot hold, or that the memory cannot."""


class Extent(NamedTuple):
    """What decides on the memory that an article takes: windows, sub-words of the longest, the squares of their sub-words added up;
    claims, words in the widest reach."""

    windows: int
    longest: int
    squares: int
    claims: int
    reach: int


@dataclass(frozen=True)
class Examples:
    """The encoded articles with their labels, on disk, and what is known of each without reading it; ``sizes`` are in sub-words."""

    encoded: Sequence[Article]
    labels: Sequence[Targets]
    ids: list[str]
    sizes: list[int]
    extents: list[Extent]
    pad: int

    @classmethod
    def of(
        cls, documents: Sequence[Document], tokenizer: PreTrainedTokenizerFast, window: int, *, folder: Path | None = None
    ) -> Examples:
        """Encode articles onto a disk, in ``folder`` (None: where the system keeps temporary files). Those without a word are left
        out. Raises ExamplesError when the labels cannot hold an annotation, OSError."""
        shelves = shelf.articles(folder), shelf.labels(folder)
        data = cls(*shelves, [], [], [], tokenizer.pad_token_id)
        lost = []
        for start in range(0, len(documents), CHUNK):
            for encoded in encode_all(documents[start : start + CHUNK], tokenizer, window=window):
                if encoded.words:
                    told = targets(encoded)
                    if told.lost_entities or told.lost_claims:
                        lost.append(f"{encoded.document.id}: {told.lost_entities} names, {told.lost_claims} claims")
                    shelves[0].add(encoded)
                    shelves[1].add(told)
                    data.ids.append(encoded.document.id)
                    data.sizes.append(sum(len(each.input_ids) for each in encoded.windows))
                    data.extents.append(extent(encoded, told))
        if lost:
            raise ExamplesError(f"encoding would lose annotation ({', '.join(lost)})")
        return data

    def share(
        self, step: Sequence[int], accelerator: Accelerator, train: Train, *, room: Room | None = None
    ) -> list[tuple[Batch, bool]]:
        """This process's micro-batches of a step: ``train.accumulate``, and more where the largest would not fit into the ``room``.
        Where there are fewer articles than micro-batches, one stands in that does not count (False): every process must take part
        in every backward pass."""
        parts = self.dealt(step, train.accumulate, accelerator.num_processes, room=room)
        mine = parts[accelerator.process_index :: accelerator.num_processes]
        return [
            (
                collate([self.encoded[i] for i in part or step[:1]], [self.labels[i] for i in part or step[:1]], pad=self.pad),
                bool(part),
            )
            for part in mine
        ]

    def dealt(self, step: Sequence[int], accumulate: int, processes: int, *, room: Room | None) -> list[list[int]]:
        """The micro-batches of a step over all processes, the same on each of them."""
        parts = shares(step, self.sizes, accumulate * processes)
        while room is not None and any(len(part) > 1 and not room.fits(self.load(part)) for part in parts):
            accumulate += 1
            parts = shares(step, self.sizes, accumulate * processes)
        return parts

    def load(self, part: Sequence[int]) -> Load:
        """What a micro-batch asks of memory."""
        windows, longest, squares, claims, reach = zip(*(self.extents[i] for i in part), strict=True)
        subwords = sum(self.sizes[i] for i in part)
        return Load(subwords, sum(windows) * max(longest), sum(squares), sum(claims) * max(reach))

    def check(self, room: Room) -> None:
        """Raises ExamplesError where an article alone would not fit into the room."""
        for i, name in enumerate(self.ids):
            if not room.fits(self.load([i])):
                needed = f"{room.needs(self.load([i])):.2f} GiB for the model and {excerpt(name)}"
                raise ExamplesError(f"train.memory: {room.limit:g} GiB are too few: {needed} alone, {self.sizes[i]} sub-words")

    def names(self, step: Sequence[int]) -> str:
        """The ids of a step's articles, for a message."""
        return ", ".join(excerpt(self.ids[i]) for i in step)


def extent(encoded: Encoded, labels: Targets) -> Extent:
    """That of one article, which has a word at least."""
    reaches = [len(encoded.reach(claim.anchor)) for claim in labels.claims]
    sizes = [len(window.input_ids) for window in encoded.windows]
    return Extent(len(sizes), max(sizes), sum(size**2 for size in sizes), len(reaches), max(reaches, default=0))


def digest(documents: Iterable[Document]) -> str:
    """The SHA-256 of documents in this order, in hexadecimal."""
    whole = hashlib.sha256()
    for document in documents:
        whole.update(jsonl.dump(document).encode())
    return whole.hexdigest()
