"""Go on pre-training an encoder on raw articles (masked language modelling), for ``model.encoder`` of a configuration.

``accelerate launch scripts/adapt_encoder.py ARTICLES -o FOLDER --without runs/data/ant/dev.jsonl runs/data/ant/test.jsonl``

ARTICLES is JSON Lines (``.jsonl``, ``.jsonl.gz``) or a corpus in TREC's form (file, folder, zip). What is to be measured on is
left out by id. A word is masked whole (Cui et al. 2021, doi 10.1109/TASLP.2021.3124365): 15 % of the words, of which 80 % become
the mask (``<unk>`` where the tokenizer has none), 10 % another sub-word, 10 % stay (Devlin et al. 2019).
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.nn import functional as F
from tqdm.auto import tqdm
from transformers import AutoModelForMaskedLM

from nisba import offline
from nisba.encode import Window, encode_all, load_tokenizer
from nisba.formats import jsonl, trec
from nisba.predict import prefer_onednn
from nisba.rates import slope

SHARE = 0.15  # of the words


def windows(path: Path, without: list[Path], tokenizer: object, size: int) -> list[Window]:
    """The articles, cut into windows of at most ``size`` sub-words."""
    unseen = {document.id for file in without for document in jsonl.read(file)}
    articles = jsonl.read(path) if {".jsonl", ".gz"} & set(path.suffixes) else trec.read(path)
    kept = [document for document in articles if document.id not in unseen]
    return [window for example in encode_all(kept, tokenizer, window=size) for window in example.windows]  # type: ignore[arg-type]


def masked(window: Window, draw: random.Random, mask: int, vocabulary: int) -> tuple[list[int], list[int]]:
    """Input and labels (-100 where nothing is to be guessed) of a window."""
    words = sorted({owner for owner in window.owners if owner >= 0})
    chosen = set(draw.sample(words, max(1, round(SHARE * len(words))))) if words else set()
    ids, labels = list(window.input_ids), [-100] * len(window.input_ids)
    for i, owner in enumerate(window.owners):
        if owner in chosen:
            labels[i] = ids[i]
            dice = draw.random()
            ids[i] = mask if dice < 0.8 else draw.randrange(vocabulary) if dice < 0.9 else ids[i]
    return ids, labels


def batches(found: list[Window], budget: int, draw: random.Random) -> Iterator[list[Window]]:
    """Windows of like length together, at most ``budget`` sub-words with padding, in random order."""
    order = sorted(found, key=lambda window: (len(window.input_ids), draw.random()))
    groups: list[list[Window]] = [[]]
    for window in order:
        if groups[-1] and len(window.input_ids) * (len(groups[-1]) + 1) > budget:
            groups.append([])
        groups[-1].append(window)
    draw.shuffle(groups)
    yield from groups


def main() -> None:
    parser = argparse.ArgumentParser(description="Masked language modelling on raw articles.")
    parser.add_argument("articles", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the adapted encoder")
    parser.add_argument("--without", type=Path, nargs="*", default=[], help="annotated articles (JSON Lines) to leave out")
    parser.add_argument("--encoder", default=offline.NAME)
    parser.add_argument("--layers", type=int, help="keep only the first layers")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=4096, help="sub-words of a step on each process")
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    accelerator = Accelerator()
    if accelerator.num_processes > 1:
        parser.error("runs in one process (--num_processes 1)")
    if accelerator.device.type == "cpu":
        prefer_onednn()
    set_seed(options.seed)
    path = str(offline.folder()) if options.encoder == offline.NAME else options.encoder
    tokenizer = load_tokenizer(path)
    model = AutoModelForMaskedLM.from_pretrained(path, attention_probs_dropout_prob=0.0)
    if options.layers:
        model.base_model.encoder.layer = model.base_model.encoder.layer[: options.layers]
        model.config.num_hidden_layers = options.layers
    mask = tokenizer.mask_token_id or tokenizer.unk_token_id
    notice = Path(path) / "NOTICE"
    found = windows(options.articles, options.without, tokenizer, options.window)
    if not found:
        parser.error(f"{options.articles}: no article is left")
    draw = random.Random(options.seed)
    plans = [list(batches(found, options.batch, draw)) for _ in range(options.epochs)]
    steps = [group for plan in plans for group in plan]
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=0.01, fused=True)
    bare = model
    model, optimizer = accelerator.prepare(model, optimizer)
    model.train()
    began, recent = time.perf_counter(), 0.0
    for number, group in enumerate(bar := tqdm(steps)):
        for row in optimizer.param_groups:
            row["lr"] = options.learning_rate * slope(number, len(steps), 0.1)
        pairs = [masked(window, draw, mask, len(tokenizer)) for window in group]
        length = max(len(ids) for ids, _ in pairs)
        ids = torch.tensor([ids + [tokenizer.pad_token_id] * (length - len(ids)) for ids, _ in pairs])
        labels = torch.tensor([labels + [-100] * (length - len(labels)) for _, labels in pairs]).to(accelerator.device)
        attention = torch.tensor([[1] * len(ids) + [0] * (length - len(ids)) for ids, _ in pairs])
        with accelerator.autocast():
            states = bare.base_model(ids.to(accelerator.device), attention_mask=attention.to(accelerator.device)).last_hidden_state
            logits = bare.cls(states[labels >= 0])
        loss = F.cross_entropy(logits.float(), labels[labels >= 0])
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        recent = float(loss.detach()) if not number else 0.98 * recent + 0.02 * float(loss.detach())
        bar.set_postfix(loss=f"{recent:.3f}")
    bare.base_model.save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)
    if options.encoder == offline.NAME:
        (options.output / "NOTICE").write_text(offline.NOTICE, encoding="utf-8")
    elif notice.is_file():
        (options.output / "NOTICE").write_bytes(notice.read_bytes())
    size = options.epochs * sum(len(window.input_ids) for window in found)
    seconds = time.perf_counter() - began
    print(f"{len(steps)} steps, {size} sub-words, {seconds:.0f} s, loss {recent:.3f}: {options.output}")


if __name__ == "__main__":
    main()
