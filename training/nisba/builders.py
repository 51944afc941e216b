"""Documents → splits by article → ``datasets.DatasetDict``, with statistics.

Near-duplicates stay on one side of the split: an article can reach the test part in no version that training has seen.
The articles that are read lie on disk (``shelf``), in the system's folder for temporary files, and come from there one by one.
"""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from datasets import Sequence as ListOf
from pyarrow import parquet

from nisba import duplicates, selection, shelf
from nisba.config import Data
from nisba.encode import encode_all, targets
from nisba.files import FormatError, atomic_folder
from nisba.formats import jsonl
from nisba.labels import NAME_TAGS, ROLE_TAGS, tag
from nisba.schema import CLAIM_TYPES, LAYERS, ROLES, SOURCE_TYPES, STANCES, Document
from nisba.selection import Selection
from nisba.text import tokens, words


class DataError(ValueError):
    """Articles that cannot be split as asked."""


LOG = logging.getLogger("nisba")
SPLITS = ("train", "dev", "test")
CHUNK = 256  # articles or rows in memory at a time

NAMES = Features(
    {
        "id": Value("string"),
        "tokens": ListOf(Value("string")),
        "starts": ListOf(Value("int32")),
        "ends": ListOf(Value("int32")),
        "ner_tags": ListOf(ClassLabel(names=list(NAME_TAGS))),
    }
)
CLAIMS = Features(
    {
        "id": Value("string"),
        "claim": Value("string"),
        "tokens": ListOf(Value("string")),
        "starts": ListOf(Value("int32")),
        "ends": ListOf(Value("int32")),
        "role_tags": ListOf(ClassLabel(names=list(ROLE_TAGS))),
        "type": ClassLabel(names=list(CLAIM_TYPES)),
        "source_type": ClassLabel(names=list(SOURCE_TYPES)),
        "stance": ClassLabel(names=list(STANCES)),
        "speaker": Value("string"),
    }
)
DOCUMENTS = Features({"id": Value("string"), "text": Value("string"), "json": Value("string")})


def read(paths: Sequence[str], *, partly: Sequence[str] = ()) -> dict[str, Sequence[Document]]:
    """The documents of some JSON Lines files, by path; ids are unique over them. Articles annotated in part (``meta["layers"]``)
    may stand in the files ``partly`` only. Raises FormatError with all problems of all files, OSError."""
    documents: dict[str, Sequence[Document]] = {}
    problems: list[str] = []
    origin: dict[str, str] = {}
    for path in paths:
        if path in documents:
            problems.append(f"{path}: named twice")
            continue
        documents[path] = kept = shelf.documents(None)
        try:
            for document in jsonl.read(Path(path)):
                if document.id in origin:
                    problems.append(f"{path}: {document.id}: id: given before, in {origin[document.id]}")
                origin[document.id] = path
                if document.layers != LAYERS and path not in partly:
                    known = ", ".join(sorted(document.layers)) or "nothing"
                    problems.append(f"{path}: {document.id}: only {known} annotated: such articles go into data.train_paths")
                kept.add(document)
        except FormatError as error:
            problems += error.problems
    if problems:
        raise FormatError(problems)
    return documents


def split(documents: Sequence[Document], *, dev: float, test: float, seed: int) -> dict[str, Selection[Document]]:
    """Articles → train, dev, test, near-duplicates together, the same for the same documents in any order.

    Shares are of the number of articles; a split with a share above 0 gets at least one. Raises DataError when there are too few.
    """
    ids = [document.id for document in documents]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    groups = [[order[i] for i in group] for group in duplicates.groups(documents[i].text for i in order)]
    random.Random(seed).shuffle(groups)
    wanted = {name: round(len(documents) * share) or (share > 0) for name, share in (("test", test), ("dev", dev))}
    if sum(wanted.values()) >= len(documents) or len(groups) <= sum(map(bool, wanted.values())):
        raise DataError(
            f"{len(documents)} articles in {len(groups)} groups are too few to split off {dict(wanted)}; "
            "whole files for training go into data.train_paths"
        )
    parts: dict[str, list[int]] = {name: [] for name in SPLITS}
    for group in sorted(groups, key=len):  # singles first: a large group of duplicates belongs to training
        open_parts = [name for name, count in wanted.items() if len(parts[name]) + len(group) <= count]
        parts[open_parts[0] if open_parts else "train"] += group
    if missing := [name for name in SPLITS if not parts[name] and wanted.get(name, True)]:
        raise DataError(
            f"{len(documents)} articles in {len(groups)} groups of near-duplicates leave nothing for {', '.join(missing)}"
        )
    return {name: selection.picked(documents, indices) for name, indices in parts.items()}


def parts(data: Data) -> dict[str, Selection[Document]]:
    """The configured articles: ``paths`` split by article, whole files added to their parts, near-duplicates on one side.

    Raises DataError, FormatError, OSError.
    """
    whole = {"train": data.train_paths, "dev": data.dev_paths, "test": data.test_paths}
    documents = read([*data.paths, *(path for paths in whole.values() for path in paths)], partly=data.train_paths)
    of = {name: selection.of(*(documents[path] for path in paths)) for name, paths in {"": data.paths, **whole}.items()}
    split_up = split(of[""], dev=data.dev, test=data.test, seed=data.seed) if of[""] else {}
    return apart({name: selection.of(split_up.get(name, Selection()), of[name]) for name in SPLITS})


def apart(parts: Mapping[str, Sequence[Document]]) -> dict[str, Selection[Document]]:
    """Without the training articles that are near-duplicates of dev or test articles, and the dev articles that are of test
    articles; a warning says how many. Raises DataError where that leaves nothing of a part."""
    documents = selection.of(*(parts.get(name, ()) for name in SPLITS))
    part = [name for name in SPLITS for _ in parts.get(name, ())]
    pairs = duplicates.alike(document.text for document in documents)
    across = [sorted(pair) for pair in pairs if part[pair[0]] != part[pair[1]]]
    gone: set[int] = set()
    for earlier, later in sorted(
        across, key=lambda pair: [-i for i in reversed(pair)]
    ):  # documents are in the order of their parts
        if later not in gone:
            gone.add(earlier)
    kept = {
        name: selection.picked(documents, [i for i, its in enumerate(part) if its == name and i not in gone]) for name in SPLITS
    }
    for name in SPLITS:
        if len(kept[name]) < len(parts.get(name, ())):
            LOG.warning("%s: left out %d near-duplicates of later parts' articles", name, len(parts[name]) - len(kept[name]))
        if not kept[name] and (parts.get(name) or name == "train"):
            raise DataError(f"no article is left for {name}")
    return kept


def save(parts: Mapping[str, Sequence[Document]], folder: Path) -> None:
    """Write ``names/`` and ``claims/`` as Parquet, ``documents/`` as JSON Lines, and ``statistics.json``; whole or not at all."""
    with atomic_folder(folder, marker="statistics.json") as partial:
        for kind, (rows, features) in _kinds().items():
            (partial / kind).mkdir()
            for part, documents in parts.items():
                if kind == "documents":
                    jsonl.write(documents, partial / kind / f"{part}.jsonl")
                else:
                    _write(chain.from_iterable(map(rows, documents)), features, partial / kind / f"{part}.parquet")
        (partial / "statistics.json").write_text(json.dumps(statistics(parts), indent=1) + "\n", encoding="utf-8")


def _write(rows: Iterable[Mapping[str, Any]], features: Features, file: Path) -> None:
    """A Parquet file that ``datasets`` reads with these features."""
    rows = iter(rows)
    with parquet.ParquetWriter(file, features.arrow_schema) as writer:
        while chunk := list(islice(rows, CHUNK)):
            writer.write_table(_dataset(chunk, features).data.table.cast(features.arrow_schema))


def datasets(parts: Mapping[str, Sequence[Document]]) -> dict[str, DatasetDict]:
    """The examples: ``names`` (a row an article), ``claims`` (a row a claim), ``documents`` (the interchange format)."""
    return {
        kind: DatasetDict({part: _dataset([r for d in docs for r in rows(d)], features) for part, docs in parts.items()})
        for kind, (rows, features) in _kinds().items()
    }


def _kinds() -> dict[str, tuple[Callable[[Document], list[dict[str, Any]]], Features]]:
    return {"names": (name_rows, NAMES), "claims": (claim_rows, CLAIMS), "documents": (document_rows, DOCUMENTS)}


def _dataset(rows: Sequence[Mapping[str, Any]], features: Features) -> Dataset:
    """By columns: a part without a claim has no row to tell its columns from."""
    return Dataset.from_dict({name: [row[name] for row in rows] for name in features}, features=features)


def name_rows(document: Document) -> list[dict[str, Any]]:
    """The article's words with IOB2 tags of names; no row where names are not annotated."""
    if "names" not in document.layers:
        return []
    spans = words(document.text)
    tags, _ = tag(spans, [(entity.span, entity.label) for entity in document.entities], NAME_TAGS)
    return [_words(document) | {"ner_tags": tags}]


def claim_rows(document: Document) -> list[dict[str, Any]]:
    """For every claim the article's words with IOB2 tags of its roles, and the claim's attributes; none where either is not
    annotated."""
    if not document.layers >= {"roles", "attributes"}:
        return []
    spans = words(document.text)
    rows = []
    for claim in document.claims:
        tags, _ = tag(spans, [(span, role) for role in ROLES for span in claim.role(role)], ROLE_TAGS)
        row = {"claim": claim.id, "role_tags": tags, "type": claim.type, "source_type": claim.source_type}
        rows.append(_words(document) | row | {"stance": claim.stance, "speaker": claim.speaker})
    return rows


def document_rows(document: Document) -> list[dict[str, Any]]:
    """The document as one line of the interchange format beside its id and text."""
    return [{"id": document.id, "text": document.text, "json": jsonl.dump(document)}]


def statistics(parts: Mapping[str, Sequence[Document]]) -> dict[str, dict[str, Any]]:
    """Per split: articles, words (tokens with a letter or digit), names by label, claims, and those whose attributes are annotated
    by type, source type and stance."""
    return {part: _statistics(documents) for part, documents in parts.items()}


def _statistics(documents: Iterable[Document]) -> dict[str, Any]:
    articles = words = claims = 0
    names: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {"type": Counter(), "source_type": Counter(), "stance": Counter()}
    for document in documents:
        articles += 1
        words += sum(any(map(str.isalnum, span.of(document.text))) for span in tokens(document.text))
        if "names" in document.layers:
            names.update(entity.label for entity in document.entities)
        if "roles" in document.layers:
            claims += len(document.claims)
        if "attributes" in document.layers:
            for kind, counts in kinds.items():
                counts.update(getattr(claim, kind) for claim in document.claims)
    return {"articles": articles, "words": words, "names": names, "claims": claims, **kinds}


def losses(documents: Iterable[Document], tokenizer: Any, *, window: int) -> tuple[int, int]:
    """How many names and claims the model's features cannot hold: (names, claims), which must be (0, 0)."""
    documents, names, claims = iter(documents), 0, 0
    while chunk := list(islice(documents, CHUNK)):
        for example in encode_all(chunk, tokenizer, window=window):
            told = targets(example)
            names, claims = names + told.lost_entities, claims + told.lost_claims
    return names, claims


def _words(document: Document) -> dict[str, Any]:
    spans = words(document.text)
    return {
        "id": document.id,
        "tokens": [span.of(document.text) for span in spans],
        "starts": [span.start for span in spans],
        "ends": [span.end for span in spans],
    }
