"""From a trained run to the Hub and back, with the real client against a stub: what is published, what is refused, what breaks."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.utils import _http

from nisba import builders, card, config, fit, hub, publishing, publishing_data
from nisba.cli import main
from nisba.formats import jsonl
from nisba.hub import HubError, Target
from tests.hub_stub import HubStub, connected, environment

TOKEN = "hf_amalamalamalamalamal"
REPO = "amal/nisba-small"
HOME = "/".join(("", "home", ""))  # where users live, in pieces: no path stands in a tracked file


@pytest.fixture
def stub(monkeypatch, tmp_path):
    """The Hub, its client set to it, a token that may write, and no waiting."""
    tokens = {TOKEN: "amal", "hf_readerreaderreader": "amal"}
    with connected(HubStub(tokens=tokens, read_only={"hf_readerreaderreader"}), monkeypatch, tmp_path) as stub:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda _: None))  # the client's waits between its retries
        monkeypatch.setattr(hub, "WAITS", (0, 0, 0))
        yield stub


@pytest.fixture(scope="session")
def trained(tiny, seeds, tmp_path_factory):
    """A run as training and evaluation leave it. A tiny encoder learns a few articles by heart and is scored on them: every
    figure of the card is there."""
    folder = tmp_path_factory.mktemp("trained")
    short = sorted(seeds, key=lambda d: len(d.text))
    for name, documents in {"train": short[:6], "dev": short[6:7], "test": short[7:8]}.items():
        jsonl.write(documents, folder / f"{name}.jsonl")
    values = {
        "data": {"paths": []} | {f"{name}_paths": [str(folder / f"{name}.jsonl")] for name in ("train", "dev", "test")},
        "model": {"encoder": str(tiny), "window": 128},
        "train": {"epochs": 40, "patience": 99, "batch": 400, "learning_rate": 3e-3, "head_learning_rate": 3e-3, "average": 0.5},
        "output": str(folder / "run"),
    }
    fit.fit(config.parse(values, "test"))
    shutil.copyfile(folder / "run" / "data" / "documents" / "train.jsonl", folder / "run" / "data" / "documents" / "test.jsonl")
    run = folder / "run"
    assert main(["evaluate", "--model", str(run / "model"), "-o", str(run / "report.json"), "--resamples", "50"]) == 0
    return run


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(publishing, "picture", lambda document, file: False)  # the picture is looked at where the run is laid out
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture(scope="session")
def laid(trained, tmp_path_factory):
    """The folder that is published, laid out once."""
    run = Path(shutil.copytree(trained, tmp_path_factory.mktemp("laid") / "run"))
    if all(map(importlib.util.find_spec, ("onnx", "onnxscript", "onnxruntime"))):
        assert main(["export", "--model", str(run)]) == 0
    publishing.lay_out(run, REPO, dataset="amal/nisba-seeds")
    return run


@pytest.fixture
def ready(laid, tmp_path, monkeypatch):
    """A run that is laid out already."""
    run = Path(shutil.copytree(laid, tmp_path / "ready"))
    monkeypatch.setattr(publishing, "lay_out", lambda run, repo, dataset, licence: run / "hub")
    return run


def publish(run, stub, *more, code=0):
    assert main(["publish", "--model", str(run), "--repo", REPO, *more]) == code
    return stub.repos.get(("model", REPO))


def python(stub, home, source, *arguments):
    """A fresh process that cannot import nisba."""
    blocked = "import sys; sys.modules['nisba'] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked + source, *arguments],
        env=environment(stub, home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_card_has_every_figure_of_the_report_and_no_other(laid):
    folder = laid / "hub"
    report = json.loads((folder / "report.json").read_text())
    page = (folder / "README.md").read_text()
    data = ModelCard(page).data
    assert (data.language, data.license, data.pipeline_tag, data.library_name) == (
        "ar",
        "apache-2.0",
        "token-classification",
        "transformers",
    )
    assert data.datasets == ["amal/nisba-seeds"]
    shown = {result.metric_name: result.metric_value for result in data.eval_results}
    for path, name, *_ in card.FIGURES:
        *above, last = path.split(".")
        value = report
        for key in above:
            value = value[key]
        low, high = value["interval"][last]
        assert shown[name] == value[last]
        assert f"| {name} | {value[last]:.1f} ({low:.1f} to {high:.1f}) |" in page
    assert f"{report['calibration']['ece']:.3f}" in page
    for text, gold, *_ in card.phenomena(report):
        assert f"| {text} | {gold} |" in page
    entries = yaml.safe_load((folder / ".eval_results" / "nisba.yaml").read_text())
    assert {entry["dataset"]["id"] for entry in entries} == {"amal/nisba-seeds"}
    assert [entry["value"] for entry in entries] == [shown[name] for _, name, *_ in card.FIGURES]


@pytest.mark.parametrize("path", [path for path, *_ in card.FIGURES])
def test_a_card_without_a_figure_is_refused(laid, path):
    report = json.loads((laid / "report.json").read_text())
    *above, last = path.split(".")
    value = report
    for key in above:
        value = value[key]
    value[last] = None
    with pytest.raises(card.CardError, match=re.escape(path)):
        card.figures(report)
    del value["interval"]
    with pytest.raises(card.CardError, match=re.escape(path)):
        card.figures(report)


def test_a_report_of_another_model_is_refused(run):
    report = json.loads((run / "report.json").read_text())
    report["names"]["strict"]["f1"] += 1
    (run / "report.json").write_text(json.dumps(report))
    with pytest.raises(hub.PublishError, match=r"not what this model scores.*nisba evaluate --model"):
        publishing.lay_out(run, REPO)
    assert not (run / "hub").exists()


@pytest.mark.parametrize("name", ["report.json", "metrics.jsonl", "data", "model"])
def test_a_run_that_lacks_something_is_refused(run, name, capsys, stub):
    path = run / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    publish(run, stub, code=1)
    error = capsys.readouterr().err
    assert error.startswith("nisba: ")
    assert str(run) in error
    assert "Traceback" not in error
    assert not stub.repos


def test_no_path_of_this_machine_is_published(laid, tmp_path):
    settings = yaml.safe_load((laid / "hub" / "nisba.yaml").read_text())
    assert settings["data"]["train_paths"] == ["train.jsonl"]
    assert settings["output"] == "run"
    private = str(laid.parent)
    for file in (p for p in (laid / "hub").rglob("*") if p.is_file()):
        data = file.read_bytes()
        assert private.encode() not in data, file
        assert b"site-packages" not in data, file
    hub.scan(laid / "hub", [REPO])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nisba.yaml", "token: hf_abcdefghijklmnopqrstuvwx", "nisba.yaml: holds an access token"),
        ("a/b.json", f'{{"path": "{HOME}karim/runs"}}', f"a/b.json: holds a path of this machine: {HOME}karim"),
        ("log.txt", "C:\\Users\\karim\\runs", "log.txt: holds a path of this machine"),
        ("notes.md", "made by samira on her laptop", "notes.md: holds the user's name"),
        ("model.safetensors", "....hf_abcdefghijklmnopqrstuvwx....", "model.safetensors: holds an access token"),
        ("model.onnx", f'File "{HOME}karim/x.py"', f"model.onnx: holds a path of this machine: {HOME}karim"),
        ("a.json", '{"a": "x\\nhf_abcdefghijklmnopqrstuvwx"}', "a.json: holds an access token"),
        ("a.json", '{"a": "C:\\\\Users\\\\karim"}', "a.json: holds a path of this machine"),
        ("a.txt", f"{HOME}كريم/x", "a.txt: holds a path of this machine"),
        ("a.txt", "\0".join("hf_abcdefghijklmnopqrstuvwx"), "a.txt: holds an access token"),
        ("a.txt", "Samira's", "a.txt: holds the user's name"),
        ("a.txt", sys.prefix, "a.txt: holds a path of this machine"),
    ],
)
def test_secrets_and_local_names_are_found(tmp_path, monkeypatch, name, content, message):
    monkeypatch.setenv("USER", "samira")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(HubError, match=re.escape(message)) as caught:
        hub.scan(tmp_path, ["org/model"])
    assert "hf_abc" not in str(caught.value)
    (tmp_path / name).write_text(f"see https://example.org{HOME}news and org/samira-model, whf_abcdefghijklmnopqrstuvwx")
    hub.scan(tmp_path, ["org/samira-model"])
    (tmp_path / name).write_text("samira's models")
    hub.scan(tmp_path, ["samira/model"])  # who owns the repository is named on its page


def test_published_in_one_commit_and_read_back(run, stub, capsys):
    repo = publish(run, stub, "--tag", "v1")
    assert capsys.readouterr().out.splitlines()[-1].startswith("published, read back and compared: ")
    assert len(repo.commits) == 2  # the one that made the repository, and ours
    files = repo.commits[-1].files
    laid = {p.relative_to(run / "hub").as_posix(): p.read_bytes() for p in (run / "hub").rglob("*") if p.is_file()}
    assert {name: files[name] for name in laid} == laid
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json", "nisba.yaml", "report.json", "LICENSE"} <= set(laid)
    assert {"modeling_nisba.py", "model.py"} <= set(laid)
    assert repo.tags == {"v1": repo.commits[-1].sha}
    assert not repo.private


def test_an_unchanged_run_makes_no_commit_and_a_changed_one_does(run, stub, capsys):
    first = len(publish(run, stub).commits)
    assert len(publish(run, stub).commits) == first
    assert capsys.readouterr().out.splitlines()[-1].startswith("unchanged, read back")
    repo = publish(run, stub, "--dataset", "amal/nisba-seeds")
    assert len(repo.commits) == first + 1
    assert ".eval_results/nisba.yaml" in repo.commits[-1].files
    repo = publish(run, stub)  # what is not made any more goes
    assert ".eval_results/nisba.yaml" not in repo.commits[-1].files


def test_branch_pull_request_private_and_dry_run(run, stub, capsys):
    publish(run, stub, "--dry-run")
    out = capsys.readouterr().out
    assert "model.safetensors" in out
    assert "not published" in out
    assert not stub.repos
    repo = publish(run, stub, "--private")
    assert repo.private
    head = repo.main.sha
    publish(run, stub, "--dataset", "amal/d", "--pull-request")
    publish(run, stub, "--dataset", "amal/d", "--pull-request")  # what is proposed already is not proposed again
    assert repo.main.sha == head
    assert [ref for ref in repo.refs if ref.startswith("refs/pr/")] == ["refs/pr/1"]
    publish(run, stub, "--dataset", "amal/d", "--revision", "next")
    assert repo.main.sha == head
    assert ".eval_results/nisba.yaml" in repo.at("next").files


def test_a_public_repository_is_not_taken_for_a_private_one(run, stub, capsys):
    publish(run, stub)
    publish(run, stub, "--private", code=1)
    assert "is public" in capsys.readouterr().err


def test_a_tag_is_not_moved(run, stub, capsys):
    repo = publish(run, stub, "--tag", "v1")
    publish(run, stub, "--tag", "v1")
    publish(run, stub, "--dataset", "amal/d", "--tag", "v1", code=1)
    assert "the tag v1 stands on another commit" in capsys.readouterr().err
    assert repo.tags["v1"] == repo.main.sha  # seen before anything was sent


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--pull-request", "--tag", "v2"], "a pull request goes to main and takes no tag"),
        (["--pull-request", "--revision", "next"], "a pull request goes to main and takes no tag"),
        (["--revision", "0" * 40], "is no branch"),
        (["--revision", "refs/pr/1"], "is no branch"),
        (["--revision", "v1"], "v1 is a tag"),
    ],
)
def test_targets_that_cannot_be(ready, stub, capsys, more, message):
    repo = publish(ready, stub, "--tag", "v1")
    before = len(repo.commits), dict(repo.refs)
    publish(ready, stub, *more, code=1)
    assert message in capsys.readouterr().err
    assert (len(repo.commits), dict(repo.refs)) == before


def test_an_onnx_file_of_other_weights_is_refused(run):
    (run / "onnx").mkdir()
    (run / "onnx" / "model.onnx").write_bytes(b"of another model")
    with pytest.raises(hub.PublishError, match="made of other weights"):
        publishing.lay_out(run, REPO)


def test_the_exported_names_are_published_with_their_example(laid):
    pytest.importorskip("onnxruntime")
    folder = laid / "hub"
    assert (folder / "onnx" / "model.onnx").is_file()
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    [code] = [block for block in blocks if "onnxruntime" in block]
    done = subprocess.run([sys.executable, "-c", code, str(folder)], input="قال أحمد.", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("metrics.jsonl", "", "holds no epoch"),
        ("metrics.jsonl", '{"epoch": 1', "metrics.jsonl:1: not JSON"),
        ("metrics.jsonl", '{"epoch": 1}', "metrics.jsonl:1: no line of an epoch"),
        ("report.json", "[]", "the report lacks figures"),
        ("report.json", "{", "not JSON"),
        ("model/nisba.yaml", "a: [", "not YAML"),
    ],
)
def test_broken_files_of_a_run_are_named(run, capsys, stub, file, content, message):
    (run / file).write_text(content)
    publish(run, stub, code=1)
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize("path", ["attributes.stance.accuracy", "claims.strict.interval.f1", "by.phenomenon.long.claims.strict.f1"])
def test_every_figure_is_confirmed(run, path):
    report = json.loads((run / "report.json").read_text())
    above, _, last = path.rpartition(".")
    value = card.at(report, above)
    value[last] = [1.0, 99.0] if isinstance(value[last], list) else 12.3
    (run / "report.json").write_text(json.dumps(report))
    with pytest.raises(hub.PublishError, match=re.escape(path)):
        publishing.lay_out(run, REPO)


def test_three_ways_to_load_agree_on_names(run, stub, tmp_path):
    """What was uploaded, each in a fresh process: a plain pipeline, the code of the repository, nisba."""
    publish(run, stub)
    [document] = list(jsonl.read(run / "data" / "documents" / "test.jsonl"))[:1]
    text = document.text[:300]
    plain = python(
        stub,
        tmp_path / "one",
        """
import json
from transformers import pipeline
found = pipeline("token-classification", sys.argv[1], aggregation_strategy="none", ignore_labels=[])(sys.argv[2])
pipeline("token-classification", sys.argv[1], aggregation_strategy="first", stride=16)(sys.argv[2])
print(json.dumps([[p["start"], p["end"], p["entity"]] for p in found]))
""",
        REPO,
        text,
    )
    joint = python(
        stub,
        tmp_path / "two",
        """
import json, torch
from transformers import AutoModel, AutoTokenizer
model, tokenizer = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True).eval(), AutoTokenizer.from_pretrained(sys.argv[1])
one = tokenizer(sys.argv[2], return_tensors="pt", return_offsets_mapping=True, truncation=True)
words = torch.tensor([[-1 if word is None else word for word in one.word_ids()]])
with torch.inference_mode():
    out = model(input_ids=one["input_ids"], attention_mask=one["attention_mask"], word_ids=words)
tags = [model.config.id2label[i] for i in out.logits[0].argmax(-1).tolist()]
assert out.anchor_logits is not None and out.role_logits is not None
print(json.dumps([[s, e, tag] for (s, e), tag in zip(one["offset_mapping"][0].tolist(), tags) if e > s]))
""",
        REPO,
        text,
    )
    assert joint
    assert [tuple(p) for p in plain] == [tuple(p) for p in joint]
    own = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, json, nisba\nd = nisba.load(sys.argv[1]).predict(sys.argv[2])\n"
            "print(json.dumps([[e.span.start, e.span.end, e.label] for e in d.entities]))",
            REPO,
            text,
        ],
        env=environment(stub, tmp_path / "three"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert own.returncode == 0, own.stderr
    here = publishing.load(run / "model").predict(text)
    assert json.loads(own.stdout) == [[e.span.start, e.span.end, e.label] for e in here.entities]
    assert here.entities
    assert [[e.span.start, e.span.end] for e in here.entities] == spans(plain) or not legal(plain)


def legal(pieces):
    """Whether the plain tags are such that constrained decoding finds no others."""
    tags = [tag for *_, tag in pieces]
    return all(tag[0] != "I" or before[2:] == tag[2:] for before, tag in zip(["O", *tags], tags, strict=False))


def spans(pieces):
    """Where the names of plain IOB2 tags lie: of a word only the first sub-word counts."""
    found, last = [], None
    for start, end, tag in pieces:
        if start == last and tag[0] != "B":  # the word goes on
            if found and found[-1][1] == last:
                found[-1][1] = end
        elif tag[0] == "B":
            found.append([start, end])
        elif tag[0] == "I" and found:
            found[-1][1] = end
        last = end
    return found


FAULTS = [
    (("POST", r"/api/repos/create"), {"status": 403}, "write access"),
    (("GET", r"/api/whoami"), {"status": 401}, "hf auth login"),
    (("POST", r"/commit/"), {"status": 409}, "changed by somebody else"),
    (("POST", r"/commit/"), {"status": 412}, "changed by somebody else"),
    (("POST", r"/commit/"), {"status": 429, "headers": {"Retry-After": "7"}, "times": 9}, "too many requests.*asks to wait 7 s"),
    (("POST", r"/commit/"), {"status": 500, "times": 9}, r"the Hub failed \(500\)"),
    (("PUT", r""), {"cut_request": 1000, "times": 99}, "the connection failed"),
    (("GET", r"/lfs/"), {"corrupt": True, "times": 9}, "model.safetensors was read back otherwise"),
    (("GET", r"/lfs/"), {"cut_response": 5000, "times": 99}, "the connection failed|read back otherwise"),
    (("GET", r"/resolve/.*README.md"), {"corrupt": True, "times": 9}, "README.md was read back otherwise"),
]


@pytest.mark.parametrize(("where", "what", "message"), FAULTS)
def test_faults_are_explained_nothing_is_announced_and_a_second_run_completes(ready, stub, capsys, where, what, message):
    run = ready
    stub.fault(*where, **what)
    publish(run, stub, code=1)
    out, err = capsys.readouterr()
    assert "published, read back" not in out
    assert re.search(message, err)
    assert TOKEN not in out + err
    assert "Traceback" not in err
    assert all(fault.left < what.get("times", 1) for fault in stub.faults)  # each was met
    stub.faults.clear()
    repo = publish(run, stub)
    assert "read back and compared" in capsys.readouterr().out
    assert repo.main.files["model.safetensors"] == (run / "hub" / "model.safetensors").read_bytes()


def test_passing_faults_are_waited_out(ready, stub, capsys):
    run = ready
    stub.fault("POST", r"/commit/", status=503, times=2)
    stub.fault("PUT", r"", cut_request=5000)
    stub.fault("POST", r"/commit/", status=429, headers={"Retry-After": "0"})
    stub.fault("POST", r"/preupload/", slow=0.5)
    assert publish(run, stub).main.files["README.md"]
    assert not any(fault.left for fault in stub.faults)


def test_a_commit_whose_answer_is_lost_is_not_made_twice(ready, stub):
    stub.fault("POST", r"/commit/", cut_response=10)
    assert len(publish(ready, stub).commits) == 2


def test_what_was_uploaded_is_not_sent_again(ready, stub):
    run = ready
    stub.fault("POST", r"/commit/", status=500, times=9)
    publish(run, stub, code=1)
    sent = len(stub.sent("PUT", ""))
    stub.faults.clear()
    publish(run, stub)
    assert sent
    assert len(stub.sent("PUT", "")) == sent


@pytest.mark.parametrize(
    ("token", "message"),
    [(None, "hf auth login"), ("hf_unknownunknownunknown", "hf auth login"), ("hf_readerreaderreader", "write access")],
)
def test_tokens_that_do_not_serve(ready, stub, capsys, monkeypatch, token, message):
    run = ready
    monkeypatch.setenv("HF_TOKEN", token) if token else monkeypatch.delenv("HF_TOKEN")
    publish(run, stub, code=1)
    out, err = capsys.readouterr()
    assert message in err
    assert "hf_un" not in out + err
    assert "hf_reader" not in out + err


def test_the_token_goes_to_the_hub_alone(ready, stub):
    publish(ready, stub)
    assert stub.sent("PUT", "")
    assert stub.sent("GET", "/lfs/")
    for request in [*stub.sent("PUT", ""), *stub.sent("GET", "/lfs/")]:
        assert TOKEN not in str(request.headers)


def test_a_model_that_finds_something_else_is_not_announced(run, stub, monkeypatch, capsys):
    """The bytes are the same, and yet what is read back finds other things."""
    real = publishing.load
    monkeypatch.setattr(publishing, "load", lambda path, **more: real(run / "model", **more) if path != run / "model" else other)
    other = real(run / "model", device="cpu")
    other.model.claims.anchor.bias.data += 5
    laid = run / "hub"
    laid.mkdir()
    (laid / "README.md").write_text("---\nlicense: apache-2.0\n---\n# x\n")
    with pytest.raises(HubError, match="finds other things in article"):
        publishing.publish_model(run, laid, Target(REPO))


@pytest.fixture
def corpus(seeds, tmp_path):
    articles = tmp_path / "corpus" / "articles.jsonl"
    articles.parent.mkdir()
    jsonl.write(seeds[:12], articles)
    (articles.parent / "DATASHEET.md").write_text("# Datasheet\n")
    return config.Data(paths=[str(articles)], dev=0.2, test=0.2)


def test_the_corpus_comes_back_as_it_went(corpus, stub, tmp_path, root, monkeypatch):
    folder = publishing_data.lay_out(
        corpus, tmp_path / "out", repo="amal/corpus", title="Articles", licence="cc-by-4.0", standoff=[root / "data" / "ant"]
    )
    done = publishing_data.publish(folder, Target("amal/corpus"))
    assert done.new
    (folder / "names" / "added.parquet").write_bytes(b"PAR1")
    assert publishing_data.publish(folder, Target("amal/corpus")).new
    (folder / "names" / "added.parquet").unlink()  # what is withdrawn goes
    assert publishing_data.publish(folder, Target("amal/corpus")).new
    assert "names/added.parquet" not in stub.repos["dataset", "amal/corpus"].main.files
    assert not publishing_data.publish(folder, Target("amal/corpus")).new
    source = """
import json
from datasets import load_dataset
parts = load_dataset(sys.argv[1])
print(json.dumps({part: list(rows["json"]) for part, rows in parts.items()}))
"""
    back = python(stub, tmp_path / "home", source, "amal/corpus")
    for part, documents in builders.parts(corpus).items():
        assert [json.loads(line) for line in back[part]] == [json.loads(jsonl.dump(document)) for document in documents]
    files = stub.repos["dataset", "amal/corpus"].main.files
    assert {"names/train.parquet", "claims/test.parquet", "DATASHEET.md", "standoff/ant/train.jsonl"} <= set(files)
    for name, data in files.items():
        if name.startswith("standoff/") and name.endswith(".jsonl"):
            assert b'"text"' not in data
    page = files["README.md"].decode()
    assert "standoff/ant/dev.jsonl" in page
    assert "standoff" not in page[: page.index("---\n", 4)]


def test_other_peoples_texts_are_not_published(corpus, tmp_path, seeds):
    joined = tmp_path / "ant" / "train.jsonl"
    joined.parent.mkdir()
    jsonl.write(seeds[:1], joined)
    whole = corpus.model_copy(update={"train_paths": [str(joined)]})
    with pytest.raises(hub.PublishError, match="other people's texts"):
        publishing_data.lay_out(whole, tmp_path / "out", repo="a/b", title="t")
    given = {"repo": "a/b", "title": "t", "licence": "cc0-1.0"}
    with pytest.raises(hub.PublishError, match=r"train.jsonl:1: holds text"):
        publishing_data.lay_out(corpus, tmp_path / "out", **given, standoff=[joined.parent])
    joined.write_text(json.dumps({"id": "a", "sha256": "0", "meta": {"body": "نص " * 200}}) + "\n")
    with pytest.raises(hub.PublishError, match=r"train.jsonl:1: holds a long text"):
        publishing_data.lay_out(corpus, tmp_path / "out", **given, standoff=[joined.parent])
    with pytest.raises(hub.PublishError, match="--licence"):
        publishing_data.lay_out(corpus, tmp_path / "out", repo="a/b", title="t")
    assert not (tmp_path / "out").exists()


def test_the_projects_own_files_are_its_own_in_any_part(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    own = config.load(root / "configs" / "quickstart.yaml").data
    assert own.train_paths == ["seeds/dispatches.jsonl"]
    folder = publishing_data.lay_out(own, tmp_path / "out", repo="amal/nisba-seeds", title="nisba seeds")
    dispatches = list(jsonl.read(root / "seeds" / "dispatches.jsonl"))
    train = {document.id for document in publishing_data.documents(folder / "documents" / "train.parquet")}
    assert train > {document.id for document in dispatches}
    assert "license: cc-by-4.0" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_space_goes_up_and_is_read_back(stub, capsys):
    assert main(["publish-space", "--model", REPO, "--repo", "amal/demo"]) == 0
    repo = stub.repos["space", "amal/demo"]
    assert repo.sdk == "gradio"
    assert REPO in repo.main.files["README.md"].decode()
    assert repo.main.files["nisba/predict.py"]
    assert b"transformers" in repo.main.files["requirements.txt"]
    assert "read back and compared" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nisba", "amal/with space", "a/b/c", "../x"])
def test_names_that_no_repository_has(tmp_path, stub, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("x")
    with pytest.raises(HubError, match=re.escape(name)):
        hub.push(tmp_path / "folder", Target(name), message="m")
    assert not stub.repos


def test_a_full_disk_on_reading_back_is_explained(ready, stub, monkeypatch, capsys):
    run = ready

    def full(*_, **__):
        raise OSError(28, "No space left on device", "/x")

    with monkeypatch.context() as patch:
        patch.setattr(hub, "snapshot_download", full)
        publish(run, stub, code=1)
    out, err = capsys.readouterr()
    assert "No space left on device" in err
    assert "published, read" not in out
    publish(run, stub)


def test_the_script_is_the_command(root):
    done = subprocess.run(
        [sys.executable, str(root / "scripts" / "publish.py"), "--help"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 0
    assert "usage: nisba publish" in done.stdout
