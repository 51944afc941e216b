"""Terminal tables of scores and corpus statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nisba.schema import excerpt

CHANGED = 10  # articles that a comparison lists


class Terminal(Console):
    """Leaves a closed pipe to the command, which ends quietly; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def scores(report: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the report of ``metrics.report``: percent, the 95 % interval of F1 or accuracy, the number of gold items."""
    console = console or Terminal()
    optional = report["optional"]
    title = articles(report["documents"]) + "".join(f", {n} optional {kind} left out" for kind, n in optional.items() if n)
    table = Table(title=title, title_justify="left")
    for column in ("score", "precision", "recall", "F1", "95 %", "gold"):
        table.add_column(column, justify="left" if column == "score" else "right")

    def row(name: str, values: Mapping[str, Any]) -> None:
        ratios = (_percent(values[key]) for key in ("precision", "recall", "f1"))
        table.add_row(name, *ratios, _interval(values, "f1"), str(values["gold"]))

    def accuracy(name: str, values: Mapping[str, Any]) -> None:
        table.add_row(name, "", "", _percent(values["accuracy"]), _interval(values, "accuracy"), str(values["total"]))

    row("names, strict", report["names"]["strict"])
    for label, values in report["names"]["by_label"].items():
        row(f"  {label}", values["strict"])
    row("names, partial", report["names"]["partial"])
    table.add_section()
    row("claims, soft (content F1 ≥ 0.8)", report["claims"]["soft80"])
    row("claims, soft (content F1 ≥ 0.5)", report["claims"]["soft50"])
    row("claims, strict", report["claims"]["strict"])
    row("links between gold spans", report["links"])
    table.add_section()
    for role, values in report["roles"].items():
        row(f"{role}, strict", values["strict"])
        row(f"{role}, overlap (tokens)", values["overlap"])
    table.add_section()
    for kind, values in report["speaker"].items():
        accuracy(f"speaker, {kind}", values)
    for name, values in report["attributes"].items():
        accuracy(f"{name}, aligned claims", values)
        table.add_row(f"  {name}, macro-F1", "", "", _percent(values["macro_f1"]), _interval(values, "macro_f1"), "")
    table.add_section()
    for kind in ("type", "source_type", "phenomenon", "length", "category"):
        for value, part in report["by"][kind].items():
            row(f"soft, {kind} {escape(excerpt(value))}", part["claims"]["soft80"])
    console.print(table)
    if report["calibration"] is None:
        console.print("claim scores: none, or not on every predicted claim")
    else:
        values = report["calibration"]
        console.print(f"claim scores: ECE {values['ece']:.3f}, average precision {values['average_precision']:.3f}")
    console.print("errors: " + ", ".join(f"{kind} {n}" for kind, n in report["errors"].items()))


def comparison(result: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the comparison of ``metrics.compare``: F1 and accuracies, and the ten documents that changed most."""
    console = console or Terminal()
    table = Table(title=articles(result["documents"]), title_justify="left")
    for column in ("measure", "A", "B", "B - A", "95 %", "p"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    for name, values in result["measures"].items():
        if name.endswith((".f1", ".accuracy", ".macro_f1")):
            edges = _interval({"interval": {"": values["interval"]}} if values["interval"] else {}, "")
            p = "-" if values["p"] is None else f"{values['p']:.4f}"
            table.add_row(name, *(_percent(values[key]) for key in ("a", "b", "difference")), edges, p)
    console.print(table)
    console.print("p: paired approximate randomisation, two-sided, not corrected for the number of measures")
    if result["changed"]:
        table = Table(title=f"{articles(len(result['changed']))} changed", title_justify="left")
        for column in ("article", "wrong claims A", "B", "wrong names A", "B", "fixed", "new"):
            table.add_column(column, justify="left" if column == "article" else "right")
        for row in result["changed"][:CHANGED]:
            wrong = (str(n) for kind in ("claims", "names") for n in row["wrong"][kind])
            table.add_row(escape(excerpt(row["id"])), *wrong, str(row["fixed"]), str(row["new"]))
        console.print(table)


def agreed(result: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the agreement of ``metrics.agreement``."""
    console = console or Terminal()
    scores(result["scores"], console)
    table = Table()
    table.add_column("coefficient")
    table.add_column("value", justify="right")
    for kind, title in (("alpha", "Krippendorff's α on tokens"), ("kappa", "Cohen's κ of aligned claims")):
        for name, value in result[kind].items():
            table.add_row(f"{title}: {name}", "-" if value is None else f"{value:.3f}")
    console.print(table)


def articles(count: int) -> str:
    return f"{count} article{'s' * (count != 1)}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _interval(values: Mapping[str, Any], key: str) -> str:
    edges = values.get("interval", {}).get(key)
    return "" if edges is None else f"{edges[0]:.1f} to {edges[1]:.1f}"


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
    (console or Terminal()).print(table)
