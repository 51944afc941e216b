"""``nisba suggest``: what a model finds in texts, with its scores, as annotations for people to correct in a tool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nisba.convert import save
from nisba.files import FormatError
from nisba.inputs import Input, InputError, open_input
from nisba.records import Columns, RecordError, document, where
from nisba.schema import Document, excerpt

if TYPE_CHECKING:
    from nisba.predict import Predictor


def suggest(source: str, target: Path, predictor: Predictor, *, to: str | None = None, lossy: bool = False) -> int:
    """Write what the model finds in ``source`` (see ``inputs.open_input``) in a format of ``convert``; returns how many documents
    there are. In Label Studio they are predictions; elsewhere scores stand where the format has a place for them.

    Raises InputError, ConvertError, FormatError with every text that cannot be read, OSError.
    """
    columns = Columns()
    texts = _texts(open_input(source, columns, result=target), columns)
    return save(predictor.stream(texts), target, to, source=Path(source), lossy=lossy)


def _texts(source: Input, columns: Columns) -> Iterator[Document]:
    """The texts of an input, without annotation. Raises FormatError behind the last, InputError where there is none."""
    problems: list[str] = []
    seen: set[str] = set()
    for record in source.records():
        try:
            found = document(record, columns)
        except RecordError as error:
            problems.append(where(record, error))
            continue
        if found.id in seen:
            problems.append(where(record, RecordError("id: given before", id=found.id)))
            continue
        seen.add(found.id)
        yield found
    if problems:
        raise FormatError(problems)
    if not seen:
        raise InputError(f"{excerpt(source.source)}: holds no text")
