"""What training reads: the encoded articles with their labels, dealt out to processes and micro-batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accelerate import Accelerator
from transformers import PreTrainedTokenizerFast

from nisba.batching import collate, shares
from nisba.config import Train
from nisba.encode import Encoded, Targets, encode_all, targets
from nisba.formats import jsonl
from nisba.model import Batch
from nisba.schema import Document, excerpt


class ExamplesError(ValueError):
    """Articles whose annotation the labels cannot hold."""


@dataclass(frozen=True)
class Examples:
    """The encoded articles with their labels; ``sizes`` are in sub-words."""

    encoded: list[Encoded]
    labels: list[Targets]
    sizes: list[int]
    pad: int

    @classmethod
    def of(cls, documents: Sequence[Document], tokenizer: PreTrainedTokenizerFast, window: int) -> Examples:
        """Articles without a word are left out. Raises ExamplesError when the labels cannot hold an annotation."""
        encoded = [example for example in encode_all(documents, tokenizer, window=window) if example.words]
        labels = [targets(example) for example in encoded]
        lost = [(e.document.id, t) for e, t in zip(encoded, labels, strict=True) if t.lost_entities or t.lost_claims]
        if lost:
            each = ", ".join(f"{name}: {t.lost_entities} names, {t.lost_claims} claims" for name, t in lost)
            raise ExamplesError(f"encoding would lose annotation ({each})")
        sizes = [sum(len(window.input_ids) for window in example.windows) for example in encoded]
        return cls(encoded, labels, sizes, tokenizer.pad_token_id)

    def share(self, step: Sequence[int], accelerator: Accelerator, train: Train) -> list[tuple[Batch, bool]]:
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

    def names(self, step: Sequence[int]) -> str:
        """The ids of a step's articles, for a message."""
        return ", ".join(excerpt(self.encoded[i].document.id) for i in step)


def digest(documents: Iterable[Document]) -> str:
    """The SHA-256 of documents in this order, in hexadecimal."""
    whole = hashlib.sha256()
    for document in documents:
        whole.update(jsonl.dump(document).encode())
    return whole.hexdigest()
