import gzip
import json

import pytest
from hypothesis import given, settings

from nisba import duplicates
from nisba.builders import losses
from nisba.cli import main
from nisba.encode import load_tokenizer
from nisba.files import FormatError
from nisba.formats import jsonl, standoff
from nisba.lint import lint
from nisba.schema import Document
from tests.strategies import documents


@settings(max_examples=50, deadline=None)
@given(documents())
def test_round_trip_without_the_text(tmp_path_factory, document):
    file = tmp_path_factory.mktemp("standoff") / "a.jsonl"
    assert standoff.write([document], file) == 1
    (row,) = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    assert "text" not in row
    assert list(standoff.read(file, {document.id: document.text})) == [document]


def test_other_texts_are_refused_all_at_once(tmp_path, seeds):
    file = tmp_path / "a.jsonl"
    standoff.write(seeds[:3], file)
    texts = {seeds[0].id: seeds[0].text, seeds[1].id: seeds[1].text + " "}
    with pytest.raises(FormatError) as error:
        list(standoff.read(file, texts))
    first, second = error.value.problems
    assert first.startswith(f"{file}:2: {seeds[1].id}: the source's text is not the one that was annotated: «")
    assert second == f"{file}:3: {seeds[2].id}: the source has no such document"


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "a"}', '{"id": "a", "sha256": "x", "text": "y"}', '{"id": 1, "sha256": "x"}'])
def test_lines_that_are_no_annotation(tmp_path, line):
    file = tmp_path / "a.jsonl"
    file.write_text(line, encoding="utf-8")
    with pytest.raises(FormatError, match=r"a\.jsonl:1: "):
        list(standoff.read(file, {}))


def test_annotations_are_checked_against_the_text(tmp_path):
    file = tmp_path / "a.jsonl"
    text = "نعم"
    row = {"id": "a", "sha256": standoff.digest(text), "entities": [{"start": 0, "end": 9, "label": "PER"}]}
    file.write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(FormatError, match=r"a.jsonl:1: a: entities\[0\]: .* beyond the end"):
        list(standoff.read(file, {"a": text}))
    assert standoff.digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4


def test_join_from_the_command_line(tmp_path, seeds, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source, packed = tmp_path / "corpus.jsonl", tmp_path / "corpus.jsonl.gz"
    jsonl.write([Document(d.id, d.text) for d in seeds[:5]], source)
    packed.write_bytes(gzip.compress(source.read_bytes()))
    for name, part in (("train", seeds[:2]), ("test", seeds[2:3])):
        standoff.write(part, tmp_path / "data" / "mine" / f"{name}.jsonl")
    recipe = 'title = "x"\npublished = "x"\nlicence = "x"\ncitation = "x"\nformat = "trec"\n'
    (tmp_path / "data" / "mine" / "recipe.toml").write_text(recipe, encoding="utf-8")
    for file in (source, packed):
        assert main(["data", "join", "mine", "--source", str(file), "-o", "out"]) == 0
        assert list(jsonl.read(tmp_path / "out" / "train.jsonl")) == seeds[:2]
        assert list(jsonl.read(tmp_path / "out" / "test.jsonl")) == seeds[2:3]
    assert main(["data", "join", "mine", "--source", str(source)]) == 0
    assert (tmp_path / "runs" / "data" / "mine" / "test.jsonl").is_file()
    capsys.readouterr()
    # Another text in the source: every part is refused, and nothing is left behind.
    jsonl.write([Document(d.id, d.text + "!") for d in seeds[:5]], source)
    assert main(["data", "join", "mine", "--source", str(source), "-o", "new"]) == 1
    assert "the source's text is not the one that was annotated" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    packed.write_bytes(packed.read_bytes()[:60])
    assert main(["data", "join", "mine", "--source", str(packed), "-o", "new"]) == 1
    assert "not a whole gzip file" in capsys.readouterr().err
    assert main(["data", "join", "yours", "--source", str(source)]) == 1
    assert "no such recipe" in capsys.readouterr().err


def test_the_annotations_of_ant_fit_their_texts(shared, root, tmp_path, monkeypatch, tiny):
    monkeypatch.chdir(root)
    source = shared / "data" / "ant" / "articles.jsonl.gz"
    assert main(["data", "join", "ant", "--source", str(source), "-o", str(tmp_path / "ant")]) == 0
    parts = {name: list(jsonl.read(tmp_path / "ant" / f"{name}.jsonl")) for name in ("train", "dev", "test")}
    assert {name: len(part) for name, part in parts.items()} == {"train": 1791, "dev": 57, "test": 95}
    dates = {name: [str(d.meta["date"]) for d in part] for name, part in parts.items()}
    assert max(dates["train"]) < min(dates["dev"])
    assert max(dates["dev"]) < min(dates["test"])
    everything = [d for part in parts.values() for d in part]
    where = [name for name, part in parts.items() for _ in part]
    assert all(len({where[i] for i in group}) == 1 for group in duplicates.groups(d.text for d in everything))
    assert losses(everything, load_tokenizer(str(tiny)), window=384) == (0, 0)
    assert [d.id for d in everything if lint(d)] == []
