"""Runs and demos as folders that are ready for the Hub, and onto it. A model is announced only when the copy that was read
back finds the same in the same articles."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from importlib.metadata import distribution, version
from itertools import islice
from pathlib import Path, PureWindowsPath
from typing import Any

import yaml
from huggingface_hub import ModelCard

from nisba import config, offline, repository
from nisba.card import EXAMPLE, FIGURES, Facts, at, evaluation_results, figures, model_card
from nisba.export import WEIGHTS
from nisba.files import atomic_folder, digest, read_text
from nisba.formats import jsonl
from nisba.hub import HubError, Published, PublishError, Target, push
from nisba.metrics.phenomena import PHENOMENA
from nisba.metrics.report import pair, summary, tally
from nisba.model import ModelError
from nisba.predict import Predictor, load
from nisba.report.page import render
from nisba.runs import DATA, METRICS, MODEL
from nisba.schema import Document, excerpt

HUB = "hub"  # the folder of the run in which the files are laid out
ONNX = "onnx/model.onnx"
COMPARED = 20  # articles on which the copy that was read back must find the same
TOLERANCE = 0.5  # points by which the report may differ from what the model scores here: other machines round otherwise
RESULTS = ".eval_results/nisba.yaml"
OWNED = (ONNX, RESULTS, "NOTICE")  # of an earlier version, taken away where they are not made any more
COPIED = ("model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "NOTICE")
ID = re.compile(r"[\w.\-]+/[\w.\-]+")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def lay_out(run: Path, repo: str, *, dataset: str | None = None, licence: str = "apache-2.0") -> Path:
    """Everything that belongs on the model's page, in the folder ``hub`` of the run. Returns that folder.

    ``dataset`` is the id on the Hub of the articles that the report is about, ``licence`` that of the weights. Raises PublishError,
    ConfigError, CardError, ModelError, OSError.
    """
    model = run / MODEL
    if not model.is_dir():
        raise PublishError(f"{run}: no run: the folder {MODEL} is missing")
    if dataset is not None and not ID.fullmatch(dataset):
        raise PublishError(f"{dataset}: no name of a dataset on the Hub; give user/name")
    predictor = load(model, device="cpu")
    report, lines = _json(run / "report.json", run), _lines(run / METRICS)
    figures(report)
    confirm(report, predictor, run)
    settings = portable(config.load(model / "nisba.yaml").model_dump())
    exported = (run / ONNX).is_file()
    if exported and not _of(run / ONNX, model):
        raise PublishError(f"{run / ONNX}: made of other weights; write it anew with nisba export --model {run}")
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
            version=version("nisba"),
            licence=licence,
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

    return push(folder, target, message="nisba model", ids=ids(folder), owned=OWNED, check=check)


def ids(folder: Path) -> list[str]:
    """The names on the Hub that the card of a laid-out folder mentions: the repository's title, its datasets, its base model."""
    card = ModelCard.load(folder / "README.md", ignore_metadata_errors=True).data.to_dict()
    bases = card.get("base_model") or []
    names = [*(card.get("datasets") or []), *([bases] if isinstance(bases, str) else bases)]
    return [*names, *(entry["name"] for entry in card.get("model-index") or [])]


def publish_space(files: Mapping[str, bytes], model: str, target: Target) -> Published:
    """Push the files of a demo (``demo.space_files``) of a published model. Raises HubError."""
    with tempfile.TemporaryDirectory(prefix="nisba-") as name:
        folder = Path(name)
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return push(folder, replace(target, kind="space"), message="nisba demo", ids=[model], owned=["nisba/"])


def confirm(report: Mapping[str, Any], predictor: Predictor, run: Path) -> None:
    """Raises PublishError where the report is not what the model scores on the run's test part, intervals included."""
    gold = _part(run, "test")
    if not gold:
        raise PublishError(f"{run / DATA}: no test part: the report's figures cannot be confirmed")
    drawn = {"resamples": int(at(report, "intervals.resamples")), "seed": int(at(report, "intervals.seed") or 0)}
    again = summary(tally(pair(gold, predictor.stream(gold))), **drawn)
    checked = {path: TOLERANCE for path, *_ in FIGURES} | {"calibration.ece": TOLERANCE / 100}
    checked |= {f"by.phenomenon.{name}.claims.{kind}.f1": TOLERANCE for name in PHENOMENA for kind in ("soft80", "strict")}
    wrong = [
        f"{path} {at(report, path)} there, {at(again, path)} now"
        for path, most in checked.items()
        if _apart(report, again, path, most)
    ]
    for path, *_ in FIGURES:
        above, _, last = path.rpartition(".")
        old, new = (at(values, f"{above}.interval.{last}") for values in (report, again))
        if new is None or any(abs(a - b) > 2 * TOLERANCE for a, b in zip(old, new, strict=True)):
            wrong.append(f"{above}.interval.{last} {old} there, {new} now")
    if wrong or report.get("documents") != len(gold):
        raise PublishError(
            f"{run / 'report.json'}: not what this model scores on its test part ({'; '.join(wrong[:5]) or 'other articles'}); "
            f"write it anew: nisba evaluate --model {run / MODEL} -o {run / 'report.json'}"
        )


def _apart(one: Mapping[str, Any], other: Mapping[str, Any], path: str, most: float) -> bool:
    a, b = at(one, path), at(other, path)
    return (a is None) != (b is None) or (a is not None and b is not None and abs(a - b) > most)


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


def _of(file: Path, model: Path) -> bool:
    """Whether an ONNX file was made of the model's present weights."""
    mark = file.parent / WEIGHTS
    return mark.is_file() and mark.read_text(encoding="utf-8").strip() == digest(model / "model.safetensors")


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
    """The epochs of a run. Raises PublishError where they are missing or broken."""
    if not file.is_file():
        raise PublishError(f"{file}: missing; it is written by training")
    lines = []
    for number, line in enumerate(read_text(file).splitlines(), 1):
        try:
            lines.append(json.loads(line))
        except ValueError as error:
            raise PublishError(f"{file}:{number}: not JSON: {error}") from error
        if not all(isinstance(at(lines[-1], key), int | float) for key in ("epoch", "seconds", "score")):
            raise PublishError(f"{file}:{number}: no line of an epoch: «{excerpt(line)}»")
    if not lines:
        raise PublishError(f"{file}: holds no epoch; it is written by training")
    return lines


def _template(name: str) -> str:
    return (resources.files("nisba") / "templates" / name).read_text(encoding="utf-8")


def _licence() -> str:
    text = distribution("nisba").read_text("licenses/LICENSE")
    if text is None:
        raise PublishError("the licence of nisba is not installed with it")
    return text
