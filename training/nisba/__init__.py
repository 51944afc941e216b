"""Who said what in Arabic news: names and attributed claims, found by a fine-tuned encoder.

``nisba.load("runs/quickstart/model").predict(text)`` gives a ``Document``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nisba.schema import Claim, Document, Entity, SchemaError, Span

if TYPE_CHECKING:
    from nisba.predict import Predictor

__version__ = "0.1.0"
__all__ = ["Claim", "Document", "Entity", "SchemaError", "Span", "load"]


def load(path: str, *, device: str | None = None, revision: str | None = None) -> Predictor:
    """A trained model from a folder or the Hugging Face Hub: an object with ``predict(text) -> Document`` and
    ``stream(documents) -> Iterator[Document]``. Raises ModelError where there is no such model."""
    options: dict[str, Any] = {"device": device, "revision": revision}
    from nisba.predict import load as load_model

    return load_model(path, **options)
