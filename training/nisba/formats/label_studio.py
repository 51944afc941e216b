"""Label Studio: the JSON export and import, one array of tasks (https://labelstud.io/guide/task_format).

A task holds ``data`` (the text under ``text``; what the tool does not show under ``nisba``, see ``carried``) and ``annotations``,
or ``predictions`` where names or claims have scores; a document with neither names nor claims is a task that waits for annotation.
The ``result`` has an entry for every region and control, joined by the region's ``id`` (how regions and links make a document is
told in ``regions``; the project's configuration is ``configs/annotation/label_studio.xml``)::

    {"id": "r1", "from_name": "label", "to_name": "text", "type": "labels",
     "value": {"start": 0, "end": 4, "text": "وقال", "labels": ["cue"]}}
    {"id": "r1", "from_name": "stance", "type": "choices", "value": {…, "choices": ["neutral"]}, …}
    {"id": "r2", "from_name": "speaker", "type": "textarea", "value": {…, "text": ["…"]}, …}
    {"from_id": "r2", "to_id": "r1", "type": "relation", "direction": "right", "labels": ["claim"]}

Of several annotations the one that is marked as ground truth is read, else there must be one only; skipped ones do not count, nor
do drafts. A prediction is read where no annotation is, with its scores; what a person annotated has none. A task with neither
becomes a document in which nothing is annotated yet (``meta["layers"]``). Who annotated, when and how long is not kept.

Offsets are code points; releases before 2022 counted UTF-16 units (repair ``utf16``). The JSON-MIN, CSV, TSV and CoNLL exports lose
links and which choice belongs to which region: they are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nisba.files import FormatError, atomic
from nisba.formats.bounded import elements
from nisba.formats.carried import KEY, pack, unpack
from nisba.formats.gather import gathered, named
from nisba.formats.linked import compose
from nisba.formats.offsets import Repair
from nisba.formats.regions import FIELDS, LINK, Region, draw
from nisba.formats.results import FLAGS, drawn
from nisba.schema import ENTITY_LABELS, Document, SchemaError, excerpt

MODEL = "nisba"  # whose predictions they are
_OTHERS = "JSON-MIN, CSV, TSV and CoNLL exports are not read: export as JSON"


def read(path: Path, *, repair: Repair | None = None) -> Iterator[Document]:
    """Every task of an export as a document, as a stream. ``repair``: see ``offsets``. Raises FormatError with all of the file's
    problems once its end is reached, OSError."""
    with path.open("rb") as stream:
        head = stream.peek(64)[:64].decode("utf-8", "replace").lstrip()
        if head[:1] not in ("[", "\ufeff", "\ufffd", ""):
            raise FormatError([f"{path}: must be an array of tasks; {_OTHERS}: «{excerpt(head)}»"])
        tasks = ((f"{path}: [{number}]", number, task) for number, task in elements(stream, str(path)))
        yield from gathered(tasks, lambda task, number: _document(task, f"{path.stem}-{number}", repair), str(path))


def write(documents: Iterable[Document], path: Path) -> int:
    """Write documents as tasks to import; the file appears whole or not at all. Returns how many there were."""
    count = 0
    with atomic(path) as stream:
        for document in documents:
            stream.write(",\n" if count else "[\n")
            stream.write(json.dumps(_task(document), ensure_ascii=False, allow_nan=False, separators=(",", ":")))
            count += 1
        stream.write("\n]\n" if count else "[]\n")
    return count


def losses(document: Document) -> list[str]:
    """What the format cannot hold of a document: nothing."""
    return []


def _document(task: Mapping[str, Any], number: str, repair: Repair | None) -> Document:
    """``number`` names what has no name. Raises FormatError."""
    data = task.get("data")
    if not isinstance(data, dict):
        raise FormatError([f"data: must be an object; {_OTHERS}"])
    shown = data.get("id", task.get("id", number))
    name = str(shown) if isinstance(shown, str | int) else number
    try:
        before = unpack(data.get(KEY))
    except SchemaError as error:
        raise named(name, error) from None
    name = before.id if before and isinstance(before.id, str) else name
    try:
        key = _text_key(data)
        source, result = _chosen(task)
        regions, links = drawn(data[key], result, source, repair=repair, scores=source.startswith("predictions"))
    except FormatError as error:
        raise FormatError(f"{excerpt(name)}: {line}" for line in error.problems) from None
    confirmed = source.startswith("annotations")
    meta = dict(before.meta) if before else {}
    meta |= {other: value for other, value in data.items() if other not in (key, KEY, "id")}
    if not source and (before is None or before.named or before.claims):
        meta["layers"] = []
    before = before.without_scores() if before and confirmed else before
    try:
        return compose(name, data[key], regions, links, before=before, meta=meta, speakers=bool(source), confirmed=confirmed)
    except SchemaError as error:
        raise named(name, error) from None


def _text_key(data: Mapping[str, Any]) -> str:
    """Where the text is: under ``text``, or under the only key that it can be. Raises FormatError."""
    keys = ["text"] if "text" in data else [key for key, value in data.items() if key not in (KEY, "id") and isinstance(value, str)]
    if len(keys) != 1 or not isinstance(data[keys[0]], str):
        raise FormatError([f"data: must have the text as «text»: «{excerpt(', '.join(data))}»"])
    return keys[0]


def _chosen(task: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Where what counts is, and its result; empty where there is nothing. Raises FormatError where it cannot be told which."""
    annotations = _listed(task, "annotations")
    kept = [i for i, item in enumerate(annotations) if not item.get("was_cancelled")]
    kept = [i for i in kept if annotations[i].get("ground_truth")] or kept
    if len(kept) > 1:
        whose = ", ".join(f"{annotations[i].get('id')} by {_person(annotations[i].get('completed_by'))}" for i in kept)
        what = "are ground truth: leave one" if annotations[kept[0]].get("ground_truth") else "are there: mark one as ground truth"
        raise FormatError([f"annotations: {len(kept)} {what}: «{excerpt(whose)}»"])
    if kept:
        return f"annotations[{kept[0]}].result", _result(annotations[kept[0]], f"annotations[{kept[0]}]")
    predictions = _listed(task, "predictions") if not annotations else []
    if len(predictions) > 1:
        versions = ", ".join(str(item.get("model_version")) for item in predictions)
        raise FormatError([f"predictions: {len(predictions)} are there, of models «{excerpt(versions)}»: leave one"])
    return ("predictions[0].result", _result(predictions[0], "predictions[0]")) if predictions else ("", [])


def _listed(task: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    items = task.get(key) or []
    if not isinstance(items, list):
        raise FormatError([f"{key}: must be a list: «{excerpt(str(items))}»"])
    if key == "predictions" and all(isinstance(item, int) for item in items):
        return []  # the usual export names predictions by number, without what they say
    for i, item in enumerate(items):
        if not isinstance(item, dict):
            raise FormatError([f"{key}[{i}]: must be an object: «{excerpt(str(item))}»"])
    return items


def _result(item: Mapping[str, Any], where: str) -> list[Any]:
    result = item.get("result")
    if not isinstance(result, list):
        raise FormatError([f"{where}.result: must be a list: «{excerpt(str(result))}»"])
    return result


def _person(completed_by: Any) -> str:
    return str(completed_by.get("email", completed_by.get("id"))) if isinstance(completed_by, dict) else str(completed_by)


def _task(document: Document) -> dict[str, Any]:
    regions, links = draw(document)
    task: dict[str, Any] = {"data": {"text": document.text, KEY: pack(document)}}
    result = [entry for i, region in enumerate(regions) for entry in _entries(document.text, f"r{i}", region)]
    result += [
        {"from_id": f"r{one}", "to_id": f"r{other}", "type": "relation", "direction": "right", "labels": [LINK]}
        for one, other in links
    ]
    scores = [region.score for region in regions if region.score is not None]
    if scores:  # the tool sorts tasks by the prediction's score, to have the least certain annotated first
        task["predictions"] = [{"model_version": MODEL, "score": min(scores), "result": result}]
    elif regions:
        task["annotations"] = [{"result": result}]
    return task


def _entries(text: str, name: str, region: Region) -> Iterator[dict[str, Any]]:
    """The region's label, choice, doubt and speaker, each as the entry of its control."""

    def entry(control: str, kind: str, value: list[str]) -> dict[str, Any]:
        return {"id": name, "from_name": control, "to_name": "text", "type": kind, "value": place | {_VALUES[kind]: value}}

    place = {"start": region.start, "end": region.end, "text": text[region.start : region.end]}
    label = entry("label", "labels", [region.label])
    yield label if region.score is None else label | {"score": region.score}
    if region.choice:
        yield entry(FIELDS[region.label], "choices", [region.choice])
    if region.doubt:
        flag = FLAGS["PER" if region.label in ENTITY_LABELS else "content"]
        yield entry(flag, "choices", [flag])
    if region.speaker is not None:
        yield entry("speaker", "textarea", [region.speaker])


_VALUES = {"labels": "labels", "choices": "choices", "textarea": "text"}
