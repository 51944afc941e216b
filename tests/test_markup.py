from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nisba.cli import main
from nisba.files import FormatError
from nisba.formats import markup
from nisba.schema import SchemaError
from tests.strategies import documents

ARTICLE = """id: health-01
category: health
---
<cue1>وقال</cue1> <src1>الوزير <per>سالم</per></src1> <con1>إن 3 &lt; 4</con1>، <con1>نعم</con1>.
---
1 | indirect | person | neutral | سالم
"""


def test_one_article():
    document = markup.parse(ARTICLE)
    assert document.text == "وقال الوزير سالم إن 3 < 4، نعم."
    (claim,) = document.claims
    assert [span.of(document.text) for span in claim.content] == ["إن 3 < 4", "نعم"]
    assert document.meta == {"category": "health"}
    assert markup.parse(markup.render(document)) == document


def test_optional_claims_and_ambiguous_names():
    block = ARTICLE.replace("per>", "per?>").replace("سالم\n", "سالم | optional\n")
    document = markup.parse(block)
    assert not document.claims[0].core
    assert document.entities[0].ambiguous
    assert markup.render(document) == block
    with pytest.raises(SchemaError, match="needs number"):
        markup.parse(block.replace("optional", "maybe"))


def usable(document):
    """The mark-up's own separators cannot stand in a text."""
    return not any(line.rstrip(" \t") in ("---", "===") for line in document.text.split("\n"))


@given(documents().filter(usable), st.just({"genre": "x"}))
def test_round_trip(document, meta):
    document = replace(document, meta=meta, claims=tuple(replace(c, id=f"c{i}") for i, c in enumerate(document.claims, 1)))
    assert markup.parse(markup.render(document)) == document


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.replace("</cue1>", ""), "cue1: never closed"),
        (lambda s: s.replace("<cue1>", ""), "cue1: closed but not open"),
        (lambda s: s.replace("<per>سالم</per>", "<per></per>"), "per: holds nothing"),
        (lambda s: s.replace("<per>", "<name>"), "unknown tag"),
        (lambda s: s.replace("<con1>نعم", "<con1>، نعم"), "begins or ends with white space, punctuation"),
        (lambda s: s.replace("1 | indirect | person", "1 | indirect | implicit"), "if and only if"),
        (lambda s: s.replace("1 | indirect", "2 | indirect"), "its claim has no row"),
        (lambda s: s.replace(" | سالم", ""), "needs number | type"),
        (lambda s: s.replace("---\n1", "1"), "needs a header, a text and claim rows"),
        (lambda s: s.replace("id: health-01\n", ""), "id: must be a string"),
    ],
)
def test_slips_are_named(change, message):
    with pytest.raises(SchemaError, match=message.replace("|", r"\|")):
        markup.parse(change(ARTICLE))


def test_a_file_names_line_and_article(tmp_path):
    file = tmp_path / "x.txt"
    file.write_text(ARTICLE + "===\n" + ARTICLE, encoding="utf-8")
    with pytest.raises(FormatError, match=r"x\.txt:8: id: the id is given twice: «health-01»"):
        list(markup.read(file))


def test_the_shipped_articles_are_those_of_the_mark_up(root, seeds):
    files = sorted((root / "seeds" / "markup").glob("*.txt"))
    assert [d for file in files for d in markup.read(file)] == seeds


def test_check_reads_only_json_lines(root, capsys):
    assert main(["check", str(root / "seeds" / "markup" / "a_politics.txt")]) == 1
    assert "not JSON" in capsys.readouterr().out
