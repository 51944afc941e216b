"""Typed configuration: YAML files and dotted overrides, every error at once, unknown keys with the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class ConfigError(ValueError):
    """A configuration that cannot be used; the message lists everything wrong with it."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    paths: list[str] = Field(["seeds/articles.jsonl"], description="annotated articles (JSON Lines), split by the shares below")
    train_paths: list[str] = Field([], description="whole files for training, also articles that are annotated in part")
    dev_paths: list[str] = Field([], description="whole files beside the dev articles of paths")
    test_paths: list[str] = Field([], description="whole files beside the test articles of paths")
    dev: Annotated[float, Field(gt=0, lt=1)] = Field(0.15, description="share of the articles that choose the checkpoint")
    test: Fraction = Field(0.15, description="share of the articles that are only measured")
    seed: int = Field(0, description="of the split")

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if not self.paths and not (self.train_paths and self.dev_paths):
            raise ValueError("paths, or train_paths and dev_paths, must name a file")
        return self


class Model(Section):
    encoder: str = Field(
        "aubmindlab/bert-base-arabertv02",
        description="hub id, folder, or 'offline'; a model or run of nisba brings its heads along",
    )
    revision: str | None = Field(None, description="of the encoder on the hub")
    layers: Positive | None = Field(None, description="keep only the encoder's first layers")
    trust_remote_code: bool = Field(False, description="run code that comes with the encoder")
    window: Annotated[int, Field(ge=16)] = Field(384, description="sub-words of one encoder pass, special tokens included")


class Weights(Section):
    """Each head's loss is summed, divided by the number of its labels that are not O, and weighted."""

    names: Annotated[float, Field(ge=0)] = 1.0
    anchors: Annotated[float, Field(ge=0)] = 1.0
    roles: Annotated[float, Field(ge=0)] = 1.0
    source_types: Annotated[float, Field(ge=0)] = 0.3
    stances: Annotated[float, Field(ge=0)] = 0.1


class Train(Section):
    epochs: Positive = 20
    batch: Positive = Field(1024, description="sub-words of one optimizer step, over all processes")
    accumulate: Positive = Field(1, description="micro-batches of one step on each process")
    memory: Annotated[float, Field(gt=0)] | None = Field(
        None, description="GiB that a process may take for the model and a step, by estimate: more micro-batches where needed"
    )
    gradient_checkpointing: bool = Field(False, description="compute the encoder's layers twice rather than keep what they need")
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    head_learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup: Fraction = Field(0.1, description="share of all steps")
    average: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.998, description="how much of the running average of the weights, which is what is kept, a step leaves; 0 for none"
    )
    clip: Annotated[float, Field(gt=0)] = Field(1.0, description="largest norm of the gradient")
    freeze: Annotated[int, Field(ge=0)] = Field(0, description="lower layers of the encoder that do not learn, with its embeddings")
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="what each layer of the encoder learns at, of the rate of the one above it"
    )
    adversarial: Annotated[float, Field(ge=0)] = Field(
        0.0, description="how far (L2) word embeddings go uphill for a second look at each step's articles, twice the time; 0: none"
    )
    save_every: Annotated[float, Field(ge=0)] = Field(
        10.0, description="minutes between checkpoints within an epoch, more where saving one takes 2 % of that; 0: every step"
    )
    keep: Positive = Field(2, description="checkpoints that are kept until the run ends")
    metric: Literal["claims.soft80.f1", "claims.strict.f1", "names.strict.f1", "mean"] = Field(
        "mean", description="chooses the checkpoint; 'mean' is that of names.strict.f1 and claims.soft80.f1"
    )
    patience: Positive = Field(5, description="epochs without a better checkpoint before training stops")
    seed: int = 0
    tracker: Literal["tensorboard", "wandb", "mlflow", "trackio"] | None = Field(
        None, description="keeps the curves too; wandb only on this machine unless WANDB_MODE says otherwise"
    )
    weights: Weights = Weights()

    @model_validator(mode="after")
    def _embeddings_learn(self) -> Self:
        if self.adversarial and self.freeze:
            raise ValueError("adversarial needs word embeddings that learn; freeze takes them out of training")
        return self


class Config(Section):
    data: Data = Data()
    model: Model = Model()
    train: Train = Train()
    output: str = Field("runs/arabert", description="folder of the run")


def load(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a YAML file and apply ``section.key=value`` overrides (YAML values). Raises ConfigError, OSError."""
    try:
        given = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(given, dict | None):
        raise ConfigError(f"{path}: must be a mapping of sections")
    values: dict[str, Any] = given or {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {override}: must be section.key=value")
        section = values
        *above, last = key.split(".")
        for name in above:
            if not isinstance(section.setdefault(name, {}), dict):
                raise ConfigError(f"--set {override}: {name} is no section")
            section = section[name]
        try:
            section[last] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"--set {override}: the value is not YAML") from None
    return parse(values, str(path))


def parse(values: Mapping[str, Any], where: str) -> Config:
    """Check plain values. Raises ConfigError with every problem."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{where}: {_explain(dict(problem))}" for problem in error.errors())) from None


def dump(config: Config) -> str:
    """The resolved configuration as YAML; ``load`` reads it back to an equal one."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True)


def _explain(problem: dict[str, Any]) -> str:
    location: tuple[Any, ...] = problem["loc"]
    key = ".".join(map(str, location))
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}"
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg']}, not {problem['input']!r}"
    near = difflib.get_close_matches(str(location[-1]), [k.split(".")[-1] for k in _keys(Config)], 1, 0.5)
    full = [k for k in _keys(Config) if near and k.split(".")[-1] == near[0]]
    hint = f"; did you mean {full[0]}?" if full else f"; known here: {', '.join(_siblings(location))}"
    return f"{key}: unknown key{hint}"


def _keys(section: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in section.model_fields.items():
        keys.append(prefix + name)
        if (inner := _section(field.annotation)) is not None:
            keys += _keys(inner, f"{prefix}{name}.")
    return keys


def _siblings(location: tuple[Any, ...]) -> list[str]:
    section: type[BaseModel] = Config
    for name in location[:-1]:
        section = _section(section.model_fields[name].annotation) or section
    return list(section.model_fields)


def _section(annotation: Any) -> type[BaseModel] | None:
    options = get_args(annotation) if get_origin(annotation) is Union else (annotation,)
    return next((a for a in options if isinstance(a, type) and issubclass(a, BaseModel)), None)


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``(dotted key, value)`` of a nested mapping, as trackers want it."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
