"""Terminal tables of scores and corpus statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def scores(report: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the report of ``metrics.report``: percent, with the number of gold items."""
    table = Table(title=f"{report['documents']} articles", title_justify="left")
    for column in ("score", "precision", "recall", "F1", "gold"):
        table.add_column(column, justify="left" if column == "score" else "right")

    def row(name: str, values: Mapping[str, Any]) -> None:
        table.add_row(name, *(f"{values[key]:.1f}" for key in ("precision", "recall", "f1")), str(values["gold"]))

    row("names", report["names"])
    for label, values in report["names"]["by_label"].items():
        row(f"  {label}", values)
    table.add_section()
    row("claims, soft (content F1 ≥ 0.8)", report["claims"]["soft"])
    row("claims, strict", report["claims"]["strict"])
    for kind, values in report["claims"]["soft_by_type"].items():
        row(f"  soft, {kind}", values)
    table.add_section()
    for role, values in report["roles"].items():
        row(f"{role}, strict", values["strict"])
        row(f"{role}, overlap", values["overlap"])
    table.add_section()
    accuracies = {"speaker, all gold claims": report["speaker"]}
    accuracies |= {f"{name}, aligned claims": values for name, values in report["attributes"].items()}
    for name, values in accuracies.items():
        table.add_row(name, "", "", f"{values['accuracy']:.1f} %", str(values["total"]))
    (console or Console()).print(table)


def statistics(parts: Mapping[str, Mapping[str, Any]], console: Console | None = None) -> None:
    """Print the statistics of ``builders.statistics``, a column a split."""
    table = Table()
    table.add_column("")
    for part in parts:
        table.add_column(part, justify="right")
    for key in ("articles", "words", "claims"):
        table.add_row(key, *(str(values[key]) for values in parts.values()))
    for key in ("names", "type", "source_type", "stance"):
        table.add_section()
        for kind in sorted({kind for values in parts.values() for kind in values[key]}):
            table.add_row(f"{key}: {kind}", *(str(values[key].get(kind, 0)) for values in parts.values()))
    (console or Console()).print(table)
