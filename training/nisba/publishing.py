"""Runs, corpora and demos as folders that are ready for the Hub, and onto it. A model is announced only when the copy that was read
back finds the same in the same articles."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from importlib.metadata import distribution, version
from itertools import islice
from pathlib import Path, PureWindowsPath
from typing import Any

import yaml

from nisba import builders, config, offline, repository
from nisba.card import EXAMPLE, Facts, data_card, evaluation_results, figures, model_card
from nisba.files import atomic_folder
from nisba.fit import DATA, METRICS, MODEL
from nisba.formats import jsonl
from nisba.hub import HubError, Published, Target, push
from nisba.metrics.report import pair, summary, tally
from nisba.model import ModelError
from nisba.predict import Predictor, load
from nisba.report.page import render
from nisba.schema import Document

HUB = "hub"  # the folder of the run in which the files are laid out
ONNX = "onnx/model.onnx"
COMPARED = 20  # articles on which the copy that was read back must find the same
TOLERANCE = 0.5  # points by which the report may differ from what the model scores here: other machines round otherwise
RESULTS = ".eval_results/nisba.yaml"
OWNED = (ONNX, RESULTS, "NOTICE", "example.png")  # of an earlier version, taken away where they are not made any more
COPIED = ("model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "NOTICE")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class PublishError(ValueError):
    """A run or corpus that cannot be published as it is."""


def lay_out(run: Path, repo: str, *, dataset: str | None = None) -> Path:
    """Everything that belongs on the model's page, in the folder ``hub`` of the run. Returns that folder.

    ``dataset`` is the id on the Hub of the articles that the report is about. Raises PublishError, CardError, ModelError, OSError.
    """
    model = run / MODEL
    if not model.is_dir():
        raise PublishError(f"{run}: no run: the folder {MODEL} is missing")
    predictor = load(model, device="cpu")
    report, lines = _json(run / "report.json", run), _lines(run / METRICS)
    figures(report)
    confirm(report, predictor, run)
    settings = portable(yaml.safe_load((model / "nisba.yaml").read_text(encoding="utf-8")))
    described = repository.describe(_json(model / "config.json", run))
    with atomic_folder(run / HUB, marker="README.md") as folder:
        for name in COPIED:
            if (model / name).is_file():
                shutil.copyfile(model / name, folder / name)
        for name, code in repository.files().items():
            (folder / name).write_bytes(code)
        (folder / "config.json").write_text(json.dumps(described, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        (folder / "nisba.yaml").write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8")
        (folder / "LICENSE").write_text(_licence(), encoding="utf-8")
        shutil.copyfile(run / "report.json", folder / "report.json")
        shutil.copyfile(run / METRICS, folder / METRICS)
        exported = (run / ONNX).is_file()
        if exported:
            (folder / ONNX).parent.mkdir()
            shutil.copyfile(run / ONNX, folder / ONNX)
        example = next(predictor.stream([EXAMPLE]))
        facts = Facts(
            repo=repo,
            settings=settings,
            epochs=lines,
            report=report,
            base=base_model(described, settings),
            example=example,
            versions={name: version(name) for name in ("nisba", "torch", "transformers")},
            dataset=dataset,
            picture=picture(example, folder / "example.png"),
            onnx=_template("onnx_example.py") if exported else None,
            notice=(folder / "NOTICE").is_file(),
        )
        (folder / "README.md").write_text(model_card(facts), encoding="utf-8")
        if dataset is not None:
            (folder / RESULTS).parent.mkdir()
            (folder / RESULTS).write_text(evaluation_results(facts, dataset), encoding="utf-8")
    return run / HUB


def publish_model(run: Path, folder: Path, target: Target) -> Published:
    """Push what ``lay_out`` made. Raises HubError where the copy that was read back finds anything else in the run's articles."""
    articles = list(islice((d for part in ("test", "dev", "train") for d in _part(run, part)), COMPARED))
    mine = list(load(run / MODEL, device="cpu").stream(articles))

    def check(copy: Path) -> None:
        try:
            theirs = list(load(copy, device="cpu").stream(articles))
        except ModelError as error:
            raise HubError(f"{target.repo}: what was read back does not load: {error}") from error
        for one, other in zip(mine, theirs, strict=True):
            if one != other:
                raise HubError(f"{target.repo}: what was read back finds other things in article {one.id}")

    return push(folder, target, message="nisba model", owned=OWNED, check=check)


def lay_out_data(settings: config.Data, output: Path, *, repo: str, title: str, standoff: Sequence[Path] = ()) -> Path:
    """The corpus as Parquet by configuration and split with its card, in ``output``.

    The texts of ``settings.paths`` are published; of the folders ``standoff`` the annotations without text. Raises PublishError
    where either would give away what it must not, DataError, FormatError, CardError, OSError.
    """
    whole = [*settings.train_paths, *settings.dev_paths, *settings.test_paths]
    if whole:
        raise PublishError(f"{', '.join(whole)}: other people's texts are not published; give the annotations with --standoff")
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
        (folder / "README.md").write_text(data_card(repo, title, builders.statistics(parts), files), encoding="utf-8")
    return output


def publish_data(folder: Path, target: Target) -> Published:
    """Push what ``lay_out_data`` made. Raises HubError where the documents that are read back are not those that were sent."""

    def check(copy: Path) -> None:
        for file in sorted((folder / "documents").glob("*.parquet")):
            if documents(copy / "documents" / file.name) != documents(file):
                raise HubError(f"{target.repo}: documents/{file.name} holds other documents than were sent")

    return push(folder, replace(target, kind="dataset"), message="nisba corpus", check=check)


def documents(file: Path) -> list[Document]:
    """The documents of a Parquet file of the configuration ``documents``."""
    import pyarrow.parquet

    lines = pyarrow.parquet.read_table(file, columns=["json"])["json"].to_pylist()
    return list(jsonl.parse((line.encode() for line in lines), str(file)))


def publish_space(files: Mapping[str, bytes], target: Target) -> Published:
    """Push the files of a demo (``demo.space_files``). Raises HubError."""
    with tempfile.TemporaryDirectory(prefix="nisba-") as name:
        folder = Path(name)
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return push(folder, replace(target, kind="space"), message="nisba demo")


def confirm(report: Mapping[str, Any], predictor: Predictor, run: Path) -> None:
    """Raises PublishError where the report is not what the model scores on the run's test part."""
    gold = _part(run, "test")
    if not gold:
        raise PublishError(f"{run / DATA}: no test part: the report's figures cannot be confirmed")
    again = summary(tally(pair(gold, predictor.stream(gold))))
    wrong = []
    for path in ("names.strict.f1", "claims.soft80.f1", "claims.strict.f1", "speaker.all.accuracy"):
        old, new = (_at(values, path) for values in (report, again))
        if old is None or new is None or abs(old - new) > TOLERANCE:
            wrong.append(f"{path} {old} there, {new} now")
    if wrong or report.get("documents") != len(gold):
        raise PublishError(
            f"{run / 'report.json'}: not what this model scores on its test part ({'; '.join(wrong) or 'other articles'}); "
            f"write it anew: nisba evaluate --model {run / MODEL} -o {run / 'report.json'}"
        )


def portable(settings: Any) -> Any:
    """The configuration without paths of this machine: of an absolute path only the last name is left."""
    if isinstance(settings, dict):
        return {key: portable(value) for key, value in settings.items()}
    if isinstance(settings, list):
        return [portable(value) for value in settings]
    if isinstance(settings, str) and (
        Path(settings).is_absolute() or PureWindowsPath(settings).is_absolute() or settings[:1] == "~"
    ):
        return PureWindowsPath(settings).name
    return settings


def base_model(described: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """The id on the Hub of the encoder that was fine-tuned; None for a folder of unknown origin."""
    origin = described.get("nisba_origin", {}).get("model")
    if origin is not None:
        return str(origin)
    encoder = str(settings["model"]["encoder"])
    return encoder if encoder != offline.NAME and encoder.count("/") == 1 and not Path(encoder).exists() else None


def picture(document: Document, file: Path) -> bool:
    """The page of ``nisba show`` for a document as a PNG; False where there is no Chromium."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        return False
    with tempfile.TemporaryDirectory(prefix="nisba-") as name:
        page, shot = Path(name, "page.html"), Path(name, "page.png")
        page.write_text(render([document]), encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={name}/profile"]
        command += ["--window-size=1000,900", f"--screenshot={shot}", page.as_uri()]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            return False
        if not shot.is_file():
            return False
        shutil.copyfile(shot, file)
    return True


def _copy_standoff(source: Path, target: Path) -> None:
    """The annotations of a folder, if they hold no text. Raises PublishError."""
    files = sorted(source.glob("*.jsonl"))
    if not files:
        raise PublishError(f"{source}: no annotations (*.jsonl)")
    target.mkdir(parents=True)
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if "text" in json.loads(line):
                raise PublishError(f"{file}:{number}: holds the article's text; stand-off annotations hold none")
        shutil.copyfile(file, target / file.name)
    for name in ("README.md", "recipe.toml"):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def _part(run: Path, part: str) -> list[Document]:
    file = run / DATA / "documents" / f"{part}.jsonl"
    return list(jsonl.read(file)) if file.is_file() else []


def _json(file: Path, run: Path) -> Any:
    if not file.is_file():
        raise PublishError(f"{file}: missing; write it with nisba evaluate --model {run / MODEL} -o {run / 'report.json'}")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PublishError(f"{file}: not JSON: {error}") from error


def _lines(file: Path) -> list[Any]:
    if not file.is_file():
        raise PublishError(f"{file}: missing; it is written by training")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _at(values: Mapping[str, Any], path: str) -> float | None:
    value: Any = values
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, int | float) else None


def _template(name: str) -> str:
    return (resources.files("nisba") / "templates" / name).read_text(encoding="utf-8")


def _licence() -> str:
    text = distribution("nisba").read_text("licenses/LICENSE")
    if text is None:
        raise PublishError("the licence of nisba is not installed with it")
    return text
