"""Ranges of a sweep: what is read, and every error at once."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nisba import config, ranges
from nisba.ranges import Range


def read(tmp_path, text):
    file = tmp_path / "space.yaml"
    file.write_text(text, encoding="utf-8")
    return ranges.load(file, config.Config())


def test_every_file_in_configs_loads(root):
    files = sorted((root / "configs" / "sweeps").glob("*.yaml"))
    assert files
    for file in files:
        found = ranges.load(file, config.load(root / "configs" / file.name))
        assert {one.kind for one in found.values()} == set(ranges.KINDS)


def test_each_kind(tmp_path):
    text = "train.learning_rate: {log: [1e-5, 0.001]}\ntrain.warmup: {float: [0, 0.3]}\ntrain.freeze: {int: [0, 4]}\n"
    assert read(tmp_path, text + "model.layers: {choice: [6, 8, null]}\ntrain.weights.roles: {float: [0.5, 2]}\n") == {
        "train.learning_rate": Range("log", (1e-5, 1e-3)),  # YAML takes the first for a text
        "train.warmup": Range("float", (0.0, 0.3)),
        "train.freeze": Range("int", (0, 4)),
        "model.layers": Range("choice", (6, 8, None)),
        "train.weights.roles": Range("float", (0.5, 2.0)),
    }


def test_all_errors_at_once(tmp_path):
    wrong = {
        "train.learning_rat: {log: [1e-5, 1e-3]}": "train.learning_rat: unknown key; did you mean train.learning_rate?",
        "train.learning_rate: {log: [0, 1e-3]}": "train.learning_rate: log: both ends must be above 0: «[0, '1e-3']»",
        "train.warmup: {float: [0, 1.5]}": "train.warmup: Input should be less than 1, not 1.5",
        "train.freeze: {int: [0, 2.5]}": "train.freeze: int: the ends must be whole numbers: «2.5»",
        "train.clip: {float: [2, 1]}": "train.clip: float: the first end must be below the second",
        "train.batch: {int: [1, 2, 3]}": "train.batch: int: must have two ends, not 3",
        "train.epochs: {int: [true, 3]}": "train.epochs: int: the ends must be whole numbers: «True»",
        "train.average: {float: [0, .nan]}": "train.average: float: the ends must lie within ±2^53: «nan»",
        "train.seed: {int: [0, 9e99]}": "train.seed: int: the ends must be whole numbers: «9e99»",
        "train.keep: {range: [1, 2]}": "train.keep: must be one of {log: […]}, {float: […]}, {int: […]}, {choice: […]}",
        "train.accumulate: 3": "train.accumulate: must be one of",
        "train.patience: {choice: [3]}": "train.patience: choice: must have 2 to 1000 values, not 1",
        "model.window: {choice: [256, 256]}": "model.window: choice: a value is given twice",
        "model.layers: {choice: [[1], 2]}": "model.layers: choice: each must be a number, a text",
        "model.encoder: {choice: [a, 3]}": "model.encoder: Input should be a valid string, not 3",
        "train.metric: {choice: [mean, names.strict.f1]}": "train.metric: cannot be searched: scores by other measures",
        "output: {choice: [a, b]}": "output: cannot be searched: each trial has its own",
        "data.seed: {int: [0, 9]}": "data.seed: cannot be searched: scores on other articles do not compare",
        "train: {choice: [1, 2]}": "train: Input should be a valid dictionary",
        "train.seed.deep: {int: [0, 9]}": "train.seed.deep: seed is no section",
        "3: {int: [0, 9]}": "3: unknown key",
    }
    with pytest.raises(ranges.RangesError) as caught:
        read(tmp_path, "\n".join(wrong))
    message = str(caught.value)
    for expected in wrong.values():
        assert f"space.yaml: {expected}" in message


@pytest.mark.parametrize("text", ["", "- a\n", "3", "a: [", "\x00", "[" * 2000])
def test_no_mapping(tmp_path, text):
    with pytest.raises(ranges.RangesError, match=r"space\.yaml: (must be a mapping|not YAML)"):
        read(tmp_path, text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ranges.KINDS, "x"]), inner, max_size=2),
        max_leaves=6,
    )
)
def test_any_value_is_a_range_or_an_error(value):
    try:
        found = ranges.parse(value)
    except ValueError:
        return
    assert found.kind in ranges.KINDS
    assert found.kind == "choice" or (len(found.values) == 2 and found.values[0] < found.values[1])


def test_what_is_chosen_is_checked():
    given = config.Config()
    assert ranges.chosen(given, {"train.weights.roles": 2.0, "model.layers": 3}, "x").train.weights.roles == 2
    with pytest.raises(config.ConfigError, match=r"x: train\.epochs"):
        ranges.chosen(given, {"train.epochs": 0}, "x")
    assert yaml.safe_load(config.dump(given)) == given.model_dump()  # nothing has changed in what was given
