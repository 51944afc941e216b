"""The dry run: its sizes are those of the training, its times are sums, and it writes nothing."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from accelerate import Accelerator

from nisba import builders, config, encoder, examples, fit, footprint, plan
from nisba.batching import steps
from nisba.cli import main
from nisba.commands import training
from nisba.examples import Examples
from tests import quick


@pytest.fixture(scope="module")
def articles(seeds, tmp_path_factory):
    return quick.articles(seeds, tmp_path_factory.mktemp("articles") / "articles.jsonl")


@pytest.fixture
def settings(tiny, articles, tmp_path):
    return lambda **train: quick.settings(tiny, articles, tmp_path / "run", **train)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_sizes_are_those_of_the_training(settings, accumulate, tmp_path):
    run = settings(accumulate=accumulate)
    sizes, costs = plan.rehearse(run)
    parts = builders.parts(run.data)
    tokenizer, model = encoder.build(run.model)
    data = Examples.of(parts["train"], tokenizer, run.model.window)
    plans = [steps(data.sizes, budget=run.train.batch, seed=0, epoch=epoch) for epoch in range(2)]
    assert sizes.articles == {"train": 4, "dev": 1, "test": 1}
    assert (sizes.epochs, sizes.steps, sizes.total) == (2, len(plans[0]), len(plans[0]) + len(plans[1]))
    assert (sizes.subwords, sizes.micro, sizes.processes, sizes.device) == (sum(data.sizes), accumulate, 1, "cpu")
    accelerator = Accelerator()
    batches = [[batch for batch, real in data.share(step, accelerator, run.train) if real] for each in plans for step in each]
    held = sum(batch.input_ids.numel() for each in batches[: sizes.steps] for batch in each)
    assert sizes.padding == held - int(sum(batch.attention_mask.sum() for each in batches[: sizes.steps] for batch in each)) > 0
    assert sizes.windows == sum(len(batch.input_ids) for each in batches[: sizes.steps] for batch in each)
    assert sizes.largest in [batch.input_ids.numel() for each in batches for batch in each]
    assert sizes.memory > footprint.BASE + footprint.held(model)
    assert costs.sizes == sizes
    assert costs.tried == sizes.total - plan.WARMING
    assert 0 < costs.share <= 1
    assert min(costs.seconds, costs.scoring) > 0
    assert costs.peak >= 0
    assert sorted(path.name for path in tmp_path.iterdir()) == []


def test_the_largest_micro_batch_is_that_of_any_epoch(settings, monkeypatch):
    monkeypatch.setattr(plan, "estimate", lambda model, load, **ways: load.padded)
    run = settings(epochs=5)
    sizes, _ = plan.rehearse(run)
    tokenizer, _ = encoder.build(run.model)
    data = Examples.of(builders.parts(run.data)["train"], tokenizer, run.model.window)
    every = [step for epoch in range(5) for step in steps(data.sizes, budget=run.train.batch, seed=0, epoch=epoch)]
    assert sizes.memory == sizes.largest == max(data.load(step).padded for step in every)


def test_a_run_of_one_step(settings):
    sizes, costs = plan.rehearse(settings(epochs=1, batch=100_000))
    assert (sizes.total, costs.tried, costs.subwords) == (1, 1, sizes.subwords)


def test_the_time_is_a_sum(settings):
    sizes, costs = plan.rehearse(settings(epochs=1, batch=100_000))
    sizes = replace(sizes, epochs=3, subwords=10_000)
    costs = replace(costs, sizes=sizes, subwords=1000, seconds=6.0, share=0.25, scoring=5.0, peak=3 * 2**29)
    assert costs.epoch == (60, 20)
    assert "1.50 GiB more than before" in str(costs)
    assert "time: 3 epochs of 01:00 and 00:20 for scoring, 04:00 at most, loading aside" in str(costs)


def test_the_command_writes_nothing(settings, tmp_path, capsys):
    run, file = settings(), tmp_path / "run.yaml"
    file.write_text(config.dump(run))
    assert main(["fit", "--config", str(file), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^articles: 4 train, 1 dev, 1 test; \d+ windows to train on, cpu$", out, re.MULTILINE)
    for word in ("steps", "sub-words", "micro-batches", "memory", "tried", "time"):
        assert re.search(rf"^{word}: .*\d", out, re.MULTILINE), word
    assert not Path(run.output).exists()


def test_train_hands_it_on(monkeypatch, root):
    started = []
    monkeypatch.setattr(training, "supervise", lambda command: started.append(command) or 0)
    monkeypatch.chdir(root)
    assert main(["train", "--config", "configs/quickstart.yaml", "--dry-run"]) == 0
    assert main(["train", "--config", "configs/quickstart.yaml"]) == 0
    assert ["--dry-run" in command for command in started] == [True, False]


def test_what_cannot_be_trained_is_told(settings):
    with pytest.raises(examples.ExamplesError, match=r"train\.memory"):
        next(plan.rehearse(settings(memory=1e-6)))
    with pytest.raises(fit.FitError, match=r"behind \d steps: the (loss of \w+|norm of the gradient) is .*, in "):
        list(plan.rehearse(settings(head_learning_rate=1e30)))
