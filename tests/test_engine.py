"""``nisba predict --engine ray`` as far as it goes without Ray: what is handed on, what is refused, a Ray that is missing."""

import sys
from types import SimpleNamespace

import pytest

from nisba.cli import main
from nisba.commands import predicting
from nisba.progress import Summary


@pytest.fixture
def predict():
    def run(*arguments, source="articles"):
        return main(["predict", "--engine", "ray", "--model", "m", "--input", str(source), *map(str, arguments)])

    return run


@pytest.fixture
def calls(monkeypatch):
    """What the engine is asked for."""
    made = []

    def record(*names, **options):
        made.append((names, options))
        return Summary(7, 1, 3, 1_000_000, 2.0)

    monkeypatch.setattr(predicting, "engine", lambda: SimpleNamespace(predict=record))
    return made


DEFAULTS = {
    "model": "m",
    "text": "text",
    "id": None,
    "workers": None,
    "device": None,
    "precision": "fp32",
    "resume": False,
    "overwrite": False,
}


def test_what_the_engine_is_told(predict, calls, capsys):
    assert predict("-o", "s3://bucket/found") == 0
    assert calls == [(("articles", "s3://bucket/found"), DEFAULTS)]
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "7 documents (3 of them before), 1 errors, 2.0 s, 2.0 articles/s, 0.500 MB/s: s3://bucket/found\n"
    named = ("--text-column", "body", "--id-column", "uid", "--workers", "3", "--device", "cpu", "--precision", "bf16", "--resume")
    assert predict("-o", "found.parquet", *named) == 0
    others = {"text": "body", "id": "uid", "workers": 3, "device": "cpu", "precision": "bf16", "resume": True}
    assert calls[1] == (("articles", "found.parquet"), DEFAULTS | others)
    assert predict("-o", "found", "--overwrite") == 0
    assert calls[2][1] == DEFAULTS | {"overwrite": True}


@pytest.mark.parametrize(
    ("arguments", "source", "message"),
    [
        ((), "articles", "--engine ray needs a folder for the result: give one with -o"),
        (("-o", "a.jsonl"), "articles", "a.jsonl: --engine ray writes a folder of .parquet files; give another name for it"),
        (("-o", "a.JSONL.gz"), "articles", "a.JSONL.gz: --engine ray writes a folder of .parquet files; give another name for it"),
        (("-o", "a"), "-", "-: --engine ray reads .parquet files and folders of them; put the texts into one"),
        (("-o", "a"), "datasets:x", "datasets:x: --engine ray reads .parquet files and folders of them; put the texts into one"),
        (("-o", "a", "--strict"), "articles", "--strict does not go with --engine ray, where texts have no first"),
    ],
)
def test_what_does_not_go_with_it(arguments, source, message, predict, calls, capsys):
    assert predict(*arguments, source=source) == 1
    assert capsys.readouterr().err == f"nisba: {message}\n"
    assert calls == []


def test_a_wrong_command_line(predict, calls):
    for wrong in (["--workers", "-1"], ["--workers", "x"], ["--resume", "--overwrite"], ["--engine", "spark"]):
        with pytest.raises(SystemExit) as stop:
            predict("-o", "a", *wrong)
        assert stop.value.code == 2
    assert calls == []


def test_not_in_several_processes(predict, calls, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert predict("-o", "a") == 1
    assert capsys.readouterr().err == "nisba: --engine ray starts its workers itself: not under torchrun or accelerate launch\n"
    assert calls == []


def test_without_the_extra_the_package_to_install_is_named(predict, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "nisba.ray", raising=False)
    assert predict("-o", "a") == 1
    assert capsys.readouterr().err == "nisba: --engine ray: needs the package ray: pip install 'nisba[ray]'\n"


def test_a_fault_of_our_own_is_no_missing_package(predict, monkeypatch):
    monkeypatch.delitem(sys.modules, "nisba.ray", raising=False)
    monkeypatch.setitem(sys.modules, "nisba.parts", None)
    with pytest.raises(ModuleNotFoundError, match=r"nisba\.parts"):
        predict("-o", "a")
