"""Trackers through accelerate's own classes, with stand-ins for the libraries below; and TensorBoard itself."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import accelerate.tracking
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nisba import config, fit, trackers
from nisba.checkpoint import Checkpoints, Progress
from nisba.cli import main
from tests import quick

LIBRARIES = ("mlflow", "tensorboard", "trackio", "wandb")


@pytest.fixture
def settings(tiny, seeds, tmp_path, monkeypatch):
    file = quick.articles(seeds, tmp_path / "articles.jsonl")
    quick.lighten(monkeypatch).extend(range(1, 99))
    return lambda **train: quick.settings(tiny, file, tmp_path / "run", **train)


class Library:
    """What all four do with what they are given: ``begun`` are the options of each start, ``values`` what was logged, in order."""

    def __init__(self):
        self.begun, self.config, self.values, self.closed = [], [], [], 0

    def start(self, **options):
        assert self.closed == len(self.begun), "the run before is still open"
        self.begun.append(options)
        self.info = SimpleNamespace(run_id=options.get("run_id") or f"given-{len(self.begun)}")
        return self

    def log(self, values, step):
        assert all(isinstance(value, int | float) for value in values.values())
        self.values.append((step, values))

    def finish(self):
        self.closed += 1

    def hold(self, values, **options):
        assert all(isinstance(value, bool | int | float | str) for value in values.values())
        self.config.append(values)

    @property
    def steps(self):
        return [step for step, _ in self.values]


@pytest.fixture
def libraries(monkeypatch):
    """A stand-in for each library, with the calls that accelerate makes."""
    found = {name: Library() for name in LIBRARIES}
    monkeypatch.setattr(accelerate.tracking, "_available_trackers", [accelerate.utils.LoggerType(name) for name in LIBRARIES])
    for name in ("trackio", "wandb"):
        module, library = ModuleType(name), found[name]
        module.init, module.config = library.start, SimpleNamespace(update=library.hold)
        monkeypatch.setitem(sys.modules, name, module)

    module, mlflow = ModuleType("mlflow"), found["mlflow"]
    module.search_experiments, module.create_experiment = lambda filter_string: [], lambda **options: "1"
    module.start_run, module.end_run = mlflow.start, mlflow.finish
    module.log_params = mlflow.hold
    module.log_metrics = mlflow.log
    module.utils = SimpleNamespace(validation=SimpleNamespace(MAX_PARAM_VAL_LENGTH=6000, MAX_PARAMS_TAGS_PER_BATCH=100))
    monkeypatch.setitem(sys.modules, "mlflow", module)

    board = found["tensorboard"]

    class SummaryWriter:
        def __init__(self, folder, **options):
            board.start(folder=folder, **options)

        def add_hparams(self, values, metric_dict):
            board.hold(values)

        def add_scalar(self, key, value, global_step):
            if key == "epoch":
                board.log({key: value}, global_step)

        def flush(self):
            pass

        close = board.finish

    torch_board = ModuleType("torch.utils.tensorboard")
    torch_board.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", torch_board)
    monkeypatch.setattr("torch.utils.tensorboard", torch_board, raising=False)
    return found


def killed_behind(epoch, patch):
    """Killed right behind the checkpoint of an epoch."""
    save = Checkpoints.save

    def stop(self, progress):
        save(self, progress)
        if (progress.epoch, progress.step) == (epoch, 0):
            raise KeyboardInterrupt

    patch.setattr(Checkpoints, "save", stop)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_run_that_goes_on_goes_on_with_its_curve(settings, libraries, name, monkeypatch):
    """Broken off in the second epoch, between its scores and its checkpoint: that is scored again, and logged once."""
    run, library = settings(epochs=3, tracker=name), libraries[name]
    scored = Progress.scored

    def stop(self, line, score):
        if self.epoch == 1:
            raise KeyboardInterrupt
        return scored(self, line, score)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "scored", stop)
        with pytest.raises(KeyboardInterrupt):
            fit.fit(run)
    assert library.closed == 1
    fit.fit(run)
    lines = [json.loads(line) for line in (Path(run.output) / "metrics.jsonl").read_text().splitlines()]
    assert library.steps == [line["step"] for line in lines]
    assert (len(library.begun), len(library.config), library.closed) == (2, 1, 2)
    assert library.config == [trackers.flat(run)]
    first, second = library.begun
    state = json.loads((Path(run.output) / "tracker.json").read_text())
    if name == "tensorboard":
        assert (first["purge_step"], second["purge_step"]) == (0, lines[0]["step"] + 1)
        assert first["folder"] == second["folder"] == str(Path(run.output) / "nisba")
    elif name == "mlflow":
        assert state == {"run": "given-1"}
        assert (first["run_id"], second["run_id"]) == (None, "given-1")
    elif name == "wandb":
        assert first["id"] == second["id"] == state["run"]
        assert (first["mode"], first["resume"], first["dir"]) == ("offline", "allow", run.output)
    else:
        assert first["name"] == second["name"]
        assert first["resume"] == "allow"


def test_killed_before_the_log_a_line_is_missing_and_none_is_twice(settings, libraries, monkeypatch):
    run, library = settings(tracker="wandb"), libraries["wandb"]
    with monkeypatch.context() as patch:
        killed_behind(1, patch)
        with pytest.raises(KeyboardInterrupt):
            fit.fit(run)
    fit.fit(run)
    lines = [json.loads(line) for line in (Path(run.output) / "metrics.jsonl").read_text().splitlines()]
    assert library.steps == [lines[1]["step"]]


def test_a_new_run_in_the_folder_has_a_new_curve(settings, libraries):
    run = settings(epochs=1, tracker="wandb")
    fit.fit(run)
    fit.fit(run)
    first, second = libraries["wandb"].begun
    assert first["id"] != second["id"]


def test_values_are_flat():
    values = trackers.flat(config.Config(data=config.Data(paths=["a.jsonl", "ب.jsonl"])))
    assert values["data.paths"] == '["a.jsonl", "ب.jsonl"]'
    assert values["train.weights.names"] == 1.0
    assert "train.tracker" not in values  # nothing that is not set
    assert all(isinstance(value, bool | int | float | str) for value in values.values())


def test_a_tracker_that_is_missing_is_no_silence(settings, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(accelerate.tracking, "_available_trackers", [])
    run = settings(tracker="mlflow")
    file = tmp_path / "run.yaml"
    file.write_text(config.dump(run))
    assert main(["fit", "--config", str(file)]) == 1
    assert "train.tracker: mlflow is not installed: pip install mlflow" in capsys.readouterr().err
    assert not Path(run.output).exists()


@pytest.mark.parametrize("state", [None, "", "{}", "[]", '{"run": 1}'])
def test_a_run_whose_curve_nobody_knows(state, tmp_path):
    if state is not None:
        (tmp_path / "tracker.json").write_text(state)
    with pytest.raises(trackers.TrackerError, match=r"tracker\.json: does not tell which run to go on with"):
        trackers.known(tmp_path / "tracker.json")


def test_a_tracker_that_cannot_be_opened(settings, libraries, monkeypatch):
    monkeypatch.setattr(sys.modules["wandb"], "init", lambda **options: (_ for _ in ()).throw(ConnectionError("no such host")))
    with pytest.raises(trackers.TrackerError, match=r"train\.tracker: wandb cannot be opened: no such host"):
        fit.fit(settings(tracker="wandb"))


def test_tensorboard_itself_shows_each_step_once(settings, monkeypatch):
    run = settings(epochs=3, tracker="tensorboard")
    fit.fit(run)  # a first run, whose points go
    with monkeypatch.context() as patch:
        log = trackers.log
        patch.setattr(trackers, "log", lambda *arguments: (log(*arguments), (_ for _ in ()).throw(KeyboardInterrupt)))
        with pytest.raises(KeyboardInterrupt):
            fit.fit(run)
    fit.fit(run)
    events = EventAccumulator(str(Path(run.output) / "nisba")).Reload()
    lines = [json.loads(line) for line in (Path(run.output) / "metrics.jsonl").read_text().splitlines()]
    points = [(point.step, pytest.approx(point.value)) for point in events.Scalars("score")]
    assert points == [(line["step"], line["score"]) for line in lines]
