"""The parts of scripts that can be wrong without anybody noticing."""

import importlib.util
import json
import random
from dataclasses import replace

import pytest

from nisba.encode import encode_all, load_tokenizer
from nisba.schema import Document
from nisba.speakers import resolve


def script(root, name):
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), root / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RULES = {
    "وقال وزير الصحة إن اللقاح آمن.": ("وقال", "وزير الصحة", "إن اللقاح آمن", "indirect"),
    "وأكدت الوزارة: اللقاح آمن تماما.": ("وأكدت", "الوزارة", "اللقاح آمن تماما", "direct"),
    "وأضاف أن اللقاح آمن.": ("وأضاف", None, "أن اللقاح آمن", "indirect"),
    "ارتفعت الأسعار كثيرا، وفقا لبيان رسمي.": ("وفقا", "لبيان رسمي", "ارتفعت الأسعار كثيرا", "indirect"),
    "«لن نقبل بهذا القرار أبدا»، قال سامي حداد.": ("قال", "سامي حداد", "لن نقبل بهذا القرار أبدا", "direct"),
}


@pytest.mark.parametrize("text", RULES)
def test_the_rules_find_plain_claims(root, text):
    (claim,) = script(root, "baselines/rules").annotate(Document("a", text)).claims
    spans = [" ".join(span.of(text) for span in claim.role(role)) or None for role in ("cue", "source", "content")]
    assert (*spans, claim.type) == RULES[text]


def test_the_rules_leave_narrative_alone(root):
    assert script(root, "baselines/rules").annotate(Document("a", "زار الوزير المصنع أمس. ثم عاد إلى بيته.")).claims == ()


def test_masking_takes_whole_words_and_guesses_nothing_else(root, tiny, seeds):
    adapt = script(root, "adapt_encoder")
    tokenizer = load_tokenizer(str(tiny))
    found = [window for example in encode_all(seeds[:3], tokenizer, window=64) for window in example.windows]
    draw = random.Random(0)
    guessed = total = 0
    for window in found:
        ids, labels = adapt.masked(window, draw, 1, len(tokenizer))
        assert len(ids) == len(labels) == len(window.input_ids)
        assert all(label in (-100, old) for label, old in zip(labels, window.input_ids, strict=True))
        assert all(new == old for new, old, label in zip(ids, window.input_ids, labels, strict=True) if label == -100)
        for word in set(window.owners) - {-1}:
            states = {label >= 0 for label, owner in zip(labels, window.owners, strict=True) if owner == word}
            assert len(states) == 1
        guessed += len({owner for owner, label in zip(window.owners, labels, strict=True) if label >= 0})
        total += len(set(window.owners) - {-1})
    assert 0.12 < guessed / total < 0.18
    groups = list(adapt.batches(found, 256, draw))
    assert sorted(map(id, (window for group in groups for window in group))) == sorted(map(id, found))
    assert all(len(group) * max(len(window.input_ids) for window in group) <= 256 for group in groups)


def test_what_is_measured_on_is_left_out(root, tiny, seeds, tmp_path):
    from nisba.formats import jsonl

    jsonl.write(seeds[:4], tmp_path / "all.jsonl")
    jsonl.write(seeds[1:3], tmp_path / "test.jsonl")
    tokenizer = load_tokenizer(str(tiny))
    adapt = script(root, "adapt_encoder")
    left = adapt.windows(tmp_path / "all.jsonl", [tmp_path / "test.jsonl"], tokenizer, 64)
    assert left == [w for e in encode_all([seeds[0], seeds[3]], tokenizer, window=64) for w in e.windows]


def test_weights_of_speakers_are_learnt_and_the_same_again(root, seeds):
    fit = script(root, "fit_speakers")
    weights = fit.fit(seeds[:30])
    before, after = (fit.right(seeds[:30], known) for known in ({}, weights))
    assert before["all in all"] == after["all in all"] == sum(claim.core for document in seeds[:30] for claim in document.claims)
    assert after["all"] > before["all"]
    assert fit.fit(seeds[:30]) == weights


def test_the_weights_that_are_shipped_are_of_features_that_there_are(root, seeds):
    """None is left of a feature that was renamed since."""
    told = set()
    for document in seeds:
        resolve(document, lambda claim, options: told.update(*options.values()) or claim.speaker)
    kinds = {feature.split("|")[0].split("=")[0] for feature in told}
    shipped = json.loads((root / "training/nisba/candidates.json").read_text("utf-8"))["weights"]
    assert {feature.split("|")[0].split("=")[0] for feature in shipped} <= kinds
    assert len(shipped.keys() & told) > len(shipped) / 2


def test_articles_for_pseudo_labels_are_unseen_and_early(root, seeds):
    pseudo = script(root, "pseudo_label")
    known, good, same, late, later, undated = (replace(d, meta={"time": "2017-01-01T10:00:00+01:00"}) for d in seeds[:6])
    same = replace(same, meta={"time": "31/12/2016"})
    late, later, undated = (
        replace(late, meta={"time": "2017-03-16"}),
        replace(later, meta={"time": "14/04/2017"}),
        replace(undated, meta={}),
    )
    again, twice = replace(known, id="again", text=f"{known.text} نعم"), replace(good, id="twice")
    short = Document("short", "قال الوزير نعم", meta={"time": "2016-01-01"})
    articles = [good, known, again, late, undated, later, short, twice, same]
    assert pseudo.unseen(articles, [known], before="2017-03-16") == [good, same]


def test_pseudo_labels_are_what_two_models_agree_on(root, seeds):
    pseudo = script(root, "pseudo_label")
    first = [*seeds[:4], replace(seeds[4], claims=())]
    second = [first[0], replace(first[1], claims=()), first[2], replace(first[3], entities=first[3].entities[1:]), first[4]]
    assert pseudo.agreed(first, second, share=0.5) == [first[0], first[2]]
    assert pseudo.agreed(first, second, share=0.75) == [first[0], first[2], first[3]]
    assert pseudo.agreed(first, second, share=1) == first[:4]
