"""How much memory a training step takes, before it is taken: the weights and what belongs to them, and what a micro-batch keeps.

A count of the 32-bit tensors that PyTorch keeps for the backward pass of a BERT-like encoder and of the claim heads. In half
precision, on a GPU, it takes less; a process that holds only its shard of the weights (FSDP2) takes less too.

STATES, PAIR and OVERHEAD are measured: the largest resident size of a process during two steps on a CPU (one thread), beyond what
it held before the model was built, for the offline encoder with 4 and 8 layers, 511 to 1852 sub-words, with and without
checkpointing. The estimate came to 1.04 to 1.25 of it: on a CPU nothing is computed for padding, which it counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from nisba.model import MIXED, SIZE, NisbaModel

FLOAT = 4  # bytes
STATES = 14.5  # times hidden: what a layer keeps of a sub-word beside its feed-forward part (inputs, q, k, v, sums, dropout)
INNER = 2  # times the feed-forward width: before and behind its activation
HEADS = 3 * MIXED  # times hidden: the mixed states of the upper layers and their gradients
PAIR = 20  # times SIZE: what the role network keeps of a claim and a word in its reach
CLAIMS, WORDS = 1 / 45, 0.75  # of news, a sub-word: claims (as in the densest articles of the seeds), words
OVERHEAD = 1.1  # what the allocator holds beyond it


@dataclass(frozen=True)
class Room:
    """What a process may take for ``model`` and a step: ``limit`` GiB."""

    model: NisbaModel
    limit: float
    checkpointing: bool

    def fits(self, *, subwords: int, pairs: int) -> bool:
        """Whether a micro-batch does, by ``estimate``."""
        return self.needs(subwords=subwords, pairs=pairs) <= self.limit

    def needs(self, *, subwords: int, pairs: int) -> float:
        """GiB."""
        return estimate(self.model, subwords=subwords, checkpointing=self.checkpointing, pairs=pairs) / 2**30


def estimate(model: NisbaModel, *, subwords: int, checkpointing: bool, pairs: int | None = None) -> int:
    """Bytes of the peak of a training step, beyond what the process held before the model was built.

    Args:
        model: what is trained; parameters that do not learn have neither gradient nor moments.
        subwords: of the largest micro-batch, padding included.
        checkpointing: whether the encoder computes its layers again in the backward pass (``train.gradient_checkpointing``).
        pairs: claims of that micro-batch times the words in the widest reach; None: as many as in one long article of news.
    """
    return int(OVERHEAD * (held(model) + activations(model, subwords=subwords, checkpointing=checkpointing, pairs=pairs)))


def held(model: NisbaModel) -> int:
    """Bytes of the weights, of their running average, and of gradients and AdamW's two moments where they learn."""
    whole = sum(parameter.numel() for parameter in model.parameters())
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return FLOAT * (2 * whole + 3 * learning)


def activations(model: NisbaModel, *, subwords: int, checkpointing: bool, pairs: int | None = None) -> int:
    """Bytes that a micro-batch keeps until its backward pass is through; the arguments are those of ``estimate``."""
    config = model.names.config
    hidden, layers = config.hidden_size, config.num_hidden_layers
    layer = STATES * hidden + INNER * getattr(config, "intermediate_size", 4 * hidden)
    encoder = layers * hidden + layer if checkpointing else layers * layer
    if pairs is None:
        pairs = round(subwords * CLAIMS * subwords * WORDS)
    return int(FLOAT * (subwords * (encoder + HEADS * hidden) + pairs * PAIR * SIZE))
