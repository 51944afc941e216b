"""Results: the three forms hold the same documents, the same bytes every time, and appear whole."""

import errno
import gzip
import json
import os

import datasets
import pandas as pd
import pyarrow.parquet as pq
import pytest

from nisba import outputs, records
from nisba.formats import jsonl
from nisba.inputs import InputError
from nisba.records import Columns
from nisba.schema import Claim, Document, Entity, Span


@pytest.fixture
def lines(seeds):
    """The seeds as lines, as predictions are, and one document without anything."""
    return [jsonl.dump(document).encode() for document in [*seeds[:20], Document("bare", "نعم")]]


def test_json_lines_plain_and_packed(lines, tmp_path):
    outputs.write(iter(lines), tmp_path / "a.jsonl", form=".jsonl")
    outputs.write(iter(lines), tmp_path / "a.jsonl.gz", form=".jsonl.gz")
    assert (tmp_path / "a.jsonl").read_bytes() == b"".join(lines)
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == b"".join(lines)


@pytest.mark.parametrize("form", outputs.ENDINGS)
def test_the_same_lines_make_the_same_bytes(form, lines, tmp_path, monkeypatch):
    outputs.write(iter(lines), tmp_path / f"a{form}", form=form)
    monkeypatch.setattr("time.time", lambda: 1.0)
    outputs.write(iter(lines), tmp_path / f"other{form}", form=form)
    assert (tmp_path / f"a{form}").read_bytes() == (tmp_path / f"other{form}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a{form}", f"other{form}"]


def restored(row):
    """A row of the table as a line of JSON has it: no key where there is no score."""
    row = row | {"meta": json.loads(row["meta"])}
    for item in (*row["entities"], *row["claims"]):
        if item["score"] is None:
            del item["score"]
    return row


def test_the_table_holds_what_the_lines_hold(lines, tmp_path, monkeypatch):
    for size in (1, 3000, 1 << 22):
        monkeypatch.setattr(outputs, "PIECE", size // 2 + 1)
        monkeypatch.setattr(outputs, "GROUP", size)
        outputs.write(iter(lines), tmp_path / "a.parquet", form=".parquet")
        table = pq.read_table(tmp_path / "a.parquet")
        assert table.schema.names == ["id", "text", "entities", "claims", "meta"]
        rows = [restored(row) for row in table.to_pylist()]
        for row, line in zip(rows, lines, strict=True):
            wanted = json.loads(line)
            for item in (*wanted["entities"], *wanted["claims"]):
                item.pop("core", None), item.pop("ambiguous", None)  # of annotators, never of predictions
            assert row == wanted
            assert Document.from_dict(row).text == wanted["text"]


def test_the_table_has_a_column_for_all_that_predictions_have():
    spans = (Span(0, 3),)
    claim = Claim("c", content=spans, cue=(Span(4, 6),), source=(Span(7, 9),), source_type="person", speaker="x", score=0.5)
    row = Document("a", "نعم لا هو", (Entity(Span(0, 3), "PER", score=0.5),), (claim,)).to_dict()
    layout = outputs.schema()
    assert set(layout.names) == set(row)
    for name in ("entities", "claims"):
        struct = layout.field(name).type.value_type
        assert {struct.field(i).name for i in range(struct.num_fields)} == set(row[name][0])


def test_datasets_and_pandas_read_the_table(lines, tmp_path):
    path = tmp_path / "a.parquet"
    outputs.write(iter(lines), path, form=".parquet")
    loaded = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    wanted = [json.loads(line) for line in lines]
    assert loaded["id"] == [row["id"] for row in wanted]
    assert loaded[0]["claims"][0]["content"] == wanted[0]["claims"][0]["content"]
    frame = pd.read_parquet(path)
    assert list(frame.text) == [row["text"] for row in wanted]
    assert frame.entities[0][0]["label"] == wanted[0]["entities"][0]["label"]


def test_the_table_is_an_input_again(lines, tmp_path):
    path = tmp_path / "a.parquet"
    outputs.write(iter(lines), path, form=".parquet")
    found = [records.document(record, Columns()) for record in records.read(path, Columns(), file="a", prefix="")]
    assert [(d.id, d.text, d.meta) for d in found] == [(row["id"], row["text"], row["meta"]) for row in map(json.loads, lines)]


@pytest.mark.parametrize("form", outputs.ENDINGS)
def test_no_lines(form, tmp_path):
    outputs.write(iter([]), tmp_path / f"a{form}", form=form)
    if form == ".parquet":
        assert pq.read_table(tmp_path / "a.parquet").schema == outputs.schema()
    elif form == ".jsonl":
        assert (tmp_path / "a.jsonl").read_bytes() == b""


@pytest.mark.parametrize("form", outputs.ENDINGS)
def test_a_full_disk_leaves_what_was_there(form, lines, tmp_path, monkeypatch):
    path = tmp_path / f"a{form}"
    path.write_text("old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        outputs.write(iter(lines), path, form=form)
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_names_of_results(tmp_path):
    assert [outputs.kind(tmp_path / name) for name in ("a.jsonl", "b.c.jsonl.gz", "D.PARQUET")] == list(outputs.ENDINGS)
    for name, message in (("a.csv", "must end in one of .jsonl, .jsonl.gz, .parquet"), ("", "is a folder"), ("null", "is no file")):
        if name == "null":
            os.mkfifo(tmp_path / name)
        with pytest.raises(InputError, match=message):
            outputs.kind(tmp_path / name)
