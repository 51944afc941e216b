"""Names by plain fine-tuning, as transformers' run_ner has it: ``python scripts/baselines/names.py CORPUS.jsonl -o FOLDER``.

A linear classifier on the encoder, the label on a word's first sub-word, ``Trainer`` with that example's learning rate, batch and
epochs, its last weights, the best tag of each word by itself. CORPUS is JSON Lines with names, as ``nisba data convert anercorp
--source train.txt`` writes it; without --dev the last share of it is scored. FOLDER gets ``train.jsonl`` and ``dev.jsonl``, what is
trained and scored on (near-duplicates of dev left out of train, as nisba does), and ``predictions.jsonl``:
``nisba evaluate --predictions FOLDER/predictions.jsonl --gold FOLDER/dev.jsonl``. bfloat16 with ACCELERATE_MIXED_PRECISION=bf16.
nisba learns from the same documents with ``data.paths=[] data.train_paths=[FOLDER/train.jsonl]
data.dev_paths=[FOLDER/dev_whole.jsonl] train.metric=names.strict.f1``; it chooses epochs on articles that are annotated whole only,
so ``dev_whole.jsonl`` does not say that claims are unknown.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)

from nisba import offline
from nisba.batching import IGNORE
from nisba.builders import apart, name_rows, read
from nisba.formats import jsonl
from nisba.labels import NAME_TAGS, untag
from nisba.predict import bare, prefer_onednn
from nisba.schema import Document, Entity, trim


def divided(documents: Sequence[Document], share: float) -> tuple[list[Document], list[Document]]:
    """All but the last share of the documents, and that share (one document at least)."""
    behind = len(documents) - max(1, round(share * len(documents)))
    return list(documents[:behind]), list(documents[behind:])


def features(row: dict[str, Any], tokenizer: Any) -> dict[str, list[int]]:
    """A row of ``builders.name_rows`` → sub-words with ``labels``: IGNORE but for a word's first one. ``words`` says whose label
    that is. What is longer than the encoder can read is cut off."""
    encoding = tokenizer(row["tokens"], is_split_into_words=True, truncation=True)
    words, previous = encoding.word_ids(), None
    starts: list[int] = []
    for word in words:
        starts.append(-1 if word is None or word == previous else word)
        previous = word
    labels = [row["ner_tags"][word] if word >= 0 else IGNORE for word in starts]
    return {"input_ids": encoding["input_ids"], "attention_mask": encoding["attention_mask"], "labels": labels, "words": starts}


def named(document: Document, row: dict[str, Any], tags: Sequence[int]) -> Document:
    """The document with the names that tags, one a token of its row, mark; an I- that follows nothing of its kind begins one."""
    found = []
    for first, behind, label in untag(tags, NAME_TAGS):
        span = trim(document.text, row["starts"][first], row["ends"][behind - 1])
        if span is not None:
            found.append(Entity(span, label))  # type: ignore[arg-type]
    return replace(bare(document), entities=tuple(found))


def annotate(documents: Sequence[Document], trainer: Trainer, tokenizer: Any) -> list[Document]:
    """The documents with the names that the model finds; words that it did not see have none."""
    rows = [row for document in documents for row in name_rows(document)]
    encoded = [features(row, tokenizer) for row in rows]
    best = trainer.predict(encoded).predictions.argmax(-1)  # type: ignore[arg-type, union-attr]
    made = []
    for document, row, example, scores in zip(documents, rows, encoded, best, strict=True):
        tags = np.zeros(len(row["tokens"]), dtype=int)
        for word, tag in zip(example["words"], scores, strict=False):  # scores are padded
            if word >= 0:
                tags[word] = tag
        made.append(named(document, row, tags.tolist()))
    return made


def trained(options: argparse.Namespace, documents: Sequence[Document]) -> tuple[Trainer, Any]:
    """A trainer behind its last epoch, with its tokenizer."""
    if not torch.cuda.is_available():
        prefer_onednn()
    set_seed(options.seed)
    path = str(offline.folder()) if options.encoder == offline.NAME else options.encoder
    settings = AutoConfig.from_pretrained(
        path, id2label=dict(enumerate(NAME_TAGS)), label2id={t: i for i, t in enumerate(NAME_TAGS)}
    )
    settings.num_hidden_layers = options.layers or settings.num_hidden_layers
    tokenizer = AutoTokenizer.from_pretrained(path, use_fast=True)
    examples = [features(row, tokenizer) for document in documents for row in name_rows(document) if row["tokens"]]
    arguments = TrainingArguments(
        output_dir=tempfile.gettempdir(),
        learning_rate=options.learning_rate,
        per_device_train_batch_size=options.batch,
        per_device_eval_batch_size=options.batch,
        num_train_epochs=options.epochs,
        seed=options.seed,
        dataloader_pin_memory=torch.cuda.is_available(),
        save_strategy="no",
        report_to="none",
    )
    trainer = Trainer(
        model=AutoModelForTokenClassification.from_pretrained(path, config=settings),
        args=arguments,
        train_dataset=examples,
        data_collator=DataCollatorForTokenClassification(tokenizer),
    )
    trainer.train()
    return trainer, tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description="Names by plain fine-tuning, as a baseline.")
    parser.add_argument("train", metavar="CORPUS", help="documents with names (JSON Lines)")
    parser.add_argument("--dev", metavar="FILE", help="documents to score; without it a share of CORPUS")
    parser.add_argument("--dev-share", type=float, default=0.15, help="the last of its documents (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder")
    parser.add_argument("--encoder", default=offline.NAME, help="hub id, folder, or 'offline'")
    parser.add_argument("--layers", type=int, default=8, help="of the encoder, from below; 0: all (default: 8)")
    for name, default in (("learning-rate", 5e-5), ("epochs", 3), ("batch", 8), ("seed", 0)):
        parser.add_argument(f"--{name}", type=type(default), default=default, help="(default: %(default)s)")
    options = parser.parse_args()
    files = [options.train] + ([options.dev] if options.dev else [])
    given = list(read(files, partly=files).values())
    train, dev = given if options.dev else divided(given[0], options.dev_share)
    if unknown := [document.id for document in (*train, *dev) if "names" not in document.layers]:
        parser.error(f"{unknown[0]}: names are not annotated")
    parts = apart({"train": train, "dev": dev})
    for part in ("train", "dev"):
        print(f"{jsonl.write(parts[part], options.output / f'{part}.jsonl')} documents: {options.output / part}.jsonl")
    jsonl.write((replace(document, meta={}) for document in parts["dev"]), options.output / "dev_whole.jsonl")
    trainer, tokenizer = trained(options, parts["train"])
    made = annotate(parts["dev"], trainer, tokenizer)
    print(f"{jsonl.write(made, options.output / 'predictions.jsonl')} documents: {options.output / 'predictions.jsonl'}")


if __name__ == "__main__":
    main()
