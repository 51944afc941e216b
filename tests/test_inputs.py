"""Inputs by name: files, folders, standard input, datasets; what tells one from another."""

import gzip
import io
import json
import os
import sys

import pytest

from nisba.inputs import InputError, open_input
from nisba.records import LONGEST_LINE, Columns, RecordError, document, where

COLUMNS = Columns()


def taken(source, columns=COLUMNS, result=None):
    """(ids, complaints, records) of an input."""
    ids, said = [], []
    records = list(open_input(str(source), columns, result=result).records())
    for record in records:
        try:
            ids.append(document(record, columns).id)
        except RecordError as error:
            said.append(where(record, error))
    return ids, said, records


@pytest.fixture
def folder(tmp_path):
    """Files of every kind, below two folders, and some that are none of ours."""
    pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    root = tmp_path / "in"
    (root / "b").mkdir(parents=True)
    (root / "b" / "x.txt").write_text("نعم", encoding="utf-8")
    (root / "b.jsonl").write_text('{"text": "نعم"}\n\n{"id": "same", "text": "لا"}\n', encoding="utf-8")
    (root / "c.jsonl.gz").write_bytes(gzip.compress(b'{"id": "same", "text": "yes"}\n{"text": "no"}'))
    pq.write_table(pa.table({"text": ["نعم", "لا"]}), root / "d.parquet")
    (root / "empty.txt").write_bytes(b"")
    (root / "notes.md").write_text("no")
    (root / "found.jsonl.partial").write_text("no")
    return root


def test_a_folder_in_order_of_names(folder):
    ids, said, records = taken(folder)
    assert ids == ["b/x", "b:1", "same", "same", "c:2", "d:1", "d:2"]
    assert said == ["empty.txt: holds no text"]
    assert [record.read for record in records] == sorted(record.read for record in records)
    assert records[-1].read == open_input(str(folder), COLUMNS).size


def test_one_file_has_plain_row_numbers(folder):
    assert taken(folder / "b.jsonl")[0] == ["1", "same"]
    assert taken(folder / "b" / "x.txt")[0] == ["x"]


def test_the_result_is_not_among_what_is_read(folder, tmp_path):
    before = taken(folder)[0]
    for name in ("a.jsonl", "a.jsonl.errors.jsonl", "a.jsonl.x.txt"):
        (folder / name).write_text('{"id": "own", "text": "لا"}', encoding="utf-8")
    assert taken(folder, result=folder / "a.jsonl")[0] == before
    assert taken(folder, result=tmp_path / "a.jsonl")[0] == ["own", "own", "a.jsonl.x", *before]
    with pytest.raises(InputError, match="is read by this command"):
        open_input(str(folder / "b.jsonl"), COLUMNS, result=folder / "b" / ".." / "b.jsonl")


def test_a_name_that_is_not_utf8(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("نعم", encoding="utf-8")
    ids, (said,), _ = taken(tmp_path)
    assert ids == []
    assert said.startswith("caf\\udce9.txt: id: lone surrogate")


def test_loops_of_links_end(tmp_path):
    (tmp_path / "a.txt").write_text("نعم", encoding="utf-8")
    (tmp_path / "again").symlink_to(tmp_path)
    assert taken(tmp_path)[0] == ["a"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.txt", "none.txt: no such file or folder"),
        ("x.csv", "x.csv: cannot tell what it holds; the name must end in one of .txt, .jsonl, .jsonl.gz, .jsonl.zst, .parquet"),
        ("bare", "bare: cannot tell what it holds"),
        ("folder", "folder: holds no .txt or .jsonl file, nor any of .jsonl.gz, .jsonl.zst, .parquet"),
    ],
)
def test_what_cannot_be_an_input(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for file in ("x.csv", "bare"):
        (tmp_path / file).write_text("x")
    with pytest.raises(InputError) as caught:
        open_input(name, COLUMNS)
    assert str(caught.value).startswith(message)


def given(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return taken("-")


def test_standard_input(monkeypatch):
    ids, said, _ = given(monkeypatch, b'\n \n  {"text": "a"}\n{oops\n{"text": "b", "id": "x"}')
    assert ids == ["3", "x"]
    assert said[0].startswith("standard input:4: not JSON")
    assert given(monkeypatch, "\n\nنعم\n{لا}".encode())[0] == ["stdin"]
    assert given(monkeypatch, b"")[1] == ["standard input: holds no text"]
    assert given(monkeypatch, b"a\n\xff")[1] == ["standard input:2: not UTF-8: byte 0xff at offset 2"]
    (record,) = given(monkeypatch, b"\n" * (LONGEST_LINE + 10))[2]
    assert record.fault == f"is longer than the most of {LONGEST_LINE:,} bytes"
    assert open_input("-", COLUMNS).identity() is None


def test_the_identity_is_what_is_in_the_files_under_their_names(folder, tmp_path):
    def identity():
        return open_input(str(folder), COLUMNS).identity()["input"]

    before = identity()
    assert before.startswith("5 files, ")
    (folder / "notes.md").write_text("other")
    os.utime(folder / "b.jsonl", (0, 0))
    folder.rename(tmp_path / "moved")
    assert open_input(str(tmp_path / "moved"), COLUMNS).identity()["input"] == before
    (tmp_path / "moved").rename(folder)
    (folder / "b" / "x.txt").rename(folder / "b" / "y.txt")
    assert identity() != before
    (folder / "b" / "y.txt").rename(folder / "b" / "x.txt")
    assert identity() == before
    (folder / "b.jsonl").write_text("{}")
    assert identity() != before


@pytest.fixture
def dataset(tmp_path):
    root = tmp_path / "articles"
    root.mkdir()
    for split, size in (("train", 5), ("test", 3)):
        rows = [{"id": n, "text": f"{split} {n}" if n else "", "url": "x"} for n in range(size)]
        (root / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return root


def test_a_dataset(dataset):
    ids, said, records = taken(f"datasets:{dataset}:train")
    assert ids == ["1", "2", "3", "4"]
    assert said == [f"datasets:{dataset}:train"[:60] + "…:1: 0: holds no text"]
    assert all(set(record.data) == {"id", "text"} for record in records)
    assert taken(f"datasets:{dataset}:test", Columns("url", "text"))[0] == ["", "test 1", "test 2"][1:]


def test_a_dataset_is_known_by_its_files(dataset):
    name = f"datasets:{dataset}:test"
    before = open_input(name, COLUMNS).identity()
    assert open_input(name, COLUMNS).identity() == before
    os.utime(dataset / "train.jsonl", (0, 0))
    assert open_input(name, COLUMNS).identity() == before
    os.utime(dataset / "test.jsonl", (0, 0))
    assert open_input(name, COLUMNS).identity() != before


def test_datasets_that_cannot_be_read(dataset, tmp_path):
    for name, columns, message in (
        (f"{dataset}", COLUMNS, f"name one of its splits, as datasets:{dataset}:train; it has train, test"),
        (f"{dataset}:dev", COLUMNS, "name one of its splits"),
        (f"{dataset}:test", Columns("body"), "no column «body»; it has id, text, url"),
        (f"{tmp_path}/none", COLUMNS, "cannot be loaded: "),
    ):
        with pytest.raises(InputError) as caught:
            open_input(f"datasets:{name}", columns)
        assert message in str(caught.value)
    (dataset / "train.jsonl").unlink()
    assert taken(f"datasets:{dataset}")[0] == ["1", "2"]
    (dataset / "test.jsonl").write_text('{"id": 1, "text": "a"}\n{"id": 2')
    with pytest.raises(InputError, match=r"cannot be (read on|loaded)"):
        taken(f"datasets:{dataset}")
