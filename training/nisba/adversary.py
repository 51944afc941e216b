"""Word embeddings a small step uphill, for a second look at the same articles: the fast gradient method of Miyato et al. 2017
(https://arxiv.org/abs/1605.07725), on the matrix of embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from nisba.sharding import local, whole


@contextmanager
def disturbed(weight: nn.Parameter, length: float) -> Iterator[None]:
    """Within, ``weight`` (vocabulary × hidden, or a shard of its rows) is ``length`` (L2) further along its gradient, which stays
    as it is; afterwards it is what it was, bit for bit. Where the gradient is 0 or not finite nothing moves.

    Raises ValueError where it has no gradient.
    """
    if weight.grad is None:
        raise ValueError("no gradient to go along")
    norm = whole(weight.grad.norm())
    with torch.no_grad():
        own, slope = local(weight), local(weight.grad)
        rows = slope.any(dim=1).nonzero()[:, 0]
        before = own[rows]
        if norm.isfinite() and norm > 0:
            own[rows] += slope[rows] * (length / norm)
    try:
        yield
    finally:
        with torch.no_grad():
            own[rows] = before
