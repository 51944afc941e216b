"""A published model as ``AutoModel.from_pretrained(repository, trust_remote_code=True)`` loads it, where nisba is not installed.

This file stands in a model's repository as ``modeling_nisba.py``, beside copies of nisba's ``model.py``, ``attention.py`` and
``dropout.py``, and needs torch and transformers only. It gives the scores of the heads. What makes names and claims of them is
nisba's: the cutting into words and windows, the constrained decoding, spans of the text, calibrated scores, the speakers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForTokenClassification, PreTrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

# Relative on purpose: the same line finds the neighbour of this file in the package and in the cache of a repository's code.
from .model import FORMAT, Batch, ModelError, NisbaModel

REACH = 1024  # words on either side of an anchor among which its roles are looked for, as in nisba
ANCHOR = 0.5  # probability from which a word opens a claim, as in nisba
ANCHORS = 32  # anchors of one pass of the role heads: bounds the memory


@dataclass
class Attribution(ModelOutput):
    """Scores before the softmax (``anchor_logits``: before the sigmoid). Without ``word_ids`` only ``logits`` are there.

    W windows of L sub-words, N words, A anchors, R words in reach of an anchor. What the last axes stand for is in the config:
    ``id2label``, and ``nisba["role_tags"]``, ``nisba["source_type_labels"]`` and ``nisba["stance_labels"]``.
    """

    logits: Tensor | None = None  # W × L × tags of names
    anchor_logits: Tensor | None = None  # N
    anchors: Tensor | None = None  # A: numbers of words
    role_words: Tensor | None = None  # A × R: the words that role_logits speak of, -1 for none; in a short text all of them
    role_logits: Tensor | None = None  # A × R × tags of roles
    source_type_logits: Tensor | None = None  # A × source types
    stance_logits: Tensor | None = None  # A × stances


class NisbaForAttribution(PreTrainedModel):
    """The token-classification model of the encoder (``names``) with the claim heads (``claims``) beside it.

    Raises ModelError where the config is not that of a published model of nisba, or of another format.
    """

    # A checkpoint is that of the token-classification model plus ``claims.*``. transformers puts this in front of the former keys
    # when it loads; ``save_pretrained`` takes it off again.
    base_model_prefix = "names"
    # Which kinds of attention there are is for the encoder to say, and it is built first.
    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = True

    def __init__(self, config: PreTrainedConfig):
        ours = getattr(config, "nisba", {})
        if ours.get("format") != FORMAT or "role_tags" not in ours:
            raise ModelError(f"{config.name_or_path}: no config of a published model of nisba (format {FORMAT})")
        names = AutoModelForTokenClassification.from_config(config)  # type: ignore[no-untyped-call]
        joint = NisbaModel(names, **{key: ours[key] for key in ("roles", "source_types", "stances", "window")})
        config.nisba = ours  # NisbaModel begins a new one, without labels and calibration
        super().__init__(config)
        self.names, self.claims = joint.names, joint.claims
        self._keep_in_fp32_modules_strict = {"claims"}  # heads compute in single precision whatever the encoder is loaded in
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        word_ids: Tensor | None = None,
        sentences: Tensor | None = None,
        quotations: Tensor | None = None,
        anchors: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Attribution:
        """One text, in W windows of L sub-words.

        The source whose type is told is made of the words whose best tag says so; nisba takes those of the decoded spans.

        Args:
            input_ids: W × L, with the tokenizer's special tokens.
            attention_mask: W × L, 0 where a window is padded.
            word_ids: W × L, the word that a sub-word belongs to, numbered through the text from 0, as fast tokenizers call it; -1
                for none: special tokens, padding, and what stands in a window as context of words that another window owns.
            sentences: N, the number of each word's sentence; one sentence unless told.
            quotations: N, 0 outside quotation marks, else the number, from 1, of the quotation that a word is in; none unless told.
            anchors: A, the words that open claims; unless told those of probability 0.5 or more.
            token_type_ids: what some tokenizers give beside: 0 throughout, as the encoder assumes by itself.
        """
        out = self.names(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
        logits = out.logits.float()
        if word_ids is None:
            return Attribution(logits=logits)
        count = int(word_ids.max()) + 1
        none = word_ids.new_zeros(0)
        batch = Batch(
            input_ids=input_ids,
            attention_mask=attention_mask,
            firsts=_firsts(word_ids, count),
            owners=word_ids,
            sentences=word_ids.new_zeros(count) if sentences is None else sentences,
            quotations=word_ids.new_zeros(count) if quotations is None else quotations,
            anchors=none,
            pairs=none[:, None],
        )
        words = self.claims.words(out.hidden_states, word_ids, count)
        anchor_logits = self.claims.anchor_logits(words)
        if anchors is None:
            anchors = (anchor_logits.sigmoid() >= ANCHOR).nonzero()[:, 0]
        pairs = _reach(anchors, count)
        parts = zip(torch.split(anchors, ANCHORS), torch.split(pairs, ANCHORS), strict=True)
        claims = [self._claims(words, replace(batch, anchors=some, pairs=near)) for some, near in parts]
        roles, source_types, stances = (torch.cat(part) for part in zip(*claims, strict=True))
        return Attribution(logits, anchor_logits, anchors, pairs, roles, source_types, stances)

    def _claims(self, words: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of roles, source types and stances for the anchors of ``batch``."""
        roles = self.claims.role_logits(words, batch)
        tags = [i for i, tag in enumerate(self.config.nisba["role_tags"]) if tag.endswith("-source")]
        source = torch.isin(roles.argmax(-1), torch.tensor(tags, device=roles.device)) & (batch.pairs >= 0)
        return roles, *self.claims.attribute_logits(words, batch, source)

    def save_pretrained(
        self,
        save_directory: Any,
        is_main_process: bool = True,
        state_dict: dict[str, Tensor] | None = None,
        *rest: Any,
        **options: Any,
    ) -> None:
        """As published: the names' weights under the encoder's own keys, where ``AutoModelForTokenClassification`` finds them."""
        weights = {key.removeprefix("names."): value for key, value in (state_dict or self.state_dict()).items()}
        super().save_pretrained(save_directory, is_main_process, weights, *rest, **options)


def _firsts(word_ids: Tensor, count: int) -> Tensor:
    """Where each of ``count`` words begins in the flattened windows."""
    words = word_ids.flatten()
    own = (words >= 0).nonzero()[:, 0]
    return own.new_zeros(count).scatter_reduce(0, words[own], own, "amin", include_self=False)


def _reach(anchors: Tensor, count: int) -> Tensor:
    """The words in reach of each anchor, A × R, -1 behind the last; one column where there are no words."""
    starts = (anchors - REACH).clamp(min=0)
    words = starts[:, None] + torch.arange(max(1, min(count, 2 * REACH + 1)), device=anchors.device)
    return words.masked_fill((words > anchors[:, None] + REACH) | (words >= count), -1)
