"""``nisba predict`` as a user gives it, on a tiny model: what is said, what is left, signals, several processes."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pyarrow.parquet as pq
import pytest
import torch

from nisba import batch, shards
from nisba.cli import main
from nisba.formats import jsonl
from nisba.inputs import InputError
from nisba.schema import Document
from nisba.shards import Rank, ShardError


@pytest.fixture
def source(seeds, tmp_path):
    """150 articles' beginnings, and two lines that are no documents."""
    path = tmp_path / "in.jsonl"
    lines = [jsonl.dump(Document(f"{i}-{d.id}", d.text[:120], meta=d.meta)) for i, d in enumerate(seeds[:75] * 2)]
    path.write_text("".join([*lines[:70], "{oops\n", *lines[70:], '{"text": 5}\n']), encoding="utf-8")
    return path


@pytest.fixture
def predict(model, source):
    def run(*arguments, input=source):
        return main(["predict", "--model", str(model), "--input", str(input), *map(str, arguments)])

    return run


def test_three_forms_hold_what_standard_output_has(predict, tmp_path, capsys):
    assert predict() == 0
    streamed = capsys.readouterr()
    assert streamed.err.splitlines()[0].startswith("nisba: in.jsonl:71: not JSON")
    assert streamed.err.splitlines()[1] == "nisba: in.jsonl:152: text: must be a string: «5»"
    rows = [json.loads(line) for line in streamed.out.splitlines()]
    assert len(rows) == 150
    assert any(row["claims"] for row in rows)
    for end in (".jsonl", ".jsonl.gz", ".parquet"):
        assert predict("-o", tmp_path / f"out{end}") == 0
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert err.startswith("150 documents, 2 errors, ")
        assert err.endswith(f" MB/s: {tmp_path}/out{end}\n")
        told = [json.loads(line) for line in (tmp_path / f"out{end}.errors.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [(row["position"], row["line"]) for row in told] == [(71, 71), (152, 152)]
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == streamed.out
    assert gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).decode() == streamed.out
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row | {"meta": json.loads(row["meta"])} for row in table] == rows


def test_columns_and_tables_as_input(predict, tmp_path, capsys):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"uid": 7, "body": "قال الوزير إن الماء نظيف."}\n', encoding="utf-8")
    assert predict("--text-column", "body", "--id-column", "uid", input=rows) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "7"
    assert predict("-o", tmp_path / "a.parquet", "--text-column", "body", input=rows) == 0
    assert predict(input=tmp_path / "a.parquet") == 0
    assert json.loads(capsys.readouterr().out)["id"] == "1"
    assert predict(input=rows) == 1
    error = capsys.readouterr().err
    assert error == (f"nisba: rows.jsonl:1: no «text»; it has uid, body\nnisba: {rows}: holds no document that can be read\n")


@pytest.fixture(scope="module")
def many(model, seeds, tmp_path_factory):
    """300 beginnings, and what an undisturbed run makes of them."""
    path = tmp_path_factory.mktemp("many") / "many.jsonl"
    lines = [jsonl.dump(Document(f"{i}", d.text[:80])) for i, d in enumerate(seeds[:100] * 3)]
    path.write_text("".join([*lines[:99], "{oops\n", *lines[99:]]), encoding="utf-8")
    assert main(["predict", "--model", str(model), "--input", str(path), "-o", str(path.with_name("whole.jsonl"))]) == 0
    return path


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_a_run_that_can_go_on(ending, predict, model, many, tmp_path, capsys):
    out, whole = tmp_path / "out" / "out.jsonl", many.with_name("whole.jsonl")
    program = (
        "import sys; from nisba import cli, job; job.EVERY = 0; sys.exit(cli.main(sys.argv[1:]))"  # a journal always up to date
    )
    command = [sys.executable, "-c", program, "predict", "--model", str(model), "--input", str(many), "-o", str(out)]
    # Where the tests run in the background of a shell, SIGINT is ignored, and children inherit that.
    process = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL))
    try:
        journal = out.with_name("out.jsonl.progress.json")
        while process.poll() is None and not (journal.exists() and json.loads(journal.read_text())["blocks"]):
            time.sleep(0.01)
        process.send_signal(ending)
        _, error = process.communicate(timeout=120)
    finally:
        process.kill()  # nothing may outlive a failure
    hint = f"what is done is kept in {out}.partial; the same command with --resume goes on"
    assert error.decode() == ("" if ending == signal.SIGKILL else f"nisba: interrupted; {hint}\n")
    assert process.returncode == (-9 if ending == signal.SIGKILL else 130)
    assert not out.exists()
    assert predict("-o", out, input=many) == 1
    assert "go on with --resume, or begin anew with --overwrite" in capsys.readouterr().err
    assert predict("-o", out, "--resume", input=many) == 0
    assert " of them before), 1 errors, " in capsys.readouterr().err
    for name in ("", ".errors.jsonl"):
        assert out.with_name(f"out.jsonl{name}").read_bytes() == whole.with_name(f"whole.jsonl{name}").read_bytes()


def test_two_processes_under_torchrun(predict, model, source, tmp_path):
    whole, out = tmp_path / "whole.parquet", tmp_path / "out.parquet"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "nisba", "predict"]
    command += ["--model", str(model), "--input", str(source), "-o", str(out)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert run.returncode == 0, run.stderr
    assert "process 0 of 2: 87 documents, 1 errors" in run.stderr
    assert "process 1 of 2: 63 documents, 1 errors" in run.stderr
    assert predict("-o", whole) == 0
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("out.")) == [
        "out.parquet",
        "out.parquet.errors.jsonl",
    ]


def test_options_that_do_not_go_together(predict, source, tmp_path, capsys, monkeypatch):
    with pytest.raises(SystemExit):
        predict("-o", tmp_path / "a.jsonl", "--resume", "--overwrite")
    for arguments, message in (
        (["--resume"], "need a file for the result: give one with -o"),
        (["-o", source], "is read by this command"),
        (["-o", tmp_path], "is a folder"),
        (["-o", tmp_path / "a.csv"], "must end in one of .jsonl, .jsonl.gz, .parquet"),
        (["-o", "s3://bucket/a.jsonl"], "s3://bucket/a.jsonl: an address; only --engine ray writes there"),
        (["-o", tmp_path / "a.jsonl", "--workers", "2"], "--workers is for --engine ray; torchrun starts several processes here"),
        (["--strict"], "in.jsonl:71: not JSON"),
    ):
        assert predict(*arguments) == 1
        assert message in capsys.readouterr().err
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert predict() == 1
    assert "several processes, --resume and --overwrite need a file" in capsys.readouterr().err
    monkeypatch.setenv("RANK", "2")
    assert predict() == 1
    assert "RANK, WORLD_SIZE and LOCAL_RANK must be numbers, the first below the second: 2, 2, 0" in capsys.readouterr().err


def test_ranks():
    assert shards.rank({}) == Rank()
    assert shards.rank({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}) == Rank(3, 8, 1)
    for name, value in (("RANK", "1"), ("RANK", "-1"), ("RANK", "x"), ("WORLD_SIZE", "0"), ("LOCAL_RANK", "")):
        with pytest.raises(ShardError, match="must be numbers"):
            shards.rank({name: value})


def test_each_process_has_its_own_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert batch.own_device(None, Rank(5, 8, 5)) == "cuda:1"
    assert batch.own_device("cuda", Rank(1, 2, 1)) == "cuda:1"
    assert [batch.own_device(name, Rank(1, 2, 1)) for name in ("cpu", "cuda:3")] == ["cpu", "cuda:3"]
    assert batch.own_device(None, Rank()) is None
    assert [batch.kind(name) for name in (None, "cuda:3", "cpu")] == ["cuda", "cuda", "cpu"]


def test_the_model_is_known_by_what_it_is_made_of(model, tmp_path):
    before = batch.fingerprint(str(model))
    assert list(before) == ["model weights", "model config", "tokenizer"]
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in batch.MODEL.values():
        (copy / name).write_bytes((model / name).read_bytes())
    assert batch.fingerprint(str(copy)) == before
    (copy / "config.json").write_text("{}")
    changed = batch.fingerprint(str(copy))
    assert [name for name in before if changed[name] != before[name]] == ["model config"]
    (copy / "config.json").unlink()
    for name, message in ((str(copy), "no model: config.json is missing"), ("no/such/model", "no such model folder")):
        with pytest.raises(InputError, match=message):
            batch.fingerprint(name)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_only_where_somebody_watches(predict, tmp_path, monkeypatch):
    watched = Terminal()
    monkeypatch.setattr(sys, "stderr", watched)
    assert predict("-o", tmp_path / "a.jsonl") == 0
    shown = watched.getvalue()
    assert "100%" in shown
    assert "articles/s" in shown
    assert "2 errors" in shown
    assert shown.splitlines()[-1].startswith("150 documents, 2 errors, ")
