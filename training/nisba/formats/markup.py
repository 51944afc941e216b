"""Inline mark-up for writing annotated articles by hand; one file holds one or more articles.

An article is a header of ``key: value`` lines (``id`` is required, the rest becomes ``meta``), a line ``---``, the text with
tags, a line ``---``, one row a claim, and a line ``===``::

    id: health-01
    category: health
    ---
    <cue1>وقال</cue1> <src1>وزير الصحة</src1> <con1>إن اللقاح آمن</con1>.
    ---
    1 | indirect | role | neutral | وزير الصحة
    ===

Tags are ``per org loc misc`` for names and ``cue src con adr`` with the claim's number for its roles. Tags may nest and cross;
the same tag twice makes two fragments. A row is ``number | type | source_type | stance | speaker`` (``-``: no speaker).
A sixth cell ``optional`` makes the claim optional, a question mark (``<per?>``) a name ambiguous.
``&lt;`` and ``&amp;`` stand for ``<`` and ``&``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from nisba.files import FormatError
from nisba.formats import bounded
from nisba.formats.problems import MOST
from nisba.schema import Claim, Document, Entity, EntityLabel, Problem, SchemaError, Span, excerpt

TAG = re.compile(r"<(/?)((?:per|org|loc|misc)\??|(?:cue|src|con|adr)\d+)>|&(lt|amp);")
LABELS: dict[str, EntityLabel] = {"per": "PER", "org": "ORG", "loc": "LOC", "misc": "MISC"}
NAMES = {tag + mark: (label, mark == "?") for tag, label in LABELS.items() for mark in ("", "?")}
OPTIONAL = "optional"
ROLE_TAGS = {"cue": "cue", "src": "source", "con": "content", "adr": "addressee"}


def read(path: Path) -> Iterator[Document]:
    """Every article of a mark-up file, which is read at once. Raises FormatError with all of the file's problems, OSError."""
    problems: list[str] = []
    documents: list[Document] = []
    ids: set[str] = set()
    line = 1
    text = bounded.text(path)
    if text.startswith("\ufeff"):
        raise FormatError([f"{path}:1: begins with a byte order mark; save the file as UTF-8 without BOM"])
    for block in re.split(r"(?m)^===[ \t]*\n?", text):
        if block.strip():
            lead = len(block) - len(block.lstrip("\n"))
            try:
                document = parse(block[lead:])
                if document.id in ids:
                    raise SchemaError([Problem("id", "the id is given twice", document.id)])
                ids.add(document.id)
                documents.append(document)
            except SchemaError as error:
                problems += [f"{path}:{line + lead}: {problem}" for problem in error.problems]
        line += block.count("\n") + 1
    if not documents and not problems:
        problems.append(f"{path}: holds no document")
    if problems:
        raise FormatError(problems)
    yield from documents


def parse(block: str) -> Document:
    """One article from its mark-up. Raises SchemaError."""
    parts = re.split(r"(?m)^---[ \t]*$\n?", block)
    if len(parts) != 3:
        raise SchemaError([Problem("article", "needs a header, a text and claim rows between two lines of ---", parts[0])])
    header, body, rows = parts
    meta, problems = _meta(header)
    name = meta.pop("id", "")
    text, spans, wrong = _untag(body.removesuffix("\n"))
    problems += wrong
    found = (Entity(s, label, ambiguous=doubt) for tag, (label, doubt) in NAMES.items() for s in spans.pop(tag, []))
    entities = sorted(found, key=lambda e: e.span)
    claims: list[Claim] = []
    for row in filter(str.strip, rows.splitlines()):
        cells = [cell.strip() for cell in row.split("|")]
        if len(cells) != 5 and cells[5:] != [OPTIONAL]:
            problems.append(Problem("claim row", f"needs number | type | source_type | stance | speaker [| {OPTIONAL}]", row))
            continue
        number, kind, source_type, stance, speaker = cells[:5]
        roles = {role: tuple(spans.pop(tag + number, [])) for tag, role in ROLE_TAGS.items()}
        try:
            claims.append(
                Claim(
                    id=f"c{number}",
                    type=kind,
                    source_type=source_type,
                    stance=stance,
                    speaker=None if speaker == "-" else speaker,
                    core=len(cells) == 5,
                    **roles,  # type: ignore[arg-type]
                )
            )
        except SchemaError as error:
            problems += [Problem(f"claim {excerpt(number)}.{p.field}", p.message, p.text) for p in error.problems]
    problems += [Problem(tag, "tagged in the text, but its claim has no row", spans[tag][0].of(text)) for tag in spans]
    try:
        document = Document(name, text, tuple(entities), tuple(claims), meta)
    except SchemaError as error:
        problems += error.problems
    if problems:
        where = f"{excerpt(name)}: " if name else ""
        raise SchemaError([Problem(where + p.field, p.message, p.text) for p in problems])
    return document


def write(documents: Iterable[Document], path: Path) -> None:
    """Write articles as mark-up. Claims are numbered in order; ``meta`` must be flat strings."""
    path.write_text("===\n".join(map(render, documents)), encoding="utf-8")


def render(document: Document) -> str:
    """One article as mark-up; ``parse(render(d)) == d`` when claims are called c1, c2, … and no text line is ``---`` or ``===``."""
    tagged = [(e.span, tag) for e in document.entities for tag, kind in NAMES.items() if kind == (e.label, e.ambiguous)]
    for number, claim in enumerate(document.claims, 1):
        tagged += [(span, f"{tag}{number}") for tag, role in ROLE_TAGS.items() for span in claim.role(role)]  # type: ignore[arg-type]
    # At one offset: closers first (inner before outer), then openers (outer before inner).
    marks = [(span.end, 0, -span.start, f"</{tag}>") for span, tag in tagged]
    marks += [(span.start, 1, -span.end, f"<{tag}>") for span, tag in tagged]
    body, last = "", 0
    for offset, _, _, mark in sorted(marks):
        body += _escape(document.text[last:offset]) + mark
        last = offset
    body += _escape(document.text[last:])
    header = "\n".join(f"{key}: {value}" for key, value in ({"id": document.id} | dict(document.meta)).items())
    rows = "".join(
        f"{number} | {c.type} | {c.source_type} | {c.stance} | {c.speaker or '-'}{'' if c.core else f' | {OPTIONAL}'}\n"
        for number, c in enumerate(document.claims, 1)
    )
    return f"{header}\n---\n{body}\n---\n{rows}"


def _untag(body: str) -> tuple[str, dict[str, list[Span]], list[Problem]]:
    """The raw text, the spans of every tag, and what is wrong with the tags."""
    text, last = "", 0
    spans: dict[str, list[Span]] = {}
    opened: dict[str, int] = {}
    problems: list[Problem] = []
    for match in TAG.finditer(body):
        text += body[last : match.start()]
        last = match.end()
        closing, tag, entity = match.groups()
        around = body[max(0, match.start() - 20) : match.end() + 20]
        if entity:
            text += {"lt": "<", "amp": "&"}[entity]
        elif not closing:
            if tag in opened:
                problems.append(Problem(tag, "opened twice", around))
            opened[tag] = len(text)
        elif tag not in opened:
            problems.append(Problem(tag, "closed but not open", around))
        elif opened[tag] == len(text):
            problems.append(Problem(tag, "holds nothing", around))
            del opened[tag]
        else:
            spans.setdefault(tag, []).append(Span(opened.pop(tag), len(text)))
    text += body[last:]
    problems += [Problem(tag, "never closed", text[start : start + 40]) for tag, start in opened.items()]
    bare = TAG.sub("", body)
    for stray in islice(re.finditer("<", bare), MOST):  # a file of nothing else would fill the memory with problems
        problems.append(Problem("text", "unknown tag, or a < that is not written &lt;", bare[stray.start() :][:40]))
    return text, spans, problems


def _meta(header: str) -> tuple[dict[str, str], list[Problem]]:
    """The rows of a header, and what is wrong with them."""
    meta: dict[str, str] = {}
    problems: list[Problem] = []
    for row in filter(str.strip, header.splitlines()):
        key, colon, value = (part.strip() for part in row.partition(":"))
        if not key or not colon:
            problems.append(Problem("header", "needs rows of key: value", row))
        elif key in meta:
            problems.append(Problem("header", "a key is given twice", row))
        meta.setdefault(key, value)
    return meta, problems


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
