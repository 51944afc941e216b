"""Nothing that is read may fill the memory, and no array is read in part without a word."""

import io
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nisba.files import FormatError
from nisba.formats import bounded
from tests.documents import values
from tests.memory import peak

objects = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), values, max_size=4)


class Endless(io.RawIOBase):
    """A file of a gigabyte of one character behind a beginning."""

    def __init__(self, head):
        self.head, self.left = head, 1 << 30

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self.head[: len(buffer)] or b"x" * min(len(buffer), self.left)
        self.head = self.head[len(data) :]
        self.left -= len(data)
        buffer[: len(data)] = data
        return len(data)


@pytest.mark.parametrize(
    "read",
    [
        lambda head: list(bounded.lines(io.BufferedReader(Endless(head)), "f")),
        lambda head: list(bounded.elements(io.BufferedReader(Endless(b'[{"a": "')), "f")),
    ],
    ids=["a line", "an element"],
)
def test_a_gigabyte_is_refused_within_bounded_memory(read):
    most, message = peak(lambda: read(b"first\n"))
    assert "longer than 16,777,216" in message
    assert most < 6 * bounded.LIMIT


def test_a_whole_file_is_read_up_to_the_limit(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"x" * 1000)
    assert bounded.whole(file, 1000) == b"x" * 1000
    with pytest.raises(FormatError, match="f: is longer than 999 bytes: «x"):
        bounded.whole(file, 999)
    file.write_bytes(b"")
    assert bounded.text(file) == ""
    file.write_bytes(b"a\n\xff")
    with pytest.raises(FormatError, match="f:2: not UTF-8: byte 0xff"):
        bounded.text(file)


def test_little_is_set_aside_for_a_small_file(tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    tracemalloc.start()
    bounded.whole(tmp_path / "f")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_lines_keep_their_ends():
    assert list(bounded.lines(io.BytesIO(b"a\r\n\nb"), "f", 3)) == [b"a\r\n", b"\n", b"b"]
    with pytest.raises(FormatError, match="f:2: the line is longer than 2 bytes: «bcd»"):
        list(bounded.lines(io.BytesIO(b"a\nbcd\n"), "f", 2))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"\xff\xfe{\x00}\x00", "is UTF-16"),
        (b'{"a": "\xff"}', "not UTF-8: byte 0xff at byte 7"),
        (b"{", "Expecting property name"),
        (b'{"a": 1, "a": 2}', "a key is given twice: «a»"),
        (b'{"a": Infinity}', "«Infinity» is no number"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' * 100_000, "nested too deeply"),
    ],
)
def test_only_strict_json_is_read(raw, message):
    with pytest.raises(FormatError, match="f:3: "):
        bounded.json_text(raw, "f:3")
    with pytest.raises(FormatError, match=message):
        bounded.json_text(raw, "f")


@settings(deadline=None)
@given(st.lists(objects, max_size=6), st.sampled_from([None, 1]), st.booleans(), st.integers(1, 40))
def test_elements_are_those_of_the_array(rows, indent, escaped, chunk):
    data = json.dumps(rows, ensure_ascii=escaped, indent=indent).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded, "CHUNK", chunk)
        assert list(bounded.elements(io.BytesIO(data), "f")) == list(enumerate(rows))
        for cut in range(0, len(data) - 1, max(1, len(data) // 20)):
            with pytest.raises(FormatError):
                list(bounded.elements(io.BytesIO(data[:cut]), "f"))


@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: must be a JSON array of objects: the file ends here"),
        ("{}", "f: must be a JSON array of objects: «{"),
        ("[", "f: [0]: must be an object: the file ends here"),
        ("[1]", "f: [0]: must be an object: «1"),
        ("[{}", "f: [0]: must be followed by , or ]: the file ends here"),
        ("[{}, ]", "f: [1]: must be an object: «]"),
        ("[{} {}]", "f: [0]: must be followed by , or ]: «{"),
        ("[{}] x", "f: something stands behind the end of the array: «x"),
        ('[{}, {"a": 1, "a": 2}]', "f: [1]: a key is given twice: «a»"),
        ('[{"a": NaN}]', "f: [0]: not JSON: «NaN» is no number"),
        ('[{"a": "x]', "f: [0]: not JSON: Unterminated string"),
        ('[{"a" 1}' + " " * 40 + "]", "f: [0]: not JSON: Expecting ':' delimiter at character 5"),
        ('[{"a": ' + "[" * 100_000, "f: [0]: not JSON that can be read: nested too deeply"),
        ('\ufeff[{"a": 1}]', "f: begins with a byte order mark"),
    ],
)
def test_what_is_no_such_array_is_refused(text, message, chunk, monkeypatch):
    monkeypatch.setattr(bounded, "CHUNK", max(chunk, 3) if text.startswith("\ufeff") else chunk if len(text) < 1000 else 1 << 18)
    with pytest.raises(FormatError) as caught:
        list(bounded.elements(io.BytesIO(text.encode()), "f"))
    assert str(caught.value).startswith(message)


def test_bytes_that_are_no_text_are_named_by_their_place():
    with pytest.raises(FormatError, match="f: not UTF-8: byte 0xff at offset 8"):
        list(bounded.elements(io.BytesIO(b'[{"a": "\xff"}]'), "f"))
