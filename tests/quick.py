"""Training in half a second: six short articles, a tiny encoder, and nothing of what a test of the loop does not look at."""

from nisba import config, fit, runs
from nisba.formats import jsonl
from nisba.metrics.report import summary, tally
from nisba.schema import ROLES, Document
from nisba.text import sentences


def articles(seeds, file):
    """Write the first sentence or two of the six seeds that say most in them; returns ``file``."""
    jsonl.write(sorted(map(head, seeds), key=lambda d: -len(d.claims))[:6], file)
    return file


def head(document, size=200):
    """The first sentences of a document, about ``size`` characters, with what is annotated in them."""
    end = next(span.end for span in sentences(document.text) if span.end >= size)
    inside = [claim for claim in document.claims if all(span.end <= end for role in ROLES for span in claim.role(role))]
    entities = [entity for entity in document.entities if entity.span.end <= end]
    return Document(document.id, document.text[:end], tuple(entities), tuple(inside))


def settings(tiny, file, output, **train):
    """A run of two epochs, three steps each."""
    values = {"epochs": 2, "batch": 300, "learning_rate": 1e-3} | train
    data, model = {"paths": [str(file)], "dev": 0.2, "test": 0.2}, {"encoder": str(tiny), "window": 64}
    return config.parse({"data": data, "model": model, "train": values, "output": str(output)}, "test")


def lighten(monkeypatch):
    """No datasets beside the run, and one report for every epoch; returns the list of the scores that are then given, in order."""
    queue, real = [], fit.criterion
    report = summary(tally([]))
    monkeypatch.setattr(runs.builders, "save", lambda parts, folder: folder.mkdir(exist_ok=True))
    monkeypatch.setattr(fit, "scored", lambda *arguments, **options: report)
    monkeypatch.setattr(fit, "criterion", lambda report, metric: queue.pop(0) if metric == "mean" else real(report, metric))
    return queue
