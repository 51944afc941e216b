"""How fast each parameter learns: heads and encoder, its lower layers slower or not at all, over the steps of a run."""

from __future__ import annotations

from typing import Any

import regex
import torch

from nisba.config import Train
from nisba.model import NisbaModel

_LAYER = regex.compile(r"\.layers?\.(\d+)\.")
OWN_RATE = ("claims.", "names.classifier.")


class RatesError(ValueError):
    """An encoder whose layers are not those that the configuration speaks of."""


def freeze(model: NisbaModel, layers: int) -> None:
    """Take the encoder's ``layers`` lower layers, and with them its embeddings, out of training. 0: nothing.

    Raises RatesError where it has fewer, or where they cannot be told apart by the parameters' names.
    """
    if not layers:
        return
    depths = {name: depth(name) for name, _ in model.named_parameters()}
    top = max((number for number in depths.values() if number is not None), default=0)
    if layers > top:
        raise RatesError(f"train.freeze: {layers} layers are more than the {top} that are found in the encoder")
    for name, parameter in model.named_parameters():
        number = depths[name]
        parameter.requires_grad_(number is None or number > layers)


def parameter_groups(model: NisbaModel, train: Train) -> list[dict[str, Any]]:
    """What learns, for the optimizer. Heads learn at their own rate, the encoder's top layer at ``learning_rate``, and each layer
    below at ``layer_decay`` times the rate of the one above (Howard and Ruder 2018, https://aclanthology.org/P18-1031), embeddings
    last. Biases and norms do not decay."""
    top = model.names.config.num_hidden_layers
    groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            number = depth(name)
            rate = train.learning_rate * train.layer_decay ** (top - (top if number is None else number))
            peak = train.head_learning_rate if name.startswith(OWN_RATE) else rate
            groups.setdefault((peak, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": parameters, "peak": peak, "lr": 0.0, "weight_decay": train.weight_decay if decays else 0.0}
        for (peak, decays), parameters in groups.items()
    ]


def depth(name: str) -> int | None:
    """Where in the encoder a parameter of this name lies: 0 in the embeddings, n in the n-th layer from below, None elsewhere."""
    if name.startswith(OWN_RATE):
        return None
    if match := _LAYER.search(name):
        return int(match[1]) + 1
    return 0 if ".embeddings" in name else None


def slope(step: int, total: int, warmup: float) -> float:
    """The share of the peak rate: linear warm-up over ``warmup`` of all steps, then linear decay to 0."""
    warm = max(1, round(warmup * total))
    return min((step + 1) / warm, (total - step) / max(1, total - warm + 1))
