"""How much memory a refusal takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from nisba.files import FormatError


def peak(run: Callable[[], object]) -> tuple[int, str]:
    """The bytes that were taken at most until ``run`` raised its FormatError, and what that says."""
    tracemalloc.start()
    try:
        with pytest.raises(FormatError) as caught:
            run()
        return tracemalloc.get_traced_memory()[1], str(caught.value)
    finally:
        tracemalloc.stop()
