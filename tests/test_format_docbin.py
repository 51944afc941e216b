import json
import pickle
import struct
import zlib
from dataclasses import replace

import pytest
import srsly
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.tokens import Span as Run
from spacy.vocab import Vocab

from nisba.files import FormatError
from nisba.formats import docbin, docbin_bytes, packing
from nisba.schema import Claim, Document, Entity, Span
from tests.documents import collections
from tests.memory import peak

TEXT = "😀 وقال وزير الصحة: «إن اللقاح آمن»."
SAID = Claim(
    "s", cue=(Span(2, 6),), source=(Span(7, 17),), content=(Span(20, 33),), source_type="role", type="direct", speaker="فلان"
)
PLAIN = Document("a", TEXT, (Entity(Span(7, 17), "PER", 0.5, ambiguous=True),), (SAID,), {"x": [1, None, 10**30]})
REPORT = Document("b", "ORG  قال DET:\n نعم ", (Entity(Span(0, 3), "ORG"),), (), {"layers": ["names"]})


numbers = st.one_of(st.integers(-(1 << 63), (1 << 64) - 1), st.floats(allow_nan=False))
scalars = st.one_of(st.none(), st.booleans(), numbers, st.binary(max_size=300), st.text(max_size=300))
messages = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=20), st.dictionaries(st.text(max_size=40), inner, max_size=20)),
    max_leaves=20,
)


def read(docs, tmp_path):
    """Documents out of spaCy's own writing."""
    file = tmp_path / "a.spacy"
    DocBin(store_user_data=True, docs=docs).to_disk(file)
    return list(docbin.read(file))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(collections())
def test_round_trip(tmp_path_factory, given):
    file = tmp_path_factory.mktemp("docbin") / "a.spacy"
    assert docbin.write(given, file) == len(given)
    assert list(docbin.read(file)) == given
    theirs = list(DocBin().from_disk(file).get_docs(Vocab()))
    assert [doc.text for doc in theirs] == [document.text for document in given]
    for doc, document in zip(theirs, given, strict=True):
        found = [(Span(e.start_char, e.end_char), e.label_) for e in doc.ents]
        assert found == sorted((entity.span, entity.label) for entity in document.entities)
        roles = {(s.id_, s.label_, s.text) for s in doc.spans["nisba"]}
        fragments = {
            (c.id, role, span.of(document.text)) for c in document.claims for role in ("cue", "content") for span in c.role(role)
        }
        assert fragments == {row for row in roles if row[1] in ("cue", "content")}
        assert docbin.losses(document) == []


def test_spacy_reads_it_and_may_write_it_again(tmp_path):
    docbin.write([PLAIN, REPORT], tmp_path / "b.spacy")
    docs = list(DocBin().from_disk(tmp_path / "b.spacy").get_docs(Vocab()))
    assert [token.text for token in docs[1]] == ["ORG", " ", "قال", "DET", ":", "\n ", "نعم"]
    assert docs[0][4].ent_iob_ == "O"
    assert read(docs, tmp_path) == [PLAIN, REPORT]


def test_unknown_names_are_unknown_to_spacy():
    doc = docbin.doc(replace(REPORT, entities=(), meta={"layers": ["roles"]}), Vocab())
    assert {token.ent_iob_ for token in doc} == {""}


def test_what_people_changed(tmp_path):
    vocab = Vocab()
    doc = docbin.doc(PLAIN, vocab)
    doc.set_ents([Run(doc, 2, 3, label="ORG")], default="outside")  # another name
    group = doc.spans["nisba"]
    doc.spans["nisba"] = [s for s in group if s.label_ not in ("source", "cue")]  # two fragments deleted
    (found,) = read([doc], tmp_path)
    assert found.entities == (Entity(Span(7, 11), "ORG"),)
    assert found.claims == (replace(SAID, cue=(), source=(), source_type="implicit"),)
    assert found.meta == PLAIN.meta
    doc.spans["nisba"] = [*group, Run(doc, 1, 2, label="content", span_id="new")]  # a claim of their own
    doc.spans["others"] = [Run(doc, 0, 1, label="X")]
    (found,) = read([doc], tmp_path)
    assert found.claims == (SAID, Claim("new", content=(Span(2, 6),)))
    assert found.meta == PLAIN.meta | {"layers": ["names", "roles"]}  # whose attributes nobody knows
    doc.spans["nisba"] = []
    assert read([doc], tmp_path)[0].claims == ()


def test_docs_that_nisba_did_not_write(tmp_path):
    vocab = Vocab()
    known = Doc(vocab, words=["قال", "علي"], spaces=[True, False], ents=["O", "B-PER"])
    bare = Doc(vocab, words=["قال", "علي"])
    inside = Doc(vocab, words=["قال", "علي", "علي"], spaces=[True, True, False], ents=["B-LOC", "I-LOC", "B-LOC"])
    found = read([known, bare, inside], tmp_path)
    assert found[0] == Document("a-00001", "قال علي", (Entity(Span(4, 7), "PER"),), (), {"layers": ["names"]})
    assert found[1] == Document("a-00002", "قال علي ", (), (), {"layers": [], "text": "rebuilt from words"})
    assert [(e.span, e.label) for e in found[2].entities] == [(Span(0, 7), "LOC"), (Span(8, 11), "LOC")]
    file = tmp_path / "few.spacy"
    DocBin(attrs=["ENT_TYPE", "ENT_IOB", "TAG"], docs=[known]).to_disk(file)  # no user data, other columns
    assert list(docbin.read(file)) == [replace(found[0], id="few-00001")]


def test_problems_of_every_document_are_told(tmp_path):
    vocab = Vocab()
    doc = docbin.doc(PLAIN, vocab)
    person = Doc(vocab, words=["علي"], spaces=[False], ents=["B-PERSON"])
    stray = Doc(vocab, words=["علي"], spaces=[False])
    stray.spans["nisba"] = [Run(stray, 0, 1, label="content"), Run(stray, 0, 1, label="theme", span_id="x")]
    empty = Doc(vocab, words=["علي"], spaces=[False])
    empty.spans["nisba"] = [Run(empty, 0, 1, label="cue", span_id="x")]
    with pytest.raises(FormatError) as error:
        read([doc, person, stray, doc, empty], tmp_path)
    file = tmp_path / "a.spacy"
    assert error.value.problems == (
        f"{file}: document 2: a-00002: label: must be one of PER, ORG, LOC, MISC: «'PERSON'»",
        f"{file}: document 3: a-00003: spans['nisba'][0]: needs the claim's id as its ID: «content: علي»",
        f"{file}: document 3: a-00003: spans['nisba'][1]: must be one of cue, source, content, addressee: «theme: علي»",
        f"{file}: document 4: a: id: given before, as number 1",
        f"{file}: document 5: a-00005: claim x.content: a claim needs content",
    )


def edited(edit):
    """A file whose message somebody changed."""
    packed = DocBin(attrs=docbin.ATTRIBUTES, store_user_data=True, docs=[docbin.doc(PLAIN, Vocab())])
    message = srsly.msgpack_loads(zlib.decompress(packed.to_bytes()))
    edit(message)
    return zlib.compress(srsly.msgpack_dumps(message))


def group(*spans, name="nisba"):
    return [srsly.msgpack_dumps({srsly.msgpack_dumps({"name": name, "attrs": {}, "spans": list(spans)}): [name]})]


def span(first=0, behind=1, start=0, end=1, label=0, name=0):
    return struct.pack(">QQQllll", name, 0, label, first, behind, start, end)


def carried(value):
    return [srsly.msgpack_dumps({"nisba": value})]


class Evil:
    def __reduce__(self):
        return (print, ("unpickled",))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a whole DocBin: cut short"),
        (b"PK\3\4", "not a DocBin: Error -3"),
        (edited(lambda m: None)[:-20], "not a whole DocBin: cut short"),
        (edited(lambda m: None) + b"x", "something stands behind it"),
        (zlib.compress(b"\xc1"), "the file: not msgpack"),
        (zlib.compress(b"\xdd\xff\xff\xff\xff" * 2000), "the file: holds more than 1,048,576 values"),
        (zlib.compress(b"\xdd\x00\x0f\xff\xf0"), "the file: not msgpack"),
        (zlib.compress(b"\xc6\xff\xff\xff\xff"), "the file: not msgpack"),
        (zlib.compress(pickle.dumps(Evil())), "the file: not msgpack"),
        (zlib.compress(srsly.msgpack_dumps([1])), "not a DocBin: «[1]»"),
        (edited(lambda m: m.pop("strings")), "strings: must be a list of str: «None»"),
        (edited(lambda m: m["attrs"].remove(65)), "attrs: words (ORTH) are not among them"),
        (edited(lambda m: m.update(attrs=["x"])), "attrs: must be a list of int: «['x']»"),
        (edited(lambda m: m.update(lengths=b"\1\2\3")), "lengths: must be bytes, 4 for each number"),
        (edited(lambda m: m.update(lengths=b"\xff\xff\xff\xff")), "lengths, tokens and spaces do not fit each other: -1, "),
        (edited(lambda m: m.update(spaces=b"\0")), "lengths, tokens and spaces do not fit each other"),
        (edited(lambda m: m.update(tokens=m["tokens"][:-8])), "lengths, tokens and spaces do not fit each other"),
        (edited(lambda m: m.update(strings=[])), "document 1: a word: no string of the file has the number "),
        (edited(lambda m: m.update(flags=[3])), "document 1: flags: must be a list of dict: «3»"),
        (edited(lambda m: m.update(span_groups=b"")), "document 1: span_groups: must be a list of bytes"),
        (edited(lambda m: m.update(span_groups=[b"\xc1"])), "document 1: span_groups: not msgpack"),
        (edited(lambda m: m.update(span_groups=[srsly.msgpack_dumps({"x": 1})])), "must be groups as bytes"),
        (edited(lambda m: m.update(span_groups=group(b"x"))), "spans['nisba'][0]: must be 40 bytes: «b'x'»"),
        (edited(lambda m: m.update(span_groups=group(span(behind=10**6)))), "[0]: tokens [0, 1000000) are not at [0, 1)"),
        (edited(lambda m: m.update(span_groups=group(span(first=-5)))), "[0]: tokens [-5, 1) are not at [0, 1)"),
        (edited(lambda m: m.update(span_groups=group(span(end=2)))), "[0]: tokens [0, 1) are not at [0, 2)"),
        (
            edited(lambda m: m.update(span_groups=group(span(label=7**20)))),
            "no string of the file has the number 79792266297612001",
        ),
        (edited(lambda m: m.update(user_data=[b"\xc1"])), "document 1: user_data: not msgpack"),
        (edited(lambda m: m.update(user_data=carried([1]))), "user_data: nisba must be the string that nisba wrote"),
        (edited(lambda m: m.update(user_data=carried("{"))), "a-00001: user_data: nisba: is not what nisba wrote: not JSON"),
        (edited(lambda m: m.update(user_data=carried("[]"))), "user_data: nisba: is not what nisba wrote"),
        (edited(lambda m: m.update(user_data=carried("{}"))), "user_data: nisba: must have id, meta, entities and claims"),
        (edited(lambda m: m.update(user_data=carried(json.dumps(PLAIN.to_dict())))), "must have id, meta, entities and claims"),
    ],
)
def test_damaged_files(tmp_path, capsys, data, message):
    file = tmp_path / "a.spacy"
    file.write_bytes(data)
    with pytest.raises(FormatError) as error:
        list(docbin.read(file))
    assert str(error.value).startswith(f"{file}: ")
    assert message in str(error.value)
    assert "unpickled" not in capsys.readouterr().out


def test_bombs(tmp_path, monkeypatch):
    file = tmp_path / "a.spacy"
    monkeypatch.setattr(docbin_bytes, "UNPACKED", 1 << 20)
    file.write_bytes(zlib.compress(b"\0" * (1 << 24)))
    with pytest.raises(FormatError, match="holds more than 1,048,576 bytes"):
        list(docbin.read(file))
    monkeypatch.setattr(docbin, "LIMIT", 100)
    with pytest.raises(FormatError, match=r"^[^:]*a\.spacy: is longer than 100 bytes"):
        list(docbin.read(file))


def test_hostile_files_are_refused_within_bounded_memory(tmp_path):
    def refused(data):
        file = tmp_path / "a.spacy"
        file.write_bytes(data)
        return peak(lambda: list(docbin.read(file)))

    endless = tmp_path / "b.spacy"
    with endless.open("wb") as stream:
        stream.truncate(1 << 30)  # takes no place
    most, message = peak(lambda: list(docbin.read(endless)))
    assert f"{endless}: is longer than 268,435,456 bytes" in message
    assert most < 1 << 21
    for value in (b"\x90", b"\x80", b"\xc0"):  # a gigabyte of lists, or nearly, out of a few kilobytes
        most, message = refused(zlib.compress(b"\xdd\x01\x00\x00\x00" + value * (1 << 24)))
        assert "the file: holds more than 1,048,576 values" in message
        assert most < 1 << 26
    word = "س" * (1 << 20)
    doc = Doc(Vocab(), words=[word] * 500, spaces=[False] * 500)
    most, message = refused(DocBin(attrs=["ORTH"], docs=[doc]).to_bytes())
    assert "document 1: is longer than 16,777,216 characters" in message
    assert most < 1 << 26
    most, message = refused(edited(lambda m: m.update(lengths=b"x" * (1 << 24 | 1))))
    assert "lengths: must be bytes, 4 for each number: «b'xxx" in message
    assert most < 1 << 27


@given(messages)
def test_values_are_counted_as_msgpack_makes_them(value):
    def many(value):
        items = [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
        return 1 + sum(map(many, items))

    data = srsly.msgpack_dumps(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "VALUES", many(value))
        assert packing.loaded(data, "x") == value
        patch.setattr(packing, "VALUES", many(value) - 1)
        with pytest.raises(FormatError, match="x: holds more than"):
            packing.loaded(data, "x")


def test_writing_is_whole_or_not_at_all(tmp_path):
    def fails():
        yield PLAIN
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        docbin.write(fails(), tmp_path / "a.spacy")
    assert list(tmp_path.iterdir()) == []
    docbin.write([], tmp_path / "a.spacy")
    with pytest.raises(FormatError, match="holds no document"):
        list(docbin.read(tmp_path / "a.spacy"))
