"""Conversions through the command line: every format there and back, what is refused, and what is never half-written."""

import gzip
import inspect
import json
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import pytest

from nisba import convert, review
from nisba.cli import main
from nisba.formats import jsonl, markup
from nisba.formats.recognition import recognise, written
from nisba.schema import Claim, Document, Entity
from nisba.text import words

LOSSY = ("conll",)
ENDINGS = {"cas": "", "conll": ".conll", "doccano": ".jsonl", "docbin": ".spacy", "jsonl": ".jsonl", "label-studio": ".json"}
ENDINGS |= {"prodigy": ".jsonl", "w3c": ".jsonl"}
EMOJI = "😀 قال علي: نعم."


@pytest.fixture
def file(seeds, tmp_path):
    path = tmp_path / "in.jsonl"
    jsonl.write(seeds[:8], path)
    return path


def run(*arguments):
    return main(["convert", *map(str, arguments)])


def everything(path):
    """Every file below a path, hidden ones too, with its bytes."""
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", [name for name in convert.WRITABLE if name not in LOSSY])
def test_there_and_back_without_naming_what_was_written(name, file, tmp_path, capsys):
    there, back = tmp_path / f"there{ENDINGS.get(name, '')}", tmp_path / "back.jsonl"
    assert run(file, there, "--to", name) == 0
    assert capsys.readouterr().out == f"8 documents: {there}\n"
    assert recognise(there) == name
    assert run(there, back) == 0
    assert back.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("first", [name for name in convert.WRITABLE if name not in LOSSY])
def test_from_one_tool_to_the_next(first, seeds, tmp_path):
    documents = [replace(d, id=f"d{i}", meta={"i": i, "n": [None, 1.5]}) for i, d in enumerate(seeds[8:11])]
    for second in ("brat", "label-studio", "webanno-tsv"):
        one, two, back = tmp_path / f"{second}-1", tmp_path / f"{second}-2", tmp_path / f"{second}.jsonl"
        convert.module(first).write(documents, one)
        convert.convert(one, two, form=first, to=second)
        convert.convert(two, back, form=second, to="jsonl")
        assert list(jsonl.read(back)) == documents


@pytest.mark.parametrize("name", convert.READABLE)
def test_the_tables_say_what_the_modules_do(name):
    module = convert.module(name)
    assert ("repair" in inspect.signature(module.read).parameters) == (name in convert.QUOTING)
    if name in convert.WRITABLE:
        assert {*inspect.signature(module.write).parameters} >= {"documents", "path"}
        assert module.losses(Document("d", "نعم", meta={"layers": ["names"]})) == []
    elif name != "markup":
        assert not hasattr(module, "write")


def test_losses_are_counted_listed_and_refused(file, tmp_path, capsys):
    out = tmp_path / "out.conll"
    assert run(file, out) == 1
    error = capsys.readouterr().err
    (claims, entities) = (sum(len(getattr(d, what)) for d in jsonl.read(file)) for what in ("claims", "entities"))
    assert error.startswith("nisba: conll cannot hold ")
    assert "of 8 documents:\n" in error
    assert f"{next(jsonl.read(file)).id}: claim c1: the whole claim\n" in error
    listed, kinds = error.removesuffix("nothing was written; --lossy writes the rest\n").split("more\nin all:\n")
    assert listed.count("\n") == convert.LISTED + 1
    counts = dict(reversed(line.strip().split(" × ")) for line in kinds.splitlines())
    assert counts["claim: the whole claim"] == str(claims)
    assert counts["meta: category"] == "8"
    assert sum(map(int, counts.values())) == int(error.split()[4].replace(",", ""))
    assert set(everything(tmp_path)) == {"in.jsonl"}
    assert run(file, out, "--lossy") == 0
    again = capsys.readouterr()
    assert again.err == error.replace("\nnothing was written; --lossy writes the rest", "")
    assert again.out == f"8 documents: {out}\n"
    assert claims <= int(error.split()[4].replace(",", ""))
    assert sum(len(d.entities) for d in convert.module("conll").read(out)) == entities


def test_without_a_loss_nothing_is_said(tmp_path, capsys):
    (tmp_path / "x.conll").write_text("علي B-PER\nقال O\n")
    assert run(tmp_path / "x.conll", tmp_path / "y.conll") == 0
    assert capsys.readouterr().err == ""


def shifted(text, kind):
    """An export of Label Studio with one name, its offsets in other units or off."""
    start = text.index("علي")
    start += {"utf16": 1, "right": 0, "off": 2}[kind]
    value = {"start": start, "end": start + 3, "text": "علي", "labels": ["PER"]}
    result = [{"id": "r", "from_name": "label", "to_name": "text", "type": "labels", "value": value}]
    return {"data": {"text": text}, "annotations": [{"result": result}]}


def test_offsets_in_other_units_are_refused_with_the_repair_and_repaired_on_request(tmp_path, capsys):
    export, out = tmp_path / "ls.json", tmp_path / "out.jsonl"
    export.write_text(json.dumps([shifted(EMOJI, "utf16"), shifted("قال علي", "right")]))
    assert run(export, out) == 1
    assert "--repair-offsets utf16" in capsys.readouterr().err
    assert not out.exists()
    assert run(export, out, "--repair-offsets", "utf16") == 0
    assert [d.entities[0].span.of(d.text) for d in jsonl.read(out)] == ["علي", "علي"]


def test_a_repair_is_refused_where_one_span_of_the_file_does_not_agree(tmp_path, capsys):
    export, out = tmp_path / "ls.json", tmp_path / "out.jsonl"
    export.write_text(json.dumps([shifted(EMOJI, "utf16"), shifted(EMOJI, "right")]))
    assert run(export, out, "--repair-offsets", "utf16") == 1
    assert "leave out --repair-offsets utf16" in capsys.readouterr().err
    export.write_text(json.dumps([shifted("قال علي: نعم", "off")]))
    assert run(export, out) == 1
    assert "2 characters back" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.jsonl", "x.jsonl"], "nothing.jsonl: no such file or folder"),
        (["in.jsonl", "x"], "x: its name does not say what to write; say it with --to: brat, cas"),
        (["in.jsonl", "x.jsonl.gz", "--to", "jsonl"], "x.jsonl.gz: nothing is packed here"),
        (["in.jsonl", "in.jsonl"], "in.jsonl: is, holds or lies in what is read"),
        (["in.jsonl", "./sub/../in.jsonl"], "is, holds or lies in what is read"),
        (["sub", "sub/x.jsonl", "--from", "brat"], "is, holds or lies in what is read"),
        (["sub/a.txt", "sub", "--from", "brat", "--to", "cas"], "is, holds or lies in what is read"),
        (["odd.bin", "x.jsonl"], "odd.bin: cannot tell what it holds; say it with --from: brat, cas, citron"),
        (
            ["in.jsonl", "x.conll", "--repair-offsets", "utf16"],
            "--repair-offsets: nothing in files of jsonl shows what their offsets count",
        ),
        (["odd.bin", "x.jsonl", "--from", "jsonl"], "odd.bin:1: not UTF-8"),
        (["in.jsonl", "full", "--to", "brat"], "full: holds other files"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments, message, file, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, data in {"odd.bin": b"\xff\xd8\xff", "sub/a.txt": b"x", "sub/a.ann": b"", "full/mine.txt": b"y"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    before = everything(tmp_path)
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", convert.WHOLE)
def test_a_file_that_would_be_read_at_once_may_not_be_long(name, tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "LIMIT", 10)
    (tmp_path / "x.txt").write_text("id: a\n---\nنعم\n---\n")
    with pytest.raises(convert.ConvertError, match=r"x\.txt: is longer than 10 bytes"):
        convert.convert(tmp_path / "x.txt", tmp_path / "y.jsonl", form=name)


def test_a_format_that_is_only_read_is_refused(file, tmp_path):
    with pytest.raises(convert.ConvertError, match="trec can only be read; nisba writes brat, cas"):
        convert.convert(file, tmp_path / "x", to="trec")


def test_a_package_that_is_missing_is_named(file, tmp_path, monkeypatch, capsys):
    for name in [name for name in sys.modules if name == "spacy" or name.startswith("spacy.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "spacy", None)
    monkeypatch.delitem(sys.modules, "nisba.formats.docbin", raising=False)
    assert run(file, tmp_path / "x.spacy") == 1
    assert "docbin" in (error := capsys.readouterr().err)
    assert "pip install 'nisba[docbin]'" in error


def test_what_is_bad_far_down_leaves_nothing_behind(file, tmp_path, capsys):
    file.write_bytes(
        file.read_bytes() + b'{"id": "x", "text": "',
    )
    for name in ("brat", "label-studio", "conll"):
        assert run(file, tmp_path / "out", "--to", name, "--lossy") == 1
        assert "in.jsonl:9: not JSON" in capsys.readouterr().err
        assert set(everything(tmp_path)) == {"in.jsonl"}


def test_a_result_is_replaced_by_a_whole_one_only(file, tmp_path, capsys):
    out = tmp_path / "out.json"
    out.write_text("what was there")
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(file.read_bytes() + b"{")
    assert run(bad, out, "--to", "label-studio") == 1
    assert out.read_text() == "what was there"
    assert run(file, out, "--to", "label-studio") == 0
    assert len(json.loads(out.read_text())) == 8


def test_what_is_no_file_is_not_replaced(file, tmp_path, capsys):
    """As root, a result called /dev/null would take the place of the device."""
    pipe = tmp_path / "out.jsonl"
    os.mkfifo(pipe)
    assert run(file, pipe) == 1
    assert capsys.readouterr().err == f"nisba: {pipe}: is no file that can be replaced\n"
    assert pipe.is_fifo()


def test_a_packed_file_is_read(file, tmp_path):
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert run(packed, tmp_path / "out.jsonl") == 0
    assert (tmp_path / "out.jsonl").read_bytes() == file.read_bytes()


def test_memory_does_not_grow_with_the_corpus(seeds, tmp_path):
    def peak(count):
        source = tmp_path / "long.jsonl"
        jsonl.write((replace(seeds[i % 8], id=f"d{i}") for i in range(count)), source)
        tracemalloc.start()
        convert.convert(source, tmp_path / "out.json", to="label-studio")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(4)
    few, many = peak(10), peak(100)
    assert many < few + 90 * 500  # bytes: the ids that were seen, and nothing of the size of an article


RECOGNISED = {
    "jsonl": '{"id": "a", "text": "نعم"}\n',
    "doccano": '{"id": 1, "text": "نعم", "entities": [{"id": 1, "label": "PER", "start_offset": 0, "end_offset": 3}]}\n',
    "prodigy": '{"text": "نعم", "_input_hash": 1, "spans": []}\n',
    "label-studio": '[\n {"id": 1, "data": {"text": "نعم"}, "annotations": []}]',
    "webanno-tsv": "#FORMAT=WebAnno TSV 3.3\n\n\n#Text=نعم\n1-1\t0-3\tنعم\t\n",
    "conll": "-DOCSTART- -X- O O\n\nنعم NN B-NP O\n",
    "citron": '{\n "text": "نعم",\n "quotes": [\n]}',
    "spkatt": '{"DocumentName": "a", "Sentences": [{"SentenceId": 1, "Tokens": ["ja"]}], "Annotations": []}',
    "w3c": '{"@context": "http://www.w3.org/ns/anno.jsonld", "type": "AnnotationPage", "items": []}',
    "trec": "<DOC>\n<DOCNO>1</DOCNO><TITLE>أ</TITLE><TEXT>ب</TEXT></DOC>",
    "markup": "id: a\nx: y\n---\nنعم\n---\n===\n",
    "cas": '<?xml version="1.0" encoding="UTF-8"?>\n<xmi:XMI xmlns:xmi="http://www.omg.org/XMI" xmi:version="2.0">',
}


@pytest.mark.parametrize("name", RECOGNISED)
def test_formats_are_known_by_what_they_hold(name, tmp_path):
    file = tmp_path / "some.data"
    file.write_text(RECOGNISED[name])
    assert recognise(file) == name


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        "قال علي.".encode(),
        b"{}",
        b"[]",
        b"[1]",
        b"[{}]",
        b"{",
        b"[{",
        b'{"text": "x"}',
        b'{"id": 1, "text": "x"}',
        b'{"id": "a", "text": "x", "label": [], "spans": []}\n{"broken',
        b"\x1f\x8b\x08",
        b"PK\x03\x04",
        b"\xff\xfe{\x00",
        b"\x00" * 100,
        b"[" * 100000,
        b"a b\nc d\n",
    ],
)
def test_what_could_be_anything_is_not_guessed(content, tmp_path):
    file = tmp_path / "some.data"
    file.write_bytes(content)
    assert recognise(file) in (None, "prodigy" if b"spans" in content else None)


HASHES = {"_input_hash": 1, "_task_hash": 2}
WHOLE = "doccano or prodigy, with labels of whole texts, not of spans"


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"text": "x", "label": "SPORT", "answer": "accept"} | HASHES, "prodigy"),
        ({"text": "x", "accept": ["SPORT"], "options": [], "answer": "accept"} | HASHES, "prodigy"),
        ({"text": "x", "label": "SPORT", "answer": "reject"}, "prodigy"),
        ({"text": "x", "answer": "accept", "_view_id": "ner_manual"} | HASHES, "prodigy"),
        ({"text": "x", "tokens": [{"text": "x", "start": 0, "end": 1, "id": 0}]}, "prodigy"),
        ({"id": 1, "text": "x", "label": [[0, 1, "PER"]]}, "doccano"),
        ({"id": 1, "data": "x", "label": [[0, 1, 7]], "Comments": []}, "doccano"),
        ({"text": "x", "labels": [{"label": "PER", "start_offset": 0, "end_offset": 1}]}, "doccano"),
        ({"id": 1, "text": "x", "annotations": [{"label": 7, "start_offset": 0, "end_offset": 1, "user": 1}]}, "doccano"),
        ({"text": "x", "tokens": ["x"], "ner_tags": [0]}, None),
        ({"text": "x", "tokens": []}, None),
        ({"text": "x", "answer": "because"}, None),
        ({"text": "x", "label": [[0, 1, "PER"]]} | HASHES, None),
        ({"text": "x", "label": "SPORT"}, None),
        ({"text": "x", "label": 3}, None),
        ({"text": "x", "label": None}, None),
        ({"id": 1, "text": "x", "label": ["SPORT"], "Comments": []}, None),
        ({"id": 1, "text": "x", "label": [3]}, None),
    ],
)
def test_rows_of_tools_are_known_by_what_no_other_has(row, name, tmp_path):
    file = tmp_path / "some.data"
    file.write_text(json.dumps(row) + "\n")
    assert recognise(file) == name


@pytest.mark.parametrize(
    ("content", "near"),
    [
        ('{"text": "x", "label": "SPORT"}', f", perhaps {WHOLE}"),
        ('{"text": "x", "labels": 3}', f", perhaps {WHOLE}"),
        ('{"text": "x", "label": ["SPORT"], "Comments": []}', ", perhaps doccano, with labels of whole texts, not of spans"),
        ('{"text": "x", "accept": ["SPORT"], "options": []}', ", perhaps prodigy, with labels of whole texts, not of spans"),
        ('{"text": "x", "label": [[0, 1, "PER"]], "_input_hash": 1}', ", perhaps doccano or prodigy"),
        ('{"id": 1, "text": "x", "entities": [[0, 1, "PER"]]}', ", perhaps doccano"),
        ('{"id": 1, "text": "x", "annotations": []}', ", perhaps doccano"),
        ('[{"id": 1, "data": "x", "label": []}]', ", perhaps doccano, which nisba reads with one object a line, not packed"),
        ('[{"text": "x", "label": "SPORT"}]', f", perhaps {WHOLE}"),
        ('{"text": "x"}', ""),
        ("<p>", ""),
    ],
)
def test_what_may_be_meant_is_named_with_the_option(content, near, tmp_path, capsys):
    (tmp_path / "x.data").write_text(content)
    assert run(tmp_path / "x.data", tmp_path / "out.jsonl") == 1
    assert f"x.data: cannot tell what it holds{near}; say it with --from: brat, cas" in capsys.readouterr().err
    assert set(everything(tmp_path)) == {"x.data"}


def test_what_is_packed_or_mixed_is_named_too(tmp_path, capsys):
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"id": 1, "text": "x", "label": [[0, 1, "PER"]]}\n'))
    assert run(packed, tmp_path / "out.jsonl") == 1
    assert "holds, perhaps doccano, which nisba reads with one object a line, not packed; say it" in capsys.readouterr().err
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "a.xmi").write_text("")
    (tmp_path / "both" / "a.tsv").write_text("")
    assert run(tmp_path / "both", tmp_path / "out.jsonl") == 1
    assert "holds, perhaps cas or webanno-tsv; say it with --from" in capsys.readouterr().err


def test_text_classification_is_read_as_texts_without_annotation(tmp_path):
    (tmp_path / "db.jsonl").write_text(json.dumps({"text": "نعم", "label": "SPORT", "answer": "accept"} | HASHES))
    assert run(tmp_path / "db.jsonl", tmp_path / "out.jsonl") == 0
    (document,) = jsonl.read(tmp_path / "out.jsonl")
    assert document.meta == {"label": "SPORT", "layers": []}


def test_folders_are_known_by_their_files(tmp_path):
    for name in ("a.ann", "a.txt"):
        (tmp_path / name).write_text("")
    assert recognise(tmp_path) == "brat"
    (tmp_path / "b.ann").write_text("T1\tCue 0 3\tقال\nE1\tAttribution:T1\n")
    assert recognise(tmp_path) == "polnear"
    (tmp_path / "c.xmi").write_text("")
    assert recognise(tmp_path) is None
    assert recognise(tmp_path / "a.txt") == "brat"


def test_names_of_results(tmp_path):
    assert written(tmp_path / "x.JSONL") == "jsonl"
    assert written(tmp_path / "x.spacy") == "docbin"
    assert written(tmp_path / "x.json") is None


def test_articles_in_markup_are_converted(root, tmp_path, seeds):
    source = sorted((root / "seeds" / "markup").glob("*.txt"))[0]
    assert run(source, tmp_path / "out.jsonl") == 0
    assert list(jsonl.read(tmp_path / "out.jsonl")) == list(markup.read(source))


def test_an_interrupted_conversion_leaves_nothing(seeds, tmp_path):
    source = tmp_path / "in.fifo"
    os.mkfifo(source)
    command = [sys.executable, "-m", "nisba.cli", "convert", str(source), str(tmp_path / "out"), "--from", "jsonl", "--to", "brat"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    with source.open("wb") as stream:
        stream.write(jsonl.dump(seeds[0]).encode())
        stream.flush()
        process.terminate()
        assert process.wait(60) == 130
    assert b"interrupted; no file is half-written" in process.stderr.read()
    assert [p.name for p in tmp_path.iterdir()] == ["in.fifo"]


def test_suggestions_are_predictions_with_scores_in_label_studio(model, root, tmp_path, capsys):
    texts, out = tmp_path / "texts", tmp_path / "out.json"
    texts.mkdir()
    (texts / "a.txt").write_bytes((root / "seeds" / "sample.txt").read_bytes())
    (texts / "b.txt").write_text("نعم.")
    assert main(["suggest", "--model", str(model), str(texts), str(out), "--to", "label-studio"]) == 0
    assert capsys.readouterr().out == f"2 documents: {out}\n"
    first = json.loads(out.read_text())[0]
    assert "annotations" not in first
    (prediction,) = first["predictions"]
    assert 0 <= prediction["score"] <= 1
    marks = [entry for entry in prediction["result"] if entry["type"] == "labels"]
    assert marks
    text = first["data"]["text"]
    assert all(text[m["value"]["start"] : m["value"]["end"]] == m["value"]["text"] for m in marks)
    # The very documents that nisba predict would give.
    assert main(["predict", "--model", str(model), "--input", str(texts), "-o", str(tmp_path / "p.jsonl")]) == 0
    assert list(convert.documents(out, None)) == list(jsonl.read(tmp_path / "p.jsonl"))


def test_suggestions_name_every_text_that_cannot_be_read(model, tmp_path, capsys):
    texts, out = tmp_path / "in.jsonl", tmp_path / "out"
    texts.write_text('{"id": "a", "text": "نعم"}\n{"id": "b"}\n{"id": "a", "text": "لا"}\n{\n')
    assert main(["suggest", "--model", str(model), str(texts), str(out), "--to", "brat"]) == 1
    error = capsys.readouterr().err
    for line in ("in.jsonl:2: b: no «text»", "in.jsonl:3: a: id: given before", "in.jsonl:4: not JSON"):
        assert line in error
    assert set(everything(tmp_path)) == {"in.jsonl"}


def scored(name, *scores, length=50):
    """A document of so many words, with a name of each score, and a claim of the last."""
    text = " ".join(["كلمة"] * length)
    spans = words(text)
    entities = tuple(Entity(span, "PER", score) for span, score in zip(spans, scores[:-1], strict=False))
    claims = (Claim("c", content=(spans[-1],), score=scores[-1]),) if scores else ()
    return Document(name, text, entities, claims)


def test_the_measure_of_uncertainty():
    assert review.uncertainty(scored("a", 0.5, 0.75)) == pytest.approx(0.75 / 150)
    assert review.uncertainty(scored("a", 0.5, 0.75, length=400)) == pytest.approx(0.75 / 500)
    assert review.uncertainty(scored("a")) == 0
    assert review.uncertainty(Document("a", "", meta={})) == 0


def test_what_helps_most_comes_first(tmp_path, capsys):
    source, out = tmp_path / "found.jsonl", tmp_path / "todo.json"
    found = [scored("sure", 1, 0.99), scored("nothing"), scored("long", 0.5, 0.5, length=500), scored("doubtful", 0.5, 0.5)]
    found += [scored("worse", 0.1, 0.2), scored("nothing too")]
    jsonl.write(found, source)
    assert main(["review", str(source), str(out), "--to", "label-studio"]) == 0
    assert capsys.readouterr().out == f"6 documents: {out}\n"
    order = list(convert.documents(out, None))
    assert [d.id for d in order] == ["worse", "doubtful", "long", "sure", "nothing", "nothing too"]
    assert order[0].meta["uncertainty"] == pytest.approx(1.7 / 150, abs=1e-6)
    assert [replace(d, meta={}) for d in order] == [next(f for f in found if f.id == d.id) for d in order]
    assert main(["review", str(source), str(tmp_path / "top.jsonl"), "--most", "2"]) == 0
    assert [d.id for d in jsonl.read(tmp_path / "top.jsonl")] == ["worse", "doubtful"]


def test_articles_without_scores_cannot_be_ordered(file, tmp_path, capsys):
    assert main(["review", str(file), str(tmp_path / "out.jsonl")]) == 1
    assert "in.jsonl: no name or claim has a score; give what nisba predict" in capsys.readouterr().err
    assert main(["review", str(tmp_path / "none"), str(tmp_path / "out.jsonl")]) == 1
    assert set(everything(tmp_path)) == {"in.jsonl"}


def test_the_order_is_made_on_disk(tmp_path):
    def peak(count):
        tracemalloc.start()
        for _ in review.ordered((scored(str(i), i / count, 0.5) for i in range(count)), "x"):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)
    assert peak(500) - peak(50) < 450 * 400  # bytes: a document takes 20,000
