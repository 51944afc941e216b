"""Names and claims per second against ``pipeline("token-classification")`` with the same weights, from text to spans.

``python scripts/bench_infer.py ARTICLES --model RUN/model [--size 12x768] [--rounds 3] [--threads 2]``

ARTICLES is JSON Lines. 600 of their paragraphs, and the 16 longest articles, are read in interleaved rounds; figures are medians.
With ``--size`` the encoder has that many layers of that width and random weights, which tell nothing but time. The rate of the
encoder is given as a share of what the machine's matrix products of the same shapes reach alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import BertConfig, BertForTokenClassification, pipeline

from nisba.encode import encode_all
from nisba.formats import jsonl
from nisba.labels import NAME_TAGS, ROLE_TAGS
from nisba.model import NisbaModel, packable
from nisba.predict import Predictor, halve, load, prefer_onednn
from nisba.schema import SOURCE_TYPES, STANCES, Document
from nisba.text import words

PARAGRAPHS, LONG = 600, 16
BATCHES = (1, 8, 32)


def main() -> None:
    parser = argparse.ArgumentParser(description="Inference against transformers' pipeline.")
    parser.add_argument("articles", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", help="as 12x768: an encoder with random weights")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--paragraphs", type=int, default=PARAGRAPHS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    prefer_onednn()
    articles = list(jsonl.read(options.articles))
    lines = [line for article in articles for line in article.text.split("\n") if len(words(line)) >= 8]
    step = max(1, len(lines) // options.paragraphs)
    paragraphs = [Document(f"p{i}", line) for i, line in enumerate(lines[::step][: options.paragraphs])]
    long = sorted(articles, key=lambda article: -len(article.text))[:LONG]
    for kind, documents, batches in (("paragraphs", paragraphs, BATCHES), ("long articles", long, BATCHES[:1])):
        print(f"{kind}: {len(documents)} texts, {sum(len(words(d.text)) for d in documents)} words, {options.threads} threads")
        compare(documents, batches, options)


def compare(documents: Sequence[Document], batches: Sequence[int], options: argparse.Namespace) -> None:
    """Print medians and the ratio to the best pipeline, of interleaved rounds over the same texts."""
    exact, quick = built(options, "fp32"), built(options, "bf16")
    texts = [document.text for document in documents]
    # Its own copy: how attention is computed is set for the whole model.
    plain = built(options, "fp32").model.names
    plain.set_attn_implementation("sdpa")
    tagger = pipeline(
        "token-classification", plain, tokenizer=exact.tokenizer, aggregation_strategy="simple", stride=128, device="cpu"
    )
    ways: dict[str, Callable[[], object]] = {
        f"pipeline, batch {size}": lambda size=size: list(tagger(texts, batch_size=size)) for size in batches
    }
    ways |= {
        "nisba fp32, names": lambda: list(exact.stream(documents, claims=False)),
        "nisba fp32, names and claims": lambda: list(exact.stream(documents)),
        "nisba bf16, names": lambda: list(quick.stream(documents, claims=False)),
        "nisba bf16, names and claims": lambda: list(quick.stream(documents)),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, run in ways.items():
            began = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(found) for name, found in times.items()}
    best = min(seconds for name, seconds in medians.items() if name.startswith("pipeline"))
    subwords = sum(len(w.input_ids) for e in encode_all(documents, exact.tokenizer, window=exact.window) for w in e.windows)
    for name, seconds in medians.items():
        share = ""
        if name.endswith("names"):
            dtype = torch.float32 if "fp32" in name else torch.bfloat16
            share = f"  {products(exact.model, subwords) / seconds / rate(exact.model, dtype):4.0%} of the rate of matrix products"
        print(f"  {name:30} {seconds:8.2f} s  {subwords / seconds:7.0f} sub-words/s  {best / seconds:5.2f}{share}")


def built(options: argparse.Namespace, precision: str) -> Predictor:
    """The model, or one of the size asked for with random weights and the model's tokenizer."""
    loaded = load(options.model, device="cpu", precision=precision)  # type: ignore[arg-type]
    if options.size is None:
        return loaded
    layers, width = map(int, options.size.split("x"))
    torch.manual_seed(0)
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": width // 64, "intermediate_size": 4 * width}
    config = BertConfig(
        vocab_size=len(loaded.tokenizer), num_labels=len(NAME_TAGS), pad_token_id=loaded.tokenizer.pad_token_id, **sizes
    )
    config.id2label = dict(enumerate(NAME_TAGS))  # sets their number too
    names = packable(BertForTokenClassification(config).eval())
    names.classifier.bias.data[0] += 1.5  # most words are no names
    kinds = {"roles": len(ROLE_TAGS), "source_types": len(SOURCE_TYPES), "stances": len(STANCES)}
    model = NisbaModel(names, window=loaded.window, **kinds).eval()
    model.claims.anchor.bias.data -= 2.0  # and few open a claim
    if precision == "bf16":
        halve(model)
    return Predictor(model, loaded.tokenizer, window=loaded.window)


def products(model: NisbaModel, subwords: int) -> float:
    """Floating-point operations of the encoder's linear layers (2 a weight and sub-word), without attention's own products."""
    layers = (m for m in model.names.modules() if isinstance(m, torch.nn.Linear))
    return 2.0 * subwords * sum(layer.weight.numel() for layer in layers)


def rate(model: NisbaModel, dtype: torch.dtype) -> float:
    """Operations a second of products of 2,048 sub-words with the encoder's inner layers, the median of ten."""
    width = model.names.config.hidden_size
    states, weights = torch.randn(2048, width, dtype=dtype), torch.randn(4 * width, width, dtype=dtype)
    found = []
    with torch.inference_mode():
        for _ in range(12):
            began = time.perf_counter()
            torch.nn.functional.linear(states, weights)
            found.append(time.perf_counter() - began)
    return 2 * states.numel() * 4 * width / statistics.median(found[2:])


if __name__ == "__main__":
    main()
