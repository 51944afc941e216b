"""Training through the real loop on a tiny encoder: what it writes, what changes nothing, what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from nisba import builders, checkpoint, config, decode, fit, predict
from nisba.files import FormatError
from nisba.formats import jsonl
from nisba.schema import Document


@pytest.fixture(scope="module")
def articles(seeds, tmp_path_factory):
    """Twelve short articles: the heads of seeds."""
    file = tmp_path_factory.mktemp("articles") / "articles.jsonl"
    jsonl.write(sorted(seeds, key=lambda d: len(d.text))[:12], file)
    return file


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
        values = {"epochs": 2, "batch": 1500, "learning_rate": 1e-3, "patience": 9} | train
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


@pytest.fixture(autouse=True)
def always_better(monkeypatch):
    """Each epoch counts as the best one, so that the saved weights are the last ones."""
    count = iter(range(1, 1000))
    monkeypatch.setattr(fit, "criterion", lambda report, metric: float(next(count)))


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


def test_a_checkpoint_of_another_version_is_refused(settings, monkeypatch):
    run = settings()
    monkeypatch.setattr(checkpoint, "FORMAT", 1)
    monkeypatch.setattr(fit.shutil, "rmtree", lambda *_, **__: None)
    fit.fit(run)
    monkeypatch.undo()
    with pytest.raises(checkpoint.CheckpointError, match="an unfinished run of another version of nisba"):
        fit.fit(run)


def test_accumulation_changes_nothing(settings):
    one, other = settings("one"), settings("other", accumulate=3)
    fit.fit(one)
    fit.fit(other)
    assert_close(weights(one), weights(other), 2e-5)


def test_interrupted_equals_uninterrupted(settings, monkeypatch):
    whole, broken = settings("whole"), settings("broken")
    fit.fit(whole)
    save = checkpoint.save

    def stop(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            fit.fit(broken)
    assert checkpoint.latest(Path(broken.output) / "checkpoints").name == "epoch-0001"
    with pytest.raises(fit.FitError, match="unfinished run of another configuration"):
        fit.fit(settings("broken", learning_rate=1.0))
    fit.fit(broken)
    assert_close(weights(whole), weights(broken), 0)
    assert saved(broken)["calibration"] == saved(whole)["calibration"]
    epochs = [json.loads(line)["epoch"] for line in (Path(broken.output) / "metrics.jsonl").read_text().splitlines()]
    assert epochs == [1, 2]


@pytest.mark.training
def test_one_process_equals_two(settings, root, tmp_path):
    one = settings("one", metric="names.strict.f1")
    results = []
    for processes, name in ((1, "one"), (2, "two")):
        file = tmp_path / f"{name}.yaml"
        file.write_text(config.dump(one.model_copy(update={"output": str(tmp_path / name)})), encoding="utf-8")
        program = "from nisba import config, fit; count = iter(range(1, 99)); fit.criterion = lambda r, m: float(next(count)); "
        program += f"fit.fit(config.load({str(file)!r}))"
        script = tmp_path / f"{name}.py"
        script.write_text(program)
        environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", str(script)]
        run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, timeout=300, check=False)
        assert run.returncode == 0, run.stderr[-2000:]
        results.append(load_file(tmp_path / name / "model" / "model.safetensors"))
    assert_close(*results, 5e-5)


def test_patience_ends_a_run(settings, monkeypatch):
    monkeypatch.setattr(fit, "criterion", lambda report, metric: 1.0)
    run = settings(epochs=9, patience=2)
    fit.fit(run)
    assert len((Path(run.output) / "metrics.jsonl").read_text().splitlines()) == 3


def test_the_best_epoch_is_kept(settings, monkeypatch):
    last = settings("last", epochs=2)
    fit.fit(last)
    scores = iter([1.0, 3.0, 2.0])
    monkeypatch.setattr(fit, "criterion", lambda report, metric: next(scores) if metric == "mean" else 0.0)
    kept = settings("kept", epochs=3)
    saved = []
    monkeypatch.setattr(fit, "save", lambda model, *rest: saved.append({k: v.clone() for k, v in model.weights().items()}))
    fit.fit(kept)
    assert len(saved) == 2  # after the first and the second epoch, not after the third
    lines = [json.loads(line) for line in (Path(kept.output) / "metrics.jsonl").read_text().splitlines()]
    assert [line["score"] for line in lines] == [1, 3, 2]


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


def test_learning_rate_rises_and_falls_to_zero():
    rates = [fit.slope(step, 100, 0.1) for step in range(100)]
    assert max(rates) == rates[9] == 1
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert 0 < rates[-1] < 0.02


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


def test_the_running_average_is_that_of_its_definition():
    from torch import nn
    from torch.optim.swa_utils import AveragedModel

    layer = nn.Linear(1, 1, bias=False)
    averaged = AveragedModel(layer, multi_avg_fn=fit.moving(0.5))
    expected = None
    for count, value in enumerate([4.0, 2.0, 8.0, 1.0, 3.0, 5.0, 7.0, 9.0, 2.0, 6.0, 4.0]):
        layer.weight.data.fill_(value)
        averaged.update_parameters(layer)
        left = min(0.5, (1 + count) / (10 + count))
        expected = value if expected is None else left * expected + (1 - left) * value
        assert float(averaged.module.weight.detach()) == pytest.approx(expected, abs=1e-5)


def test_what_is_kept_is_the_average(settings):
    plain, averaged = settings("plain", epochs=1, average=0.0), settings("averaged", epochs=1, average=0.9)
    fit.fit(plain)
    fit.fit(averaged)
    one, other = weights(plain), weights(averaged)
    assert max(float((one[key] - other[key]).abs().max()) for key in one) > 1e-4
