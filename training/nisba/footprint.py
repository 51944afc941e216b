"""How much memory a training step takes, before it is taken: the weights and what belongs to them, and what a micro-batch keeps.

A count of the tensors that PyTorch keeps for the backward pass of a BERT-like encoder and of the claim heads. At its peak a step
has not yet gradients, unless there was another backward pass before. A process that holds only its shard of the weights (FSDP2)
takes less; what a GPU's own kernels take has not been measured.

STATES, PAIR and BASE are fitted to the largest resident size of a process during three steps on a CPU (one thread), beyond what it
held before the model was built: the offline encoder with 2, 5 and 8 layers, 506 to 2042 sub-words, with claim heads and without,
in 32 bits and bfloat16, with checkpointing and without (40 runs; 0.95 to 1.10 of what was measured; CONTRIBUTING, lab log).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from nisba.attention import packs
from nisba.model import MIXED, SIZE, NisbaModel

FLOAT, HALF = 4, 2  # bytes
STATES = {FLOAT: 14.5, HALF: 20}  # times hidden: what a layer keeps of a sub-word beside its feed-forward part (norms in 32 bits)
INNER = 2  # times the feed-forward width: before and behind its activation
MIXTURE = 3 * MIXED  # times hidden: the mixed states of the upper layers and their gradients, in 32 bits
PAIR = 28  # times SIZE: what the role network keeps of a claim and a word in its reach
BASE = 95 * 2**20  # what libraries and the allocator hold beyond it


class Load(NamedTuple):
    """What a micro-batch asks of memory: sub-words of its windows, the same with padding, the sum of the squares of the windows'
    sub-words, and claims times the words in the widest reach."""

    subwords: int
    padded: int
    squares: int
    pairs: int


@dataclass(frozen=True)
class Room:
    """What a process may take for ``model`` and a step: ``limit`` GiB. A step may be made of many micro-batches."""

    model: NisbaModel
    limit: float
    checkpointing: bool
    half: bool

    def fits(self, load: Load) -> bool:
        """Whether a micro-batch does, by ``estimate``."""
        return self.needs(load) <= self.limit

    def needs(self, load: Load) -> float:
        """GiB."""
        return estimate(self.model, load, checkpointing=self.checkpointing, half=self.half, repeated=True) / 2**30


def estimate(model: NisbaModel, load: Load, *, checkpointing: bool, half: bool, repeated: bool) -> int:
    """Bytes of the peak of a training step, beyond what the process held before the model was built.

    Args:
        model: what is trained; parameters that do not learn have neither gradient nor moments.
        load: the largest micro-batch.
        checkpointing: whether the encoder computes its layers again in the backward pass (``train.gradient_checkpointing``).
        half: whether products are computed in 16 bits, from copies of the weights.
        repeated: whether a step has more than one backward pass, so that there are gradients already.
    """
    kept = activations(model, load, checkpointing=checkpointing, half=half)
    return int(BASE + max(held(model), held(model, gradients=repeated) + copies(model, half=half) + kept))


def held(model: NisbaModel, *, gradients: bool = True) -> int:
    """Bytes of the weights, of their running average, of AdamW's two moments where they learn, and of their ``gradients``."""
    whole = sum(parameter.numel() for parameter in model.parameters())
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return FLOAT * (2 * whole + (3 if gradients else 2) * learning)


def copies(model: NisbaModel, *, half: bool) -> int:
    """Bytes of the 16-bit copies of the encoder's matrices, its embeddings aside."""
    embeddings = model.names.get_input_embeddings().weight.numel()
    return HALF * (sum(parameter.numel() for parameter in model.names.parameters()) - embeddings) if half else 0


def activations(model: NisbaModel, load: Load, *, checkpointing: bool, half: bool) -> int:
    """Bytes that a micro-batch keeps until its backward pass is through; the arguments are those of ``estimate``."""
    config, width = model.names.config, HALF if half else FLOAT
    hidden, layers = config.hidden_size, config.num_hidden_layers
    packed = packs(model.names)
    subwords = load.subwords if packed else load.padded
    layer = width * subwords * (STATES[width] * hidden + INNER * getattr(config, "intermediate_size", 4 * hidden))
    if packed and next(model.parameters()).device.type == "cpu":  # the shares of attention themselves, see attention.attend
        layer += width * config.num_attention_heads * load.squares
    encoder = FLOAT * layers * hidden * subwords + layer if checkpointing else layers * layer
    return int(encoder + FLOAT * MIXTURE * hidden * subwords + width * PAIR * SIZE * load.pairs)
