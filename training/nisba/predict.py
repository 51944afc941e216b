"""A trained model over any amount of text: documents in, annotated documents out, in order, in constant memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from nisba import decode, grouping
from nisba.batching import SOURCE_TAGS, anchor_batch, collate
from nisba.encode import WINDOW, Encoded, encode_all, load_tokenizer
from nisba.labels import ROLE_TAGS
from nisba.metrics.calibration import calibrated
from nisba.model import FROM_PADDING, FROM_ZERO, Batch, ModelError, NisbaModel
from nisba.repair import repair
from nisba.schema import Document
from nisba.speakers import resolve

Precision = Literal["auto", "fp32", "bf16"]
Anchor = tuple[int, int, float]  # document, word, probability
ABOUT_ANNOTATION = ("layers", "intended")
ANCHOR = 0.5  # probability from which a word opens a claim
AHEAD = 64  # documents that are read ahead to be put into groups of like length


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
        done: dict[int, Document] = {}
        groups = grouping.documents([len(document.text) for document in documents])
        threads = torch.get_num_threads() if self.device.type == "cpu" else 1
        found = grouping.side_by_side(
            lambda group, stop: list(self._group([documents[i] for i in group], claims, stop)), groups, threads=threads
        )
        for group, annotated in zip(groups, found, strict=True):
            done |= zip(group, annotated, strict=True)
        yield from (done[i] for i in range(len(documents)))

    @torch.inference_mode()
    def _group(self, documents: Sequence[Document], wanted: bool, stop: Event) -> Iterator[Document]:
        encoded = list(encode_all(documents, self.tokenizer, window=self.window))
        examples = [example for example in encoded if example.words]
        if not examples:
            yield from documents
            return
        batch = collate(examples, None, pad=self.tokenizer.pad_token_id).to(self.device)
        scores, words = self._read(batch, stop)
        claimed = self._claimed(batch, examples, words, stop) if wanted else [[] for _ in examples]
        read = zip(torch.split(scores, [len(example.words) for example in examples]), claimed, strict=True)
        for example in encoded:
            if not example.words:
                yield example.document
                continue
            names, readings = next(read)
            found = decode.entities(example, names.numpy())
            if not wanted:
                yield replace(example.document, entities=found)
                continue
            claims = tuple(
                replace(claim, score=round(calibrated(claim.score or 0.0, self.model.calibration), 4))
                for claim in decode.claims(example, readings, found)
            )
            yield resolve(repair(replace(example.document, entities=found, claims=claims)))

    def _read(self, batch: Batch, stop: Event) -> tuple[Tensor, Tensor]:
        """Name log-probabilities and states of all words of the batch, from passes of BUDGET sub-words."""
        count, length = batch.input_ids.shape
        names, words = [], []
        for rows in grouping.windows(batch.attention_mask.sum(1).tolist() if self.model.packs(batch) else [length] * count):
            _go_on(stop)
            mine = (batch.firsts >= rows.start * length) & (batch.firsts < rows.stop * length)
            window = replace(
                batch,
                input_ids=batch.input_ids[rows],
                attention_mask=batch.attention_mask[rows],
                firsts=batch.firsts[mine] - rows.start * length,
                owners=batch.owners[rows] - int(mine.nonzero()[0, 0]),  # what was -1 stays below 0
            )
            logits, states = self.model.read(window)
            names.append(logits.flatten(0, 1)[window.firsts].log_softmax(-1).cpu())
            words.append(states)
        return torch.cat(names), torch.cat(words)

    def _claimed(self, batch: Batch, examples: Sequence[Encoded], words: Tensor, stop: Event) -> list[list[decode.Reading]]:
        """The readings of every document's anchors, from the states of all words."""
        chances = torch.split(self.model.claims.anchor_logits(words).sigmoid().cpu(), [len(example.words) for example in examples])
        found: list[list[decode.Reading]] = [[] for _ in examples]
        chosen = [
            (document, int(word), float(own[word]))
            for document, own in enumerate(chances)
            for word in (own >= ANCHOR).nonzero()[:, 0]
        ]
        for part in grouping.anchors([len(examples[document].reach(word)) for document, word, _ in chosen]):
            _go_on(stop)
            for (document, _, _), reading in zip(chosen[part], self._roles(batch, examples, words, chosen[part]), strict=True):
                found[document].append(reading)
        return found

    def _roles(
        self, batch: Batch, examples: Sequence[Encoded], words: Tensor, chosen: Sequence[Anchor]
    ) -> Iterator[decode.Reading]:
        """The readings of some anchors, from the states of the words that are in reach of any."""
        anchor_batch(batch, examples, ((document, word) for document, word, _ in chosen))
        within = batch.pairs >= 0
        first, behind = int(batch.pairs[within].min()), int(batch.pairs.max()) + 1
        near = replace(
            batch,
            sentences=batch.sentences[first:behind],
            quotations=batch.quotations[first:behind],
            anchors=batch.anchors - first,
            pairs=torch.where(within, batch.pairs - first, -1),
        )
        words = words[first:behind]
        rows = self.model.claims.role_logits(words, near).float().log_softmax(-1).cpu().numpy()
        lengths = within.sum(1).tolist()
        for row, length in zip(rows, lengths, strict=True):
            row[length:] = 0  # behind the words in reach all paths are alike
        paths = decode.viterbi(decode.priced(rows), ROLE_TAGS)
        scores = [row[:length] for row, length in zip(rows, lengths, strict=True)]
        tags = [decode.one_phrase(row, path[: len(row)]) for row, path in zip(scores, paths, strict=True)]
        source = torch.zeros(near.pairs.shape, dtype=torch.bool)
        for i, path in enumerate(tags):
            source[i, : len(path)] = torch.from_numpy(np.isin(path, SOURCE_TAGS))
        logits = self.model.claims.attribute_logits(words, near, source.to(words.device))
        source_types, stances = (values.float().cpu().numpy() for values in logits)
        for i, (_, word, chance) in enumerate(chosen):
            yield decode.Reading(word, chance, scores[i], tags[i].tolist(), source_types[i], stances[i])


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


def _go_on(stop: Event) -> None:
    if stop.is_set():
        raise CancelledError


def bare(document: Document) -> Document:
    """The document without annotation, and without what its meta says of it."""
    meta = {key: value for key, value in document.meta.items() if key not in ABOUT_ANNOTATION}
    return replace(document, entities=(), claims=(), meta=meta)


def prefer_onednn() -> None:
    """On CPU let fp32 products go to oneDNN: exact where there is no AMX, and twice as fast as MKL on AMD."""
    torch.set_float32_matmul_precision("medium")
