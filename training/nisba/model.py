"""The network: one encoder, a name head, an anchor head, and role heads conditioned on each anchor.

A leaf that imports torch, transformers and its two neighbours. A checkpoint is that of ``AutoModelForTokenClassification`` for the
encoder's own ``model_type`` (keys ``<prefix>.*`` and ``classifier.*``: the names), plus keys ``claims.*`` that plain transformers
reports as unexpected and leaves alone. What the claim heads need to know stands in the config under ``nisba``.

Roles are tagged cue first, then conditioned on the cue, as in the winning system of GermEval 2023's speaker attribution task
(Petersen-Frey and Biemann 2024, https://aclanthology.org/2024.germeval-1.2): for an anchor a and a word w the features
U·w + V·a + (P·w ⊙ Q·a) + distance + sentence distance + same quotation go through dilated convolutions over the words (Strubell et
al. 2017, https://aclanthology.org/D17-1283) to tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForTokenClassification

# Relative on purpose, as in remote_code.py: the same lines find these files in the cache of a published model's code.
from .attention import pack, packs, runs
from .dropout import Dropout, quicken

FORMAT = 2  # of the claim heads; raised when a checkpoint of another layout could be misread
SIZE = 128  # of the role network
DISTANCES = 24  # buckets a side: exact to 8 words, then in powers of 2^(1/2)
DILATIONS = (1, 2, 4, 8)  # of the convolutions over the words: the last one sees 30 words on either side
MIXED = 4  # upper layers of the encoder from which the words' states are mixed
SENTENCES = 3  # sentence distances beyond this are alike
CLAIM_HEADS = ("roles", "source_types", "stances")
HEADS = ("names", "anchors", *CLAIM_HEADS)
FROM_ZERO, FROM_PADDING = ("bert", "electra"), ("camembert", "roberta", "xlm-roberta")  # encoders it serves, by first position


class ModelError(ValueError):
    """A folder or hub id that holds no model of ours."""


@dataclass
class Batch:
    """Windows of some documents and what is known of their words and anchors.

    W windows of L sub-words, N words, A anchors, R words in reach of an anchor. ``pairs`` are word indices, -1 where there is
    none. Labels (``*_labels``, -100 where there is none) are absent in inference.
    """

    input_ids: Tensor  # W × L
    attention_mask: Tensor  # W × L
    firsts: Tensor  # N: index of a word's first sub-word in the flattened W · L
    owners: Tensor  # W × L: the word that a sub-word belongs to, -1 where it stands in a window for context only
    sentences: Tensor  # N
    quotations: Tensor  # N
    anchors: Tensor  # A: word indices
    pairs: Tensor  # A × R: word indices
    name_labels: Tensor | None = None  # W × L
    anchor_labels: Tensor | None = None  # N
    role_labels: Tensor | None = None  # A × R
    source_type_labels: Tensor | None = None  # A
    stance_labels: Tensor | None = None  # A
    source_tags: tuple[int, ...] = ()  # the role tags that mark the source

    def to(self, device: torch.device | str) -> Self:
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), Tensor)}
        return replace(self, **{name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()})

    def without_claims(self) -> Self:
        """The same windows, of which only names and anchors are to be learnt."""
        owned = ("anchors", "pairs", "role_labels", "source_type_labels", "stance_labels")
        return replace(self, **{name: getattr(self, name)[:0] for name in owned if getattr(self, name) is not None})

    def counts(self) -> list[int]:
        """What the summed loss of each of HEADS is divided by: its labels that are not O; for the last two all that are known.

        Most words are O in every claim: divided by all labels, the roles would hardly move the encoder.
        """
        labels = (self.name_labels, self.anchor_labels, self.role_labels)
        positive = [int((label > 0).sum()) if label is not None else 0 for label in labels]
        attributes = (self.source_type_labels, self.stance_labels)
        return positive + [int((label >= 0).sum()) if label is not None else 0 for label in attributes]


class ClaimHeads(nn.Module):
    """Anchors, roles, source type and stance from word states (N × hidden)."""

    def __init__(self, hidden: int, roles: int, source_types: int, stances: int, dropout: float):
        super().__init__()
        self.dropout = Dropout(dropout)
        self.mix = nn.Parameter(torch.zeros(MIXED))
        self.anchor = nn.Linear(hidden, 1)
        self.word, self.at = nn.Linear(hidden, SIZE), nn.Linear(hidden, SIZE)
        self.word_gate, self.at_gate = nn.Linear(hidden, SIZE, bias=False), nn.Linear(hidden, SIZE, bias=False)
        self.distance = nn.Embedding(2 * DISTANCES + 1, SIZE)
        self.sentence = nn.Embedding(2 * SENTENCES + 1, SIZE)
        self.quotation = nn.Embedding(3, SIZE)  # outside, in another quotation than the anchor, in the anchor's own
        self.contexts = nn.ModuleList(nn.Conv1d(SIZE, SIZE, kernel_size=5, padding=2 * d, dilation=d) for d in DILATIONS)
        self.roles = nn.Linear(SIZE, roles)
        self.source_types = nn.Sequential(nn.Linear(2 * hidden, SIZE), nn.GELU(), Dropout(dropout), nn.Linear(SIZE, source_types))
        self.stances = nn.Sequential(nn.Linear(hidden, SIZE), nn.GELU(), Dropout(dropout), nn.Linear(SIZE, stances))

    def words(self, layers: Sequence[Tensor], owners: Tensor, count: int) -> Tensor:
        """States of ``count`` words (N × hidden) from the encoder's layers (each … × hidden): its upper MIXED ones in learnt shares
        (Peters et al. 2018, https://aclanthology.org/N18-1202), the mean of a word's sub-words. ``owners`` (…) are their words."""
        upper = layers[-MIXED:]
        shares = self.mix[-len(upper) :].softmax(0)
        owned = (owners.flatten() >= 0).nonzero()[:, 0]
        words = owners.flatten()[owned]
        states = torch.stack([layer.flatten(0, -2)[owned].float() for layer in upper])
        mixed = (states * shares[:, None, None]).sum(0)
        sums = mixed.new_zeros(count, mixed.shape[1]).index_add(0, words, mixed)
        return sums / torch.bincount(words, minlength=count).clamp(min=1)[:, None]

    def anchor_logits(self, words: Tensor) -> Tensor:
        """N × hidden → N."""
        logits: Tensor = self.anchor(self.dropout(words)).squeeze(-1)
        return logits

    def role_logits(self, words: Tensor, batch: Batch) -> Tensor:
        """N × hidden → A × R × tags."""
        words = self.dropout(words)
        here, there = batch.anchors, batch.pairs.clamp(min=0)
        at = words[here]
        features = self.word(words)[there] + self.at(at)[:, None]
        features = features + self.word_gate(words)[there] * self.at_gate(at)[:, None]
        apart = batch.sentences[there] - batch.sentences[here][:, None]
        quoted = batch.quotations[there]
        same = (quoted > 0).long() + ((quoted > 0) & (quoted == batch.quotations[here][:, None])).long()
        features = features + self.distance(bucket(there - here[:, None])) + self.quotation(same)
        features = features + self.sentence(apart.clamp(-SENTENCES, SENTENCES) + SENTENCES)
        within = (batch.pairs >= 0)[:, None]
        features = F.gelu(features).transpose(1, 2).contiguous() * within  # A × SIZE × R: all steps below keep that order
        for context in self.contexts:
            features = (features + F.gelu(context(features))) * within
        logits: Tensor = self.roles(self.dropout(features).transpose(1, 2))
        return logits

    def attribute_logits(self, words: Tensor, batch: Batch, source: Tensor) -> tuple[Tensor, Tensor]:
        """Source type and stance, A × kinds each; ``source`` (A × R, bool) marks the words of each anchor's source."""
        at = words[batch.anchors]
        weight = words.new_zeros(len(at), len(words)).scatter_add(1, batch.pairs.clamp(min=0), source.to(words.dtype))
        mean = weight @ words / weight.sum(1, keepdim=True).clamp(min=1)
        return self.source_types(torch.cat([at, mean], 1)), self.stances(at)


class NisbaModel(nn.Module):
    """The token-classification model of the encoder with claim heads beside it."""

    def __init__(self, names: Any, *, roles: int, source_types: int, stances: int, window: int):
        super().__init__()
        self.names = names
        sizes = {"roles": roles, "source_types": source_types, "stances": stances, "window": window}
        names.config.nisba = {"format": FORMAT} | sizes
        self.claims = ClaimHeads(names.config.hidden_size, roles, source_types, stances, _dropout(names))

    @property
    def calibration(self) -> tuple[float, float]:
        """Slope and intercept that ``Predictor`` puts claim scores on (``metrics.calibration.platt``)."""
        slope, intercept = self.names.config.nisba.get("calibration", (1.0, 0.0))
        return slope, intercept

    @calibration.setter
    def calibration(self, line: tuple[float, float]) -> None:
        self.names.config.nisba = self.names.config.nisba | {"calibration": list(line)}

    @classmethod
    def from_encoder(
        cls,
        path: str,
        *,
        name_tags: Sequence[str],
        roles: int,
        source_types: int,
        stances: int,
        window: int,
        layers: int | None = None,
        **options: Any,
    ) -> NisbaModel:
        """New heads on the encoder at ``path`` (folder or hub id), to read ``window`` sub-words at a time, of which only the first
        ``layers`` are kept where given. Raises OSError, ValueError.

        Attention dropout is off: it takes SDPA's slow path.
        """
        config = AutoConfig.from_pretrained(path, **options)
        config.id2label = dict(enumerate(name_tags))
        config.label2id = {name: i for i, name in enumerate(name_tags)}
        config.attention_probs_dropout_prob = 0.0
        config.dtype = "float32"  # of an encoder in half precision too
        if layers is not None:
            if layers > config.num_hidden_layers:
                raise ValueError(f"{layers} layers are more than its {config.num_hidden_layers}")
            config.num_hidden_layers = layers
        names = packable(AutoModelForTokenClassification.from_pretrained(path, config=config, **options))
        return cls(names.float(), roles=roles, source_types=source_types, stances=stances, window=window)

    @classmethod
    def load(cls, path: str, **options: Any) -> NisbaModel:
        """A saved model. Raises ModelError when the folder or repository holds another kind of model."""
        from safetensors.torch import load_file
        from transformers.utils.hub import cached_file

        config = AutoConfig.from_pretrained(path, **options)
        ours = getattr(config, "nisba", None)
        if not isinstance(ours, dict) or ours.get("format") != FORMAT:
            found = (
                f"format {ours['format']}" if isinstance(ours, dict) and "format" in ours else f"a plain {config.model_type} model"
            )
            raise ModelError(f"{path}: not a model of nisba (format {FORMAT}), but {found}")
        names = packable(AutoModelForTokenClassification.from_config(config))  # type: ignore[no-untyped-call]
        model = cls(names, **{key: ours[key] for key in ("roles", "source_types", "stances", "window")})
        model.calibration = tuple(ours.get("calibration", model.calibration))
        file = Path(path) / "model.safetensors" if Path(path).is_dir() else cached_file(path, "model.safetensors", **options)
        try:
            model.load_weights(load_file(str(file)))
        except Exception as error:
            raise ModelError(f"{path}: the weights cannot be read: {str(error).splitlines()[0]}") from error
        return model.eval()

    def tensors(self) -> dict[str, Tensor]:
        """All weights under the keys of the checkpoint, where they lie."""
        return dict(self.names.state_dict()) | {f"claims.{key}": value for key, value in self.claims.state_dict().items()}

    def weights(self) -> dict[str, Tensor]:
        """All weights under the keys of the checkpoint, as they are written."""
        return {key: value.detach().cpu().contiguous() for key, value in self.tensors().items()}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        ours = {key.removeprefix("claims."): value for key, value in weights.items() if key.startswith("claims.")}
        self.claims.load_state_dict(ours)
        self.names.load_state_dict({key: value for key, value in weights.items() if not key.startswith("claims.")})

    def save(self, folder: str) -> None:
        """Write ``config.json`` and ``model.safetensors``."""
        from safetensors.torch import save_file

        self.names.config.architectures = [type(self.names).__name__]
        self.names.config.save_pretrained(folder)
        save_file(self.weights(), Path(folder) / "model.safetensors", metadata={"format": "pt"})
        (Path(folder) / "model.safetensors").chmod((Path(folder) / "config.json").stat().st_mode & 0o777)  # safetensors: owner only

    def packs(self, batch: Batch) -> bool:
        """Whether ``read`` computes nothing for padding."""
        return packs(self.names) and not batch.input_ids.is_cuda

    def read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The encoder pass: name logits of every sub-word (W × L × tags) and the states of words (N × hidden)."""
        if not self.packs(batch):
            out = self.names(input_ids=batch.input_ids, attention_mask=batch.attention_mask, output_hidden_states=True)
            return out.logits.float(), self.claims.words(out.hidden_states, batch.owners, len(batch.firsts))
        kept = batch.attention_mask.flatten().nonzero()[:, 0]
        first = 0 if self.names.config.model_type in FROM_ZERO else self.names.config.pad_token_id + 1
        positions = batch.attention_mask.cumsum(1).flatten()[kept] - 1 + first
        out = self.names(
            input_ids=batch.input_ids.flatten()[kept][None],
            position_ids=positions[None],
            output_hidden_states=True,
            runs=runs(batch.attention_mask.sum(1).tolist()),
        )
        logits = out.logits.new_zeros(batch.input_ids.numel(), out.logits.shape[-1]).index_copy(0, kept, out.logits[0])
        words = self.claims.words(out.hidden_states, batch.owners.flatten()[kept], len(batch.firsts))
        return logits.unflatten(0, batch.input_ids.shape).float(), words

    def forward(self, batch: Batch) -> Tensor:
        """Summed losses of HEADS (5), each over the labels that ``Batch.counts`` counts."""
        names, words = self.read(batch)
        anchors = self.claims.anchor_logits(words)
        roles = self.claims.role_logits(words, batch)
        if batch.role_labels is None or batch.anchor_labels is None:
            raise ValueError("training needs labels")
        source = torch.isin(batch.role_labels, torch.tensor(batch.source_tags, device=batch.role_labels.device))
        source_types, stances = self.claims.attribute_logits(words, batch, source)
        known = batch.anchor_labels >= 0
        return torch.stack(
            [
                cross_entropy(names, batch.name_labels),
                F.binary_cross_entropy_with_logits(anchors[known].float(), batch.anchor_labels[known].float(), reduction="sum"),
                cross_entropy(roles, batch.role_labels),
                cross_entropy(source_types, batch.source_type_labels),
                cross_entropy(stances, batch.stance_labels),
            ]
        )


def packable(names: Any) -> Any:
    """The token-classification model, with quicker dropout, and attention for packed windows where it serves the encoder."""
    quicken(names)
    if names.config.model_type in FROM_ZERO + FROM_PADDING:
        pack(names)
    return names


def _dropout(names: nn.Module) -> float:
    """The rate of the encoder's last dropout, in front of its classifier; 0.1 where it has none."""
    return next((module.p for module in reversed(list(names.modules())) if isinstance(module, nn.Dropout)), 0.1)


def cross_entropy(logits: Tensor, labels: Tensor | None) -> Tensor:
    """Summed over the labels that are not -100; 0 (with a gradient) when there are none."""
    if labels is None:
        raise ValueError("training needs labels")
    return F.cross_entropy(logits.float().flatten(0, -2), labels.flatten(), ignore_index=-100, reduction="sum")


def bucket(distance: Tensor) -> Tensor:
    """Signed word distances → 0 … 2 · DISTANCES: exact to 8, then logarithmic."""
    size = distance.abs()
    far = 8 + (2 * torch.log2(size.clamp(min=8).float() / 8)).long()
    return torch.where(size < 8, size, far).clamp(max=DISTANCES) * distance.sign() + DISTANCES
