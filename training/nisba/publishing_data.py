"""A corpus as a folder ready for the Hub, and onto it: Parquet by configuration and split, other people's articles without text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nisba import builders, config
from nisba.card import data_card
from nisba.files import atomic_folder, read_text
from nisba.formats import jsonl
from nisba.hub import HubError, Published, PublishError, Target, push
from nisba.schema import Document, excerpt

OWNED = ("documents/", "names/", "claims/", "standoff/", "DATASHEET.md", "GUIDELINE.md")
SEEDS = frozenset(Path(f"seeds/{name}.jsonl") for name in ("articles", "dispatches", "more_dispatches"))  # the project's own
SEEDS_LICENCE = "cc-by-4.0"
STANDOFF = frozenset(("id", "sha256", "meta", "entities", "claims"))  # the keys of a line
LONGEST = 300  # characters of a string in annotations: anything longer is text


def lay_out(
    settings: config.Data, output: Path, *, repo: str, title: str, standoff: Sequence[Path] = (), licence: str | None = None
) -> Path:
    """The corpus as Parquet by configuration and split with its card, in ``output``.

    The texts of ``settings.paths`` are published, under ``licence``, which must be given for any but the project's own; of the
    files for one part only the project's own are; of the folders ``standoff`` the annotations without text. Raises PublishError
    where something would be given away that must not be, DataError, FormatError, CardError, OSError.
    """
    whole = [*settings.train_paths, *settings.dev_paths, *settings.test_paths]
    if others := [path for path in whole if Path(path) not in SEEDS]:
        raise PublishError(f"{', '.join(others)}: other people's texts are not published; give the annotations with --standoff")
    if licence is None and not {Path(path) for path in settings.paths} <= SEEDS:
        raise PublishError(f"{', '.join(settings.paths)}: say under which licence with --licence, as cc-by-4.0")
    if len({source.name for source in standoff}) < len(standoff):
        raise PublishError(f"{', '.join(map(str, standoff))}: two folders of one name")
    parts = builders.parts(settings)
    with atomic_folder(output, marker="README.md") as folder:
        for kind, dataset in builders.datasets(parts).items():
            (folder / kind).mkdir()
            for part, rows in dataset.items():
                if len(rows):
                    rows.to_parquet(folder / kind / f"{part}.parquet")
        beside = Path(settings.paths[0]).parent
        for name in ("DATASHEET.md", "GUIDELINE.md"):
            if (beside / name).is_file():
                shutil.copyfile(beside / name, folder / name)
        for source in standoff:
            _copy_standoff(source, folder / "standoff" / source.name)
        files = {path.relative_to(folder).as_posix(): b"" for path in folder.rglob("*") if path.is_file()}
        (folder / "README.md").write_text(
            data_card(repo, title, licence or SEEDS_LICENCE, builders.statistics(parts), files), encoding="utf-8"
        )
    return output


def publish(folder: Path, target: Target) -> Published:
    """Push what ``lay_out`` made. Raises HubError where the documents that are read back are not those that were sent."""

    def check(copy: Path) -> None:
        for file in sorted((folder / "documents").glob("*.parquet")):
            if documents(copy / "documents" / file.name) != documents(file):
                raise HubError(f"{target.repo}: documents/{file.name} holds other documents than were sent")

    return push(folder, replace(target, kind="dataset"), message="nisba corpus", owned=OWNED, check=check)


def documents(file: Path) -> list[Document]:
    """The documents of a Parquet file of the configuration ``documents``."""
    import pyarrow.parquet

    lines = pyarrow.parquet.read_table(file, columns=["json"])["json"].to_pylist()
    return list(jsonl.parse((line.encode() for line in lines), str(file)))


def _copy_standoff(source: Path, target: Path) -> None:
    """The annotations of a folder, if they hold no text. Raises PublishError."""
    files = sorted(source.glob("*.jsonl"))
    if not files:
        raise PublishError(f"{source}: no annotations (*.jsonl)")
    target.mkdir(parents=True)
    for file in files:
        for number, line in enumerate(read_text(file).split("\n"), 1):
            if line.strip() and (problem := _text_in(line)):
                raise PublishError(f"{file}:{number}: {problem}; stand-off annotations hold no text")
        shutil.copyfile(file, target / file.name)
    for name in ("README.md", "recipe.toml"):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def _text_in(line: str) -> str | None:
    """What in a line of annotations is, or could be, an article's text."""
    try:
        row = json.loads(line)
    except ValueError as error:
        return f"not JSON: {error}"
    if not isinstance(row, dict):
        return "no object"
    if other := sorted(row.keys() - STANDOFF):
        return f"holds {', '.join(other)}"
    longest = max(_strings(row), key=len, default="")
    return f"holds a long text: «{excerpt(longest)}»" if len(longest) > LONGEST else None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)
