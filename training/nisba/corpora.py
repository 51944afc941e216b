"""Public corpora by recipe: ``data/NAME/recipe.toml`` says what a corpus is, where it is published, and how it is read."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from nisba.config import Section
from nisba.fetch import fetch
from nisba.files import atomic_folder, cache, read_text
from nisba.formats import columns, jsonl, standoff, trec
from nisba.schema import Document, EntityLabel

RECIPE = "recipe.toml"


class CorpusError(ValueError):
    """A recipe that cannot be used, or a source that is not there."""


class Recipe(Section):
    """What ``recipe.toml`` holds. ``sha256`` is that of the file at ``url``, where its publisher keeps it the same."""

    title: str
    published: str
    licence: str
    citation: str
    format: Literal["trec", "columns", "treebank"]
    url: str | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    labels: dict[str, EntityLabel] = Field({})
    ignored: list[str] = Field([])
    typos: dict[str, str] = Field({})
    skip: list[str] = Field([])
    whole_files: bool = False


def load(folder: Path) -> Recipe:
    """The recipe of a folder of ``data/``. Raises CorpusError with every problem, OSError."""
    file = folder / RECIPE
    if not file.is_file():
        raise CorpusError(f"{file}: no such recipe; run nisba data in the project's folder, with the name of a folder of data/")
    try:
        return Recipe.model_validate(tomllib.loads(read_text(file)))
    except tomllib.TOMLDecodeError as error:
        raise CorpusError(f"{file}: not TOML: {error}") from None
    except ValidationError as error:
        raise CorpusError("\n".join(f"{file}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())) from None


def located(source: str | None, recipe: Recipe, name: str) -> Path:
    """The corpus on this machine: a local path as it is; an address, by default the recipe's, downloaded into the cache.
    Raises CorpusError, FetchError, OSError."""
    source = source or recipe.url
    if source is None:
        raise CorpusError(f"{name}: give --source; the corpus is to be had at {recipe.published}")
    if urlsplit(source).scheme in ("http", "https"):
        target = cache() / name / (Path(urlsplit(source).path).name or "download")
        return fetch(source, target, sha256=recipe.sha256 if source == recipe.url else None)
    if not Path(source).exists():
        raise CorpusError(f"{source}: no such file or folder")
    return Path(source)


def join(folder: Path, source: str | None, output: Path) -> dict[str, int]:
    """Put the corpus's texts back under the annotations ``folder/*.jsonl``: files of the same names in ``output``, all or none.
    Returns how many documents each has. Raises CorpusError, FetchError, FormatError, OSError."""
    parts = sorted(folder.glob("*.jsonl"))
    if not parts:
        raise CorpusError(f"{folder}: no annotations here (*.jsonl); run nisba data in the project's folder")
    texts = {document.id: document.text for document in _articles(located(source, load(folder), folder.name))}
    with atomic_folder(output, marker=parts[0].name) as partial:
        return {part.name: jsonl.write(standoff.read(part, texts), partial / part.name) for part in parts}


def convert(folder: Path, source: str | None, output: Path) -> dict[str, int]:
    """Read an annotated corpus into interchange files in ``output``, all or none: one a file of the corpus, or ``articles.jsonl``
    where files are articles. Returns how many documents each has. Raises CorpusError, FetchError, FormatError, OSError."""
    recipe, name = load(folder), folder.name
    if recipe.format == "trec":
        raise CorpusError(f"{name}: its annotations are in {folder}; use nisba data join")
    path = located(source, recipe, name)
    ending = "conllu" if recipe.format == "treebank" else "txt"
    files = sorted(path.rglob(f"*.{ending}")) if path.is_dir() else [path]
    if not files:
        raise CorpusError(f"{path}: holds no .{ending} file")
    groups = [("articles", files)] if recipe.whole_files else [(file.stem, [file]) for file in files]
    with atomic_folder(output, marker="corpus.toml") as partial:
        (partial / "corpus.toml").write_bytes((folder / RECIPE).read_bytes())  # licence and citation go with the data
        return {
            f"{stem}.jsonl": jsonl.write((d for file in group for d in _annotated(file, recipe, name)), partial / f"{stem}.jsonl")
            for stem, group in groups
        }


def _articles(path: Path) -> Iterator[Document]:
    return jsonl.read(path) if {".jsonl", ".gz"} & set(path.suffixes) else trec.read(path)


def _annotated(file: Path, recipe: Recipe, name: str) -> Iterable[Document]:
    if recipe.format == "columns":
        chosen: dict[str, Any] = recipe.model_dump(include={"labels", "ignored", "typos", "skip", "whole_files"})
        return columns.read(file, columns.Columns(**chosen), prefix=name)
    try:
        from nisba import silver
    except ModuleNotFoundError as error:
        raise CorpusError(f"{name}: needs the package {error.name}: pip install 'nisba[treebank]'") from None
    return silver.read(file, prefix=name)
