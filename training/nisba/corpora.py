"""Public corpora by recipe: ``data/NAME/recipe.toml`` says what a corpus is, where it is published, and how it is read."""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from nisba.config import Section
from nisba.fetch import fetch
from nisba.files import FormatError, atomic_folder, cache, read_text
from nisba.formats import collection, columns, jsonl, standoff, trec
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
    if source.startswith(("http://", "https://")):
        address = hashlib.sha256(source.encode()).hexdigest()[:12]  # files of one name from two addresses are two files
        target = cache() / name / address / (PurePosixPath(source.partition("?")[0]).name or "download")
        return fetch(source, target, sha256=recipe.sha256 if source == recipe.url else None)
    if not Path(source).exists():
        raise CorpusError(f"{source}: no such file or folder")
    return Path(source)


def join(folder: Path, source: str | None, output: Path) -> dict[str, int]:
    """Put the corpus's texts back under the annotations ``folder/*.jsonl``: files of the same names in ``output``, all or none.
    Returns how many documents each has. Raises CorpusError, FetchError, FormatError, OSError."""
    recipe = load(folder)
    parts = sorted(folder.glob("*.jsonl"))
    if not parts:
        raise CorpusError(f"{folder}: no annotations here (*.jsonl) to join; use nisba data convert")
    wanted = {name for part in parts for name in standoff.names(part)}
    path = located(source, recipe, folder.name)
    texts: dict[str, str] = {}
    try:
        for document in _articles(path):
            if document.id in wanted:
                texts[document.id] = document.text
    except FormatError as error:
        if not wanted <= texts.keys():  # other articles' faults are not ours
            raise FormatError(
                [*error.problems, f"{path}: {len(wanted - texts.keys())} of {len(wanted)} articles not found"]
            ) from None
    with _written(folder, output) as partial:
        return {part.name: jsonl.write(standoff.read(part, texts), partial / part.name) for part in parts}


def convert(folder: Path, source: str | None, output: Path) -> dict[str, int]:
    """Read an annotated corpus into interchange files in ``output``, all or none: one a file of the corpus, or ``articles.jsonl``
    where files are articles. Returns how many documents each has. Raises CorpusError, FetchError, FormatError, OSError."""
    recipe, name = load(folder), folder.name
    if recipe.format == "trec":
        raise CorpusError(f"{name}: its annotations are in {folder}; use nisba data join")
    path = located(source, recipe, name)
    ending = ".conllu" if recipe.format == "treebank" else ".txt"
    problems: list[str] = []
    inside = collection.found(path, lambda name: name.lower().endswith(ending), problems) if path.is_dir() else {}
    if problems:
        raise CorpusError("\n".join(problems))
    files = [path / name for name in inside] if path.is_dir() else [path]
    if not files:
        raise CorpusError(f"{path}: holds no {ending} file")
    stems = Counter(file.stem for file in files)
    if twice := [str(file) for file in files if stems[file.stem] > 1]:
        raise CorpusError(f"{path}: files of one name, which would become one: {', '.join(twice)}; convert the folders one by one")
    groups = [("articles", files)] if recipe.whole_files else [(file.stem, [file]) for file in files]
    with _written(folder, output) as partial:
        return {
            f"{stem}.jsonl": jsonl.write((d for file in group for d in _annotated(file, recipe, name)), partial / f"{stem}.jsonl")
            for stem, group in groups
        }


@contextmanager
def _written(folder: Path, output: Path) -> Iterator[Path]:
    """A new folder for a corpus's files, with its recipe (licence, citation), that takes the place of ``output`` when the block
    ends well. Raises CorpusError where that would remove a file that is not written anew, or touch the recipe's own folder."""
    ours, theirs = folder.resolve(), output.resolve()
    if ours in theirs.parents or ours.parent in (theirs, theirs.parent) or theirs in ours.parents:
        raise CorpusError(f"{output}: lies among the recipes; choose another folder with -o")
    if (output / RECIPE).is_file() and load(output).title != load(folder).title:
        raise CorpusError(f"{output}: holds another corpus, {load(output).title}; choose another folder with -o")
    with atomic_folder(output, marker=RECIPE) as partial:
        (partial / RECIPE).write_bytes((folder / RECIPE).read_bytes())
        yield partial
        kept = {file.name for file in partial.iterdir()}
        if lost := sorted(file.name for file in output.glob("*") if file.name not in kept):
            raise CorpusError(f"{output}: holds {', '.join(lost)}, which would be lost; choose another folder with -o")


def _articles(path: Path) -> Iterator[Document]:
    if not path.is_dir() and path.name.lower().endswith((".jsonl", ".jsonl.gz")):
        return jsonl.read(path)
    if path.name.lower().endswith((".tar", ".tgz", ".tar.gz", ".gz")):
        raise CorpusError(f"{path}: nisba reads zip archives and unpacked folders; unpack it first")
    return trec.read(path)


def _annotated(file: Path, recipe: Recipe, name: str) -> Iterable[Document]:
    if recipe.format == "columns":
        chosen: dict[str, Any] = recipe.model_dump(include={"labels", "ignored", "typos", "skip", "whole_files"})
        return columns.read(file, columns.Columns(**chosen), prefix=name)
    try:
        from nisba import silver
    except ModuleNotFoundError as error:
        raise CorpusError(f"{name}: needs the package {error.name}: pip install 'nisba[treebank]'") from None
    return silver.read(file, prefix=f"{name}-{file.stem}")
