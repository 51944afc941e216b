"""Names in Arabic text: python onnx_example.py FOLDER < text.txt (needs numpy, onnxruntime and tokenizers)."""

import json
import sys
from pathlib import Path
from unicodedata import combining

import numpy as np
from onnxruntime import InferenceSession
from tokenizers import Tokenizer

folder, text = Path(sys.argv[1]), sys.stdin.read()
config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
session, tokenizer = InferenceSession(next(folder.rglob("model.onnx"))), Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.enable_truncation(config["nisba"]["window"], stride=config["nisba"]["window"] // 4)
encoding, words = tokenizer.encode(text), {}
for window in [encoding, *encoding.overflowing]:
    inputs = {"input_ids": np.array([window.ids]), "attention_mask": np.array([window.attention_mask])}
    best = session.run(["logits"], inputs)[0][0].argmax(-1)
    for word in set(window.word_ids) - {None}:
        first, behind = window.word_to_tokens(word)  # of the windows that hold a word, the one with most context decides
        words[word] = max(words.get(word, (-1,)), (min(first, len(best) - behind), *window.word_to_chars(word), best[first]))
names = []
for _, start, end, number in map(words.get, sorted(words)):
    tag = config["id2label"][str(number)]
    if tag[0] != "I" or not names or names[-1][2] != tag[2:]:  # I- goes on with what stands before it, if that is of its kind
        names.append([start, end, tag[2:]])
    names[-1][1] = next((i for i in range(end, len(text)) if not combining(text[i])), len(text))  # with diacritics
for start, end, kind in filter(lambda name: name[2], names):
    print(json.dumps([start, end, kind, text[start:end]], ensure_ascii=False))
