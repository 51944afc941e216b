"""Sweeps over a tiny encoder: what is tried, given up, taken up again, refused."""

import json
import signal
from pathlib import Path

import pytest
import yaml

from nisba import config, fit, ranges, sweep
from nisba.cli import main
from nisba.formats import jsonl
from nisba.interrupts import Interrupts, Stopped
from tests import quick

pytest.importorskip("optuna")
SPACE = {
    "train.learning_rate": {"log": ["1e-4", 1.0e-2]},
    "train.warmup": {"float": [0, 0.3]},
    "train.freeze": {"int": [0, 1]},
    "model.layers": {"choice": [1, 2]},
}


@pytest.fixture(scope="module")
def articles(seeds, tmp_path_factory):
    return quick.articles(seeds, tmp_path_factory.mktemp("articles") / "articles.jsonl")


@pytest.fixture
def settings(tiny, articles, tmp_path):
    return lambda name="sweep", **train: quick.settings(tiny, articles, tmp_path / name, **train)


@pytest.fixture
def space(settings):
    return read(settings(), SPACE)


def read(given, values):
    file = Path(given.output).parent / "space.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    return ranges.load(file, given)


@pytest.fixture
def scores(monkeypatch):
    """Scores that are set: those of each trial's epochs, in the order in which they are asked for."""
    return quick.lighten(monkeypatch)


def stop():
    raise KeyboardInterrupt


def files(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def plain(rows):
    return [(one.trial, one.state, one.score, one.epochs, dict(one.parameters)) for one in rows]


@pytest.fixture
def whole(settings, space, scores):
    """A sweep of three trials that nobody interrupts."""
    scores += [1, 2, 5, 4, 3, 3]
    return sweep.run(settings("whole"), space, trials=3)


def test_a_sweep_writes_what_it_says(settings, whole, tmp_path):
    output = tmp_path / "whole"
    assert [(one.trial, one.state, one.score, one.epochs) for one in whole] == [
        (1, "complete", 2, 2),
        (2, "complete", 5, 2),
        (3, "complete", 3, 2),
    ]
    assert files(output) == ["best.yaml", "sweep.db", "trial-0001", "trial-0002", "trial-0003", "trials.jsonl"]
    for one in whole:
        folder = output / f"trial-{one.trial:04d}"
        assert files(folder) == ["config.yaml", "data", "metrics.jsonl", "model"]
        assert one.parameters.keys() == SPACE.keys()
        assert config.load(folder / "config.yaml") == ranges.chosen(
            settings("whole"), {**one.parameters, "output": str(folder)}, "test"
        )
    assert len({one.parameters["train.learning_rate"] for one in whole}) == 3
    lines = [json.loads(line) for line in (output / "trials.jsonl").read_text().splitlines()]
    assert lines == [vars(one) for one in whole]
    best = config.load(output / "best.yaml")
    assert best == ranges.chosen(settings("whole"), {**whole[1].parameters, "output": str(output / "best")}, "test")


def test_interrupted_equals_uninterrupted(settings, space, scores, whole, monkeypatch, tmp_path):
    """Killed in a trial, between its last epoch and its entry, and before it has all its values: three trials all the same."""
    again = settings("again")
    scores += [1, 2, 5, 4, 3, 3]
    real = fit.save

    def killed(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # in the first epoch
        patch.setattr(fit, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            sweep.run(again, space, trials=3)
    scores.insert(0, 1)  # that epoch is scored again
    with monkeypatch.context() as patch:  # the first trial is over, but nobody has heard
        patch.setattr("optuna.study.Study.tell", lambda *arguments, **options: stop())
        with pytest.raises(KeyboardInterrupt):
            sweep.run(again, space, trials=3)
    assert scores == [5, 4, 3, 3]
    assert not (tmp_path / "again" / "trials.jsonl").exists()
    suggest = sweep.suggest

    def partly(trial, key, one):
        suggest(trial, key, one)
        if trial.number == 2 and key == "train.learning_rate":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sweep, "suggest", partly)
        with pytest.raises(KeyboardInterrupt):
            sweep.run(again, space, trials=3)
    rows = sweep.run(again, space, trials=3)
    assert scores == []
    assert plain(rows)[:2] == plain(whole)[:2]
    assert plain(rows)[2][:4] == plain(whole)[2][:4]  # values that were missing are drawn anew
    assert plain(sweep.run(again, space, trials=3)) == plain(rows)  # there is nothing to do any more
    assert files(tmp_path / "again") == files(tmp_path / "whole")


def test_asked_to_stop_a_sweep_saves_and_goes_on(settings, space, scores, whole, monkeypatch):
    scores += [1, 2]
    run = settings("asked")
    with monkeypatch.context() as patch, Interrupts() as interrupts:
        patch.setattr(fit, "scored", lambda *arguments, **options: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(Stopped):
            sweep.run(run, space, trials=1, interrupts=interrupts)
    assert plain(sweep.run(run, space, trials=1)) == plain(whole)[:1]


def test_trials_that_fall_behind_are_given_up_and_leave_no_model(settings, space, scores, monkeypatch, tmp_path):
    """Four complete ones first; the fifth's second epoch is below their median. Killed just there, it is given up all the same."""
    run = settings(epochs=3)
    scores += [5, 6, 7] * 4 + [5, 1]
    with monkeypatch.context() as patch:
        patch.setattr("optuna.trial.Trial.should_prune", lambda trial: trial.number == 4 and len(scores) == 0 and stop())
        with pytest.raises(KeyboardInterrupt):
            sweep.run(run, space, trials=5)
    rows = sweep.run(run, space, trials=5)
    assert [one.state for one in rows] == ["complete"] * 4 + ["pruned"]
    assert (rows[4].score, rows[4].epochs) == (5, 2)
    assert files(tmp_path / "sweep" / "trial-0005") == ["config.yaml", "data", "metrics.jsonl"]
    assert sweep.best(rows) == rows[0]  # the first of equals


def test_a_trial_whose_loss_explodes_has_failed_and_the_next_begins(settings, scores, capsys, tmp_path):
    run = settings()
    space = read(run, {"train.head_learning_rate": {"log": [1e14, 1e15]}})
    rows = sweep.run(run, space, trials=2)
    assert [(one.state, one.score) for one in rows] == [("failed", None)] * 2
    assert "the loss of" in rows[0].reason or "the norm" in rows[0].reason
    assert files(tmp_path / "sweep" / "trial-0001") == ["config.yaml", "data"]
    assert not (tmp_path / "sweep" / "best.yaml").exists()
    sweep.show(rows)
    assert "no trial is complete" in capsys.readouterr().out


def test_another_sweep_is_refused(settings, space, scores, whole, articles, tmp_path):
    for other in (settings("whole", epochs=1), settings("whole", seed=1)):
        with pytest.raises(sweep.SweepError, match="holds a sweep of another configuration"):
            sweep.run(other, space, trials=3)
    with pytest.raises(sweep.SweepError, match="other ranges"):
        sweep.run(settings("whole"), space | {"train.warmup": ranges.Range("float", (0.0, 0.2))}, trials=3)
    articles.rename(kept := articles.with_suffix(".kept"))
    try:  # the same name, other articles
        jsonl.write(list(jsonl.read(kept))[1:], articles)
        with pytest.raises(sweep.SweepError, match="other articles"):
            sweep.run(settings("whole"), space, trials=3)
    finally:
        kept.rename(articles)
    scores.append(1)
    run = settings("run", epochs=1)
    fit.fit(run)
    with pytest.raises(sweep.SweepError, match="holds a run; choose another output"):
        sweep.run(run, space, trials=1)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "sweep.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(sweep.SweepError, match=r"sweep\.db: cannot be opened"):
        sweep.run(settings("damaged"), space, trials=1)


def test_the_command(settings, scores, capsys, tmp_path):
    scores += [1, 2]
    run = settings()
    file, values = tmp_path / "run.yaml", tmp_path / "space.yaml"
    file.write_text(config.dump(run))
    values.write_text("train.learning_rate: {log: [1e-4, 1e-2]}\n")
    assert main(["sweep", str(file), "--space", str(values), "--trials", "1"]) == 0
    out = capsys.readouterr().out
    assert "train.learning_rate" in out
    assert "best: trial 1, 2.00" in out
    values.write_text("train.learning_rat: {log: [1e-4, 1e-2]}\n")
    assert main(["sweep", str(file), "--space", str(values), "--trials", "1"]) == 1
    assert "unknown key; did you mean train.learning_rate?" in capsys.readouterr().err
