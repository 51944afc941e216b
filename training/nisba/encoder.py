"""The encoder that a configuration names, with new heads on it, and its tokenizer."""

from __future__ import annotations

from transformers import PreTrainedTokenizerFast

from nisba import offline
from nisba.config import Model
from nisba.encode import load_tokenizer
from nisba.labels import NAME_TAGS, ROLE_TAGS
from nisba.model import NisbaModel
from nisba.schema import SOURCE_TYPES, STANCES


class EncoderError(RuntimeError):
    """The encoder is out of reach or is none that a fast tokenizer and a token-classification head exist for."""


def build(settings: Model) -> tuple[PreTrainedTokenizerFast, NisbaModel]:
    """Tokenizer and model for training. Raises EncoderError, OfflineError."""
    path = str(offline.folder()) if settings.encoder == offline.NAME else settings.encoder
    options = {"trust_remote_code": settings.trust_remote_code}
    if settings.revision is not None:
        options["revision"] = settings.revision  # type: ignore[assignment]
    try:
        tokenizer = load_tokenizer(path, **options)
        model = NisbaModel.from_encoder(
            path,
            name_tags=NAME_TAGS,
            roles=len(ROLE_TAGS),
            source_types=len(SOURCE_TYPES),
            stances=len(STANCES),
            window=settings.window,
            layers=settings.layers,
            **options,
        )
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
