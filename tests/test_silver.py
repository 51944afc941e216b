import pytest

from nisba.files import FormatError
from nisba.formats import jsonl
from nisba.silver import read


def sentence(text, *nodes, name="s1"):
    head = [f"# sent_id = {name}"] + ([f"# text = {text}"] if text else [])
    lines = [
        f"{i}\t{form}\t{lemma}\t{pos}\t_\t_\t{to}\t{relation}\t_\t_" for i, (form, lemma, pos, to, relation) in enumerate(nodes, 1)
    ]
    return "\n".join([*head, *lines]) + "\n\n"


SAID = (
    ("و", "و", "CCONJ", 2, "cc"),
    ("قال", "قَال", "VERB", 0, "root"),
    ("وزير", "وزير", "NOUN", 2, "nsubj"),
    ("الصحة", "صحة", "NOUN", 3, "nmod"),
    ("إن", "إِنَّ", "SCONJ", 7, "mark"),
    ("اللقاح", "لقاح", "NOUN", 7, "nsubj"),
    ("آمن", "آمن", "ADJ", 2, "ccomp"),
    (".", ".", "PUNCT", 2, "punct"),
)


def strings(document):
    (claim,) = document.claims
    return {role: [span.of(document.text) for span in claim.role(role)] for role in ("cue", "source", "content", "addressee")}


def found(tmp_path, *sentences):
    file = tmp_path / "t.conllu"
    file.write_text("".join(sentences), encoding="utf-8")
    return list(read(file, prefix="t"))


def test_verb_subject_clause(tmp_path):
    (document,) = found(tmp_path, sentence("وقال وزير الصحة إن اللقاح آمن.", *SAID))
    assert document.id == "t-s1"
    assert strings(document) == {"cue": ["وقال"], "source": ["وزير الصحة"], "content": ["إن اللقاح آمن"], "addressee": []}
    assert document.meta == {"layers": ["roles"]}
    dropped = [(f, lemma, pos, {7: 5, 2: 2, 0: 0}[to], rel) for f, lemma, pos, to, rel in (*SAID[:2], *SAID[4:])]
    (document,) = found(tmp_path, sentence("وقال إن اللقاح آمن.", *dropped))
    assert strings(document)["source"] == []
    assert document.claims[0].source_type == "implicit"


def test_text_is_rebuilt_where_there_is_none(tmp_path):
    nodes = [
        ("قَالَ", "قال", "VERB", 0, "root"),
        ("لِ", "ل", "ADP", 3, "case"),
        ("اَلوِكَالَةِ", "وكالة", "NOUN", 1, "obl"),
        ("إِنَّ", "إن", "SCONJ", 7, "mark"),
        ("مَدِينَةَ", "مدينة", "NOUN", 7, "nsubj"),
        ("هُم", "هو", "PRON", 5, "nmod"),
        ("آمنة", "آمن", "ADJ", 1, "ccomp"),
        ("بيتي", "بيتي", "X", 7, "dep"),
        ("بيتي", "بيتي", "X", 7, "dep"),
    ]
    (document,) = found(tmp_path, sentence(None, *nodes))
    assert document.text == "قال للوكالة إن مدينتهم آمنة بيتي"
    assert strings(document)["content"] == ["إن مدينتهم آمنة بيتي"]


def test_evidentials_at_either_end(tmp_path):
    nodes = (
        ("ارتفعت", "ارتفع", "VERB", 0, "root"),
        ("الأسعار", "سعر", "NOUN", 1, "nsubj"),
        (",", ",", "PUNCT", 4, "punct"),
        ("وفقاً", "وفق", "NOUN", 1, "advcl"),
        ("ل", "ل", "ADP", 6, "case"),
        ("بيان", "بيان", "NOUN", 4, "nmod"),
        (".", ".", "PUNCT", 1, "punct"),
    )
    (document,) = found(tmp_path, sentence("ارتفعت الأسعار, وفقاً لبيان.", *nodes))
    assert strings(document) == {"cue": ["وفقاً"], "source": ["لبيان"], "content": ["ارتفعت الأسعار"], "addressee": []}
    law = [*nodes[:5], ("قانون", "قانون", "NOUN", 4, "nmod"), nodes[6]]
    assert found(tmp_path, sentence("ارتفعت الأسعار, وفقاً لقانون.", *law)) == []


def test_doubtful_trees_give_nothing(tmp_path):
    relative = [*SAID[:2], ("الذي", "الذي", "PRON", 2, "nsubj"), *SAID[3:]]
    assert found(tmp_path, sentence("وقال الذي الصحة إن اللقاح آمن.", *relative)) == []
    formula = [("يذكر", "ذكر", "VERB", 0, "root"), ("أن", "أن", "SCONJ", 3, "mark"), ("آمن", "آمن", "ADJ", 1, "ccomp")]
    assert found(tmp_path, sentence("يذكر أن آمن", *formula)) == []


def test_faults(tmp_path):
    with pytest.raises(FormatError, match="t-s1: «وزير» is not where the text should have it"):
        found(tmp_path, sentence("وقال الوزير إن اللقاح آمن.", *SAID))
    with pytest.raises(FormatError, match="holds no sentence"):
        found(tmp_path, "")
    with pytest.raises(FormatError, match="t-1: lacks the column"):
        found(tmp_path, "1\tx\n\n")
    with pytest.raises(FormatError, match="not CoNLL-U"):
        found(tmp_path, "1\n\n")


def test_public_treebanks(shared, tmp_path):
    for name, file, *counts in (("pud", "ud-pud/ar_pud-ud-test.conllu", 76, 77), ("padt", "ud-padt/ar-ud-dev.conllu", 209, 222)):
        documents = list(read(shared / "data" / file, prefix=name))
        assert [len(documents), sum(len(d.claims) for d in documents)] == counts
        jsonl.write(documents, tmp_path / f"{name}.jsonl")
        assert list(jsonl.read(tmp_path / f"{name}.jsonl")) == documents


def test_words_of_several_nodes_are_whole(tmp_path):
    rows = sentence("وقال وزير الصحة إن اللقاح آمن.", *SAID).splitlines()
    rows.insert(2, "1-2\tوقال\t_\t_\t_\t_\t_\t_\t_\t_")
    rows[3:5] = [row.replace("\tو\tو\t", "\tوَ\tو\t").replace("\tقال\t", "\tقَالَ\t") for row in rows[3:5]]
    (document,) = found(tmp_path, "\n".join(rows) + "\n\n")
    assert strings(document)["cue"] == ["وقال"]


def test_what_is_no_tree_ends(tmp_path):
    circle = [(f, lemma, pos, 7 if i == 2 else to, rel) for i, (f, lemma, pos, to, rel) in enumerate(SAID, 1)]
    found(tmp_path, sentence("وقال وزير الصحة إن اللقاح آمن.", *circle))


def test_a_source_with_strangers_in_it_is_none(tmp_path):
    nodes = [*SAID[:3], ("أمس", "أمس", "NOUN", 2, "obl"), *((f, le, p, t + (t > 3), r) for f, le, p, t, r in SAID[3:])]
    nodes[4] = ("الصحة", "صحة", "NOUN", 3, "nmod")
    assert found(tmp_path, sentence("وقال وزير أمس الصحة إن اللقاح آمن.", *nodes)) == []
