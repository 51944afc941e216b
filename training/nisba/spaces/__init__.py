"""Metric modules for the library ``evaluate``, each a folder that can be a Space of the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

NAMES = ("nisba_names", "nisba_claims")


def path(name: str) -> str:
    """The folder of a module, for ``evaluate.load(path(name))``. Raises ValueError for a name not in NAMES."""
    if name not in NAMES:
        raise ValueError(f"no metric is called {name!r}; there are {', '.join(NAMES)}")
    return str(Path(__file__).with_name(name))
