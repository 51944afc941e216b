"""Documents as tables, for engines that hand them round: rows with a text in, rows of documents out, none lost.

The columns that come out are those of ``nisba predict -o OUT.parquet`` and one more, ``error``: why a row is no document, null
where it is one. Nothing here knows which engine asks; ``ray.py`` and ``examples/spark.py`` use it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from nisba.outputs import schema
from nisba.records import Columns, Record, RecordError, document, rows
from nisba.schema import Document

if TYPE_CHECKING:
    from nisba.predict import Precision, Predictor

ERROR = "error"
IN_MEMORY = "table"  # what a report would call the file


class Annotator:
    """A model that takes a table and gives one back; loaded once, as in the constructor of an actor.

    On a CPU it computes in one thread, for the whole process: engines start a process for each core, and threads of several would
    only wait for each other. ``text`` and ``id`` name columns; a row without id gets its number in its table.
    """

    def __init__(
        self, model: str, *, text: str = "text", id: str | None = None, device: str | None = None, precision: Precision = "fp32"
    ):
        self.columns = Columns(text, id)
        self.predictor = predictor(model, device, precision)

    def __call__(self, table: pa.Table) -> pa.Table:
        """One row for each row, in order. ``table`` has a column of texts; ids are text or whole numbers, ``meta`` JSON text."""
        names = [name for name in self.columns.names if name in table.column_names]
        made = [_made(record, self.columns) for record in rows(cells(table, names), file=IN_MEMORY)]
        found = self.predictor.stream(item for item in made if isinstance(item, Document))
        return pa.Table.from_pylist([_row(next(found)) if isinstance(item, Document) else _fault(item) for item in made], layout())


def layout() -> pa.Schema:
    """The columns of what ``Annotator`` gives."""
    found: pa.Schema = schema()
    return found.append(pa.field(ERROR, pa.string()))


def predictor(model: str, device: str | None, precision: Precision) -> Predictor:
    """A model that shares its machine with others of its kind. Raises ModelError."""
    import torch  # here, because those who only plan the work need none of it

    from nisba.predict import load

    loaded = load(model, device=device, precision=precision)
    if loaded.device.type == "cpu":
        torch.set_num_threads(1)
    return loaded


def cells(table: pa.Table | pa.RecordBatch, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows, with some of the columns; a cell that is not UTF-8 holds the error."""
    columns = [table.column(name) for name in names]
    for i in range(table.num_rows):
        yield {name: _cell(column[i]) for name, column in zip(names, columns, strict=True)}


def _cell(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError as error:
        return error


def _made(record: Record, columns: Columns) -> Document | RecordError:
    try:
        return document(record, columns)
    except RecordError as error:
        return error


def _row(document: Document) -> dict[str, Any]:
    row = document.to_dict()
    return row | {"meta": json.dumps(row["meta"], ensure_ascii=False)}


def _fault(error: RecordError) -> dict[str, Any]:
    return {"id": error.id, ERROR: error.reason}
