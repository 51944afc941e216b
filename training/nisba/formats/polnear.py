"""PolNeAR, the Political News Attribution Relations Corpus (English): roles of claims from its dialect of brat's files. Read only.

A folder ``attributions`` holds ``ARTICLE_ANNOTATOR.ann``, the folder ``text`` beside it ``ARTICLE.txt``. In the ``.ann`` file
Source, Cue and Content are marks; an event ``Attribution`` (``Attribution-no-source`` where nobody is named), whose trigger repeats
the cue, links them. Its annotators marked whole tokens with their punctuation: edges of punctuation are left out here, and where a
mark cuts a word, it gets the whole word, which ``meta["widened"]`` counts. Marks that belong to no attribution (Discard, Discuss
and forgotten ones) are listed in ``meta["marks"]``, notes in ``meta["notes"]``. Only roles are annotated, and ``meta["layers"]``
says so.

Corpus: https://github.com/networkdynamics/PolNeAR; E. Newell, D. Margolin, D. Ruths, LREC 2018.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nisba.files import FormatError
from nisba.formats import ann, bounded, collection
from nisba.formats.fragments import words_of
from nisba.formats.offsets import Repair
from nisba.schema import Claim, Document, SchemaError, Span, excerpt, trim

ROLES = {"Source": "source", "Cue": "cue", "Content": "content"}
_ANNOTATOR = re.compile(r"(.+)_([0-9a-z]{4})")
_EVENT = "Attribution"


def read(path: Path, *, repair: Repair | None = None) -> Iterator[Document]:
    """A document for every ``.ann`` file of a folder and its sub-folders, or for one such file; its id is the file's name, which
    ends with the annotator. Raises FormatError with everything that is wrong, once the end is reached."""
    problems: list[str] = []
    entries = collection.files(path, ".ann", problems) if path.is_dir() else [(path, path.stem)]

    def parse(file: Path, name: str) -> Document:
        return _document(file, repair)

    yield from collection.read(entries, parse, problems, path)


def _document(file: Path, repair: Repair | None) -> Document:
    name = file.stem
    article, annotator = match.groups() if (match := _ANNOTATOR.fullmatch(name)) else (name, "")
    text = bounded.text(_text(file, article))
    problems: list[str] = []

    def at(line: int) -> str:
        return f"{file}:{line}: {excerpt(name)}"

    found = ann.parse(bounded.text(file), at, problems)
    places, wrong = ann.spans(text, found.marks.values(), at, repair)
    problems += wrong
    if problems:
        raise FormatError(problems)
    widened: set[str] = set()
    claims = [_claim(text, found, event, places, widened, at, problems) for event in found.events.values()]
    if problems:
        raise FormatError(problems)
    meta: dict[str, Any] = {"layers": ["roles"], "article": article} | ({"annotator": annotator} if annotator else {})
    linked = {target for event in found.events.values() for target in (event.trigger, *(target for _, target in event.arguments))}
    marks = [(mark.label, places[mark.id]) for mark in found.marks.values() if mark.id not in linked]
    extras = {
        "marks": [{"label": label, "spans": [[span.start, span.end] for span in spans]} for label, spans in marks],
        "notes": [note.text.strip() for note in found.notes],
        "widened": len(widened),
    }
    meta |= {key: value for key, value in extras.items() if value}
    try:
        return Document(name, text, claims=tuple(filter(None, claims)), meta=meta)
    except SchemaError as error:
        lines = {f"claim c{event.id[1:]}": event.line for event in found.events.values()}
        where = [lines.get(problem.field.rpartition(".")[0], 1) for problem in error.problems]
        raise FormatError(f"{at(line)}: {problem}" for line, problem in zip(where, error.problems, strict=True)) from None


def _text(file: Path, article: str) -> Path:
    """The file of an article's text. Raises FormatError where there is none, or where it is a link to somewhere else."""
    places = [file.parent.parent / "text", file.parent]
    for place in places:
        found = place / f"{article}.txt"
        if found.is_file():
            if found.resolve().parent != place.resolve():
                raise FormatError([f"{found}: leads outside the folder"])
            return found
    raise FormatError(
        [f"{file}: {excerpt(file.stem)}: there is no text of it: {' or '.join(f'{place}/{article}.txt' for place in places)}"]
    )


def _claim(
    text: str,
    found: ann.Annotations,
    event: ann.Event,
    places: dict[str, tuple[Span, ...]],
    widened: set[str],
    at: ann.At,
    problems: list[str],
) -> Claim | None:
    where = f"{at(event.line)}: {event.id}"
    wrong = [f"{label}:{target}" for label, target in event.arguments if found.marks[target].label != label or label not in ROLES]
    if wrong or not event.label.startswith(_EVENT):
        message = "links what is no Source, Cue or Content" if wrong else f"is no {_EVENT}"
        problems.append(f"{where}: {message}: «{excerpt(wrong[0] if wrong else event.label)}»")
        return None
    spans: dict[str, set[Span]] = {role: set() for role in ROLES.values()}
    for label, target in event.arguments:
        for place in ann.joined(text, places[target]):
            whole = words_of(text, place.start, place.end)
            if whole is not None:
                widened |= {target} if whole != trim(text, place.start, place.end) else set()
                spans[ROLES[label]].add(whole)
    roles = {role: tuple(sorted(fragments)) for role, fragments in spans.items()}
    try:
        # Source types are a guess: only the roles are meant.
        return Claim(
            f"c{event.id[1:]}",
            content=roles["content"],
            cue=roles["cue"],
            source=roles["source"],
            source_type="person" if roles["source"] else "implicit",
        )
    except SchemaError as error:
        problems += [f"{where}: {problem}" for problem in error.problems]
        return None
