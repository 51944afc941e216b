"""Trackio, MLflow and Weights & Biases themselves: a run that is broken off behind its first epoch and goes on has one curve, each
epoch once, as each library's own store tells. ``scripts/check_trackers.sh`` installs them and runs this."""

import json
import sqlite3
import struct
from pathlib import Path

import pytest

from nisba import fit, trackers
from tests import quick

BLOCK, HEADER = 1 << 15, 7  # bytes, of LevelDB's log format, in which wandb writes; so is the file's own header


@pytest.mark.parametrize("name", ["trackio", "mlflow", "wandb"])
def test_a_run_that_goes_on_has_one_curve(name, tiny, seeds, tmp_path, monkeypatch):
    for variable in ("HOME", "HF_HOME", "TRACKIO_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.chdir(tmp_path)
    quick.lighten(monkeypatch).extend(range(1, 99))
    run = quick.settings(tiny, quick.articles(seeds, tmp_path / "articles.jsonl"), tmp_path / "run", epochs=3, tracker=name)

    def broken(*arguments):
        log(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        log = trackers.log
        patch.setattr(trackers, "log", broken)
        with pytest.raises(KeyboardInterrupt):
            fit.fit(run)
    fit.fit(run)
    lines = [json.loads(line) for line in (Path(run.output) / "metrics.jsonl").read_text().splitlines()]
    known = json.loads((Path(run.output) / "tracker.json").read_text())["run"]
    assert STORES[name](tmp_path, known) == [(line["step"], line["score"]) for line in lines]
    assert len(lines) == 3


def from_trackio(folder: Path, run: str) -> list[tuple[int, float]]:
    (file,) = folder.rglob("nisba.db")
    rows = sqlite3.connect(file).execute("SELECT run_name, step, metrics FROM metrics ORDER BY id").fetchall()
    assert {name for name, _, _ in rows} == {f"run-{run[:8]}"}
    return [(step, json.loads(metrics)["score"]) for _, step, metrics in rows]


def from_mlflow(folder: Path, run: str) -> list[tuple[int, float]]:
    from mlflow import MlflowClient

    client = MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("nisba").experiment_id])
    assert (found.info.run_id, found.info.status) == (run, "FINISHED")
    return [(point.step, point.value) for point in client.get_metric_history(run, "score")]


def from_wandb(folder: Path, run: str) -> list[tuple[int, float]]:
    """The points of all parts of the run, which ``wandb sync`` puts together by their id."""
    from wandb.proto.wandb_internal_pb2 import Record

    found = []
    for file in sorted(folder.rglob("*.wandb")):
        assert file.stem == f"run-{run}"
        for data in records(file.read_bytes()):
            record = Record.FromString(data)
            if record.WhichOneof("record_type") == "history":
                items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
                found.append((items["_step"], items["score"]))
    return found


def records(log: bytes) -> list[bytes]:
    """What a log holds: pieces behind headers of checksum, length and kind (1 whole, 2 first, 3 middle, 4 last), within blocks.
    Format: https://github.com/google/leveldb/blob/main/doc/log_format.md"""
    found, pieces, at = [], b"", HEADER
    while at + HEADER <= len(log):
        if BLOCK - at % BLOCK < HEADER:
            at += BLOCK - at % BLOCK
            continue
        size, kind = struct.unpack("<HB", log[at + 4 : at + HEADER])
        pieces += log[at + HEADER : at + HEADER + size]
        at += HEADER + size
        if kind in (1, 4):
            found.append(pieces)
            pieces = b""
    return found


STORES = {"trackio": from_trackio, "mlflow": from_mlflow, "wandb": from_wandb}
