"""A trained model over any amount of text: documents in, annotated documents out, in order, in constant memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from nisba import decode
from nisba.batching import SOURCE_TAGS, anchor_batch, collate
from nisba.encode import WINDOW, Encoded, encode_all, load_tokenizer
from nisba.labels import ROLE_TAGS
from nisba.metrics.calibration import calibrated
from nisba.model import FROM_PADDING, FROM_ZERO, ModelError, NisbaModel
from nisba.repair import repair
from nisba.schema import Document
from nisba.speakers import resolve

Precision = Literal["auto", "fp32", "bf16"]
ABOUT_ANNOTATION = ("layers", "intended")
ANCHOR = 0.5  # probability from which a word opens a claim
AHEAD = 64  # documents that are read ahead to be sorted by length
BUDGET = 2048  # sub-words of one encoder pass
ANCHORS = 32  # anchors of one pass of the role heads


class Predictor:
    """A model with its tokenizer. ``predict`` takes a text, ``stream`` any number of documents."""

    def __init__(self, model: NisbaModel, tokenizer: PreTrainedTokenizerFast, *, window: int = WINDOW):
        self.model, self.tokenizer, self.window = model, tokenizer, window

    @property
    def precision(self) -> Precision:
        """What the encoder computes in."""
        return "bf16" if any(weights.dtype == torch.bfloat16 for weights in self.model.names.parameters()) else "fp32"

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def predict(self, text: str, *, id: str = "text") -> Document:
        """Names and claims of one text; spans are code points of ``text``. Raises SchemaError for what is no text."""
        return next(self.stream([Document(id, text)]))

    def stream(self, documents: Iterable[Document], *, claims: bool = True) -> Iterator[Document]:
        """Annotate documents, in their order, with names and, unless told otherwise, claims. What they were annotated with before
        goes, and what their meta says of that."""
        source = iter(documents)
        while chunk := list(islice(source, AHEAD)):
            yield from self._chunk([bare(document) for document in chunk], claims)

    def _chunk(self, documents: Sequence[Document], claims: bool) -> Iterator[Document]:
        encoded = list(encode_all(documents, self.tokenizer, window=self.window))
        done = dict(enumerate(documents))
        order = sorted(
            (i for i, e in enumerate(encoded) if e.words), key=lambda i: max(len(w.input_ids) for w in encoded[i].windows)
        )
        for group in _groups(order, encoded):
            for index, document in zip(group, self._group([encoded[i] for i in group], claims), strict=True):
                done[index] = document
        yield from (done[i] for i in range(len(documents)))

    @torch.inference_mode()
    def _group(self, examples: Sequence[Encoded], wanted: bool) -> Iterator[Document]:
        names, words = self._read(examples)
        lengths = [len(example.words) for example in examples]
        for example, scores, states in zip(examples, torch.split(names, lengths), torch.split(words, lengths), strict=True):
            found = decode.entities(example, scores.numpy())
            if not wanted:
                yield replace(example.document, entities=found)
                continue
            chances = self.model.claims.anchor_logits(states).sigmoid().cpu()
            chosen = [(int(i), float(chances[i])) for i in (chances >= ANCHOR).nonzero()[:, 0]]
            readings: list[decode.Reading] = []
            for start in range(0, len(chosen), ANCHORS):
                readings += self._roles(example, states, chosen[start : start + ANCHORS])
            claims = tuple(
                replace(claim, score=round(calibrated(claim.score or 0.0, self.model.calibration), 4))
                for claim in decode.claims(example, readings, found)
            )
            yield resolve(repair(replace(example.document, entities=found, claims=claims)))

    def _roles(self, example: Encoded, words: Tensor, chosen: Sequence[tuple[int, float]]) -> list[decode.Reading]:
        """The readings of some anchors (word, probability) of one document, from its words' states."""
        batch = collate([example], None, pad=0).to(words.device)
        anchor_batch(batch, [example], ((0, word) for word, _ in chosen))
        rows = self.model.claims.role_logits(words, batch).float().log_softmax(-1).cpu().numpy()
        lengths = [len(example.reach(word)) for word, _ in chosen]
        for row, length in zip(rows, lengths, strict=True):
            row[length:] = 0  # behind the words in reach all paths are alike
        paths = decode.viterbi(decode.priced(rows), ROLE_TAGS)
        scores = [row[:length] for row, length in zip(rows, lengths, strict=True)]
        tags = [decode.one_phrase(row, path[: len(row)]) for row, path in zip(scores, paths, strict=True)]
        source = torch.zeros(batch.pairs.shape, dtype=torch.bool)
        for i, path in enumerate(tags):
            source[i, : len(path)] = torch.from_numpy(np.isin(path, SOURCE_TAGS))
        logits = self.model.claims.attribute_logits(words, batch, source.to(words.device))
        source_types, stances = (values.float().cpu().numpy() for values in logits)
        return [decode.Reading(*chosen[i], scores[i], tags[i].tolist(), source_types[i], stances[i]) for i in range(len(chosen))]

    def _read(self, examples: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
        """Name log-probabilities and states of all words of the documents; BUDGET sub-words a pass."""
        batch = collate(examples, None, pad=self.tokenizer.pad_token_id).to(self.device)
        length = batch.input_ids.shape[1]
        rows = max(1, BUDGET // length)
        names, words = [], []
        for start in range(0, len(batch.input_ids), rows):
            part = slice(start, start + rows)
            mine = (batch.firsts >= start * length) & (batch.firsts < (start + rows) * length)
            window = replace(
                batch,
                input_ids=batch.input_ids[part],
                attention_mask=batch.attention_mask[part],
                firsts=batch.firsts[mine] - start * length,
                owners=batch.owners[part] - int(mine.nonzero()[0, 0]),  # what was -1 stays below 0
            )
            logits, states = self.model.read(window)
            names.append(logits.flatten(0, 1)[window.firsts].log_softmax(-1).cpu())
            words.append(states)
        return torch.cat(names), torch.cat(words)


def load(path: str | Path, *, device: str | None = None, revision: str | None = None, precision: Precision = "fp32") -> Predictor:
    """A trained model from a folder or the Hugging Face Hub, ready to predict.

    In ``bf16`` the encoder's layers multiply in bfloat16 (``halve``): nearly twice as fast where the processor has instructions
    for it, with small changes in some claims. ``auto`` takes it where it is ``faster`` here.

    Raises ModelError where there is none, where it is of another kind, or where its tokenizer is missing.
    """
    name, folder = str(path), Path(path)
    if folder.is_dir():
        for file in ("config.json", "model.safetensors", "tokenizer.json"):
            if not (folder / file).is_file():
                raise ModelError(f"{name}: no model: {file} is missing")
    elif folder.exists() or name.startswith((".", "/")) or name.count("/") != 1:
        raise ModelError(f"{name}: no such model folder")
    options = {} if revision is None else {"revision": revision}
    try:
        model = NisbaModel.load(name, **options)
        tokenizer = load_tokenizer(name, **options)
    except ModelError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{name}: no model could be loaded: {str(error).strip().splitlines()[0]}") from error
    place = located(device)
    if place == "cpu":
        prefer_onednn()
    try:
        model = model.to(place)
    except (AssertionError, RuntimeError) as error:
        raise ModelError(f"device {place}: {str(error).strip().splitlines()[0]}") from error
    if chosen(precision, device) == "bf16":
        halve(model)
    return Predictor(model, tokenizer, window=model.names.config.nisba["window"])


def halve(model: NisbaModel) -> None:
    """Have the encoder's layers multiply in bfloat16, by linear layers that round what they are given.

    The sums along the layers, their norms, the embeddings and the heads stay in single precision: half as many claims change as
    where all of the encoder is rounded, in the same time (lab log). An encoder of another family is rounded as a whole.
    """
    if model.names.config.model_type not in FROM_ZERO + FROM_PADDING:
        model.names.bfloat16()
        return
    for module in model.names.base_model.encoder.modules():
        if isinstance(module, nn.Linear):
            module.bfloat16().register_forward_pre_hook(_rounded)


def _rounded(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (arguments[0].bfloat16(), *arguments[1:])


def located(device: str | None) -> str:
    """The device asked for; else the GPU where there is one."""
    return device or ("cuda" if torch.cuda.is_available() else "cpu")


def chosen(precision: Precision, device: str | None) -> Precision:
    """``auto`` becomes ``bf16`` where that is ``faster`` on the device, else ``fp32``."""
    if precision != "auto":
        return precision
    return "bf16" if faster(torch.bfloat16, torch.device(located(device))) else "fp32"


def faster(kind: torch.dtype, device: torch.device) -> bool:
    """Whether products of matrices take at most two thirds of the time of single precision in this one, measured now (0.1 s)."""
    best = {}
    for dtype in (torch.float32, kind):
        states, weights = torch.ones(512, 768, dtype=dtype, device=device), torch.ones(768, 768, dtype=dtype, device=device)
        times = []
        for _ in range(8):
            began = time.perf_counter()
            float((states @ weights)[0, 0])  # waits for the device
            times.append(time.perf_counter() - began)
        best[dtype] = min(times[2:])
    return best[kind] <= best[torch.float32] * 2 / 3


def bare(document: Document) -> Document:
    """The document without annotation, and without what its meta says of it."""
    meta = {key: value for key, value in document.meta.items() if key not in ABOUT_ANNOTATION}
    return replace(document, entities=(), claims=(), meta=meta)


def prefer_onednn() -> None:
    """On CPU let fp32 products go to oneDNN: exact where there is no AMX, and twice as fast as MKL on AMD."""
    torch.set_float32_matmul_precision("medium")


def _groups(order: Sequence[int], encoded: Sequence[Encoded]) -> Iterator[list[int]]:
    """Documents of like length together, about BUDGET sub-words a group."""
    group: list[int] = []
    used = 0
    for index in order:
        size = sum(len(window.input_ids) for window in encoded[index].windows)
        if group and used + size > BUDGET:
            yield group
            group, used = [], 0
        group.append(index)
        used += size
    if group:
        yield group
