"""The metric modules: agreement with seqeval, nervaluate and ``nisba.metrics``; cards whose examples run; the Spaces' pages."""

import doctest
import importlib.util
import json
import random
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import evaluate
import pytest
import yaml
from nervaluate.evaluator import Evaluator
from seqeval.metrics import accuracy_score, classification_report, f1_score
from seqeval.scheme import IOB2

import nisba.spaces
from nisba.formats import jsonl
from nisba.metrics import MismatchError, pair, report
from nisba.schema import Claim, Document, Entity, Span

LABELS = ("PER", "ORG", "LOC", "MISC")
TAGS = ("O", *(f"{prefix}-{label}" for label in LABELS[:3] for prefix in "BI"))
FOLDERS = [Path(nisba.spaces.path(name)) for name in nisba.spaces.NAMES]


@pytest.fixture(scope="module", autouse=True)
def load(tmp_path_factory):
    """``evaluate.load`` by a module's name. Nothing is written outside the test's folder; each module is loaded once."""
    folder = tmp_path_factory.mktemp("evaluate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate.config, "HF_METRICS_CACHE", folder / "metrics")
        patch.setattr(evaluate.config, "HF_MODULES_CACHE", folder / "modules")
        patch.setattr(sys, "path", list(sys.path))
        yield lambda name: evaluate.load(nisba.spaces.path(name))
    for name in [name for name in sys.modules if name.partition(".")[0] == "evaluate_modules"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def names(load):
    return load("nisba_names")


@pytest.fixture(scope="module")
def claims(load):
    return load("nisba_claims")


def sequences(seed, count=60):
    """Gold and predicted tags at random: I- tags without a B- among them, and predictions that often agree with the gold."""
    rng = random.Random(seed)
    for _ in range(count):
        gold = [rng.choices(TAGS, weights=(4, 2, 3, 2, 3, 2, 3), k=rng.randint(1, 12)) for _ in range(rng.randint(1, 4))]
        predicted = [[tag if rng.random() < 0.7 else rng.choice(TAGS) for tag in row] for row in gold]
        yield gold, predicted


def mended(row):
    """The same entities in tags that every reading takes alike."""
    result = []
    for tag in row:
        result.append(tag if tag[0] != "I" or (result and result[-1][2:] == tag[2:]) else "O")
    return result


def documents(rows):
    """Tags as documents of one-letter words: word n is [2n, 2n+1)."""
    for number, row in enumerate(rows):
        found = []
        for i, tag in enumerate(mended(row)):
            if tag[0] == "B":
                found.append([i, i, tag[2:]])
            elif tag[0] == "I":
                found[-1][1] = i
        entities = tuple(Entity(Span(2 * first, 2 * last + 1), label) for first, last, label in found)
        yield Document(str(number), " ".join("ا" * len(row)), entities)


def line(document):
    return jsonl.dump(document).strip()


def test_names_agree_with_seqeval(names):
    for gold, predicted in sequences(0):
        scores = names.compute(predictions=predicted, references=gold)
        assert scores["overall_accuracy"] == pytest.approx(accuracy_score(gold, predicted), abs=1e-9)
        if not any(tag[0] == "B" for row in gold + predicted for tag in row):
            continue  # seqeval's strict mode fails where there is no entity
        theirs = classification_report(gold, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
        total = theirs.pop("micro avg")
        for name in ("macro avg", "weighted avg"):
            theirs.pop(name)
        assert {name for name in scores if not name.startswith("overall_")} == set(theirs)
        for name, row in theirs.items():
            assert scores[name]["number"] == row["support"]
            for ours, key in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
                assert scores[name][ours] == pytest.approx(row[key], abs=1e-9)
                assert scores[f"overall_{ours}"] == pytest.approx(total[key], abs=1e-9)


def test_names_agree_with_nervaluate(names):
    for gold, predicted in sequences(1):
        scores = names.compute(predictions=predicted, references=gold)
        sides = ([mended(row) for row in rows] for rows in (gold, predicted))
        theirs = Evaluator(*sides, tags=list(LABELS), loader="list").evaluate()["overall"]
        for name, key in (("overall", "strict"), ("overall_partial", "partial")):
            for measure in ("precision", "recall", "f1"):
                assert scores[f"{name}_{measure}"] == pytest.approx(getattr(theirs[key], measure), abs=1e-9)


def test_names_agree_with_the_report(names):
    for gold, predicted in sequences(2):
        scores = names.compute(predictions=predicted, references=gold)
        theirs = report(pair(documents(gold), documents(predicted)))["names"]
        for name, key in (("overall", "strict"), ("overall_partial", "partial")):
            for measure, total in (("precision", "predicted"), ("recall", "gold")):
                expected = theirs[key]["correct"] / theirs[key][total] if theirs[key][total] else 0
                assert scores[f"{name}_{measure}"] == pytest.approx(expected, abs=1e-9)
        assert {x: scores[x]["number"] for x in LABELS if x in scores} == {
            x: row["strict"]["gold"] for x, row in theirs["by_label"].items() if row["strict"]["gold"] or row["strict"]["predicted"]
        }


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [
        (["O", "B-PER"], ["O", "I-PER"]),
        (["B-PER", "O", "B-PER"], ["B-PER", "O", "I-PER"]),
        (["B-PER", "B-ORG"], ["B-PER", "I-ORG"]),
    ],
)
def test_what_seqeval_takes_for_an_entity_by_default(names, gold, predicted):
    scores = names.compute(predictions=[predicted], references=[gold])
    assert f1_score([gold], [predicted]) == 1
    strict = f1_score([gold], [predicted], mode="strict", scheme=IOB2, zero_division=0)
    assert scores["overall_f1"] == pytest.approx(strict, abs=1e-9)
    assert scores["overall_f1"] < 1


def test_names_of_any_type(names):
    gold = [["B-اسم", "I-اسم", "O", "B-ORG-GOV"], []]
    scores = names.compute(predictions=gold, references=gold)
    assert scores["اسم"] == scores["ORG-GOV"] == {"precision": 1, "recall": 1, "f1": 1, "number": 1}
    assert json.loads(json.dumps(scores)) == scores
    empty = names.compute(predictions=[["O"]], references=[["O"]])
    assert empty == {key: float(key == "overall_accuracy") for key in scores if key.startswith("overall_")}


@pytest.mark.parametrize(
    ("predicted", "message"),
    [
        ([["O"], ["O", "O"]], "sequence 2: 2 tags in the predictions, 1 in the references"),
        ([["E-PER"], ["O"]], "sequence 1 of the predictions: 'E-PER' is no IOB2 tag"),
        ([["O"], ["B-"]], "sequence 2 of the predictions: 'B-' is no IOB2 tag"),
        ([["O"], [None]], "sequence 2 of the predictions: None is no IOB2 tag"),
        ([["O"], None], "sequence 2 of the predictions: null"),
        ([["PER"], []], r"(?s)sequence 1 of the predictions: 'PER'.*\nsequence 2: 0 tags"),
    ],
)
def test_tags_that_are_refused(names, predicted, message):
    with pytest.raises(ValueError, match=message):
        names.compute(predictions=predicted, references=[["O"], ["O"]])
    assert names.compute(predictions=[["B-x"]], references=[["B-x"]])["overall_f1"] == 1  # what was refused is forgotten


def test_a_message_of_many_problems_ends(names):
    with pytest.raises(ValueError, match=r"sequence 20 of .*\n… and 30 more$") as caught:
        names.compute(predictions=[["?"]] * 50, references=[["O"]] * 50)
    assert len(str(caught.value).splitlines()) == 21


def test_batches_of_names(names):
    (gold, predicted), *_ = sequences(3)
    gold, predicted = gold * 5, predicted * 5
    for at in range(0, len(gold), 2):
        names.add_batch(predictions=predicted[at : at + 2], references=gold[at : at + 2])
    assert names.compute() == names.compute(predictions=predicted, references=gold)


def shifted(gold):
    """A prediction: every second claim, its last content fragment gone where there are several, all with a score."""
    kept = [
        Claim(
            **{name: getattr(claim, name) for name in Claim.__slots__ if name not in ("content", "score", "core")},
            content=claim.content[:-1] or claim.content,
            score=0.75,
        )
        for claim in gold.claims[::2]
    ]
    return Document(gold.id, gold.text, gold.entities[1:], tuple(kept))


def test_claims_are_scored_as_by_the_report(claims, seeds):
    gold = seeds[:6]
    predicted = [shifted(document) for document in gold]
    sides = {"predictions": [line(d) for d in reversed(predicted)], "references": [line(d) for d in gold]}
    scores = claims.compute(**sides)
    assert scores == report(pair(gold, predicted))
    assert 0 < scores["claims"]["soft80"]["f1"] < 100
    assert claims.compute(**sides, resamples=50, seed=3) == report(pair(gold, predicted), resamples=50, seed=3)
    for ours, theirs in zip(sides["predictions"], sides["references"], strict=True):
        claims.add_batch(predictions=[ours], references=[theirs])
    assert claims.compute(resamples=50) == report(pair(gold, predicted), resamples=50)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", r"predictions, item 2: not JSON"),
        ("", r"predictions, item 2: not JSON"),
        (None, r"predictions, item 2: not JSON"),
        ("[]", r"predictions, item 2: record: must be an object"),
        ('{"id": "b", "id": "c", "text": ""}', r"predictions, item 2: a key is given twice: «id»"),
        ('{"id": "b", "text": "نعم", "claims": [{"id": "c1"}]}', r"predictions, item 2: claim c1\.content: is missing"),
    ],
)
def test_items_that_are_no_documents(claims, bad, message):
    good = [line(Document(name, "نعم")) for name in "ab"]
    with pytest.raises(ValueError, match=message):
        claims.compute(predictions=[good[0], bad], references=good)
    with pytest.raises(ValueError, match=message.replace("predictions", "references") + r"(?s:.*)\npredictions, item 2"):
        claims.compute(predictions=[good[0], bad], references=[good[0], bad])


def test_documents_that_do_not_match(claims):
    gold, other, changed = (line(d) for d in (Document("a", "نعم"), Document("b", "نعم"), Document("a", "كلا")))
    for predicted, message in (
        (other, "a: not in the predictions\nb: not in the gold documents"),
        (changed, "a: the texts differ from character 0"),
    ):
        with pytest.raises(MismatchError, match=message):
            claims.compute(predictions=[predicted], references=[gold])


def test_unknown_modules():
    with pytest.raises(ValueError, match="no metric is called 'names'; there are nisba_names, nisba_claims"):
        nisba.spaces.path("names")


def card(folder):
    return (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_examples_of_the_card_run(folder):
    example = "\n".join(re.findall(r"```python\n(.*?)```", card(folder), re.DOTALL))
    test = doctest.DocTestParser().get_doctest(example, {}, folder.name, "README.md", 0)
    assert len(test.examples) > 8
    log = []
    assert doctest.DocTestRunner(verbose=False).run(test, out=log.append).failed == 0, "".join(log)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_card_is_that_of_a_space(folder):
    _, front, text = card(folder).split("---\n", 2)
    front = yaml.safe_load(front)
    assert (front["sdk"], front["app_file"], front["pinned"], front["tags"]) == ("gradio", "app.py", False, ["evaluate", "metric"])
    assert front["python_version"] == "3.11"
    assert {"title", "emoji", "colorFrom", "colorTo", "sdk_version", "description"} <= front.keys()
    parts = ["Metric description", "How to use", "Inputs", "Output values", "Examples", "Limitations", "Citation"]
    assert [x for x in re.findall(r"^## (.*)$", text, re.MULTILINE) if x in parts] == parts
    packages = {re.match(r"\w+", row)[0] for row in (folder / "requirements.txt").read_text().splitlines()}
    imported = {name for _, name, *_ in evaluate.loading.get_imports(str(folder / f"{folder.name}.py"))}
    assert packages == imported - sys.stdlib_module_names


def test_the_keys_that_the_card_names_exist(seeds):
    scores = report(pair(seeds[:3], [shifted(d) for d in seeds[:3]]), resamples=10)
    rows = re.findall(r"^\| (`.*?) \|", card(FOLDERS[1]), re.MULTILINE)
    named = [key for row in rows for key in re.findall(r"`([\w.]+)`", row)]
    assert {key.split(".")[0] for key in named} == scores.keys()
    assert len(named) > 20
    for key in named:
        node = scores
        for part in key.split("."):
            node = node[part]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_page_of_the_space(folder, monkeypatch):
    """With gradio stood in for: its Interface only keeps what it is given."""
    gradio = SimpleNamespace(Interface=lambda **options: options, Error=lambda message, **_: RuntimeError(message))
    gradio.Textbox = gradio.Number = gradio.JSON = lambda **options: options
    monkeypatch.setitem(sys.modules, "gradio", gradio)
    spec = importlib.util.spec_from_file_location("app", folder / "app.py")
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    page = app.interface()
    (example,) = page["examples"]
    assert len(example) == len(page["inputs"])
    scores = page["fn"](*example)
    assert json.loads(json.dumps(scores)) == scores
    with pytest.raises(RuntimeError, match=r"predictions, item 1|sequence 1 of the predictions"):
        page["fn"]("?" + example[0], *example[1:])
    assert page["fn"](*example) == scores
    assert page["article"].lstrip().startswith(f"# {folder.name}")
