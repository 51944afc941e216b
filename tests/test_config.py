import pytest

from nisba import config


def test_every_file_in_configs_loads(root):
    import yaml
    from accelerate.commands.config.config_args import load_config_from_file

    files = sorted((root / "configs").glob("*.yaml"))
    assert {"arabert.yaml", "quickstart.yaml"} <= {file.name for file in files}
    for file in files:
        assert config.load(file).output.startswith("runs/")
    for file in sorted((root / "configs" / "accelerate").glob("*.yaml")):
        assert load_config_from_file(str(file)).mixed_precision in ("no", "bf16")
        assert yaml.safe_load(file.read_text())["num_processes"] >= 1


def test_defaults_are_arabert(root):
    assert (
        config.load(root / "configs" / "arabert.yaml").model.encoder
        == "aubmindlab/bert-base-arabertv02"
        == config.Config().model.encoder
    )


def test_overrides_and_round_trip(root, tmp_path):
    settings = config.load(
        root / "configs" / "quickstart.yaml", ["train.epochs=3", "train.learning_rate=1e-4", "data.paths=[a.jsonl]"]
    )
    assert (settings.train.epochs, settings.train.learning_rate, settings.data.paths) == (3, 1e-4, ["a.jsonl"])
    file = tmp_path / "config.yaml"
    file.write_text(config.dump(settings), encoding="utf-8")
    assert config.load(file) == settings


def test_all_errors_at_once_with_the_nearest_name(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("train:\n  epoch: 3\n  batch: -1\n  learning_rat: 0.1\nmodle: {}\nmodel:\n  window: many\n", encoding="utf-8")
    with pytest.raises(config.ConfigError) as caught:
        config.load(file)
    message = str(caught.value)
    assert "train.epoch: unknown key; did you mean train.epochs?" in message
    assert "train.learning_rat: unknown key; did you mean train.learning_rate?" in message
    assert "modle: unknown key; did you mean model?" in message
    assert "train.batch: Input should be greater than 0, not -1" in message
    assert "model.window: " in message
    assert message.count("bad.yaml") == 5


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("- a\n- b\n", [], "must be a mapping"),
        ("a: [", [], "not YAML"),
        ("", ["train.epochs"], "must be section.key=value"),
        ("output: x", ["output.deep=1"], "is no section"),
        ("", ["train.nonsense_key_of_mine=1"], "known here: epochs, batch"),
    ],
)
def test_bad_files_and_overrides(tmp_path, text, overrides, message):
    file = tmp_path / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(config.ConfigError, match=message):
        config.load(file, overrides)
