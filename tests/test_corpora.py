import json
import zipfile

import pytest

from nisba import corpora
from nisba.cli import main
from nisba.files import FormatError
from nisba.formats import columns, jsonl, standoff, trec
from nisba.formats.columns import Columns
from nisba.schema import Document
from tests.memory import peak

DOC = "<DOC>\n<DOCNO>{}</DOCNO>\n<CAT>sport</CAT>\n<TITLE>{}</TITLE>\n<TIME></TIME>\n<TEXT>\n{}\n \n</TEXT>\n</DOC>"
PLAIN = Columns(labels={"PERS": "PER", "ORG": "ORG", "LOC": "LOC"}, ignored=["DATE"])


def test_every_recipe_of_the_project_can_be_read(root):
    folders = sorted(path.parent for path in root.glob("data/*/recipe.toml"))
    assert {folder.name for folder in folders} == {"ant", "anercorp", "aqmar", "ud-pud", "wojood"}
    for folder in folders:
        recipe = corpora.load(folder)
        assert (recipe.format == "columns") == bool(recipe.labels)
        assert recipe.licence
        assert recipe.citation.strip()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "not TOML"),
        ('title = "x"', "licence: Field required"),
        (
            'title = "x"\npublished = "x"\nlicence = "x"\ncitation = "x"\nformat = "columns"\n[labels]\nPERS = "MAN"',
            "labels.PERS: ",
        ),
        ('title = "x"\npublished = "x"\nlicence = "x"\ncitation = "x"\nformat = "trec"\nsha256 = "12"', "sha256: "),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path, text, message):
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    with pytest.raises(corpora.CorpusError, match=r"recipe\.toml: " + message):
        corpora.load(tmp_path)


def test_tagged_articles_from_file_folder_and_archive(tmp_path):
    folder, archive = tmp_path / "corpus", tmp_path / "corpus.zip"
    folder.mkdir()
    (folder / "b.txt").write_text(DOC.format("b", "", "نص بلا عنوان & <b>"), encoding="utf-8")
    (folder / "a.txt").write_text(
        DOC.format("a1", "عنوان  أول", " سطر\nسطر  ") + "\n" + DOC.format("a2", "ع", "ن"), encoding="utf-8"
    )
    (folder / "README.md").write_text("no article", encoding="utf-8")
    expected = [("a1", "عنوان  أول\nسطر\nسطر"), ("a2", "ع\nن"), ("b", "نص بلا عنوان & <b>")]
    with zipfile.ZipFile(archive, "w") as packed:
        for file in folder.iterdir():
            packed.write(file, f"corpus-1.1/{file.name}")
        packed.writestr("../outside.txt", DOC.format("z", "ع", "ن"))
    assert [(d.id, d.text) for d in trec.read(folder)] == expected
    assert {d.id: d.text for d in trec.read(archive)} == dict([*expected, ("z", "ع\nن")])
    assert [d.id for d in trec.read(folder / "b.txt")] == ["b"]
    assert next(trec.read(folder)).meta == {"category": "sport"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["corpus", "corpus.zip"]  # nothing was unpacked


def test_tagged_articles_of_a_folder_come_from_nowhere_else(tmp_path):
    folder = tmp_path / "corpus"
    for name in ("a.txt", "b.XML", ".hidden.txt", "__MACOSX/c.txt", ".git/d.txt", "notes.md", "part/e.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(DOC.format(name, "ع", "ن"), encoding="utf-8")
    (folder / "f.txt").symlink_to(folder / "notes.md")
    assert [document.id for document in trec.read(folder)] == ["a.txt", "b.XML", "notes.md", "part/e.txt"]
    (tmp_path / "secret.txt").write_text(DOC.format("secret", "ع", "ن"), encoding="utf-8")
    (folder / "g.txt").symlink_to("../secret.txt")
    (folder / "g.md").symlink_to("../secret.txt")  # no article by its name
    found = trec.read(folder)
    assert [next(found).id for _ in range(4)] == ["a.txt", "b.XML", "notes.md", "part/e.txt"]
    with pytest.raises(FormatError) as error:
        next(found)
    assert error.value.problems == (f"{folder / 'g.txt'}: leads outside the folder",)


def test_hostile_tagged_articles_are_refused_within_bounded_memory(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    with (folder / "a.txt").open("wb") as stream:
        stream.truncate(1 << 30)  # takes no place
    (folder / "b.txt").write_text("<DOC>" * (1 << 21))
    most, message = peak(lambda: list(trec.read(folder)))
    assert message.startswith(f"{folder / 'a.txt'}: is longer than 16,777,216 bytes: «")
    assert f"{folder / 'b.txt'}:1: <DOC> is never closed" in message
    assert message.endswith("and perhaps more: reading ended after 1,000 problems")
    assert most < 1 << 26
    most, message = peak(lambda: list(trec.read(folder / "a.txt")))
    assert "is longer than 16,777,216 bytes" in message
    assert most < 1 << 21


def test_tagged_articles_with_faults_are_all_named(tmp_path):
    (tmp_path / "a.txt").write_text("\n\n" + DOC.format("a", "ع", "ن") + DOC.format("a", "ع", "ن"), encoding="utf-8")
    (tmp_path / "b.txt").write_text("<DOC><DOCNO>b</DOCNO><TITLE>ع</TITLE></DOC>", encoding="utf-8")
    (tmp_path / "c.txt").write_text("a licence, no article", encoding="utf-8")
    (tmp_path / "d.txt").write_bytes(b"<DOC>\n\xff</DOC>")
    cut = DOC.format("e", "ع", "ن").replace("</TEXT>\n</DOC>", "") + "\n" + DOC.format("f", "ع", "<TEXT>")
    (tmp_path / "e.txt").write_text(cut + "<DOC>\n<DOCNO>g", encoding="utf-8")
    (tmp_path / "f.txt").write_text(DOC.format("h", "ع", "ن") + DOC.format("i", "ع", "ن").replace("<DOC>", ""), encoding="utf-8")
    with pytest.raises(FormatError) as error:
        list(trec.read(tmp_path))
    twice, lacks, coding, open_, doubled, last, headless = error.value.problems
    assert "f.txt:1: an article without <DOC> stands behind: «<DOCNO>i</DOCNO>" in headless
    assert "a.txt:12: the document id is given twice: «a»" in twice
    assert "b.txt:1: the article lacks TEXT" in lacks
    assert "e.txt:1: <DOC> is never closed: «<DOCNO>e</DOCNO>" in open_
    assert "e.txt:10: <TEXT> and </TEXT> do not stand there once each" in doubled
    assert "e.txt:19: <DOC> is never closed" in last
    assert "d.txt:2: not UTF-8" in coding


def test_join_from_an_archive(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NISBA_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data" / "mine"
    text = "عنوان\nقال إنه هنا"
    standoff.write([Document("a", text)], folder / "train.jsonl")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as packed:
        packed.writestr("x/a.txt", DOC.format("a", "عنوان", "قال إنه هنا"))
    assert main(["data", "join", "mine", "--source", "c.zip"]) == 1
    assert "no such recipe" in capsys.readouterr().err
    head = 'title = "x"\npublished = "http://x.example"\nlicence = "x"\ncitation = "x"\nformat = "trec"\n'
    (folder / "recipe.toml").write_text(head, encoding="utf-8")
    assert main(["data", "join", "mine", "--source", "c.zip"]) == 0
    assert next(jsonl.read(tmp_path / "runs/data/mine/train.jsonl")).text == text
    assert (tmp_path / "runs/data/mine/recipe.toml").read_text(encoding="utf-8") == head
    capsys.readouterr()
    assert main(["data", "join", "mine"]) == 1
    assert "give --source; the corpus is to be had at http://x.example" in capsys.readouterr().err
    assert main(["data", "join", "mine", "--source", "none.zip"]) == 1
    assert "none.zip: no such file or folder" in capsys.readouterr().err
    assert main(["data", "convert", "mine", "--source", "c.zip"]) == 1
    assert "use nisba data join" in capsys.readouterr().err
    # Without --source the recipe's address is fetched into the cache.
    (folder / "recipe.toml").write_text(head + 'url = "https://x.example/a/c.zip"\n', encoding="utf-8")

    def fetched(url, path, *, sha256):
        assert (path.parent.parent, path.name) == (tmp_path / "cache" / "mine", "c.zip")
        asked.append((url, path.parent.name, sha256))
        return tmp_path / "c.zip"

    asked = []
    monkeypatch.setattr(corpora, "fetch", fetched)
    assert main(["data", "join", "mine"]) == 0
    (folder / "recipe.toml").write_text(head + f'url = "https://x.example/a/c.zip"\nsha256 = "{"0" * 64}"\n', encoding="utf-8")
    assert main(["data", "join", "mine"]) == 0
    assert main(["data", "join", "mine", "--source", "https://y.example/c.zip?raw=1"]) == 0
    (first, one, none), (second, two, checksum), (_, three, unchecked) = asked
    assert first == second == "https://x.example/a/c.zip"
    assert (none, checksum, unchecked) == (None, "0" * 64, None)
    assert one == two != three


def test_join_needs_only_the_articles_that_are_annotated(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "mine"
    standoff.write([Document("a", "ع\nن")], folder / "train.jsonl")
    (folder / "recipe.toml").write_text('title = "x"\npublished = "x"\nlicence = "x"\ncitation = "x"\nformat = "trec"\n')
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "b.txt").write_text("<DOC>broken", encoding="utf-8")
    assert main(["data", "join", "mine", "--source", "c"]) == 1
    assert "1 of 1 articles not found" in capsys.readouterr().err
    (tmp_path / "c" / "a.txt").write_text(DOC.format("a", "ع", "ن"), encoding="utf-8")
    assert main(["data", "join", "mine", "--source", "c"]) == 0


def test_no_file_is_lost_to_the_output(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "mine"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(
        'title = "x"\npublished = "x"\nlicence = "x"\ncitation = "x"\nformat = "columns"\n[labels]\nLOC = "LOC"\n', encoding="utf-8"
    )
    for name in ("train", "test"):
        (tmp_path / f"{name}.txt").write_text("عمان B-LOC\n", encoding="utf-8")
    assert main(["data", "convert", "mine", "--source", "train.txt"]) == 0
    assert main(["data", "convert", "mine", "--source", "train.txt"]) == 0
    capsys.readouterr()
    assert main(["data", "convert", "mine", "--source", "test.txt"]) == 1
    assert "runs/data/mine: holds train.jsonl, which would be lost" in capsys.readouterr().err
    assert (tmp_path / "runs/data/mine/train.jsonl").is_file()
    for output in ("data/mine", "data", "data/mine/new", "data/other"):
        assert main(["data", "convert", "mine", "--source", "test.txt", "-o", output]) == 1
        assert "choose another folder" in capsys.readouterr().err
    older = (folder / "recipe.toml").read_text(encoding="utf-8").replace('title = "x"', 'title = "y"')
    (tmp_path / "runs/data/mine/recipe.toml").write_text(older, encoding="utf-8")
    assert main(["data", "convert", "mine", "--source", "train.txt"]) == 1
    assert "holds another corpus, y" in capsys.readouterr().err
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    for _ in range(2):
        assert main(["data", "convert", "mine", "--source", "train.txt", "-o", "link"]) == 0
    assert (tmp_path / "elsewhere" / "train.jsonl").is_file()
    assert (tmp_path / "link").is_symlink()
    capsys.readouterr()
    assert main(["data", "convert", str(folder), "--source", "test.txt"]) == 1
    assert "give the name of a folder of data/" in capsys.readouterr().err
    assert [p.name for p in folder.iterdir()] == ["recipe.toml"]
    for part in ("a", "b"):
        (tmp_path / "corpus" / part).mkdir(parents=True)
        (tmp_path / "corpus" / part / "train.txt").write_text("عمان B-LOC\n", encoding="utf-8")
    assert main(["data", "convert", "mine", "--source", "corpus", "-o", "new"]) == 1
    assert "files of one name, which would become one" in capsys.readouterr().err
    assert main(["data", "join", "mine", "--source", "corpus"]) == 1
    assert "use nisba data convert" in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["cut", "bytes", "locked", "escape"])
def test_damaged_archives(tmp_path, fault):
    file = tmp_path / "c.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a\x1b[2J.txt", "x" * 100 if fault == "escape" else DOC.format("a", "ع", "ن" * 2000))
    data = bytearray(file.read_bytes())
    if fault == "cut":
        data = data[:-30]
    elif fault == "bytes":
        data[60:70] = bytes(10)
    elif fault == "locked":
        data[6] |= 1
        data[data.index(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(data)
    with pytest.raises(FormatError) as error:
        list(trec.read(file))
    assert "\x1b" not in str(error.value)
    assert str(file) in str(error.value)


def rows(*lines):
    return "\n".join(lines) + "\n"


def names(document):
    return [(entity.span.of(document.text), entity.label) for entity in document.entities]


def test_columns_to_names(tmp_path):
    file = tmp_path / "train.txt"
    file.write_text(
        rows(
            "زار O",
            "سامي B-PERS",
            "حداد I-PERS",
            "عمان B-LOC",
            ". O",
            "",
            "حداد I-PERS",
            "ليلى B-PERS",
            "في O",
            '" B-ORG',
            "بنك I-ORG",
        ),
        encoding="utf-8",
    )
    first, second = columns.read(file, PLAIN, prefix="x")
    assert (first.id, first.text, first.meta) == ("x-train-00001", "زار سامي حداد عمان .", {"layers": ["names"]})
    assert names(first) == [("سامي حداد", "PER"), ("عمان", "LOC")]
    assert names(second) == [("حداد", "PER"), ("ليلى", "PER"), ("بنك", "ORG")]  # a leading I-, and a mark at the edge
    (whole,) = columns.read(file, Columns(labels=PLAIN.labels, whole_files=True), prefix="x")
    assert whole.id == "x-train"
    assert whole.text == first.text + "\n" + second.text
    assert names(whole) == names(first) + names(second)


def test_a_corpus_comes_from_its_folder_and_nowhere_else(root, tmp_path):
    source, secret = tmp_path / "source", tmp_path / "secret.txt"
    (source / "part").mkdir(parents=True)
    for file in (source / "part" / "a.txt", source / "._a.txt", secret):
        file.write_text(rows("زار O", "سامي B-PERS"), encoding="utf-8")
    assert corpora.convert(root / "data" / "anercorp", str(source), tmp_path / "out") == {"a.jsonl": 1}
    (source / "b.txt").symlink_to(secret)
    with pytest.raises(corpora.CorpusError, match=r"b\.txt: leads outside the folder$"):
        corpora.convert(root / "data" / "anercorp", str(source), tmp_path / "out")


def test_nested_names_give_the_outermost(tmp_path):
    file = tmp_path / "a.txt"
    lines = [
        "أمس B-DATE",
        "جامعة B-ORG",
        "بيرزيت I-ORG B-LOC",
        "كلية B-ORG",
        "جامعة I-ORG B-ORG",
        "دمشق I-ORG I-ORG B-LOC",
        "في O",
        "دمشق B-LOC",
    ]
    file.write_text(rows(*lines), encoding="utf-8")
    (document,) = columns.read(file, PLAIN, prefix="x")
    assert names(document) == [("جامعة بيرزيت", "ORG"), ("كلية جامعة دمشق", "ORG"), ("دمشق", "LOC")]


def test_columns_with_faults_are_all_named(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text(rows("زار O", "سامي B-MAN", "وحده", "هنا X"), encoding="utf-8")
    with pytest.raises(FormatError) as error:
        list(columns.read(file, PLAIN, prefix="x"))
    unknown, bare, other = error.value.problems
    assert f"{file}:2: no known tag: «سامي B-MAN»" in unknown
    assert f"{file}:3: needs a word and a tag: «وحده»" in bare
    assert f"{file}:4: no known tag" in other
    mended = Columns(labels=PLAIN.labels, typos={"B-MAN": "B-PERS", "X": "O"}, skip=["وحده"])
    file.write_text(rows("زار O", "سامي B-MAN", "وحده O", "هنا X"), encoding="utf-8")
    assert [d.text for d in columns.read(file, mended, prefix="x")] == ["زار سامي هنا"]
    file.write_text(rows("زار O", "وحده B-PERS"), encoding="utf-8")
    with pytest.raises(FormatError, match=r"a\.txt:2: a word that is to be skipped has a tag"):
        list(columns.read(file, mended, prefix="x"))
    file.write_text("\ufeff" + rows("زار O"), encoding="utf-8")
    with pytest.raises(FormatError, match=r"a\.txt:1: begins with a byte order mark"):
        list(columns.read(file, PLAIN, prefix="x"))
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(FormatError, match="holds no sentence"):
        list(columns.read(file, PLAIN, prefix="x"))


@pytest.mark.parametrize(
    ("name", "source", "documents", "found"),
    [
        # anercorp: 8,963 B- tags and 39 names that begin with I-.
        ("anercorp", "anercorp/train.txt", 4284, {"PER": 2736, "LOC": 3780, "ORG": 1586, "MISC": 900}),
        ("wojood", "wojood-sample", 1629, {"PER": 312, "LOC": 672, "ORG": 841, "MISC": 162}),
        ("aqmar", "aqmar/articles", 28, {"PER": 1478, "LOC": 1447, "ORG": 472, "MISC": 2520}),
    ],
)
def test_public_names_corpora(shared, root, tmp_path, monkeypatch, name, source, documents, found):
    monkeypatch.chdir(root)
    output = tmp_path / name
    paths = [str(shared / "data" / source)]
    if name == "wojood":  # its folder has a README.md and a LICENSE too
        assert (shared / "data" / source / "README.md").is_file()
    assert main(["data", "convert", name, "--source", *paths, "-o", str(output)]) == 0
    read = [d for file in sorted(output.glob("*.jsonl")) for d in jsonl.read(file)]
    assert len(read) == documents
    assert {label: sum(e.label == label for d in read for e in d.entities) for label in found} == found
    assert (output / "recipe.toml").is_file()
    assert all(json.loads(json.dumps(dict(d.meta))) == {"layers": ["names"]} for d in read)
