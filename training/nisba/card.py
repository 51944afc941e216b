"""The pages of a published model and corpus. Every figure comes from the run's report; a card that lacks one is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from huggingface_hub import EvalResult, EvalResultEntry, ModelCard, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from nisba.metrics.phenomena import PHENOMENA
from nisba.schema import ROLES, Document

# What the model's page shows: (path in report.json, its name, the metric's type on the Hub, the task)
FIGURES = (
    ("names.strict.f1", "names, exact span and label, F1", "f1", "token-classification"),
    ("claims.soft80.f1", "claims, soft (0.8), F1", "f1", "claim-attribution"),
    ("claims.strict.f1", "claims, strict, F1", "f1", "claim-attribution"),
    ("roles.cue.strict.f1", "cue, exact span, F1", "f1", "claim-attribution"),
    ("roles.source.strict.f1", "source, exact span, F1", "f1", "claim-attribution"),
    ("roles.content.strict.f1", "content, exact span, F1", "f1", "claim-attribution"),
    ("speaker.all.accuracy", "speaker, accuracy", "accuracy", "claim-attribution"),
    ("attributes.type.accuracy", "type of matched claims, accuracy", "accuracy", "claim-attribution"),
    ("attributes.source_type.accuracy", "source type of matched claims, accuracy", "accuracy", "claim-attribution"),
    ("attributes.stance.accuracy", "stance of matched claims, accuracy", "accuracy", "claim-attribution"),
)
EXAMPLE = Document(
    "example",
    "أعلنت وزارة الصحة، أمس الاثنين، أن حملة التلقيح ستنطلق في مطلع الشهر المقبل. وقال الوزير سامي المنصوري: «لن يُستثنى أحد من هذه "
    "الحملة». ونفت نقابة الأطباء علمها بالموعد، مؤكدة أنها لم تُستشر.",
)

_environment = Environment(  # Markdown: nothing is escaped, and nothing but our own texts and figures goes in
    loader=PackageLoader("nisba", "templates"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701
)
_environment.tests["standoff"] = lambda name: name.startswith("standoff/")


class CardError(ValueError):
    """A card that would lack a figure, or whose metadata the Hub does not take."""


@dataclass(frozen=True)
class Facts:
    """What a model's card tells: the repository, the resolved configuration, the lines of metrics.jsonl, the report, the base
    model's id on the Hub (None where it has none), the article of the example with the model's own claims."""

    repo: str
    settings: Mapping[str, Any]
    epochs: Sequence[Mapping[str, Any]]
    report: Mapping[str, Any]
    base: str | None
    example: Document
    version: str
    licence: str
    dataset: str | None = None
    picture: bool = False
    onnx: str | None = None
    notice: bool = False

    @property
    def title(self) -> str:
        return self.repo.split("/")[-1]


def model_card(facts: Facts) -> str:
    """README.md of the model: metadata and text. Raises CardError."""
    values = figures(facts.report)
    results = [
        EvalResult(
            task_type=task,
            task_name="Names" if task == "token-classification" else "Claim attribution",
            dataset_type=facts.dataset or "nisba-test",
            dataset_name=facts.dataset or "held-out articles of the run",
            dataset_split="test",
            metric_type=kind,
            metric_name=name,
            metric_value=values[path]["value"],
        )
        for path, name, kind, task in FIGURES
    ]
    data = ModelCardData(
        language="ar",
        license=facts.licence,
        library_name="transformers",
        pipeline_tag="token-classification",
        base_model=facts.base,
        datasets=[facts.dataset] if facts.dataset else None,
        tags=["nisba", "claim-attribution", "quotation-attribution", "named-entity-recognition", "news", "arabic"],
        metrics=["f1", "accuracy"],
        model_name=facts.title,
        eval_results=results,
        widget=[{"text": sentence.strip()} for sentence in EXAMPLE.text.split(". ")],
    )
    seconds = [line["seconds"] for line in facts.epochs]
    body = _environment.get_template("card.md.jinja").render(
        facts=facts,
        figures=[(name, values[path]) for path, name, _, _ in FIGURES],
        phenomena=phenomena(facts.report),
        minutes=round(sum(seconds) / 60, 1),
        best=max(facts.epochs, key=lambda line: line["score"]),
        example=spelt(facts.example),
        level=round(100 * facts.report["intervals"]["level"]),
        ece=facts.report["calibration"]["ece"],
    )
    return checked(f"---\n{data.to_yaml()}\n---\n\n{body}")


def evaluation_results(facts: Facts, dataset: str) -> str:
    """The Hub's file of evaluation results (``.eval_results/*.yaml``, https://huggingface.co/docs/hub/eval-results)."""
    from huggingface_hub._eval_results import eval_result_entries_to_yaml

    values = figures(facts.report)
    entries = [
        EvalResultEntry(dataset_id=dataset, task_id=path, value=values[path]["value"], notes=f"{name}; test part")
        for path, name, _, _ in FIGURES
    ]
    return yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False)


def data_card(repo: str, title: str, licence: str, statistics: Mapping[str, Mapping[str, Any]], files: Mapping[str, bytes]) -> str:
    """README.md of the corpus, whose configurations and splits the Hub's viewer reads. Raises CardError."""
    parts = [part for part, numbers in statistics.items() if numbers["articles"]]
    meta = {
        "language": ["ar"],
        "license": licence,
        "pretty_name": title,
        "task_categories": ["token-classification"],
        "task_ids": ["named-entity-recognition"],
        "tags": ["claim-attribution", "quotation-attribution", "news", "nisba"],
        "size_categories": [_size(sum(statistics[part]["articles"] for part in parts))],
        "configs": [
            {
                "config_name": kind,
                "data_files": [
                    {"split": part, "path": f"{kind}/{part}.parquet"} for part in parts if f"{kind}/{part}.parquet" in files
                ],
            }
            | ({"default": True} if kind == "documents" else {})
            for kind in ("documents", "names", "claims")
        ],
    }
    body = _environment.get_template("dataset.md.jinja").render(
        repo=repo, title=title, licence=licence, statistics=statistics, parts=parts, files=sorted(files)
    )
    return checked(f"---\n{yaml.safe_dump(meta, sort_keys=False, allow_unicode=True)}---\n\n{body}")


def figures(report: Any) -> dict[str, dict[str, Any]]:
    """Each of FIGURES with its value and interval (percent). Raises CardError that names all that are missing, the
    calibration error and the slices by phenomenon among them."""
    found: dict[str, dict[str, Any]] = {}
    missing = []
    for path, *_ in FIGURES:
        above, _, last = path.rpartition(".")
        value, interval = at(report, path), at(report, f"{above}.interval.{last}")
        if not _number(value):
            missing.append(path)
        elif not (isinstance(interval, list) and len(interval) == 2 and all(map(_number, interval)) and interval[0] <= interval[1]):
            missing.append(f"{path} (its interval)")
        else:
            found[path] = {"value": value, "low": interval[0], "high": interval[1]}
    missing += [path for path in ("calibration.ece", "intervals.level", "intervals.resamples") if not _number(at(report, path))]
    missing += [
        f"by.phenomenon.{name}" for name in PHENOMENA if not isinstance(at(report, f"by.phenomenon.{name}.claims"), Mapping)
    ]
    if missing:
        listed = ", ".join(missing)
        raise CardError(f"the report lacks figures that the card must show: {listed}; write it anew with nisba evaluate")
    return found


def at(values: Any, path: str) -> Any:
    """What stands at a dotted path of nested mappings, None where nothing does."""
    for key in path.split("."):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def phenomena(report: Mapping[str, Any]) -> list[tuple[str, int, Any, Any]]:
    """(what is hard, its gold claims, soft F1, strict F1) of every phenomenon that the test part has."""
    by = report["by"]["phenomenon"]
    rows = [(text, by[name]["claims"]) for name, text in PHENOMENA.items() if name in by]
    return [(text, c["strict"]["gold"], c["soft80"]["f1"], c["strict"]["f1"]) for text, c in rows if c["strict"]["gold"]]


def spelt(document: Document) -> list[dict[str, str]]:
    """The claims of a document in words, fragments joined by `` … ``, for a table of Markdown."""
    rows = []
    for claim in document.claims:
        row = {role: " … ".join(span.of(document.text) for span in claim.role(role)) or "–" for role in ROLES}
        rows.append({key: _cell(value) for key, value in (row | {"speaker": claim.speaker or "–"}).items()})
    return rows


def checked(content: str) -> str:
    """The card, if huggingface_hub reads its metadata. Raises CardError."""
    try:
        card = ModelCard(content)
    except Exception as error:
        raise CardError(f"the card's metadata cannot be read: {str(error).splitlines()[0]}") from error
    if not card.text.strip():
        raise CardError("the card has no text")
    return content


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def _size(articles: int) -> str:
    return "n<1K" if articles < 1000 else "1K<n<10K" if articles < 10_000 else "10K<n<100K" if articles < 100_000 else "100K<n<1M"
