"""A document as CAS files, and what reading files gives."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from nisba.files import FormatError
from nisba.formats import cas, xmi
from nisba.formats.cas_document import structures
from nisba.schema import Claim, Document, Entity, Span

TEXT = "😀 وقال وزير الصحة: «إن اللقاح آمن».\r\nونفى."
SAID = Claim("c1", cue=(Span(2, 6),), source=(Span(7, 17),), content=(Span(20, 33),), source_type="role", type="direct")
PLAIN = Document("a1", TEXT, (Entity(Span(7, 17), "PER", 0.1, ambiguous=True),), (SAID,), {"x": [1, None]})


def rendered(document: Document, form: ModuleType = xmi) -> str:
    written: str = form.render(document.text, *structures(document))
    return written


def read(data: bytes | str, tmp_path: Path, name: str = "a.xmi") -> list[Document]:
    file = tmp_path / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return list(cas.read(file))


def problems(data: bytes | str, tmp_path: Path, name: str = "a.xmi") -> tuple[str, ...]:
    with pytest.raises(FormatError) as error:
        read(data, tmp_path, name)
    return error.value.problems
