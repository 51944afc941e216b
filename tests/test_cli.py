"""Commands on a tiny trained model, and what they say to bad input: one report, exit code 1, no traceback, nothing half-written."""

import errno
import io
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import nisba
from nisba import files
from nisba.cli import main
from nisba.formats import jsonl
from nisba.schema import Claim, Document, Span


@pytest.fixture
def article(tmp_path, root):
    file = tmp_path / "article.txt"
    file.write_bytes((root / "seeds" / "sample.txt").read_bytes())
    return file


def nisba_command(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "nisba.cli", *map(str, arguments)], capture_output=True, check=False, **options)


def test_predict_one_file(model, article, capsys):
    assert main(["predict", "--model", str(model), "--input", str(article)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    document = Document.from_dict(json.loads(line))
    assert document.id == "article"
    assert document.text == article.read_text(encoding="utf-8")
    assert document.claims
    assert all(0 <= claim.score <= 1 for claim in document.claims)


def test_predict_a_folder_json_lines_and_standard_input(model, article, seeds, tmp_path, capsys, monkeypatch):
    (article.parent / "sub").mkdir()
    jsonl.write(seeds[:2], article.parent / "sub" / "b.jsonl")
    out = tmp_path / "out" / "p.jsonl"
    assert main(["predict", "--model", str(model), "--input", str(article.parent), "-o", str(out)]) == 0
    assert [d.id for d in jsonl.read(out)] == ["article", seeds[0].id, seeds[1].id]
    capsys.readouterr()
    for data, name in ((article.read_bytes(), "stdin"), (b"\n" + jsonl.dump(seeds[0]).encode(), seeds[0].id)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert main(["predict", "--model", str(model), "--input", "-"]) == 0
        assert json.loads(capsys.readouterr().out)["id"] == name


def test_crlf_and_byte_order_marks_keep_their_offsets(model, tmp_path, capsys):
    file = tmp_path / "crlf.txt"
    file.write_bytes("\ufeffعنوان\r\nقال الوزير إن الماء نظيف.\r\n".encode())
    assert main(["predict", "--model", str(model), "--input", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == file.read_bytes().decode()


def test_python_interface(model, root):
    predictor = nisba.load(str(model))
    text = (root / "seeds" / "sample.txt").read_text(encoding="utf-8")
    document = predictor.predict(text)
    assert isinstance(document, nisba.Document)
    streamed = list(predictor.stream(Document(str(i), text) for i in range(130)))
    assert [d.id for d in streamed] == [str(i) for i in range(130)]
    assert all(d.claims == document.claims for d in streamed)


def test_evaluate_a_model_and_predictions(model, seeds, tmp_path, capsys):
    gold, found, one, other = (tmp_path / name for name in ("gold.jsonl", "found.jsonl", "one.json", "other.json"))
    jsonl.write(seeds[:3], gold)
    assert main(["evaluate", "--model", str(model), "--data", str(gold), "-o", str(one)]) == 0
    assert "claims, strict" in capsys.readouterr().out
    # The same through a file of predictions: the very same report.
    assert main(["predict", "--model", str(model), "--input", str(gold), "-o", str(found)]) == 0
    assert main(["evaluate", "--predictions", str(found), "--gold", str(gold), "-o", str(other), "--json"]) == 0
    assert one.read_bytes() == other.read_bytes() == capsys.readouterr().out.encode()
    report = json.loads(one.read_text())
    assert report["version"] == 2
    assert report["documents"] == 3
    assert report["intervals"]["resamples"] == 1000
    assert report["claims"]["soft80"]["interval"]["f1"]
    assert report["calibration"] is not None
    # A split of the model's run, by its name and by default.
    jsonl.write(seeds[:2], model.parent / "data" / "documents" / "test.jsonl")
    for arguments in ([], ["--data", "test"]):
        assert main(["evaluate", "--model", str(model), *arguments, "--json", "--resamples", "0"]) == 0
        assert json.loads(capsys.readouterr().out)["documents"] == 2


def test_compare_two_predictions(seeds, tmp_path, capsys):
    gold, first, second, out = (tmp_path / name for name in ("gold.jsonl", "a.jsonl", "b.jsonl", "c.json"))
    jsonl.write(seeds[:6], gold)
    jsonl.write([replace(d, claims=d.claims[1:]) for d in seeds[:6]], first)
    jsonl.write([*seeds[:5], replace(seeds[5], claims=seeds[5].claims[3:])], second)
    assert main(["compare", str(first), str(second), "--gold", str(gold), "-o", str(out), "--resamples", "200"]) == 0
    text = capsys.readouterr().out
    assert "claims.soft80.f1" in text
    assert seeds[5].id in text
    values = json.loads(out.read_text())
    assert values["measures"]["claims.strict.precision"]["p"] == 1
    assert values["changed"][0]["id"] == seeds[5].id
    assert main(["compare", str(first), str(second), "--gold", str(gold), "--json", "--resamples", "200"]) == 0
    assert json.loads(capsys.readouterr().out) == values


def test_agreement_of_two_annotators(seeds, tmp_path, capsys):
    one, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    jsonl.write(seeds[:4], one)
    jsonl.write([replace(d, claims=d.claims[1:]) for d in seeds[:4]], other)
    assert main(["agreement", str(one), str(other)]) == 0
    assert "Krippendorff's α on tokens: content" in capsys.readouterr().out
    assert main(["agreement", str(one), str(other), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert 0.8 < values["alpha"]["content"] < 1
    assert values["kappa"]["type"] == 1


def test_documents_that_do_not_match_are_listed(seeds, tmp_path, capsys):
    gold, part, bad = (tmp_path / name for name in ("gold.jsonl", "part.jsonl", "bad.jsonl"))
    jsonl.write(seeds[:3], gold)
    jsonl.write([seeds[0], replace(seeds[9], text=seeds[9].text + " x")], part)
    missing = "".join(f"{d.id}: not in the predictions\n" for d in seeds[1:3]) + f"{seeds[9].id}: not in the gold documents\n"
    out, report = tmp_path / "r.json", tmp_path / "r.html"
    arguments = ["evaluate", "--predictions", str(part), "--gold", str(gold), "-o", str(out), "--report", str(report)]
    assert main(arguments) == 1
    assert capsys.readouterr().err == f"nisba: the documents do not match:\n{missing}"
    assert main(["agreement", str(gold), str(part)]) == 1
    assert capsys.readouterr().err.count(": not in the second annotator's documents") == 2
    assert main(["compare", str(gold), str(part), "--gold", str(gold)]) == 1
    assert capsys.readouterr().err.count(f"{part}: ") == 3
    # Both files' own problems at once: an id given twice, another version of the schema.
    part.write_text(jsonl.dump(seeds[0]) * 2, encoding="utf-8")
    bad.write_text('{"schema": 2, "id": "x", "text": "نعم"}\n', encoding="utf-8")
    assert main(["evaluate", "--predictions", str(part), "--gold", str(bad), "-o", str(out)]) == 1
    message = capsys.readouterr().err
    assert f"{bad}:1: x: schema: this nisba reads version 1: «2»" in message
    assert f"{part}:2: {seeds[0].id}: id: given before, in line 1" in message
    assert not out.exists()
    assert not report.exists()


def test_a_result_takes_the_place_of_nothing_that_was_read(seeds, tmp_path, capsys):
    gold, found, folder = tmp_path / "gold.jsonl", tmp_path / "found.jsonl", tmp_path / "folder"
    folder.mkdir()
    for file in (gold, found):
        jsonl.write(seeds[:2], file)
    before = gold.read_bytes()
    score = ["evaluate", "--predictions", str(found), "--gold", str(gold)]
    for arguments, message in (
        ([*score, "-o", str(gold)], "is read by this command"),
        ([*score, "--report", str(found)], "is read by this command"),
        ([*score, "-o", str(tmp_path / "x"), "--report", str(tmp_path / "x")], "named for both"),
        ([*score, "-o", str(tmp_path / "r.json"), "--report", str(folder)], "is a folder"),
        (["compare", str(found), str(found), "--gold", str(gold), "-o", str(found)], "is read by this command"),
        (["agreement", str(gold), str(found), "-o", str(gold)], "is read by this command"),
    ):
        assert main(arguments) == 1
        assert message in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == [folder, found, gold]
    assert gold.read_bytes() == before


def test_page_and_report_appear_together_or_not_at_all(seeds, tmp_path, monkeypatch):
    gold, out = tmp_path / "gold.jsonl", tmp_path / "out"
    jsonl.write(seeds[:2], gold)
    full = iter([None, OSError(errno.ENOSPC, "No space left on device")])

    def fsync(_):
        if (error := next(full)) is not None:
            raise error

    monkeypatch.setattr(files.os, "fsync", fsync)
    arguments = ["evaluate", "--predictions", str(gold), "--gold", str(gold), "--resamples", "0"]
    assert main([*arguments, "-o", str(out / "r.json"), "--report", str(out / "r.html")]) == 1
    assert not [file for file in out.iterdir() if file.suffix == ".partial"]
    assert not (out / "r.json").exists()


def test_hostile_categories_and_ids_are_text_to_the_terminal(tmp_path, capsys):
    gold, found = tmp_path / "gold.jsonl", tmp_path / "found.jsonl"
    claim = Claim("c", content=(Span(0, 3),))
    bad = Document("[/red]\x1b[2J", "نعم", (), (claim,), {"category": "[bold]x[/y]\x1b[31m"})
    jsonl.write([bad, replace(bad, id="b")], gold)
    jsonl.write([replace(bad, claims=()), replace(bad, id="b")], found)
    assert main(["evaluate", "--predictions", str(found), "--gold", str(gold), "--resamples", "0"]) == 0
    assert main(["compare", str(gold), str(found), "--gold", str(gold), "--resamples", "10"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "[/red]" in out
    assert "[bold]x" in out


@pytest.mark.parametrize("value", ["9" * 5000, "-1", "1.5", "٣", ""])
def test_wrong_numbers_of_resamples(value, capsys):
    with pytest.raises(SystemExit) as end:
        main(["agreement", "a.jsonl", "b.jsonl", f"--resamples={value}"])
    assert end.value.code == 2
    assert "must be a whole number from 0 to 100000" in capsys.readouterr().err


def test_a_closed_pipe_ends_quietly(seeds, tmp_path):
    gold = tmp_path / "gold.jsonl"
    jsonl.write(seeds[:3], gold)
    command = [sys.executable, "-m", "nisba.cli", "agreement", str(gold), str(gold), "--resamples", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_a_terminal_without_arabic(seeds, tmp_path):
    gold = tmp_path / "gold.jsonl"
    jsonl.write(seeds[:3], gold)
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = nisba_command("evaluate", "--predictions", gold, "--gold", gold, "--resamples", "0", env=environment)
    assert done.returncode == 0
    assert rb"\u2265" in done.stdout


def test_build_counts_what_encoding_loses(tiny, root, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(root)
    arguments = [
        "build",
        "--config",
        "configs/quickstart.yaml",
        "--set",
        f"model.encoder={tiny}",
        "--set",
        "model.layers=null",
        "-o",
        str(tmp_path / "data"),
    ]
    assert main(arguments) == 0
    assert "lost in encoding: 0 names, 0 claims" in capsys.readouterr().out
    assert {p.name for p in (tmp_path / "data").iterdir()} == {"names", "claims", "documents", "statistics.json"}


BAD = {
    "missing model": (["predict", "--model", "no/such/model", "--input", "{article}"], "no/such/model: no such model folder"),
    "empty model folder": (["predict", "--model", "{tmp}", "--input", "{article}"], "config.json is missing"),
    "missing input": (["predict", "--model", "{model}", "--input", "none.txt"], "none.txt: no such file or folder"),
    "empty input": (["predict", "--model", "{model}", "--input", "{empty}"], "empty.txt: holds no text"),
    "blank input": (["predict", "--model", "{model}", "--input", "{blank}"], "blank.txt: holds no text"),
    "not UTF-8": (["predict", "--model", "{model}", "--input", "{latin}"], "latin.txt:2: not UTF-8: byte 0xe9"),
    "a folder without texts": (["predict", "--model", "{model}", "--input", "{folder}"], "holds no .txt or .jsonl file"),
    "bad JSON Lines": (["predict", "--model", "{model}", "--input", "{bad}"], "bad.jsonl:1: not JSON"),
    "no such device": (["predict", "--model", "{model}", "--input", "{article}", "--device", "cuda:99"], "device cuda:99"),
    "somebody's folder": (["build", "--config", "{quickstart}", "-o", "{folder}/.."], "holds other files"),
    "no gold": (["evaluate", "--predictions", "{bad}"], "needs --gold"),
    "gold for a model": (["evaluate", "--model", "{model}", "--gold", "{bad}"], "--gold goes with --predictions"),
    "no such split": (["evaluate", "--model", "{model}", "--data", "tset"], "tset: no file, and no split of the model's run"),
    "missing predictions": (["evaluate", "--predictions", "none.jsonl", "--gold", "{bad}"], "none.jsonl: No such file"),
    "no model": (["evaluate", "--model", "nope"], "nope: no such model folder"),
    "bad gold": (["compare", "{bad}", "{bad}", "--gold", "{bad}"], "bad.jsonl:1: not JSON"),
    "missing page input": (["show", "none.jsonl"], "none.jsonl: No such file or directory"),
    "unknown key": (["fit", "--config", "{quickstart}", "--set", "train.epoch=1"], "did you mean train.epochs?"),
    "missing config": (["build", "--config", "none.yaml"], "none.yaml: No such file or directory"),
    "unreachable encoder": (["build", "--config", "{arabert}", "-o", "{tmp}/d"], "--config configs/quickstart.yaml"),
}


@pytest.mark.parametrize("name", BAD)
def test_errors(name, model, article, root, tmp_path, capsys, monkeypatch):
    arguments, message = BAD[name]
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "blank.txt").write_bytes(" \n\u200f".encode())
    (tmp_path / "latin.txt").write_bytes(b"a\ncaf\xe9")
    (tmp_path / "bad.jsonl").write_bytes(b"{oops")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(root)
    places = {"model": model, "article": article, "tmp": tmp_path, "folder": tmp_path / "folder", "bad": tmp_path / "bad.jsonl"}
    places |= {key: tmp_path / f"{key}.txt" for key in ("empty", "blank", "latin")}
    places |= {key: root / "configs" / f"{key}.yaml" for key in ("quickstart", "arabert")}
    assert main([argument.format(**places) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_unreadable_file(model, article, capsys, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert main(["predict", "--model", str(model), "--input", str(article)]) == 1
    assert "article.txt: Permission denied" in capsys.readouterr().err


def test_full_disk_leaves_the_old_file(model, article, tmp_path, capsys, monkeypatch):
    out = tmp_path / "p.jsonl"
    out.write_text("old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    assert main(["predict", "--model", str(model), "--input", str(article), "-o", str(out)]) == 1
    assert capsys.readouterr().err.endswith("nisba: No space left on device\n")
    assert out.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_full_standard_output(unbuffered, model, article, tmp_path):
    """Room for a hundred bytes; whatever the reason, the system refuses the rest in the same way as on a full disk."""
    with (tmp_path / "out").open("wb") as full:
        run = subprocess.run(
            [sys.executable, "-m", "nisba.cli", "predict", "--model", model, "--input", article],
            stdout=full,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (100, 100)),
            check=False,
        )
    assert run.returncode != 0
    assert os.strerror(errno.EFBIG).encode() in run.stderr
    assert b"Traceback" not in run.stderr
    assert (tmp_path / "out").stat().st_size <= 100


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_prediction_leaves_nothing(ending, model, seeds, tmp_path):
    source, out = tmp_path / "in.jsonl", tmp_path / "out" / "p.jsonl"
    jsonl.write((Document(f"{i}-{d.id}", d.text) for i in range(60) for d in seeds), source)
    command = [sys.executable, "-m", "nisba.cli", "predict", "--model", str(model), "--input", str(source), "-o", str(out)]
    # Where the tests run in the background of a shell, SIGINT is ignored, and children inherit that.
    process = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL))
    for _ in range(600):
        time.sleep(0.1)
        if out.parent.is_dir() and list(out.parent.iterdir()):
            break
    time.sleep(0.5)
    process.send_signal(ending)
    try:
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()  # nothing may outlive a failure
    assert process.returncode == 130
    assert b"interrupted" in error
    assert b"Traceback" not in error
    assert list(out.parent.iterdir()) == []


def test_an_interrupt_inside_exec_is_one_too(tmp_path):
    """Making a dataclass, as imports do, runs exec(); CPython's ``-m`` then dies of SIGINT although the interrupt was caught."""
    program = """
    import sys
    from types import SimpleNamespace
    from nisba import cli
    command = SimpleNamespace(run=lambda options: exec("raise KeyboardInterrupt"))
    cli.parser = lambda: SimpleNamespace(parse_args=lambda arguments: command)
    sys.exit(cli.main())
    """
    (tmp_path / "interrupted.py").write_text(textwrap.dedent(program))
    run = subprocess.run([sys.executable, "-m", "interrupted"], cwd=tmp_path, capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (130, b"nisba: interrupted; no file is half-written\n")


def test_a_closed_pipe_is_no_error(model, seeds, tmp_path):
    source = tmp_path / "in.jsonl"
    jsonl.write(seeds, source)
    command = f"{sys.executable} -m nisba.cli predict --model {model} --input {source} | head -n 1"
    run = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["id"] == seeds[0].id


def test_help_needs_no_torch():
    program = "import sys; sys.modules['torch'] = None; from nisba.cli import main; main(['--help'])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "nisba" in run.stdout
