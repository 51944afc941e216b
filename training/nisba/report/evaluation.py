"""An evaluation as one self-contained RTL page: scores with their intervals, figures, and every error in its text.

The figures are drawn here; the articles and their errors travel as JSON inside the page, and its script shows one at a time.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nisba.metrics.errors import Error
from nisba.metrics.report import Pairs, Tally
from nisba.schema import ROLES, Claim, Document

_environment = Environment(
    loader=PackageLoader("nisba", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
SIDE = 220  # units of a square figure


def render(pairs: Pairs, counted: Tally, report: dict[str, Any]) -> str:
    """The page of ``metrics.report`` for these pairs. All text is escaped; the page loads nothing from anywhere, and its policy
    lets no script run but its own."""
    script, style = (resources.files("nisba.report").joinpath(f"evaluation.{kind}").read_text("utf-8") for kind in ("js", "css"))
    data = [article(*pair, found) for pair, found in zip(pairs, counted.errors, strict=True)]
    template = _environment.get_template("evaluation.html.jinja")
    return template.render(
        report=report,
        script=Markup(script),  # noqa: S704 - our own file
        style=Markup(style),  # noqa: S704 - our own file
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=Markup(embed(data)),  # noqa: S704 - embed escapes it
        words=Markup(embed(words())),  # noqa: S704
        roles=ROLES,
        curve=curve(report["calibration"]),
        bins=bins(report["calibration"]),
        side=SIDE,
        unscored=counted.unscored,
    )


def words() -> dict[str, Any]:
    """What the script says, from the same lists as the template."""
    say = vars(_environment.get_template("words.jinja").module)
    return {
        "roles": ROLES,
        "role": say["ROLE"],
        "kind": say["KIND"],
        "type": say["TYPE"],
        "source_type": say["SOURCE"],
        "stance": say["STANCE"],
        "attribute": say["ATTRIBUTE"],
    }


def embed(value: Any) -> str:
    """JSON that no HTML parser takes for markup."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def article(gold: Document, predicted: Document, errors: Sequence[Error]) -> dict[str, Any]:
    """What the script needs of one article; an error is [kind, number of the gold claim or -1, number of the predicted or -1]."""
    gold_at, predicted_at = ({claim.id: i for i, claim in enumerate(document.claims)} for document in (gold, predicted))
    return {
        "id": gold.id,
        "text": gold.text,
        "gold": [_claim(claim) for claim in gold.claims],
        "predicted": [_claim(claim) for claim in predicted.claims],
        "errors": [[e.kind, gold_at.get(e.gold or "", -1), predicted_at.get(e.predicted or "", -1)] for e in errors],
    }


def _claim(claim: Claim) -> dict[str, Any]:
    row = claim.to_dict()
    return {key: value for key, value in row.items() if value not in ([], None)}


def curve(calibration: dict[str, Any] | None) -> str:
    """Precision over recall as the points of an SVG polyline."""
    points = calibration["curve"] if calibration else []
    return " ".join(f"{SIDE * p['recall']:.1f},{SIDE * (1 - p['precision']):.1f}" for p in points)


def bins(calibration: dict[str, Any] | None) -> list[dict[str, float]]:
    """The bars of the reliability diagram that hold claims, in units of the figure."""
    rows = calibration["bins"] if calibration else []
    return [
        {
            "x": SIDE * row["from"],
            "width": SIDE * (row["to"] - row["from"]),
            "height": SIDE * row["accuracy"],
            "score": SIDE * row["score"],
            "claims": row["claims"],
        }
        for row in rows
        if row["claims"]
    ]
