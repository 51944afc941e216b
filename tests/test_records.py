"""Records: every kind of file, every kind of damage, each told where it is, within bounds."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nisba import records
from nisba.formats import jsonl
from nisba.records import Columns, Record, RecordError, document, read, report, where
from nisba.schema import Document

COLUMNS = Columns()


def taken(path, columns=COLUMNS, prefix=""):
    """The documents of a file, and what is said of the other records."""
    found, said = [], []
    for record in read(path, columns, file=path.name, prefix=prefix):
        try:
            found.append(document(record, columns))
        except RecordError as error:
            said.append(where(record, error))
    return found, said


def packed(path, data):
    """Write bytes as the file's name says."""
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(data))
    elif path.suffix == ".zst":
        path.write_bytes(pa.Codec("zstd").compress(data, asbytes=True))
    else:
        path.write_bytes(data)
    return path


LINES = "\n".join(
    [
        '{"id": "a", "text": "نص أول", "meta": {"day": 1}}',
        "",
        '{"text": "نص ثان", "id": 7, "other": [1]}\r',
        '{"text": "نص ثالث", "id": null}',
    ]
)


@pytest.mark.parametrize("end", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".JSONL"])
def test_lines_plain_and_packed(end, tmp_path):
    found, said = taken(packed(tmp_path / f"x{end}", LINES.encode()), prefix="x:")
    assert [(d.id, d.text, dict(d.meta)) for d in found] == [
        ("a", "نص أول", {"day": 1}),
        ("7", "نص ثان", {}),
        ("x:4", "نص ثالث", {}),
    ]
    assert said == []


def test_full_documents_keep_their_meta_and_lose_their_annotation(seeds, tmp_path):
    path = tmp_path / "seeds.jsonl"
    jsonl.write(seeds[:5], path)
    found, said = taken(path)
    assert [(d.id, d.text, d.meta) for d in found] == [(d.id, d.text, d.meta) for d in seeds[:5]]
    assert not any(d.claims or d.entities for d in found)
    assert said == []


def test_columns_by_name(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"body": "نعم", "uid": 3, "id": "no"}\n{"body": "نعم"}\n{"text": "نعم", "uid": "u"}\n', encoding="utf-8")
    found, said = taken(path, Columns("body", "uid"))
    assert [d.id for d in found] == ["3"]
    assert said == ["x.jsonl:2: no «uid»; it has body", "x.jsonl:3: u: no «body»; it has text, uid"]


BAD = {
    '{"id": "a", "text": ""}': "a: holds no text",
    '{"id": "a", "text": " \\n\\u200f\\u0000"}': "a: holds no text",
    '{"id": "a", "text": 5}': "a: text: must be a string: «5»",
    '{"id": "a", "text": null}': "a: text: must be a string: «None»",
    '{"id": "a", "text": ["x"]}': "a: text: must be a string: «['x']»",
    '{"id": "", "text": "نعم"}': "id: must be a string that is not empty: «''»",
    '{"id": 1.5, "text": "نعم"}': "id: must be text or a whole number: «1.5»",
    '{"id": true, "text": "نعم"}': "id: must be text or a whole number: «True»",
    '{"id": "a", "text": "نعم", "meta": 3}': "a: meta: must be an object: «3»",
    '{"id": "a", "text": "x\\ud800"}': "a: text: lone surrogate at 1: «x\\ud800»",
    '{"id": "\\ud800", "text": "x"}': "\\ud800: id: lone surrogate at 0: «\\ud800»",
    '{"id": "a"}': "a: no «text»; it has id",
    "{}": "no «text»; it has nothing",
    "[]": "must be an object with the key «text»: «[]»",
    "null": "must be an object with the key «text»: «None»",
    '{"id": "a", "text": "x"': "not JSON: Expecting ',' delimiter at character 24: «",
    '{"id": "a", "id": "b", "text": "x"}': "a key is given twice: «id»",
    '{"id": NaN, "text": "x"}': "not JSON: «NaN» is no number",
    "[" * 100_000: "not JSON that can be read: nested too deeply",
    '{"id": ' + "9" * 5000 + "}": "Exceeds the limit",
}


@pytest.mark.parametrize("line", BAD, ids=range(len(BAD)))
def test_lines_that_are_no_documents(line, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(f'{{"text": "نعم"}}\n{line}\n{{"text": "لا"}}\n', encoding="utf-8")
    found, (said,) = taken(path)
    assert [d.text for d in found] == ["نعم", "لا"]
    assert said.startswith(f"x.jsonl:2: {BAD[line]}")
    assert len(said) < 300


def test_bytes_that_are_no_utf8(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": "caf\xe9"}\n\x00\xff\xfe\n' + '{"text": "نعم"}\n'.encode() + "\ufeff{}".encode())
    found, said = taken(path)
    assert [d.id for d in found] == ["3"]
    assert said == [
        "x.jsonl:1: not UTF-8: byte 0xe9 at byte 13 of the line",
        "x.jsonl:2: not UTF-8: byte 0xff at byte 1 of the line",
        "x.jsonl:4: begins with a byte order mark; save the file as UTF-8 without BOM",
    ]


@pytest.mark.parametrize("text", ["...", "«»", "؟", "5"])
def test_a_text_of_punctuation_is_a_document(text, tmp_path):
    (tmp_path / "x.txt").write_text(text, encoding="utf-8")
    assert taken(tmp_path / "x.txt") == ([Document("x", text)], [])


def test_texts(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffعنوان\r\nنص\r\n".encode())
    (tmp_path / "b.TXT").write_bytes(b"a\nb\ncaf\xe9")
    (tmp_path / "c.txt").write_bytes(b" \n")
    assert taken(tmp_path / "a.txt") == ([Document("a", "\ufeffعنوان\r\nنص\r\n")], [])
    assert taken(tmp_path / "b.TXT") == ([], ["b.TXT:3: not UTF-8: byte 0xe9 at offset 7"])
    assert taken(tmp_path / "c.txt") == ([], ["c.txt: holds no text"])


@pytest.mark.parametrize("end", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_what_is_too_long_is_passed_over(end, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "LONGEST_LINE", 100)
    lines = ['{"text": "' + "x" * size + '"}' for size in (87, 88, 89, 500_000, 3)]
    found, said = taken(packed(tmp_path / f"x{end}", "\n".join(lines).encode()))
    assert [len(d.text) for d in found] == [87, 88, 3]
    assert said == [f"x{end}:{n}: is longer than the most of 100 bytes" for n in (3, 4)]
    (tmp_path / "x.txt").write_text("x" * 101)
    assert taken(tmp_path / "x.txt") == ([], ["x.txt: is longer than the most of 100 bytes"])


def test_five_megabytes_on_one_line_are_no_article(tmp_path):
    path = tmp_path / "x.jsonl"
    big = json.dumps({"id": "big", "text": "قال " * 700_000}, ensure_ascii=False)
    path.write_text(f'{big}\n{{"text": "نعم"}}\n', encoding="utf-8")
    found, said = taken(path)
    assert [d.text for d in found] == ["نعم"]
    assert said == ["x.jsonl:1: big: text: has 2,800,000 characters, the most is 1,000,000; cut it into articles"]


def test_the_longest_text_fits_into_the_longest_line():
    assert len(json.dumps({"text": "\U0001f600" * records.LONGEST_TEXT})) < records.LONGEST_LINE


@pytest.mark.parametrize(("end", "message"), [(".gz", "Compressed file ended"), (".zst", "Truncated compressed stream")])
def test_a_cut_packed_file_gives_what_it_holds_and_says_where_it_ends(end, message, tmp_path):
    path = packed(tmp_path / f"x.jsonl{end}", b"".join(b'{"text": "%x"}\n' % (n**3) for n in range(20_000)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found, (said,) = taken(path)
    assert 1000 < len(found) < 19_000
    assert [d.id for d in found] == [str(n) for n in range(1, len(found) + 1)]
    assert said.startswith(f"x.jsonl{end}:{len(found) + 1}: not a whole .jsonl{end} file, lost from here on: {message}")


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.jsonl.zst", "x.parquet"])
@pytest.mark.parametrize("data", [b"", b"no such thing at all", b"\x1f\x8b", b"PAR1", b"PAR1" * 5])
def test_a_file_that_is_not_what_its_name_says(name, data, tmp_path):
    (tmp_path / name).write_bytes(data)
    found, said = taken(tmp_path / name)
    assert found == []
    assert len(said) == (0 if not data and name != "x.parquet" else 1)
    assert all("file, lost from here on" in line for line in said)


def test_several_gzip_and_zstandard_frames_are_one_file(tmp_path):
    for end in (".gz", ".zst"):
        path = packed(tmp_path / f"x.jsonl{end}", b'{"text": "a"}\n')
        path.write_bytes(path.read_bytes() * 3)
        assert [d.id for d in taken(path)[0]] == ["1", "2", "3"]


def table(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_tables(tmp_path):
    path = table(
        tmp_path / "x.parquet",
        {
            "text": ["نعم", None, "", "لا"] * 50,
            "id": pa.array(range(200)),
            "meta": ['{"a": [1]}', "no", None, "[]"] * 50,
            "image": [b"\xff"] * 200,
        },
        row_group_size=70,
    )
    found, said = taken(path)
    assert [(d.id, d.text, dict(d.meta)) for d in found[:2]] == [("0", "نعم", {"a": [1]}), ("3", "لا", {})]
    assert len(found) == 100
    assert said[:2] == ["x.parquet:2: 1: text: must be a string: «None»", "x.parquet:3: 2: holds no text"]
    found, _ = taken(path, Columns(id=None), prefix="x:")
    assert found[0].id == "0"
    no_id = table(tmp_path / "y.parquet", {"body": pa.array(["نعم", "لا"]).dictionary_encode()})
    assert [d.id for d in taken(no_id, Columns("body"), prefix="y:")[0]] == ["y:1", "y:2"]
    for columns, name in ((COLUMNS, "text"), (Columns("body", "uid"), "uid")):
        assert taken(no_id, columns) == ([], [f"y.parquet: no column «{name}»; it has body"])


def test_a_cell_that_is_not_utf8_spoils_no_other(tmp_path):
    texts = pa.array([b"yes", b"caf\xe9", b"no"]).view(pa.string())
    found, said = taken(table(tmp_path / "x.parquet", {"text": texts}))
    assert [d.text for d in found] == ["yes", "no"]
    assert said == ["x.parquet:2: text: not UTF-8: byte 0xe9 at byte 3"]


def test_a_table_with_a_broken_page(tmp_path):
    path = table(tmp_path / "x.parquet", {"text": [f"نص {n}" for n in range(500)]}, row_group_size=100, compression="zstd")
    data = bytearray(path.read_bytes())
    start = pq.read_metadata(path).row_group(2).column(0).dictionary_page_offset
    data[start + 20 : start + 60] = b"\xff" * 40
    path.write_bytes(bytes(data))
    found, (said,) = taken(path)
    assert [d.text for d in found] == [f"نص {n}" for n in range(200)]
    assert said.startswith("x.parquet:201: not a whole parquet file, lost from here on: ")


def test_a_report_never_holds_a_text():
    long = "س" * 5000
    for data in ({"id": long, "text": 5}, {"id": "a", "text": [long]}, {"id": [long]}, {long: 1}):
        record = Record("f\udcff.jsonl", 3, "3", 0, 0, json.dumps(data).encode())
        with pytest.raises(RecordError) as caught:
            document(record, COLUMNS)
        line = report(17, record, caught.value)
        assert long[:300] not in line
        assert len(line) < 500
        row = json.loads(line)
        assert row["position"] == 17
        assert row["line"] == 3
        assert row["file"] == "f\\udcff.jsonl"
        assert set(row) == {"position", "file", "line", "id", "reason"}
        assert len(where(record, caught.value)) < 300


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    stream = iter([*data.splitlines(keepends=True), b""])
    for record in records.lines(lambda size: next(stream), file="x", prefix="", tell=lambda: 0):
        try:
            document(record, COLUMNS)
        except RecordError as error:
            json.loads(report(1, record, error))


@given(st.dictionaries(st.sampled_from(["id", "text", "meta", "x"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2), max_leaves=4,
)))  # fmt: skip
def test_any_row_is_read_or_refused(row):
    record = Record("x", 1, "1", 0, 0, json.dumps(row).encode())
    try:
        found = document(record, COLUMNS)
    except RecordError as error:
        json.loads(report(1, record, error))
    else:
        assert found.text == row["text"]
