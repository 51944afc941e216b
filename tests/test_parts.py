"""The folder of a result: begun once, gone on with by the same job only, finished whole; on a disk and on what is none."""

import json

import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from nisba import parts
from nisba.blocks import Done
from nisba.inputs import InputError
from nisba.journal import JournalError
from nisba.parts import Parts
from nisba.progress import Summary

JOB = {"nisba": "1", "input": "x"}


def done(*names, errors=()):
    rows = [{"id": name, "text": f"{name}\u2028ب\x85", "meta": {}, "entities": [], "claims": []} for name in names]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    reports = "".join(json.dumps({"id": name}) + "\n" for name in errors)
    return Done(lines, reports, tuple(errors), len(names), 5 * len(names))


@pytest.fixture(params=["disk", "object storage"])
def folder(request, tmp_path, monkeypatch):
    if request.param == "object storage":
        system = fs.SubTreeFileSystem("/", fs.LocalFileSystem())
        monkeypatch.setattr(parts, "place", lambda name: (system, name.strip("/")))
        (tmp_path / "out" / "_errors").mkdir(parents=True)  # which an object storage does without
        (tmp_path / "out" / "_JOB").write_text(json.dumps(JOB))
    else:
        Parts(str(tmp_path / "out"), 1).begin(JOB)
    return tmp_path / "out"


def test_a_result(folder):
    result = Parts(str(folder), 3)
    assert result.begin(JOB, resume=True) is None
    assert result.save(2, [done("d", errors=["x", "y"])]) == (1, 2, 5)
    assert result.save(0, [done("a", "b"), done("c")]) == (3, 0, 15)
    assert result.done() == {0, 2}
    assert result.counts({0, 2}) == (4, 2)
    assert result.counts({0}) == (3, 0)
    result.save(1, [done(errors=["z"])])
    result.save(2, [done("d", errors=["x", "y"])])  # twice, as after a death
    (folder / ".left").mkdir()
    (folder / ".of-a-killed-worker.part-00001.parquet").write_text("x")
    result.finish(Summary(4, 3))
    table = pq.read_table(folder)
    assert table.column("id").to_pylist() == ["a", "b", "c", "d"]
    assert table.column("text")[0].as_py() == "a\u2028ب\x85"
    errors = (folder.parent / "out.errors.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in errors] == ["z", "x", "y"]
    assert sorted(path.name for path in folder.iterdir()) == ["_JOB", "_SUCCESS", *(f"part-0000{n}.parquet" for n in range(3))]
    assert result.begin(JOB, resume=True) == Summary(4, 3, 4)


def test_errors_of_an_earlier_result_go(folder):
    (folder.parent / "out.errors.jsonl").write_text("old\n")
    result = Parts(str(folder), 1)
    result.save(0, [done("a")])
    result.finish(Summary(1, 0))
    assert not (folder.parent / "out.errors.jsonl").exists()


def test_a_run_goes_on_only_if_asked_and_the_same(folder):
    result = Parts(str(folder), 1)
    with pytest.raises(JournalError, match=r"interrupted; go on with --resume, begin anew with --overwrite, or choose another"):
        result.begin(JOB)
    with pytest.raises(JournalError, match=r"another job; begin anew with --overwrite\n  input: x then, y now"):
        result.begin(JOB | {"input": "y"}, resume=True)
    result.save(0, [done("a")])
    result.finish(Summary(1, 0))
    with pytest.raises(JournalError, match="holds a finished result; begin anew"):
        result.begin(JOB)
    assert result.begin(JOB | {"input": "y"}, overwrite=True) is None
    assert result.done() == set()
    assert json.loads((folder / "_JOB").read_text())["input"] == "y"


def test_what_is_not_ours_stays(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.odt").write_text("x")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(JournalError, match=r"holds other files \(thesis\.odt\)"):
            Parts(str(tmp_path / "out"), 1).begin(JOB, **options)
    assert (tmp_path / "out" / "thesis.odt").exists()
    with pytest.raises(InputError, match="is a file; this engine writes a folder"):
        Parts(str(tmp_path / "out" / "thesis.odt"), 1).begin(JOB)


def test_a_part_that_breaks_off_is_not_there(folder):
    def work():
        yield done("a", errors=["x"])
        raise OSError(28, "No space left on device")

    result = Parts(str(folder), 1)
    with pytest.raises(OSError, match="No space"):
        result.save(0, work())
    assert result.done() == set()
    assert result.counts(set()) == (0, 0)
