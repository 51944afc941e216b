"""Claims by plain tagging: a token classifier on nisba's encoder, and nearest cues.

``python scripts/baselines/tagging.py --kind bio --train TRAIN.jsonl --dev DEV.jsonl --predict DEV.jsonl -o FOLDER``

``bio``: one tag a word for all roles, as token classifiers for quotations have it (the plain BERT of Wang et al. 2022,
https://aclanthology.org/2022.coling-1.215): a word has the role of the first claim that holds it. ``parallel``: a tagger for each
role, so that roles may overlap each other, but not themselves. Linear heads on the last layer's state of a word's first sub-word,
names beside them, constrained decoding; ``link`` settles by distance which spans belong together. A source's type goes by its
first name (TYPES), the stance is always neutral, claims have no score. ``metrics.json`` has the scores of every epoch on the
articles of --dev, and those of perfect tags: of the linking alone. A run of nisba trained on ``RUN/data/documents``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from nisba import builders, config, decode, encoder, offline
from nisba.batching import IGNORE, collate, steps
from nisba.encode import Encoded, encode, encode_all
from nisba.files import atomic
from nisba.fit import criterion
from nisba.formats import jsonl
from nisba.labels import NAME_TAGS, ROLE_TAGS, tag, untag
from nisba.metrics.report import pair, summary, tally
from nisba.model import Batch
from nisba.predict import bare, prefer_onednn
from nisba.rates import slope
from nisba.schema import ROLES, Claim, Document, Entity, SourceType, Span, trim
from nisba.speakers import resolve

HEADS: dict[str, tuple[tuple[str, ...], ...]] = {"bio": (ROLES,), "parallel": tuple((role,) for role in ROLES)}  # roles by head
TYPES: dict[str, SourceType] = {"PER": "person", "ORG": "organization", "LOC": "organization"}  # others: role
SCORES = ("mean", "names.strict.f1", "claims.soft80.f1", "claims.strict.f1", "speaker.all.accuracy")
Piece = tuple[int, int]  # first word, behind the last word
Linked = dict[str, list[Piece]]  # the pieces of every role of a claim


def flat(encoded: Encoded, roles: Sequence[str]) -> tuple[list[int], int, int]:
    """One of ROLE_TAGS a word, how many spans of these roles the tags cannot give back, and how many spans there are."""
    result, lost = [0] * len(encoded.words), 0
    wanted: list[tuple[int, int, str]] = []
    for claim in encoded.document.claims:
        tags, unheld = tag(encoded.words, [(span, role) for role in roles for span in claim.role(role)], ROLE_TAGS)  # type: ignore[arg-type]
        wanted += untag(tags, ROLE_TAGS)
        lost += unheld
        free = [not taken for taken in result]
        for i, value in enumerate(tags):
            if value and free[i]:  # what is left of a span behind words of an earlier claim begins there
                result[i] = value if ROLE_TAGS[value].startswith("B-") or free[i - 1] else value - 1
    held = set(untag(result, ROLE_TAGS))
    return result, lost + sum(span not in held for span in wanted), lost + len(wanted)


def link(found: Sequence[tuple[int, int, str]], sentence: Sequence[int], *, front: bool = False) -> list[Linked]:
    """Spans of roles (first word, behind the last, role) → claims; ``sentence`` is the number of each word's sentence.

    A content goes to the nearest cue of a sentence that it touches, of two as near to the left one (``front``: to the nearest in
    front of it, if there is one); without one it is a claim without a cue. A cue without content is none. Sources and addressees
    go to the nearest cue that is left, or content of a claim without one. No claim gets two roles that share a word.
    """
    pieces = {role: sorted({(first, behind) for first, behind, other in found if other == role}) for role in ROLES}
    claims: list[Linked] = [{"cue": [cue]} for cue in pieces["cue"]]
    cueless: list[Linked] = []
    for content in pieces["content"]:
        claim = _nearest(content, claims, sentence, front=front)
        if claim is None:
            cueless.append(claim := {})
        claim.setdefault("content", []).append(content)
    claims = [claim for claim in claims if "content" in claim] + cueless
    for role in ("source", "addressee"):
        for piece in pieces[role]:
            if (claim := _nearest(piece, claims, sentence, front=False)) is not None:
                claim.setdefault(role, []).append(piece)
    return sorted(claims, key=lambda claim: min(piece for role in claim.values() for piece in role))


def _nearest(piece: Piece, claims: Sequence[Linked], sentence: Sequence[int], *, front: bool) -> Linked | None:
    """The claim whose cue (content, where it has none) is the fewest words away in a sentence that both touch."""
    heads = [(claim.get("cue") or claim["content"])[0] for claim in claims]
    near = [
        (front and first >= piece[1], max(first - piece[1], piece[0] - behind), first, number)
        for number, (first, behind) in enumerate(heads)
        if sentence[first] <= sentence[piece[1] - 1] and sentence[piece[0]] <= sentence[behind - 1]
        if not any(start < piece[1] and piece[0] < end for role in claims[number].values() for start, end in role)
    ]
    return claims[min(near)[-1]] if near else None


def read_off(encoded: Encoded, tags: Sequence[Sequence[int]], names: tuple[Entity, ...], *, front: bool) -> Document:
    """The document with these names and the claims that rows of ROLE_TAGS, one a head, make."""
    text, words = encoded.document.text, encoded.words
    found = [span for row in tags for span in untag(row, ROLE_TAGS)]
    spans = {(i, j): span for i, j, _ in found if (span := trim(text, words[i].start, words[j - 1].end)) is not None}
    marks, there, claims = decode.quoted(text), decode.named(names), list[Claim]()
    for linked in link([(i, j, role) for i, j, role in found if (i, j) in spans], encoded.sentence, front=front):
        roles = {role: tuple(spans[piece] for piece in pieces) for role, pieces in linked.items()}
        kind = source_type(roles["source"], names) if "source" in roles else "implicit"
        form = decode.claim_type(text, roles["content"], marks, there, cue=roles.get("cue", ()))
        claims.append(Claim(f"c{len(claims) + 1}", **roles, type=form, source_type=kind))  # type: ignore[arg-type]
    return resolve(replace(encoded.document, entities=names, claims=tuple(claims)))


def source_type(source: Sequence[Span], names: Sequence[Entity]) -> SourceType:
    """By the label of the first name inside the source."""
    inside = [e for e in names if any(span.start <= e.span.start and e.span.end <= span.end for span in source)]
    return TYPES.get(min(inside, key=lambda entity: entity.span).label, "role") if inside else "role"


class Tagger(nn.Module):
    """A token-classification model of names with linear heads for roles beside its own."""

    def __init__(self, names: Any, heads: Sequence[Sequence[str]]):
        super().__init__()
        self.names, self.dropout = names, nn.Dropout(0.1)
        self.roles = nn.Linear(names.config.hidden_size, len(heads) * len(ROLE_TAGS))
        self.foreign = nn.Buffer(torch.tensor([[name[2:] not in (*roles, "") for name in ROLE_TAGS] for roles in heads]))

    def read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log-probabilities of names (N × NAME_TAGS) and of each head's roles (heads × N × ROLE_TAGS)."""
        out = self.names(input_ids=batch.input_ids, attention_mask=batch.attention_mask, output_hidden_states=True)
        names, words = (states.flatten(0, 1)[batch.firsts] for states in (out.logits, out.hidden_states[-1]))
        roles = self.roles(self.dropout(words)).float().view(len(words), *self.foreign.shape)
        return names.float().log_softmax(-1), roles.masked_fill(self.foreign, -torch.inf).log_softmax(-1).transpose(0, 1)

    def forward(self, batch: Batch, labels: Tensor) -> Tensor:
        """The loss: means over the words, added up over the heads; ``labels`` are those of names and heads, (1 + heads) × N."""
        names, roles = self.read(batch)
        each = [
            nn.functional.nll_loss(s, row, ignore_index=IGNORE, reduction="sum")
            for s, row in zip((names, *roles), labels, strict=True)
        ]
        return (torch.stack(each) / (labels != IGNORE).sum(1).clamp(min=1)).sum()


def labelled(encoded: Encoded, heads: Sequence[Sequence[str]]) -> Tensor:
    """The labels of names and of every head, (1 + heads) × N; IGNORE where that is not annotated."""
    layers, unknown = encoded.document.layers, [IGNORE] * len(encoded.words)
    names, _ = tag(encoded.words, [(entity.span, entity.label) for entity in encoded.document.entities], NAME_TAGS)
    rows = [flat(encoded, roles)[0] if "roles" in layers else unknown for roles in heads]
    return torch.tensor([names if "names" in layers else unknown, *rows])


@torch.inference_mode()
def annotate(document: Document, tagger: Tagger, tokenizer: Any, *, front: bool) -> Document:
    """The document with the names and claims that are found."""
    encoded = encode(bare(document), tokenizer)
    if not encoded.words:
        return encoded.document
    batch = collate([encoded], None, pad=tokenizer.pad_token_id).to(tagger.foreign.device)
    names, roles = (scores.cpu().numpy() for scores in tagger.eval().read(batch))
    return read_off(encoded, decode.viterbi(roles, ROLE_TAGS).tolist(), decode.entities(encoded, names), front=front)


def scores(gold: Sequence[Document], predicted: Sequence[Document]) -> dict[str, float]:
    report = summary(tally(pair(gold, predicted)))
    return {name: criterion(report, name) for name in SCORES}


def ceiling(documents: Sequence[Encoded], heads: Sequence[Sequence[str]], *, front: bool) -> dict[str, float]:
    """The scores of tags and names without a mistake, and how many spans no tags of these heads hold."""
    made, spans, lost = [], 0, 0
    for encoded in documents:
        tags, unheld, all_spans = zip(*(flat(encoded, roles) for roles in heads), strict=True)
        made.append(read_off(encoded, tags, encoded.document.entities, front=front))
        spans, lost = spans + sum(all_spans), lost + sum(unheld)
    return {"spans": spans, "lost": lost} | scores([encoded.document for encoded in documents], made)


def run(options: argparse.Namespace, train: list[Document], dev: list[Document], asked: Mapping[str, list[Document]]) -> None:
    """Train, keep the epoch that is best on dev, annotate what is asked for (documents by file name)."""
    accelerator = Accelerator()
    if accelerator.device.type == "cpu":
        prefer_onednn()
    set_seed(options.seed)
    heads = HEADS[options.kind]
    tokenizer, built = encoder.build(config.Model(encoder=options.encoder, layers=options.layers or None))
    examples = [example for example in encode_all(train, tokenizer) if example.words]
    perfect = {p: ceiling([*encode_all(d, tokenizer)], heads, front=options.front) for p, d in (("train", train), ("dev", dev))}
    print("perfect tags:", perfect, flush=True)
    lines: list[dict[str, float]] = []
    sizes = [sum(len(window.input_ids) for window in example.windows) for example in examples]
    plans = [steps(sizes, budget=options.batch, seed=options.seed, epoch=epoch) for epoch in range(options.epochs)]
    tagger = Tagger(built.names, heads)
    groups: list[dict[str, Any]] = [{"params": [], "lr": rate} for rate in (options.learning_rate, options.head_learning_rate)]
    for name, parameter in tagger.named_parameters():
        groups[name.startswith(("roles.", "names.classifier."))]["params"].append(parameter)
    optimizer = torch.optim.AdamW(groups, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: slope(done, sum(map(len, plans)), 0.1))
    model, optimizer = accelerator.prepare(tagger, optimizer)
    best, state = -1.0, {}
    for epoch, plan in enumerate(plans, 1):
        model.train()
        total = 0.0
        for step in plan:
            batch = collate([examples[i] for i in step], None, pad=tokenizer.pad_token_id).to(accelerator.device)
            with accelerator.autocast():
                loss = model(batch, torch.cat([labelled(examples[i], heads) for i in step], 1).to(accelerator.device))
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += float(loss.detach())
        reached = scores(dev, [annotate(document, tagger, tokenizer, front=options.front) for document in dev])
        lines.append({"epoch": epoch, "loss": round(total / len(plan), 4)} | reached)
        print(lines[-1], flush=True)
        if reached["mean"] > best:
            best, state = reached["mean"], {key: value.clone() for key, value in tagger.state_dict().items()}
    tagger.load_state_dict(state)
    for name, documents in asked.items():
        made = (annotate(document, tagger, tokenizer, front=options.front) for document in documents)
        print(f"{jsonl.write(made, options.output / name)} documents: {options.output / name}")
    with atomic(options.output / "metrics.json") as stream:
        stream.write(json.dumps({"ceiling": perfect, "epochs": lines}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Claims by plain tagging, as a baseline.")
    parser.add_argument("--kind", choices=HEADS, required=True)
    parser.add_argument("--front", action="store_true", help="a content goes to the nearest cue in front of it, if there is one")
    parser.add_argument("--train", nargs="+", required=True, metavar="FILE", help="annotated articles (JSON Lines)")
    parser.add_argument("--dev", nargs="+", required=True, metavar="FILE", help="annotated articles that choose the epoch")
    parser.add_argument("--predict", nargs="+", type=Path, default=[], metavar="FILE", help="articles to annotate")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder: metrics.json, and a file for each of --predict")
    parser.add_argument("--encoder", default=offline.NAME, help="hub id, folder, or 'offline'")
    parser.add_argument("--layers", type=int, default=8, help="of the encoder, from below; 0: all (default: 8)")
    for name, default in (("epochs", 6), ("batch", 512), ("learning-rate", 8e-5), ("head-learning-rate", 2e-3), ("seed", 0)):
        parser.add_argument(f"--{name}", type=type(default), default=default, help="(default: %(default)s)")
    options = parser.parse_args()
    documents = builders.read([*options.train, *options.dev], partly=options.train)
    train, dev = ([d for path in paths for d in documents[path]] for paths in (options.train, options.dev))
    asked = {file.name: list(jsonl.read(file)) for file in options.predict}
    seen = {d.id for d in train} & {d.id for found in asked.values() for d in found}
    if seen or len(asked) < len(options.predict):
        parser.error(f"--predict: {len(seen)} articles are trained on" if seen else "--predict: two files of one name")
    run(options, train, dev, asked)


if __name__ == "__main__":
    main()
