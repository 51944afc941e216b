"""Learning curves of one or several runs as a picture: ``nisba plot runs/a runs/b -o curves.svg`` (extra ``plot``)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

from nisba.files import FormatError, atomic
from nisba.model import HEADS
from nisba.runs import METRICS
from nisba.schema import excerpt

LINE = 1 << 16  # characters that a line of the metrics may have; ours have about 500
EPOCHS = 100_000  # lines that are read of a file
LABEL = 70  # characters of a run's name in the legend
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")  # Okabe and Ito: told apart by all eyes
DASHES = ("-", "--", ":", "-.")
STYLES = tuple(product(DASHES, COLOURS))  # of as many runs as a picture can hold
DEV = {
    "dev.names.strict.f1": "names, strict F1",
    "dev.claims.soft80.f1": "claims, soft F1",
    "dev.claims.strict.f1": "claims, strict F1",
    "dev.speaker": "speakers, accuracy",
}
PANELS = {f"loss.{head}": f"loss of {head.replace('_', ' ')}" for head in HEADS} | DEV
NEEDED = ("epoch", "score", *PANELS)
COLUMNS = 3

Line = Mapping[str, float]


class PlotError(RuntimeError):
    """Curves that cannot be drawn: no matplotlib, another kind of picture, too many runs."""


def plot(runs: Sequence[Path], target: Path) -> None:
    """Draw the curves of ``runs`` (folders, or their metrics.jsonl) into ``target``, whose ending says what it is: .svg or .png.

    The file appears whole or not at all. Raises PlotError, FormatError for a damaged line, OSError.
    """
    kind = target.suffix.lower()
    if kind not in (".svg", ".png"):
        raise PlotError(f"{target}: the picture must end in .svg or .png")
    if len(runs) > len(STYLES):
        raise PlotError(f"{len(runs)} runs are more than the {len(STYLES)} that one picture can hold")
    lines = {str(run): read(run / METRICS if run.is_dir() else run) for run in runs}
    drawn = picture(lines, kind.removeprefix("."))
    with atomic(target) as stream:
        stream.buffer.write(drawn)  # type: ignore[attr-defined]  # what is below a text file


def read(file: Path) -> list[Line]:
    """The epochs of a run, in their order. Raises FormatError with file and line, OSError."""
    lines: list[Line] = []
    with file.open("rb") as stream:
        while raw := stream.readline(LINE + 1):
            where = f"{file}:{len(lines) + 1}"
            if len(raw) > LINE or len(lines) == EPOCHS:
                raise FormatError([f"{where}: too long for the metrics of a run"])
            lines.append(line(raw, where))
            if len(lines) > 1 and lines[-1]["epoch"] <= lines[-2]["epoch"]:
                raise FormatError([f"{where}: epoch {lines[-1]['epoch']:g} follows epoch {lines[-2]['epoch']:g}"])
    if not lines:
        raise FormatError([f"{file}: holds no epoch; training writes a line behind each"])
    return lines


def line(raw: bytes, where: str) -> Line:
    """One epoch's figures: those of NEEDED, all finite. Raises FormatError."""
    try:
        row: Any = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise FormatError([f"{where}: not JSON: {excerpt(str(error))}: «{excerpt(raw.decode('utf-8', 'replace'))}»"]) from None
    if not isinstance(row, dict):
        raise FormatError([f"{where}: no line of an epoch: «{excerpt(raw.decode('utf-8', 'replace'))}»"])
    problems = [f"{where}: {key}: {problem}" for key in NEEDED if (problem := _fault(row, key)) is not None]
    if problems:
        raise FormatError(problems)
    return {key: float(row[key]) for key in NEEDED}


def _fault(row: Mapping[str, Any], key: str) -> str | None:
    if key not in row:
        return "is missing"
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be a number: «{excerpt(json.dumps(value))}»"
    return None if abs(value) < 1e300 and math.isfinite(value) else "must be a finite number"


def label(name: str) -> str:
    """A run's name as the legend shows it, character for character: no formula, no control, cut in the middle where it is long."""
    safe = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
    if len(safe) > LABEL:
        safe = f"{safe[: LABEL // 2]}…{safe[-(LABEL // 2) :]}"
    return safe.replace("$", r"\$")  # matplotlib would set what lies between two of them as mathematics


def picture(lines: Mapping[str, Sequence[Line]], kind: str) -> bytes:
    """The curves of runs (name → lines) as ``kind``, svg or png. Raises PlotError where matplotlib is missing."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise PlotError(f"nisba plot needs {error.name}: pip install 'nisba[plot]'") from None
    with mpl.rc_context():
        mpl.rcdefaults()  # not the user's own style: labels go astray in some
        mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "nisba", "font.size": 9, "axes.titlesize": 10}
        return _drawn(lines, kind)


def _drawn(lines: Mapping[str, Sequence[Line]], kind: str) -> bytes:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows, below = math.ceil(len(PANELS) / COLUMNS), 0.22 * len(lines) + 0.2  # inches of the legend
    figure = Figure(figsize=(11, 2.6 * rows + below + 0.5), dpi=110, layout="constrained")
    figure.get_layout_engine().set(rect=(0, below / figure.get_figheight(), 1, 1 - below / figure.get_figheight()))  # type: ignore[union-attr,call-arg]
    figure.suptitle("Learning curves: loss on the train articles, scores on the dev articles (point: the epoch that was kept)")
    for axes, (key, title) in zip(figure.subplots(rows, COLUMNS, squeeze=False).flat, PANELS.items(), strict=True):
        drawn = [_curve(axes, epochs, key, *style) for epochs, style in zip(lines.values(), STYLES, strict=False)]
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.set_ylabel("dev articles, %" if key in DEV else "mean loss of a step")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_ylim(*((-2, 102) if key in DEV else (0, None)))
        axes.grid(alpha=0.3)
    figure.legend(drawn, [label(name) for name in lines], loc="lower center", ncols=1, frameon=False)
    stream = BytesIO()
    figure.savefig(stream, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return stream.getvalue()


def _curve(axes: Any, epochs: Sequence[Line], key: str, dash: str, colour: str) -> Any:
    """One run's line in one panel, with a point at the first of its best epochs, which is the one that was kept."""
    best = max(epochs, key=lambda epoch: epoch["score"])
    axes.plot([best["epoch"]], [best[key]], marker="o", markersize=6, color=colour)
    [curve] = axes.plot(
        [epoch["epoch"] for epoch in epochs], [epoch[key] for epoch in epochs], dash, color=colour, marker=".", markersize=3
    )
    return curve
