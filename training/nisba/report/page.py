"""Documents as one self-contained RTL page: the text with its names and claims, each claim with its speaker beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from jinja2 import Environment, PackageLoader, StrictUndefined

from nisba.schema import ROLES, Document

_environment = Environment(
    loader=PackageLoader("nisba", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text between two span edges: its name's label, its roles, the claims (numbers in the document) that it belongs
    to, and those that begin with it."""

    text: str
    label: str
    roles: tuple[str, ...]
    claims: tuple[int, ...]
    opens: tuple[int, ...]

    @property
    def classes(self) -> list[str]:
        return [*self.roles, *([self.label] if self.label else [])]


def render(documents: Sequence[Document]) -> str:
    """The page. All text is escaped; it loads nothing from anywhere."""
    template = _environment.get_template("page.html.jinja")
    return template.render(documents=[(document, list(segments(document))) for document in documents], roles=ROLES)


def segments(document: Document) -> Iterator[Segment]:
    """The text cut at every edge of a span; joined again it is the text."""
    names = [(entity.span, -1, str(entity.label)) for entity in document.entities]
    parts = [(span, n, str(role)) for n, claim in enumerate(document.claims) for role in ROLES for span in claim.role(role)]
    starts: dict[int, list[tuple[int, str]]] = {}
    ends: dict[int, list[tuple[int, str]]] = {}
    for span, number, kind in names + parts:
        starts.setdefault(span.start, []).append((number, kind))
        ends.setdefault(span.end, []).append((number, kind))
    begins: dict[int, list[int]] = {}
    for number, claim in enumerate(document.claims):
        begins.setdefault(min(span for role in ROLES for span in claim.role(role)).start, []).append(number)
    active: list[tuple[int, str]] = []
    edges = sorted({0, len(document.text), *starts, *ends})
    for start, end in pairwise(edges):
        for item in ends.get(start, []):
            active.remove(item)
        active += starts.get(start, [])
        yield Segment(
            text=document.text[start:end],
            label=next((kind for number, kind in active if number < 0), ""),
            roles=tuple(dict.fromkeys(kind for number, kind in active if number >= 0)),
            claims=tuple(dict.fromkeys(number for number, _ in active if number >= 0)),
            opens=tuple(begins.get(start, [])),
        )
