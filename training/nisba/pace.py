"""What stands behind the bar of an epoch. All of it is on the host already: nothing here waits for a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from tqdm import tqdm


def behind(plan: Sequence[Sequence[int]], sizes: Sequence[int]) -> list[int]:
    """The sub-words up to each step of an epoch, its own included; ``sizes`` are those of the articles."""
    return list(accumulate(sum(sizes[article] for article in step) for step in plan))


def pace(losses: Sequence[float], rate: float, *, done: int, seconds: float, left: int) -> str:
    """The last step's loss, summed over the heads; the learning rate of the encoder's top layer; the speed over the ``done``
    sub-words of this epoch, which took ``seconds``; how long the ``left`` ones of the whole run take at that, without scoring."""
    speed = done / max(seconds, 1e-9)
    rest = tqdm.format_interval(left / max(speed, 1e-9))
    return f"loss {sum(losses):.3f}, rate {rate:.2g}, {speed:,.0f} sub-words/s, whole run {rest} left"
