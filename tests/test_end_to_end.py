"""The quickstart's commands on a few articles: offline encoder, ``accelerate launch train.py``, scores, predictions, page."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import nisba
from nisba.formats import jsonl
from nisba.schema import Document

BIN = Path(sys.executable).parent


def run(root, *command):
    result = subprocess.run(
        [BIN / command[0], *map(str, command[1:])], cwd=root, capture_output=True, text=True, timeout=550, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.mark.training
def test_quickstart_in_small(root, seeds, tmp_path, offline_encoder):
    articles, output = tmp_path / "articles.jsonl", tmp_path / "run"
    jsonl.write(sorted(seeds, key=lambda d: len(d.text))[:14], articles)
    changes = [f"data.paths=[{articles}]", f"output={output}", "train.epochs=2", "data.dev=0.15", "data.test=0.15"]
    overrides = [part for change in changes for part in ("--set", change)]
    run(
        root,
        "accelerate",
        "launch",
        "--config_file",
        "configs/accelerate/cpu.yaml",
        "train.py",
        "--config",
        "configs/quickstart.yaml",
        *overrides,
    )
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[1]["loss.roles"] < lines[0]["loss.roles"]
    assert lines[1]["loss.anchors"] < lines[0]["loss.anchors"]
    assert "MIT License" in (output / "model" / "NOTICE").read_text()

    table = run(root, "nisba", "evaluate", "--model", output / "model", "-o", output / "report.json")
    assert "claims, soft" in table
    assert json.loads((output / "report.json").read_text())["documents"] == 2

    run(root, "nisba", "predict", "--model", output / "model", "--input", "seeds/sample.txt", "-o", output / "predictions.jsonl")
    (document,) = jsonl.read(output / "predictions.jsonl")
    assert document.text == (root / "seeds" / "sample.txt").read_text(encoding="utf-8")
    run(root, "nisba", "show", output / "predictions.jsonl", "-o", output / "predictions.html")
    assert 'dir="rtl"' in (output / "predictions.html").read_text(encoding="utf-8")
    assert isinstance(nisba.load(str(output / "model")).predict("وقال الوزير إن الماء نظيف."), Document)


def test_without_a_hub_the_default_names_the_offline_way(root, tmp_path):
    command = [BIN / "accelerate", "launch", "--quiet", "--config_file", "configs/accelerate/cpu.yaml"]
    command += ["train.py", "--set", f"output={tmp_path}/run"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode != 0
    errors = [line for line in result.stderr.splitlines() if line.startswith("nisba: ")]
    assert len(errors) == 1
    assert "aubmindlab/bert-base-arabertv02" in errors[0]
    assert "--config configs/quickstart.yaml" in errors[0]
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "run" / "model").exists()
