"""The trained baselines: what one tag a word can hold, which spans are linked, and that runs keep the documents they are given."""

import importlib.util
import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from nisba import config, decode, encoder
from nisba.batching import IGNORE, collate
from nisba.builders import name_rows
from nisba.encode import encode_all, load_tokenizer
from nisba.formats import jsonl
from nisba.labels import NAME_TAGS, ROLE_TAGS, untag
from nisba.metrics.report import pair
from nisba.schema import ROLES, Document, Entity

from .small import LETTERS, document, spelt
from .small import words as at


@pytest.fixture(scope="module")
def script(root):
    def load(name):
        spec = importlib.util.spec_from_file_location(f"baselines_{name}", root / "scripts" / "baselines" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="module")
def tagging(script):
    return script("tagging")


@pytest.fixture(scope="module")
def names(script):
    return script("names")


@pytest.fixture(scope="module")
def encoded(tiny):
    tokenizer = load_tokenizer(str(tiny))
    return lambda *documents: list(encode_all(documents, tokenizer))


def linked(tagging, spelling, front=False):
    """``"q s cC"``: a letter a word (``-``: no role), a blank between spans, a capital for the last word of a sentence → every
    claim as the numbers of the words that its cue, source, content and addressee begin with."""
    found, sentence, first, number = [], [], 0, 0
    for part in spelling.split():
        if part[0].lower() in LETTERS:
            found.append((first, first + len(part), LETTERS[part[0].lower()]))
        for letter in part:
            sentence.append(number)
            number += letter.isupper()
        first += len(part)
    claims = tagging.link(found, sentence, front=front)
    return ["/".join(" ".join(str(first) for first, _ in claim.get(role, ())) for role in ROLES) for claim in claims]


LINKS = {
    "verb, subject, content": ("q s cc", ["0/1/2/"]),
    "subject, verb, content": ("s q cc", ["1/0/2/"]),
    "an addressee": ("q a s ccc", ["0/2/3/1"]),
    "a split quotation": ("cc - q s - cc", ["3/4/0 6/"]),
    "of two as near cues the left one": ("q s c - q c", ["0/1/2/", "4//5/"]),
    "the nearer cue": ("q ss c q c", ["4/1/3 5/"]),
    "the addressee of the nearer cue": ("q c a q c", ["0//1/", "3//4/2"]),
    "the addressee of the left cue": ("q c a - q c", ["0//1/2", "4//5/"]),
    "a headline": ("s - cc", ["/0/2/"]),
    "no cue in the sentence": ("q C s cc", ["0//1/", "/2/3/"]),
    "a content of two sentences": ("cCc - q s", ["4/5/0/"]),
    "no source in the sentence": ("q C s - -", ["0//1/"]),
    "a cue without content": ("q s - q c", ["3/1/4/"]),
    "nothing said": ("q s a", []),
}


@pytest.mark.parametrize("case", LINKS)
def test_spans_are_linked_to_the_nearest_cue(tagging, case):
    spelling, claims = LINKS[case]
    assert linked(tagging, spelling) == claims


def test_in_front_comes_before_near(tagging):
    assert linked(tagging, "q ss c q c", front=True) == ["0/1/3/", "4//5/"]
    assert linked(tagging, "c q s", front=True) == ["1/2/0/"]


def test_roles_of_a_claim_share_no_word(tagging):
    cue, inner, content = (0, 1), (3, 4), (1, 6)
    claims = tagging.link([(*cue, "cue"), (*inner, "cue"), (*content, "content"), (2, 3, "source")], [0] * 6)
    assert claims == [{"cue": [cue], "content": [content]}]


def spans(claim):
    return {role: claim.role(role) for role in ROLES}


@pytest.mark.parametrize("kind", ["bio", "parallel"])
def test_claims_that_do_not_overlap_come_back(tagging, encoded, kind):
    claims = spelt("c1", "qscccc"), spelt("c2", "------sqccca")
    [example] = encoded(document(*claims))
    rows = [tagging.flat(example, roles) for roles in tagging.HEADS[kind]]
    assert sum(lost for _, lost, _ in rows) == 0
    assert sum(count for *_, count in rows) == 7
    made = tagging.read_off(example, [tags for tags, *_ in rows], (), front=False)
    assert [spans(claim) for claim in made.claims] == [spans(claim) for claim in claims]
    assert tagging.ceiling([example], tagging.HEADS[kind], front=False)["claims.strict.f1"] == 100


def test_single_claims_of_the_seeds_are_held(tagging, encoded, seeds):
    single = [replace(d, claims=(claim,), id=f"{d.id} {claim.id}") for d in seeds[:8] for claim in d.claims]
    for example in encoded(*single):
        for heads in tagging.HEADS.values():
            rows = [tagging.flat(example, roles) for roles in heads]
            assert sum(lost for _, lost, _ in rows) == 0
            [claim] = example.document.claims
            found = [(role, first, behind) for tags, *_ in rows for first, behind, role in untag(tags, ROLE_TAGS)]
            held = {(role, example.words[i].start, example.words[j - 1].end) for role, i, j in found}
            assert held == {(role, span.start, span.end) for role in ROLES for span in claim.role(role)}


def shown(tags):
    return " ".join(ROLE_TAGS[tag].replace("-", "")[:2].lower() for tag in tags)


def test_the_first_claim_has_the_word_and_what_is_lost_is_counted(tagging, encoded):
    outer, inner = spelt("c1", "qscccc"), spelt("c2", "---qcc")
    first, second = encoded(document(outer, inner, name="a"), document(inner, outer, name="b"))
    tags, lost, count = tagging.flat(first, ROLES)
    assert (shown(tags[:7]), lost, count) == ("bc bs bc ic ic ic o", 2, 5)
    tags, lost, count = tagging.flat(second, ROLES)
    assert (shown(tags[:7]), lost, count) == ("bc bs bc bc bc ic o", 1, 5)
    assert [tagging.flat(first, (role,))[1:] for role in ROLES] == [(0, 2), (0, 1), (1, 2), (0, 0)]


def test_a_span_resumes_behind_an_earlier_claim(tagging, encoded):
    [example] = encoded(document(spelt("c1", "---c"), spelt("c2", "--cccc")))
    tags, lost, _ = tagging.flat(example, ("content",))
    assert (shown(tags[:7]), lost) == ("o o bc bc bc ic o", 1)


def test_shared_contents_are_no_loss(tagging, encoded):
    [example] = encoded(document(spelt("c1", "qscccc"), spelt("c2", "--cccc-q")))
    assert tagging.flat(example, ROLES)[1:] == (0, 5)


def test_the_type_of_a_source_goes_by_its_first_name(tagging):
    entities = [Entity(at(3), "PER"), Entity(at(1), "ORG"), Entity(at(8), "MISC")]
    kinds = [tagging.source_type((at(*span),), entities) for span in ((0, 4), (2, 4), (7, 9), (5, 6))]
    assert kinds == ["organization", "person", "role", "role"]


def test_heads_tag_their_own_roles_only_and_learn_from_known_layers_only(tagging, tiny, encoded, seeds):
    _, built = encoder.build(config.Model(encoder=str(tiny), layers=1))
    heads = tagging.HEADS["parallel"]
    tagger = tagging.Tagger(built.names, heads).eval()
    [example] = encoded(seeds[0])
    batch = collate([example], None, pad=0)
    with torch.no_grad():
        scores, roles = tagger.read(batch)
    assert scores.shape == (len(example.words), 9)
    assert roles.shape == (4, len(example.words), 9)
    for head, (role,) in zip(roles, heads, strict=True):
        own = [i for i, tag in enumerate(ROLE_TAGS) if tag[2:] in ("", role)]
        assert torch.allclose(head[:, own].exp().sum(1), torch.ones(len(head)), atol=1e-5)
        assert {tag[2:] for tag in np.array(ROLE_TAGS)[decode.viterbi(head[None].numpy(), ROLE_TAGS)[0]]} <= {"", role}
    labels = tagging.labelled(example, heads)
    assert (labels != IGNORE).all()
    whole = tagger(batch, labels).item()
    [partly] = encoded(replace(seeds[0], meta={"layers": ["names"]}))
    labels = tagging.labelled(partly, heads)
    assert (labels[0] != IGNORE).all()
    assert (labels[1:] == IGNORE).all()
    assert 0 < tagger(batch, labels).item() < whole


@pytest.fixture
def articles(seeds, tmp_path):
    """Short articles: six to train on, and three others, the second of which has nothing in it."""
    short = sorted(seeds, key=lambda article: len(article.text))[:8]
    asked = [short[6], Document("empty", " \n"), short[7]]
    jsonl.write(short[:6], tmp_path / "train.jsonl")
    jsonl.write(asked, tmp_path / "dev.jsonl")
    return asked


def start(monkeypatch, module, *arguments):
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()


@pytest.mark.training
@pytest.mark.parametrize("kind", ["bio", "parallel"])
def test_a_run_of_tagging_learns_and_keeps_its_documents(tagging, tiny, articles, tmp_path, monkeypatch, kind):
    files = ("--train", tmp_path / "train.jsonl", "--dev", tmp_path / "dev.jsonl", "--predict", tmp_path / "dev.jsonl")
    rates = ("--learning-rate", 1e-3, "--head-learning-rate", 1e-2, "--layers", 2, "--encoder", tiny)
    start(monkeypatch, tagging, "--kind", kind, *files, *rates, "--epochs", 3, "-o", tmp_path / "run")
    found = list(jsonl.read(tmp_path / "run" / "dev.jsonl"))
    assert [(d.id, d.text) for d in found] == [(d.id, d.text) for d in articles]
    assert len(pair(articles, found)) == 3
    measured = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [line["epoch"] for line in measured["epochs"]] == [1, 2, 3]
    assert measured["epochs"][-1]["loss"] < 0.8 * measured["epochs"][0]["loss"]
    assert measured["ceiling"]["dev"]["names.strict.f1"] == 100
    best = max(measured["epochs"], key=lambda line: line["mean"])
    assert tagging.scores(articles, found) == {name: best[name] for name in tagging.SCORES}


def test_what_was_trained_on_is_not_annotated(tagging, articles, tmp_path, monkeypatch, capsys):
    files = ("--train", tmp_path / "train.jsonl", "--dev", tmp_path / "dev.jsonl", "--predict", tmp_path / "train.jsonl")
    with pytest.raises(SystemExit):
        start(monkeypatch, tagging, "--kind", "bio", *files, "-o", tmp_path / "run")
    assert "6 articles are trained on" in capsys.readouterr().err


def test_the_last_share_of_the_names_is_scored(names, seeds):
    train, dev = names.divided(seeds[:20], 0.15)
    assert (train, dev) == (seeds[:17], seeds[17:20])
    assert names.divided(seeds[:2], 0.15) == (seeds[:1], seeds[1:2])


def test_labels_of_names_stand_on_first_sub_words(names, tiny, seeds):
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    [row] = name_rows(min(seeds, key=lambda article: len(article.text)))
    example = names.features(row, tokenizer)
    assert [word for word in example["words"] if word >= 0] == list(range(len(row["tokens"])))
    assert len(example["input_ids"]) > len(row["tokens"]) + 2  # some word has several
    assert [label for label in example["labels"] if label != IGNORE] == row["ner_tags"]
    tokenizer.model_max_length = 16
    cut = names.features(row, tokenizer)
    assert len(cut["input_ids"]) == 16
    assert cut["words"][1:-1] == example["words"][1:15]


def test_names_come_back_from_their_tags(names, seeds):
    for article in seeds:
        [row] = name_rows(article)
        made = names.named(article, row, row["ner_tags"])
        assert [(e.span, e.label) for e in made.entities] == [
            (e.span, e.label) for e in sorted(article.entities, key=lambda e: e.span)
        ]
        assert made.text == article.text
        assert made.claims == ()


class Perfect:
    """Scores that make the labels the best tags; behind them, padding that marks a name on every sub-word."""

    def predict(self, examples):
        length = max(len(example["labels"]) for example in examples) + 3
        best = [
            np.pad(np.maximum(example["labels"], 0), (0, length - len(example["labels"])), constant_values=1)
            for example in examples
        ]
        return SimpleNamespace(predictions=np.eye(len(NAME_TAGS))[np.array(best)])


def test_scores_of_sub_words_become_names_of_the_right_documents(names, tiny, seeds):
    articles = [*seeds[:3], Document("empty", ""), *seeds[3:6]]
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.model_max_length = 10_000
    for article, made in zip(articles, names.annotate(articles, Perfect(), tokenizer), strict=True):
        assert (made.id, made.text) == (article.id, article.text)
        assert {(e.span, e.label) for e in made.entities} == {(e.span, e.label) for e in article.entities}
    tokenizer.model_max_length = 64
    cut = names.annotate(articles, Perfect(), tokenizer)
    assert 0 < sum(len(made.entities) for made in cut) < sum(len(article.entities) for article in articles)


@pytest.mark.training
def test_a_run_of_names_keeps_its_documents(names, tiny, seeds, tmp_path, monkeypatch):
    short = sorted(seeds, key=lambda article: len(article.text))[:8]
    partly = [replace(article, claims=(), meta={"layers": ["names"]}) for article in short]
    jsonl.write(partly, tmp_path / "corpus.jsonl")
    sizes = ("--epochs", 1, "--batch", 2, "--layers", 2, "--learning-rate", 1e-2, "--dev-share", 0.25)
    start(monkeypatch, names, tmp_path / "corpus.jsonl", "--encoder", tiny, *sizes, "-o", tmp_path / "run")
    train, gold, whole, found = (
        list(jsonl.read(tmp_path / "run" / f"{name}.jsonl")) for name in ("train", "dev", "dev_whole", "predictions")
    )
    assert train == partly[:6]
    assert gold == partly[6:]
    assert [d.layers for d in whole] == [frozenset(("names", "roles", "attributes"))] * 2
    assert [(d.id, d.text) for d in found] == [(d.id, d.text) for d in gold]
    assert len(pair(gold, found)) == 2
