"""The model that training begins with, and its tokenizer: new heads on an encoder, or a model of nisba with those that it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedTokenizerFast

from nisba import offline
from nisba.config import Model
from nisba.encode import load_tokenizer
from nisba.labels import NAME_TAGS, ROLE_TAGS
from nisba.model import NisbaModel
from nisba.schema import SOURCE_TYPES, STANCES

SIZES = {"roles": len(ROLE_TAGS), "source_types": len(SOURCE_TYPES), "stances": len(STANCES)}


class EncoderError(RuntimeError):
    """The encoder is out of reach or is none that a fast tokenizer and a token-classification head exist for."""


def build(settings: Model) -> tuple[PreTrainedTokenizerFast, NisbaModel]:
    """Tokenizer and model for training. Raises EncoderError, OfflineError."""
    path = str(offline.folder()) if settings.encoder == offline.NAME else place(settings.encoder)
    revision: dict[str, Any] = {} if settings.revision is None else {"revision": settings.revision}
    options = {"trust_remote_code": settings.trust_remote_code} | revision
    try:
        tokenizer = load_tokenizer(path, **options)
        if isinstance(getattr(AutoConfig.from_pretrained(path, **options), "nisba", None), dict):
            model = go_on(NisbaModel.load(path, **revision), settings)
        else:
            layers = settings.layers
            model = NisbaModel.from_encoder(path, name_tags=NAME_TAGS, window=settings.window, layers=layers, **SIZES, **options)
        limit = min(tokenizer.model_max_length, model.names.config.max_position_embeddings)
    except (AttributeError, OSError, ValueError) as error:
        reason = f"the encoder {settings.encoder!r} could not be loaded: {str(error).strip().splitlines()[0]}"
        if isinstance(error, OSError):
            reason += " – where the Hugging Face Hub cannot be reached, train on the offline encoder: "
            reason += "accelerate launch train.py --config configs/quickstart.yaml"
        raise EncoderError(reason) from error
    if settings.window > limit:
        raise EncoderError(f"model.window: {settings.window} sub-words are more than the encoder's {limit}")
    return tokenizer, model


def place(name: str) -> str:
    """Where an encoder's files lie: for a run of nisba its model, else the name itself, a folder or an id on the Hub."""
    model = Path(name) / "model"
    return str(model) if (model / "config.json").is_file() else name


def go_on(model: NisbaModel, settings: Model) -> NisbaModel:
    """A trained model as the beginning of another training: heads and all. Labels are the schema's, so they must be the same.

    Raises ValueError where it has other labels, or other layers than asked for.
    """
    config: Any = model.names.config
    if [config.id2label[i] for i in range(len(config.id2label))] != list(NAME_TAGS) or not SIZES.items() <= config.nisba.items():
        raise ValueError("it was trained for other labels than those of this version of nisba")
    if settings.layers not in (None, config.num_hidden_layers):
        raise ValueError(f"a trained model keeps its {config.num_hidden_layers} layers; leave model.layers out")
    config.nisba = config.nisba | {"window": settings.window}
    return model.train()
