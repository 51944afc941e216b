import io
import zipfile

import pytest

from nisba.formats import archives, cas, cas_json
from nisba.formats.cas_types import descriptor
from nisba.schema import Document, Entity, Span
from tests.cas_files import PLAIN, TEXT, problems, read, rendered


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def test_exports_of_documents_and_projects(tmp_path):
    named, other = Document("n1.txt", TEXT), Document("n2", TEXT, (Entity(Span(7, 17), "ORG"),))
    single = zipped({"n1.xmi": rendered(PLAIN), "TypeSystem.xml": descriptor(), "__MACOSX/n1.xmi": "x", ".hidden.xmi": "x"})
    assert read(single, tmp_path, "a.zip") == [PLAIN]
    several = zipped({"x/n1.xmi": rendered(named), "n2.json": rendered(other, cas_json)})
    assert {d.id for d in read(several, tmp_path, "a.zip")} == {"n1.txt", "n2"}
    project = {
        "exportedproject.json": "{}",
        "source/n1.txt": TEXT,
        "annotation_ser/n1.txt/anna.ser": "x",
        "annotation/n1.txt/INITIAL_CAS.zip": "x",
        "annotation/n1.txt/anna.zip": zipped({"anna.xmi": "x"}),
        "annotation/n1.txt/bert.zip": zipped({"bert.xmi": "x"}),
        "curation/n1.txt/CURATION_USER.zip": zipped({"n1.txt.xmi": rendered(PLAIN), "TypeSystem.xml": descriptor()}),
        "annotation/n2/anna.json": rendered(other, cas_json),
    }
    assert sorted(read(zipped(project), tmp_path, "p.zip"), key=lambda d: d.id) == [PLAIN, other]
    del project["curation/n1.txt/CURATION_USER.zip"]
    (problem,) = problems(zipped(project), tmp_path, "p.zip")
    assert "annotation/n1.txt/*: annotated by anna, bert, and nobody curated it" in problem
    assert problem.startswith(str(tmp_path / "p.zip"))


def test_names_of_documents_come_from_the_files_where_these_say_none(tmp_path):
    bare = "\n".join(line for line in rendered(PLAIN).split("\n") if "nisba:Article" not in line)
    assert read(bare, tmp_path, "n7.xmi")[0].id == "n7"
    export = {"annotation/n1.txt/anna.zip": zipped({"anna.xmi": bare, "TypeSystem.xml": ""})}
    assert read(zipped(export), tmp_path, "p.zip")[0].id == "n1"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../a.xmi": "x"}, "a name in the archive leads outside: «../a.xmi»"),
        ({"/a.xmi": "x"}, "leads outside: «/a.xmi»"),
        ({"a\\..\\b.xmi": "x"}, "leads outside"),
        ({"C:/a.xmi": "x"}, "leads outside"),
        ({"a.txt": "x"}, "holds no CAS; export as UIMA CAS XMI or UIMA CAS JSON"),
        ({"annotation/n1/anna.tsv": "x", "annotation/n1/INITIAL_CAS.zip": "x"}, "holds no CAS"),
        ({"a.zip": zipped({"b.zip": zipped({})})}, "a.zip/b.zip: an archive in an archive in an archive"),
        ({"a.zip": "x"}, "a.zip/a.zip: not a zip archive that can be read"),
        ({"a.xmi": "x" * 40}, "a.zip/a.xmi: is longer than 32 bytes"),
        ({f"{i}.xmi": "x" * 30 for i in range(4)}, "a.zip/3.xmi: the archive holds more than 100 bytes"),
        ({f"{i}.xmi": "x" for i in range(9)}, "holds more than 8 files"),
    ],
)
def test_hostile_archives(tmp_path, monkeypatch, members, message):
    monkeypatch.setattr(cas, "LIMIT", 32 if "a.xmi" in members else 1 << 20)
    monkeypatch.setattr(archives, "TOTAL", 100 if "3.xmi" in members and len(members) == 4 else 1 << 20)
    monkeypatch.setattr(archives, "MEMBERS", 8)
    assert message in "\n".join(problems(zipped(members), tmp_path, "a.zip"))
    assert {file.name for file in tmp_path.iterdir()} == {"a.zip"}


def test_a_bomb_and_a_damaged_archive(tmp_path):
    assert "is longer than 16,777,216 bytes" in problems(zipped({"a.xmi": b" " * (cas.LIMIT + 5)}), tmp_path, "a.zip")[0]
    whole = zipped({"a.xmi": rendered(PLAIN)})
    assert "not a zip archive" in problems(whole[:-30], tmp_path, "b.zip")[0]
    broken = whole[:60] + bytes(b ^ 0xFF for b in whole[60:80]) + whole[80:]
    assert "a.xmi: cannot be unpacked: " in problems(broken, tmp_path, "c.zip")[0]
