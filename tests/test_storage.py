"""Rows of parquet files by ranges are those of one process, whatever the files, row groups and range; files are written whole."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pyarrow import fs

from nisba import outputs, storage
from nisba.inputs import InputError, open_input
from nisba.outputs import LINES, TABLE
from nisba.records import Columns

TEXT = "قال الوزير أحمد إن القرار صدر"


def put(path, texts, group=7, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": texts} | columns), path, row_group_size=group)


def found(source, first=0, count=10**6):
    columns = Columns()
    return list(storage.records(storage.place(str(source))[0], storage.tables(str(source), columns), columns, first, count))


def told(records):
    return [(record.file, record.line, record.name, record.size, record.data, record.fault) for record in records]


@pytest.fixture(params=["disk", "object storage"])
def system(request, tmp_path, monkeypatch):
    """The disk, as itself and as Arrow shows a storage that is none."""
    if request.param == "disk":
        return fs.LocalFileSystem()
    system = fs.SubTreeFileSystem("/", fs.LocalFileSystem())
    monkeypatch.setattr(storage, "place", lambda name: (system, str(name).strip("/")))
    return system


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_range_of_any_files_holds_the_rows_of_one_process(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("in")
    cells = st.one_of(st.none(), st.text(max_size=5))
    for name in data.draw(st.lists(st.sampled_from(["a", "b/c", "b.d", "b", "ب"]), min_size=1, unique=True)):
        texts = data.draw(st.lists(cells, max_size=150))
        more = {"id": pa.array([f"{i}" for i in range(len(texts))], pa.string())} if data.draw(st.booleans()) else {}
        put(folder / f"{name}.parquet", pa.array(texts, pa.string()), data.draw(st.integers(1, 200)), **more)
    every = told(open_input(str(folder), Columns()).records())
    assume(every)
    first, count = data.draw(st.integers(0, len(every) + 5)), data.draw(st.integers(1, 200))
    assert told(found(folder, first, count)) == every[first : first + count]
    assert sum(table.rows for table in storage.tables(str(folder), Columns())) == len(every)


def test_row_groups_outside_the_range_are_not_read(tmp_path):
    put(tmp_path / "a.parquet", [f"{TEXT} {i}" for i in range(100)], group=10)
    raw = bytearray((tmp_path / "a.parquet").read_bytes())
    raw[4:400] = bytes(396)  # the first group's pages
    (tmp_path / "a.parquet").write_bytes(raw)
    assert [record.line for record in found(tmp_path, 50, 20)] == list(range(51, 71))
    (bad,) = found(tmp_path, 0, 5)
    assert "lost from here on" in bad.fault
    assert bad.line == 1


def test_a_cell_that_is_not_utf8_is_one_bad_cell(tmp_path):
    texts = pa.array([TEXT.encode(), b"\xff\xfe", TEXT.encode()]).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    data = [record.data["text"] for record in found(tmp_path)]
    assert data[0] == data[2] == TEXT
    assert isinstance(data[1], UnicodeDecodeError)


def test_a_broken_file_is_one_fault_among_whole_ones(tmp_path):
    put(tmp_path / "a.parquet", [TEXT])
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no more")
    put(tmp_path / "c.parquet", [TEXT])
    pq.write_table(pa.table({"body": [TEXT]}), tmp_path / "d.parquet")
    records = found(tmp_path)
    assert [record.file for record in records] == ["a.parquet", "b.parquet", "c.parquet", "d.parquet"]
    assert records[1].fault.startswith("not a parquet file: ")
    assert records[3].fault == "no column «text»; it has body"
    assert not records[0].fault
    assert not records[2].fault


def test_an_outage_is_no_broken_file(tmp_path, monkeypatch):
    put(tmp_path / "a.parquet", [TEXT])
    system = fs.SubTreeFileSystem("/", fs.LocalFileSystem())
    monkeypatch.setattr(storage, "place", lambda name: (system, str(name).strip("/")))

    def fails(*_, **__):
        raise OSError("AWS Error NETWORK_CONNECTION")

    monkeypatch.setattr(storage.pq, "read_metadata", fails)
    with pytest.raises(OSError, match="NETWORK_CONNECTION"):
        storage.tables(str(tmp_path), Columns())


def test_what_cannot_be_an_input(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        storage.tables(str(tmp_path / "none"), Columns())
    with pytest.raises(InputError, match=r"holds no \.parquet file"):
        storage.tables(str(tmp_path), Columns())
    put(tmp_path / "a.parquet", [TEXT])
    with pytest.raises(InputError, match="no column «body»; it has text"):
        storage.tables(str(tmp_path), Columns("body"))
    put(tmp_path / "empty" / "a.parquet", pa.array([], pa.string()))
    with pytest.raises(InputError, match="holds no row"):
        storage.tables(str(tmp_path / "empty"), Columns())
    (tmp_path / "b.jsonl").write_text("{}")
    with pytest.raises(InputError, match=r"b\.jsonl: this engine reads \.parquet files only"):
        storage.tables(str(tmp_path), Columns())
    with pytest.raises(InputError, match="nowhere://x: not an address"):
        storage.tables("nowhere://x", Columns())


@pytest.mark.parametrize("name", ["s3://key:hidden@bucket/x", "s3://bucket/x?secret_key=hidden"])
def test_an_address_without_credentials(name):
    with pytest.raises(InputError, match="credentials belong into the environment") as caught:
        storage.place(name)
    assert "hidden" not in str(caught.value)
    assert storage.place("s3://bucket/token=1/x@y:z?region=eu-west-1")[1] == "bucket/token=1/x@y:z"


def test_files_are_there_whole_or_not_at_all(tmp_path, system):
    target = str(tmp_path / "out" / "a.jsonl")
    target = target if isinstance(system, fs.LocalFileSystem) else target.strip("/")
    (tmp_path / "out").mkdir()
    storage.write(system, target, [b"one\n"], form=LINES)
    storage.write(system, target, [b"two\n"], form=LINES)

    def breaks():
        yield b"three\n"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        storage.write(system, target, breaks(), form=LINES)
    assert (tmp_path / "out" / "a.jsonl").read_bytes() == b"two\n"
    assert storage.names(system, target.rsplit("/", 1)[0]) == ["a.jsonl"]
    assert storage.names(system, f"{target}.none") == []


def test_a_table_is_that_of_one_process(tmp_path, system):
    row = {
        "id": "1",
        "text": TEXT,
        "meta": {"a": 1},
        "entities": [{"start": 4, "end": 10, "label": "PER", "score": 0.5}],
        "claims": [],
    }
    lines = [json.dumps(row).encode() + b"\n"]
    outputs.write(lines, tmp_path / "plain.parquet", form=TABLE)
    storage.write(system, storage.place(str(tmp_path / "a.parquet"))[1], lines, form=TABLE)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "plain.parquet").read_bytes()
    assert os.stat(tmp_path / "a.parquet").st_mode == os.stat(tmp_path / "plain.parquet").st_mode
