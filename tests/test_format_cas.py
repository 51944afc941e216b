import io
import json
from dataclasses import replace

import pytest
from cassis import Cas, TypeSystem, load_cas_from_json, load_cas_from_xmi, load_typesystem
from hypothesis import HealthCheck, given, settings

from nisba.files import FormatError
from nisba.formats import cas, cas_json, xmi
from nisba.formats.cas_document import structures
from nisba.formats.cas_types import ARTICLE, CLAIM, FRAGMENT, LINK, NAME, TYPES, descriptor
from nisba.schema import CLAIM_TYPES, ENTITY_LABELS, ROLES, SOURCE_TYPES, STANCES, Claim, Document, Entity, Span
from tests.cas_files import PLAIN, SAID, TEXT, problems, read, rendered
from tests.documents import collections, documents

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@quick
@given(collections())
def test_round_trip(tmp_path_factory, given):
    folder = tmp_path_factory.mktemp("cas") / "out"
    assert cas.write(given, folder) == len(given)
    assert list(cas.read(folder)) == given
    assert all(cas.losses(document) == [] for document in given)


@quick
@given(documents())
def test_round_trip_of_one_file(tmp_path_factory, document):
    folder = tmp_path_factory.mktemp("cas")
    assert cas.write([document], folder / "a.json") == 1
    assert list(cas.read(folder / "a.json")) == [document]
    if xmi.unfit(document.text, structures(document)[0]):
        with pytest.raises(FormatError, match=r"XML cannot hold U\+"):
            cas.write([document], folder / "a.xmi")
        assert not (folder / "a.xmi").exists()
    else:
        cas.write([document], folder / "a.xmi")
        assert list(cas.read(folder / "a.xmi")) == [document]


@settings(quick, max_examples=25)
@given(documents())
def test_cassis_reads_what_we_write_and_we_read_what_it_writes(tmp_path_factory, document):
    folder = tmp_path_factory.mktemp("cas")
    types = load_typesystem(io.BytesIO(descriptor().encode()))
    rows, _ = structures(document)
    theirs = [load_cas_from_json(rendered(document, cas_json))]
    theirs += [] if xmi.unfit(document.text, rows) else [load_cas_from_xmi(rendered(document), typesystem=types)]
    for number, their in enumerate(theirs):
        assert their.sofa_string == document.text
        found = [(fs.begin, fs.end, fs.label) for fs in their.select(NAME)]
        assert sorted(found) == sorted((e.span.start, e.span.end, e.label) for e in document.entities)
        assert read(their.to_json(), folder, f"{number}.json") == [document]
        if len(theirs) == 2:
            assert read(their.to_xmi(), folder, f"{number}.xmi") == [document]


def test_where_things_stand_in_the_types(tmp_path):
    cue_less = replace(SAID, id="c2", cue=())
    split = Claim("c3", cue=(Span(2, 6), Span(37, 41)), content=(Span(20, 33),), score=0.25, core=False, speaker="فلان")
    their = load_cas_from_json(rendered(replace(PLAIN, claims=(SAID, cue_less, split)), cas_json))
    claims = {claim.identifier: claim for claim in their.select(CLAIM)}
    shown = {
        name: (claim.get_covered_text(), sorted((link.role, link.target.get_covered_text()) for link in claim.roles.elements))
        for name, claim in claims.items()
    }
    content, source = ("content", "إن اللقاح آمن"), ("source", "وزير الصحة")
    assert shown == {
        "c1": ("وقال", [content, source]),
        "c2": (content[1], [content, source]),
        "c3": ("وقال", [content, ("cue", "ونفى")]),
    }
    assert len(their.select(FRAGMENT)) == 3  # shared ones stand there once
    assert (claims["c3"].score, claims["c3"].optional, claims["c3"].speaker) == ("0.25", True, "فلان")
    assert their.select(ARTICLE)[0].meta == '{"x": [1, null]}'
    assert '"begin": 3' in rendered(PLAIN, cas_json)  # UTF-16 units: the face counts as two


def test_what_people_changed_in_the_tool(tmp_path):
    their = load_cas_from_json(rendered(PLAIN, cas_json))
    types = {kind: their.typesystem.get_type(kind) for kind in (NAME, CLAIM, FRAGMENT, LINK)}
    their.select(NAME)[0].end = 11  # a name moved
    (said,) = their.select(CLAIM)
    said.roles.elements = [link for link in said.roles.elements if link.role == "content"]  # the source deleted
    said.sourceType = "implicit"
    fragment = types[FRAGMENT](begin=20, end=22)
    added = types[CLAIM](begin=37, end=41, claimType="indirect", sourceType="implicit", stance="deny")
    added.roles = their.typesystem.get_type("uima.cas.FSArray")(elements=[types[LINK](role="content", target=fragment)])
    their.add_all([fragment, added])
    (found,) = read(their.to_xmi(), tmp_path)
    assert found.entities == (replace(PLAIN.entities[0], span=Span(7, 11)),)
    assert found.claims[0] == replace(SAID, source=(), source_type="implicit")
    assert found.claims[1] == Claim("c2", cue=(Span(37, 41),), content=(Span(20, 22),), stance="deny")
    their.select(CLAIM)[0].claimType = None
    assert "type: must be one of direct, mixed, indirect" in problems(their.to_json(), tmp_path, "a.json")[0]


def test_other_layers_and_features_are_passed_over(tmp_path):
    types = TypeSystem()
    token = types.create_type("de.tudarmstadt.ukp.dkpro.core.api.segmentation.type.Token", "uima.tcas.Annotation")
    name = types.create_type(NAME, "uima.tcas.Annotation")
    for feature in ("label", "comment"):
        types.create_feature(name, feature, "uima.cas.String")
    their = Cas(types, sofa_string=TEXT, document_language="ar")
    their.add_all([token(begin=0, end=1), name(begin=7, end=17, label="PER", comment="?")])
    expected = [Document("a", TEXT, (Entity(Span(7, 17), "PER"),))]
    assert read(their.to_xmi(), tmp_path) == expected
    assert read(their.to_json(), tmp_path, "a.json") == expected


SPACES = {"xmi": "http://www.omg.org/XMI", "cas": "http:///uima/cas.ecore", "nisba": "http:///nisba.ecore"}
HEAD = '<?xml version="1.0"?><xmi:XMI {}>\n'.format(" ".join(f'xmlns:{key}="{space}"' for key, space in SPACES.items()))
SOFA = '<cas:Sofa xmi:id="1" sofaID="_InitialView" sofaString="نعم 😀 قال"/><cas:View sofa="1" members="2 3"/>\n'
END = "\n</xmi:XMI>"
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def xml(inner):
    """``inner`` is in line 3."""
    return HEAD + SOFA + inner + END


def name(begin="0", end="3", label="PER", **rest):
    values = {"begin": begin, "end": end, "label": label, "sofa": "1"} | rest
    return xml('<nisba:Name xmi:id="2" {}/>'.format(" ".join(f'{key}="{value}"' for key, value in values.items() if value)))


def claim(roles, rest=""):
    return xml(f'<nisba:Claim xmi:id="2" sofa="1" begin="0" end="3" {roles}/>{rest}')


def link(role, target):
    return f'<nisba:ClaimRolesLink xmi:id="4" role="{role}" target="{target}"/>'


CHOSEN = 'claimType="direct" sourceType="implicit" stance="deny"'
LOST = "outside the text (10 UTF-16 units) or inside a character"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "line 1: not XML: no element found"),
        ("<a", "line 1: not XML: unclosed token: «<a»"),
        ("<a/>", "line 1: not XMI: the root element is «a»"),
        (xml("").replace("?>", "?>" + BOMB, 1), "line 1: has a document type; XMI needs none: «x»"),
        ('<?xml version="1.0"?><!DOCTYPE x SYSTEM "https://example.org/x.dtd"><x/>', "has a document type"),
        (xml("").replace("?>", "?>" + BOMB, 1).encode("utf-16"), "has a document type"),
        (HEAD + SOFA, "line 3: not XML: no element found"),
        (xml("").replace("نعم", "&#0;"), "line 2: not XML: reference to invalid character number: «"),
        (xml("").encode("cp1256", "replace"), "line 2: not XML: not well-formed (invalid token)"),
        (HEAD + END, "the view _InitialView has no text (sofaString)"),
        (xml(SOFA), "line 3: a second text of the view _InitialView"),
        (xml("").replace('"2 3"', '"2 x"'), "cas:View: members must be numbers: «2 x»"),
        (xml('<nisba:Name xmi:id="x"/>'), "line 3: xmi:id must be a number: «x»"),
        (xml('<nisba:Fragment xmi:id="2"/>' * 2), "line 3: the id 2 is given twice: «nisba.Fragment»"),
        (name(begin=""), "a: line 3: nisba.Name.begin: must be a whole number"),
        (name(begin="-1"), "nisba.Name.begin: must be a whole number: «-1»"),
        (name(end="99"), f"line 3: nisba.Name.begin, end: lies {LOST}: «0, 99»"),
        (name(end="5"), f"{LOST}: «0, 5»"),
        (name("3", "0"), "line 3: span: [3, 0) is reversed"),
        (name("3", "3"), "line 3: span: [3, 3) is reversed, empty"),
        (name(label="GPE"), "label: must be one of PER, ORG, LOC, MISC: «'GPE'»"),
        (name(end="2"), "line 3: entities[0]: [0, 2) cuts a word at 2: «نعم"),
        (name(ambiguous="yes"), "ambiguous: must be true or false: «yes»"),
        (name(score="high"), "score: must be a number in [0, 1]: «high»"),
        (name(score="7"), "score: must be a number in [0, 1]: «7»"),
        (name(sofa="9"), "sofa: is not in the text of the first view: «9»"),
        (xml('<nisba:Article xmi:id="2" meta="[1]"/>'), "line 3: nisba.Article.meta: must be a JSON object: «[1]»"),
        (xml('<nisba:Article xmi:id="2" meta="{"/>'), "line 3: nisba.Article.meta: not JSON"),
        (xml('<nisba:Article xmi:id="2"/><nisba:Article xmi:id="3"/>'), "a second nisba.Article"),
        (xml("<a><a><a/></a></a>"), "line 3: not XMI: elements in elements in elements: «a»"),
        (xml('<nisba:Fragment xmi:id="2"/>' * 2000), "and perhaps more: reading ended after 1,000 problems"),
        (claim('roles="5"'), "line 3: nisba.Claim.roles: refers to nothing of our types: «5»"),
        (claim('roles="five"'), "roles: must refer to other structures by number: «five»"),
        (claim('roles="2"'), "roles: must hold links, not a nisba.Claim: «2»"),
        (claim(CHOSEN), "line 3: claim c1.content: a claim needs content"),
        (claim('roles="4"', link("theme", 2)), "role: must be one of cue, source, content, addressee: «theme»"),
        (claim('roles="4"', link("cue", 2)), "target: must lead to a nisba.Fragment, not to a nisba.Claim: «2»"),
        (claim('roles="4"', link("cue", "")), "target: must lead to one annotation"),
        (claim('roles="4"', link("cue", 7) + '<nisba:Fragment xmi:id="7"/>'), "not in the index: it was deleted: «7»"),
    ],
)
def test_damaged_xmi(tmp_path, data, message):
    found = "\n".join(problems(data, tmp_path))
    assert found.startswith(f"{tmp_path / 'a.xmi'}: ")
    assert message in found


def changed(path, value):
    row = json.loads(rendered(PLAIN, cas_json))
    place = row
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(row)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "not JSON"),
        ("[]", "not a JSON CAS: has no %FEATURE_STRUCTURES: «[]»"),
        ("[" * 100_000, "nested too deeply"),
        ('{"%TYPES": {}, "%TYPES": {}}', "a key is given twice: «%TYPES»"),
        (changed(["%FEATURE_STRUCTURES"], 3), "%FEATURE_STRUCTURES must be a list: «3»"),
        (changed(["%FEATURE_STRUCTURES", 1], 7), "%FEATURE_STRUCTURES[1]: needs a %ID and a %TYPE: «7»"),
        (changed(["%FEATURE_STRUCTURES"], [3] * 2000), "and perhaps more: reading ended after 1,000 problems"),
        (changed(["%FEATURE_STRUCTURES", 1, "%ID"], "2"), "needs a %ID and a %TYPE"),
        (changed(["%FEATURE_STRUCTURES", 0, "sofaString"], None), "the view _InitialView has no text"),
        (changed(["%FEATURE_STRUCTURES", 0, "sofaString"], 5), "sofaString must be a string: «5»"),
        (changed(["%FEATURE_STRUCTURES", 0, "sofaString"], "\ud800x" + TEXT[1:]), "a1: text: lone surrogate at 0"),
        (
            changed(["%FEATURE_STRUCTURES", 2, "begin"], "x"),
            "a1: %FEATURE_STRUCTURES[2]: nisba.Name.begin: must be a whole number: «x»",
        ),
        (changed(["%FEATURE_STRUCTURES", 2, "begin"], -1), "must be a whole number: «-1»"),
        (changed(["%FEATURE_STRUCTURES", 2, "begin"], 1.5), "begin must be text, a whole number or a truth: «1.5»"),
        (changed(["%FEATURE_STRUCTURES", 2, "@sofa"], [1]), "@sofa must be the id of a structure: «[1]»"),
        (changed(["%FEATURE_STRUCTURES", 2, "label"], 1), "nisba.Name.label: must be a string: «1»"),
        (changed(["%VIEWS"], {}), "%VIEWS._InitialView.%MEMBERS must be a list of ids: «None»"),
        (changed(["%VIEWS", "_InitialView", "%MEMBERS"], ["1"]), "must be a list of ids: «['1']»"),
    ],
)
def test_damaged_json(tmp_path, data, message):
    found = "\n".join(problems(data, tmp_path, "a.json"))
    assert found.startswith(f"{tmp_path / 'a.json'}: ")
    assert message in found


def test_all_problems_of_a_folder_and_what_is_right_beside_them(tmp_path):
    for name, data in {"a.xmi": "<a/>", "b.xmi": rendered(PLAIN), "c.json": "[]", "d.xmi": rendered(PLAIN)}.items():
        (tmp_path / name).write_text(data, encoding="utf-8")
    (tmp_path / "TypeSystem.xml").write_text("no CAS", encoding="utf-8")
    stream = cas.read(tmp_path)
    assert next(stream) == PLAIN
    with pytest.raises(FormatError) as error:
        next(stream)
    assert len(error.value.problems) == 3
    assert "given before" in error.value.problems[-1]


def test_writing(tmp_path):
    with pytest.raises(FormatError, match="holds one document"):
        cas.write([PLAIN, replace(PLAIN, id="b")], tmp_path / "a.xmi")
    with pytest.raises(FormatError, match="holds one document"):
        cas.write([], tmp_path / "a.json")
    with pytest.raises(FormatError, match=r"a1: XML cannot hold U\+0000; choose a name that ends in \.json"):
        cas.write([Document("a1", "\0")], tmp_path / "a.xmi")

    def fails():
        yield PLAIN
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        cas.write(fails(), tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []
    cas.write([PLAIN, Document("zero", "\0")], tmp_path / "folder")
    assert sorted(file.name for file in (tmp_path / "folder").iterdir()) == ["TypeSystem.xml", "a1.xmi", "nisba.order", "zero.json"]
    with pytest.raises(FormatError, match="the name must end in"):
        list(cas.read(tmp_path / "folder" / "TypeSystem.xml"))


def test_the_layers_for_inception_are_the_types_and_offer_every_label(root):
    layers = {layer["name"]: layer for layer in json.loads((root / "configs/annotation/inception/layers.json").read_text("utf-8"))}
    assert layers.keys() == TYPES.keys() - {LINK}
    offered = {}
    for name, layer in layers.items():
        features = {feature["name"]: feature for feature in layer["features"]}
        assert features.keys() == TYPES[name].features.keys()
        for feature in features.values():
            linked = feature["link_mode"] == "WITH_ROLE"
            assert TYPES[name].features[feature["name"]] == (f"{feature['link_type_name']}[]" if linked else feature["type"])
            if feature["tag_set"]:
                offered[feature["name"]] = tuple(tag["tag_name"] for tag in feature["tag_set"]["tags"])
        assert (layer["type"] == "document-metadata") == (TYPES[name].base == "uima.cas.AnnotationBase")
        assert (layer["overlap_mode"], layer["anchoring_mode"], layer["cross_sentence"]) == ("ANY_OVERLAP", "CHARACTERS", True)
    link = next(feature for feature in layers[CLAIM]["features"] if feature["name"] == "roles")
    assert (link["type"], link["link_type_name"], link["multi_value_mode"]) == (FRAGMENT, LINK, "ARRAY")
    assert {link["link_type_role_feature_name"], link["link_type_target_feature_name"]} == TYPES[LINK].features.keys()
    assert offered == {
        "label": ENTITY_LABELS, "claimType": CLAIM_TYPES, "sourceType": SOURCE_TYPES, "stance": STANCES, "roles": ROLES
    }  # fmt: skip
