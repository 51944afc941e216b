"""The interchange format and what bounds it: every document comes back as it was, and no file can fill the memory."""

import pytest
from hypothesis import given

from nisba.files import FormatError
from nisba.formats import jsonl
from nisba.schema import Document
from tests.documents import collections, patient


@patient
@given(collections())
def test_what_is_written_is_read(tmp_path, documents):
    file = tmp_path / "d.jsonl"
    assert jsonl.write(documents, file) == len(documents)
    assert list(jsonl.read(file)) == documents


def test_a_line_that_is_too_long_is_told_with_all_that_was_wrong_before(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "LIMIT", 100)
    file = tmp_path / "d.jsonl"
    file.write_text('{"id": "a", "text": "x"}\n{"id": "b"}\n' + "{" * 200 + '\n{"id": "c", "text": "x"}\n')
    read = []
    with pytest.raises(FormatError) as caught:
        read.extend(jsonl.read(file))
    assert [str(problem).split(": ")[0] for problem in caught.value.problems] == [f"{file}:2", f"{file}:3"]
    assert "longer than 100 bytes" in caught.value.problems[1]


def test_nothing_is_lost():
    assert jsonl.losses(Document("a", "نعم")) == []
