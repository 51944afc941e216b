"""Tables of rows in, tables of documents out: every row, in order, as one process would have it; the recipe for Spark."""

import importlib.util
import json

import pandas as pd
import pyarrow as pa
import pytest
import torch

from nisba import outputs, tables
from nisba.model import ModelError
from nisba.predict import load
from nisba.schema import Document
from nisba.tables import Annotator, layout


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def table(seeds):
    texts = [seeds[0].text, None, seeds[1].text, " \u200f", seeds[2].text]
    meta = ['{"source": "x"}', None, "no json", None, None]
    return pa.table({"other": range(5), "text": texts, "id": ["a", "b", "c", "d", None], "meta": meta})


def test_every_row_comes_back_in_order(model, table, seeds):
    annotator = Annotator(str(model), device="cpu")
    assert torch.get_num_threads() == 1
    found = annotator(table)
    assert found.schema == layout()
    assert found.schema.names == [*outputs.schema().names, "error"]
    rows = found.to_pylist()
    assert [row["id"] for row in rows] == ["a", "b", "c", "d", "5"]
    assert [row["error"] for row in rows] == [None, "text: must be a string: «None»", None, "holds no text", None]
    documents = [
        Document(name, seeds[i].text, meta=meta) for i, name, meta in ((0, "a", {"source": "x"}), (1, "c", {}), (2, "5", {}))
    ]
    wanted = [document.to_dict() for document in load(str(model), device="cpu").stream(documents)]
    assert any(row["claims"] for row in wanted)
    kept = [{key: value for key, value in row.items() if key != "error"} for row in rows if row["error"] is None]
    assert [row | {"meta": json.loads(row["meta"])} for row in kept] == wanted
    assert rows[1]["text"] is None
    assert rows[1]["claims"] is None


def test_other_columns_and_slices(model, table, seeds):
    annotator = Annotator(str(model), text="body", id="other", device="cpu")
    renamed = table.rename_columns({"text": "body"}).slice(2, 1)
    (row,) = annotator(renamed).to_pylist()
    assert (row["id"], row["text"]) == ("2", seeds[1].text)
    (row,) = annotator(table.slice(0, 1)).to_pylist()
    assert row["error"] == "no «body»; it has other, meta"
    assert annotator(renamed.slice(0, 0)).num_rows == 0


def test_a_text_that_is_not_utf8_is_one_error(model):
    texts = pa.array(["قال علي نعم".encode(), b"\xff"]).cast(pa.string(), safe=False)
    rows = Annotator(str(model), device="cpu")(pa.table({"text": texts, "id": ["a", "b"]})).to_pylist()
    assert [row["error"] for row in rows] == [None, "text: not UTF-8: byte 0xff at byte 0"]


def test_no_model():
    with pytest.raises(ModelError, match="no such model folder"):
        tables.predictor("./none", None, "fp32")


def test_the_recipe_for_spark(root, model, table):
    """All of it but Spark: frames as Spark hands them over, and the columns that it is told."""
    spec = importlib.util.spec_from_file_location("recipe", root / "examples" / "spark.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    frame = table.select(["id", "text"]).to_pandas()
    frames = [frame, frame[1:2], frame[:0], frame[2:]]  # also one of rows that are no documents, and one without a row
    found = list(recipe.annotate(str(model))(iter(frames)))
    assert all(isinstance(part, pd.DataFrame) for part in found)
    annotator, given = Annotator(str(model)), [pa.Table.from_pandas(part, preserve_index=False) for part in frames]
    assert given[0].to_pylist() == table.select(["id", "text"]).to_pylist()
    for part, rows in zip(found, given, strict=True):
        assert pa.Table.from_pandas(part, layout(), preserve_index=False).to_pylist() == annotator(rows).to_pylist()
    ddl = recipe.columns(layout())
    assert ddl.startswith("`id` string, `text` string, `entities` array<struct<`start`: bigint, `end`: bigint, `label`: string, ")
    assert ddl.endswith("`score`: double>>, `meta` string, `error` string")
