"""Training through the real loop on a tiny encoder: what it writes, what changes nothing, what it refuses."""

import json
import os
import signal
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from nisba import builders, checkpoint, config, decode, fit, predict, runs
from nisba.checkpoint import Checkpoints, Progress
from nisba.descent import Learner
from nisba.files import FormatError
from nisba.formats import jsonl
from nisba.interrupts import SIGNALS, Interrupts, Stopped
from nisba.schema import ROLES, Document
from nisba.text import sentences


@pytest.fixture(scope="module")
def articles(seeds, tmp_path_factory):
    """Twelve short articles: the heads of seeds that say most in them."""
    file = tmp_path_factory.mktemp("articles") / "articles.jsonl"
    jsonl.write(sorted(map(head, seeds), key=lambda d: -len(d.claims))[:12], file)
    return file


def head(document, size=400):
    """The first sentences of a document, about ``size`` characters, with what is annotated in them."""
    end = next(span.end for span in sentences(document.text) if span.end >= size)
    inside = [claim for claim in document.claims if all(span.end <= end for role in ROLES for span in claim.role(role))]
    entities = [entity for entity in document.entities if entity.span.end <= end]
    return Document(document.id, document.text[:end], tuple(entities), tuple(inside))


@pytest.fixture
def settings(tiny, articles, tmp_path):
    """A run without dropout, so that how the work is dealt out changes nothing."""
    values = json.loads((tiny / "config.json").read_text()) | {"hidden_dropout_prob": 0.0, "classifier_dropout": 0.0}
    folder = tmp_path / "encoder"
    folder.mkdir()
    for file in tiny.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "config.json").write_text(json.dumps(values))

    def make(name="run", **train):
        values = {"epochs": 2, "batch": 500, "learning_rate": 1e-3, "patience": 9} | train
        return config.parse(
            {
                "data": {"paths": [str(articles)], "dev": 0.2, "test": 0.2},
                "model": {"encoder": str(folder), "window": 128},
                "train": values,
                "output": str(tmp_path / name),
            },
            "test",
        )

    return make


def weights(settings):
    return load_file(Path(settings.output) / "model" / "model.safetensors")


def assert_close(one, other, tolerance):
    assert one.keys() == other.keys()
    assert max(float((one[key] - other[key]).abs().max()) for key in one) <= tolerance


scored = Progress.scored


def last_is_best(patch):
    patch.setattr(fit, "criterion", lambda report, metric: 1.0)
    patch.setattr(Progress, "scored", lambda self, line, score: replace(scored(self, line, 1.0), best=-1.0))


@pytest.fixture(autouse=True)
def always_better(monkeypatch):
    """Each epoch counts as the best one, so that the saved weights are the last ones."""
    last_is_best(monkeypatch)


def test_a_run_writes_what_it_says_and_learns(settings, seeds):
    run = settings(epochs=3)
    folder = fit.fit(run)
    output = Path(run.output)
    assert sorted(p.name for p in output.iterdir()) == ["config.yaml", "data", "metrics.jsonl", "model"]
    assert config.load(output / "config.yaml") == run
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[-1]["loss.roles"] < lines[0]["loss.roles"] / 2
    assert lines[-1]["loss.anchors"] < lines[0]["loss.anchors"]
    document = predict.load(folder).predict(seeds[0].text)
    assert document.text == seeds[0].text


def test_runs_repeat_bit_for_bit(settings):
    one, other = settings("one"), settings("other")
    fit.fit(one)
    fit.fit(other)
    assert_close(weights(one), weights(other), 0)


def saved(run):
    return json.loads((Path(run.output) / "model" / "config.json").read_text())["nisba"]


def test_scores_are_calibrated_on_the_raw_scores_of_the_dev_articles(settings, monkeypatch):
    """Random predictions with a score of 0.9, of which few are right: the line that is saved brings them down."""
    fitted = []
    monkeypatch.setattr(predict, "ANCHOR", 0.0)  # every word claims something
    monkeypatch.setattr(decode, "FRAGMENT", -3.0)

    def platt(scores, right):
        fitted.append((scores, right))
        return 0.5, -float(len(fitted))

    monkeypatch.setattr(fit, "platt", platt)
    run = settings(epochs=2)
    folder = fit.fit(run)
    assert saved(run)["calibration"] == [0.5, -2.0]
    predictor = predict.load(folder)
    assert predictor.model.calibration == (0.5, -2.0)
    dev = list(jsonl.read(Path(run.output) / "data" / "documents" / "dev.jsonl"))
    predictor.model.calibration = (1.0, 0.0)
    raw = [c.score for d in predictor.stream(dev) for c in d.claims]
    assert raw
    assert sorted(fitted[-1][0]) == [pytest.approx(score, abs=1e-4) for score in sorted(raw)]  # epoch 1's line was off


@pytest.mark.parametrize("accumulate", [2, 8])
def test_accumulation_changes_nothing(settings, accumulate):
    """Eight articles in one step: as one micro-batch, two of about four, eight of one."""
    one, other = settings("one", batch=100_000), settings("other", batch=100_000, accumulate=accumulate)
    fit.fit(one)
    fit.fit(other)
    assert losses(one) == pytest.approx(losses(other), abs=1e-5)
    assert_close(weights(one), weights(other), 1e-5)


@pytest.fixture(scope="module")
def whole(tiny, articles, tmp_path_factory):
    """A run with dropout that nobody interrupts, and the settings of others like it."""

    def make(name, **train):
        values = {"epochs": 2, "batch": 500, "learning_rate": 1e-3, "save_every": 0} | train
        data, model = {"paths": [str(articles)], "dev": 0.2, "test": 0.2}, {"encoder": str(tiny), "window": 128}
        return config.parse({"data": data, "model": model, "train": values, "output": str(folder / name)}, "test")

    folder = tmp_path_factory.mktemp("whole")
    run = make("whole")
    with pytest.MonkeyPatch.context() as patch:
        last_is_best(patch)
        lines = []
        fit.fit(run, on_epoch=lines.append)
    assert lines == metrics(run)
    return run, make


def metrics(run):
    return [json.loads(line) for line in (Path(run.output) / "metrics.jsonl").read_text().splitlines()]


def losses(run):
    return [value for line in metrics(run) for key, value in line.items() if key.startswith("loss.")]


def same(one, other):
    """The same weights, calibration, losses and steps."""
    assert_close(weights(one), weights(other), 0)
    assert saved(one) == saved(other)
    timeless = [[{k: v for k, v in line.items() if "second" not in k} for line in metrics(run)] for run in (one, other)]
    assert timeless[0] == timeless[1]
    assert sorted(p.name for p in Path(other.output).iterdir()) == ["config.yaml", "data", "metrics.jsonl", "model"]


@pytest.mark.parametrize("place", ["step", "last step", "epoch"])
def test_interrupted_equals_uninterrupted(whole, place, monkeypatch):
    """Broken off behind a step, behind all steps of an epoch, and behind the epoch."""
    run, make = whole
    broken, steps = make(place), metrics(run)[0]["step"]
    name = {"step": "0000-step-000001", "last step": f"0000-step-{steps:06d}", "epoch": "0001-step-000000"}[place]
    write = Checkpoints._write

    def stop(self, progress, files):
        write(self, progress, files)
        if (progress.epoch, progress.step) == {"step": (0, 1), "last step": (0, steps), "epoch": (1, 0)}[place]:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "_write", stop)
        with pytest.raises(KeyboardInterrupt):
            fit.fit(broken)
    (*_, newest) = sorted((Path(broken.output) / "checkpoints").iterdir())
    assert newest.name == f"epoch-{name}"
    with pytest.raises(runs.RunError, match="unfinished run of another configuration"):
        fit.fit(make(place, learning_rate=1.0))
    fit.fit(broken)
    same(run, broken)


@pytest.mark.parametrize("number", SIGNALS)
def test_asked_to_stop_a_run_saves_and_goes_on(whole, number, monkeypatch, capsys):
    """SIGTERM in a step, SIGUSR1 while the epoch is scored."""
    run, make = whole
    asked = make(f"asked-{number}", save_every=10)
    place, name = (Learner, "step") if number == signal.SIGTERM else (fit, "evaluate")
    real, finished = getattr(place, name), []

    def ask(*arguments, **options):
        signal.raise_signal(number)
        finished.append(real(*arguments, **options))

    with monkeypatch.context() as patch, Interrupts() as interrupts:
        patch.setattr(place, name, ask)
        with pytest.raises(Stopped, match=r"stopped behind step \d of epoch 1, as asked; the same command goes on from there"):
            fit.fit(asked, interrupts=interrupts)
    assert len(finished) == (number == signal.SIGTERM)  # a step is finished, scoring is broken off
    [folder] = (Path(asked.output) / "checkpoints").iterdir()
    assert folder.name == f"epoch-0000-step-{1 if number == signal.SIGTERM else metrics(run)[0]['step']:06d}"
    fit.fit(asked)
    assert "going on behind step" in capsys.readouterr().out
    same(run, asked)


def test_a_loss_without_end_stops_before_anything_is_saved(settings, monkeypatch):
    run = settings(head_learning_rate=1e30, save_every=0)
    with pytest.raises(fit.FitError, match=r"behind step \d of epoch 1: the (loss of \w+|norm of the gradient) is") as caught:
        fit.fit(run)
    train = [d.id for d in jsonl.read(Path(run.output) / "data" / "documents" / "train.jsonl")]
    assert any(name in str(caught.value) for name in train)
    for folder in (Path(run.output) / "checkpoints").iterdir():
        assert checkpoint.damage(folder) is None
        assert all(bool(value.isfinite().all()) for value in load_file(folder / "model.safetensors").values())
    assert not (Path(run.output) / "model").exists()


def test_two_runs_in_one_folder(settings):
    run = settings()
    with runs.alone(Path(run.output)), pytest.raises(runs.RunError, match="another process is training here"):
        fit.fit(run)


@pytest.mark.training
def test_one_process_equals_two(settings, root, tmp_path):
    """The command itself: eight articles in one step on one process, and on two of two micro-batches each."""
    same = {"epochs": 1, "batch": 100_000, "adversarial": 0.5}
    one, two = settings("one", **same), settings("two", **same, accumulate=2)
    for processes, run in ((1, one), (2, two)):
        file = tmp_path / f"{processes}.yaml"
        file.write_text(config.dump(run), encoding="utf-8")
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        command += ["-m", "nisba", "fit", "--config", str(file)]
        environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, timeout=500, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    assert losses(one) == pytest.approx(losses(two), abs=1e-5)
    assert_close(weights(one), weights(two), 1e-5)


@pytest.mark.training
def test_two_processes_with_a_shard_each_equal_one(settings, root, tmp_path, monkeypatch):
    """FSDP2 as in configs/accelerate/fsdp.yaml: it takes up what one process has begun, and one process what it has left."""
    one, two = (settings(name, epochs=1, adversarial=0.5) for name in ("one", "two"))
    interrupts, step = Interrupts(), Learner.step
    fit.fit(one)

    def asked(self, **options):
        step(self, **options)
        interrupts.asked = True

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", asked)
        with pytest.raises(Stopped, match="behind step 1 of epoch 1"):
            fit.fit(two, interrupts=interrupts)
    file = tmp_path / "two.yaml"
    file.write_text(config.dump(two), encoding="utf-8")
    given = yaml.safe_load((root / "configs" / "accelerate" / "fsdp.yaml").read_text())["fsdp_config"]
    variables = {"FSDP_TRANSFORMER_CLS_TO_WRAP": given.pop("fsdp_transformer_layer_cls_to_wrap")}
    variables |= {name.upper(): str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
    environment = os.environ | variables | {"ACCELERATE_USE_FSDP": "true", "ACCELERATE_TORCH_DEVICE": "cpu"}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += ["-m", "tests.sharded", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "going on behind step 1 of epoch 1" in done.stdout
    assert done.stdout.count("stopped behind step 3 of epoch 1") == 2
    fit.fit(two)
    assert losses(one) == pytest.approx(losses(two), abs=1e-5)
    assert_close(weights(one), weights(two), 1e-5)


def test_the_wrapper_is_gone_before_the_group_ends(settings, monkeypatch):
    """Held longer it can hang the process: with one process there is none, so one stands in."""
    wrappers, held = [], []
    prepare, end = fit.Accelerator.prepare, fit.Accelerator.end_training

    def wrap(self, model, optimizer):
        wrapper = torch.nn.Sequential(model)
        wrappers.append(weakref.ref(wrapper))
        self._models.append(wrapper)
        return wrapper, prepare(self, optimizer)

    monkeypatch.setattr(fit.Accelerator, "prepare", wrap)
    monkeypatch.setattr(fit.Accelerator, "end_training", lambda self: (held.extend(one() for one in wrappers), end(self)))
    fit.fit(settings(epochs=1))
    assert held == [None]


def test_patience_ends_a_run(settings, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(fit, "criterion", lambda report, metric: 1.0)
    run = settings(epochs=9, patience=2)
    fit.fit(run)
    assert len(metrics(run)) == 3


def test_the_best_epoch_is_kept(settings, monkeypatch):
    monkeypatch.undo()
    scores = iter([1.0, 3.0, 2.0])
    monkeypatch.setattr(fit, "criterion", lambda report, metric: next(scores) if metric == "mean" else 0.0)
    run = settings("kept", epochs=3)
    best = []
    monkeypatch.setattr(fit, "save", lambda model, *rest: best.append(model.weights()))
    fit.fit(run)
    assert len(best) == 2  # after the first and the second epoch, not after the third
    assert [line["score"] for line in metrics(run)] == [1, 3, 2]


def test_full_disk_while_saving_keeps_the_old_model(settings, monkeypatch):
    run = settings(epochs=1)
    fit.fit(run)
    before = weights(run)

    class SafetensorError(Exception):
        pass

    def full(*arguments, **options):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="No space left on device"):
        fit.fit(run)
    assert_close(before, weights(run), 0)
    assert not [p for p in Path(run.output).iterdir() if p.name.startswith(".")]


def test_articles_without_a_word_do_no_harm(settings, articles, tmp_path):
    file = tmp_path / "more.jsonl"
    blank = [Document(f"blank-{i}", " \n" * i) for i in range(6)]
    jsonl.write([*jsonl.read(articles), *blank], file)
    run = settings(epochs=1, accumulate=4)
    fit.fit(run.model_copy(update={"data": config.Data(paths=[str(file)], dev=0.2, test=0.2, seed=1)}))


def test_bad_data_stops_before_training(settings, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"id": "a"}\n')
    run = settings()
    with pytest.raises(FormatError, match="text: is missing"):
        fit.fit(run.model_copy(update={"data": config.Data(paths=[str(bad)])}))
    with pytest.raises(builders.DataError, match="too few"):
        fit.fit(run.model_copy(update={"data": config.Data(paths=run.data.paths, dev=0.6, test=0.6)}))
    assert not (Path(run.output) / "model").exists()


def test_criterion_reads_the_report(monkeypatch):
    monkeypatch.undo()
    values = {"names": {"strict": {"f1": 80.0}}, "claims": {"soft80": {"f1": 60.0}, "strict": {"f1": 40.0}}}
    assert fit.criterion(values, "mean") == 70
    assert fit.criterion(values, "claims.strict.f1") == 40


def test_what_is_kept_is_the_average(settings):
    plain, averaged = settings("plain", epochs=1, average=0.0), settings("averaged", epochs=1, average=0.9)
    fit.fit(plain)
    fit.fit(averaged)
    one, other = weights(plain), weights(averaged)
    assert max(float((one[key] - other[key]).abs().max()) for key in one) > 1e-4
