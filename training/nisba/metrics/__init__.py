"""The scores of names and claims. ``report`` is what ``nisba evaluate`` writes; its keys are documented in that module."""

from nisba.metrics.report import VERSION, MismatchError, pair, report

__all__ = ["VERSION", "MismatchError", "pair", "report"]
