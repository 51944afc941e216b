import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nisba.encode import PIECES, encode, encode_all, load_tokenizer, roles_of, targets
from nisba.labels import NAME_TAGS, untag
from nisba.schema import ROLES, Claim, Document, Span, trim
from nisba.text import words
from tests.strategies import documents, texts


@pytest.fixture(scope="module")
def tokenizer(tiny):
    return load_tokenizer(str(tiny))


@pytest.fixture(scope="module")
def tokenizers(tokenizer, offline_encoder):
    return [tokenizer, load_tokenizer(str(offline_encoder))]


def assert_lossless(document, encoded):
    labels = targets(encoded)
    assert (labels.lost_entities, labels.lost_claims) == (0, 0)
    names = {
        (trim(document.text, encoded.words[a].start, encoded.words[b - 1].end), label)
        for a, b, label in untag(labels.names, NAME_TAGS)
    }
    assert names == {(entity.span, entity.label) for entity in document.entities}
    decoded = [roles_of(encoded, claim.anchor, claim.roles) for claim in labels.claims]
    assert decoded == [{role: claim.role(role) for role in ROLES} for claim in document.claims]
    assert len({claim.anchor for claim in labels.claims}) == len(document.claims)


def assert_sound(encoded, window):
    owned = [word for w in encoded.windows for word in dict.fromkeys(w.owners) if word >= 0]
    assert owned == list(range(len(encoded.words)))  # every word in exactly one window, in order
    assert all(len(w.input_ids) == len(w.owners) <= window for w in encoded.windows)
    assert len(encoded.firsts) == len(encoded.sentence) == len(encoded.quotation) == len(encoded.words)


@pytest.mark.parametrize("window", [64, 128, 384])
def test_every_shipped_article_comes_back_exactly(seeds, tokenizers, window):
    for tokenizer in tokenizers:
        for document, encoded in zip(seeds, encode_all(seeds, tokenizer, window=window), strict=True):
            assert_sound(encoded, window)
            assert_lossless(document, encoded)


@settings(max_examples=150, deadline=None)
@given(documents(), st.sampled_from([16, 32, 384]))
def test_any_document_comes_back_exactly(tokenizers, document, window):
    for tokenizer in tokenizers:
        encoded = encode(document, tokenizer, window=window)
        assert_sound(encoded, window)
        assert_lossless(document, encoded)


@settings(max_examples=150, deadline=None)
@given(texts)
def test_the_label_of_every_word_survives(tokenizers, text):
    for tokenizer in tokenizers:
        encoded = encode(Document("d", text), tokenizer, window=32)
        assert_sound(encoded, 32)
        assert encoded.words == words(text)


def test_windows_overlap_and_end_with_sentences(seeds, tokenizer):
    document = max(seeds, key=lambda d: len(d.text))
    encoded = encode(document, tokenizer, window=128)
    ends = [max(w.owners) for w in encoded.windows]
    assert len(ends) > 2
    at_sentence_end = [encoded.sentence[end] != encoded.sentence[end + 1] for end in ends[:-1]]
    assert sum(at_sentence_end) >= len(at_sentence_end) / 2
    with_context = [w.owners.count(-1) > 2 for w in encoded.windows]  # more than the two special tokens
    assert sum(with_context) >= len(with_context) / 2


def test_a_monstrous_word_is_capped_not_lost(tokenizer):
    text = "قال " + "ظ" * 5000 + " نعم"
    encoded = encode(Document("d", text), tokenizer, window=32)
    assert_sound(encoded, 32)
    assert sum(owner == 1 for w in encoded.windows for owner in w.owners) <= PIECES


def test_cleaning_survives_saving(tokenizers, tmp_path):
    for number, tokenizer in enumerate(tokenizers):
        tokenizer.save_pretrained(tmp_path / str(number))
        again = load_tokenizer(str(tmp_path / str(number)))
        text = "وقالَ: «نعــم» ٢٠٢٤ https://a.b/c"
        assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert again("قالَ نعــم")["input_ids"] == again("قال نعم")["input_ids"]


def test_saved_truncation_and_padding_are_switched_off(tokenizer, tmp_path, seeds):
    tokenizer.save_pretrained(tmp_path)
    file = tmp_path / "tokenizer.json"
    values = json.loads(file.read_text(encoding="utf-8"))
    values["truncation"] = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
    values["padding"] = {
        "strategy": {"Fixed": 16},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }
    file.write_text(json.dumps(values), encoding="utf-8")
    assert encode(seeds[0], load_tokenizer(str(tmp_path))).windows == encode(seeds[0], tokenizer).windows


def test_arabert_vocabulary(shared):
    tokenizer = load_tokenizer(str(shared / "tokenizers" / "arabert-v02"))
    pieces = tokenizer.convert_ids_to_tokens(
        tokenizer("وقالَ إن 19م @user https://a.b/c ٢٠٢٤", add_special_tokens=False)["input_ids"]
    )
    assert pieces == ["وقال", "إن", "19", "م", "[مستخدم]", "[رابط]", "202", "##4"]


def test_empty_and_blank_texts(tokenizer):
    assert encode(Document("d", ""), tokenizer).windows == []
    assert encode(Document("d", " \n\u200f"), tokenizer).windows == []


def test_windows_too_small_are_refused(tokenizer):
    with pytest.raises(ValueError, match="16 at least"):
        encode(Document("d", "نعم"), tokenizer, window=8)


def test_two_claims_on_one_cue_get_two_anchors(tokenizer):
    text = "قال إن الماء نظيف وإن الهواء نقي"
    cue = (Span(0, 3),)
    document = Document("d", text, (), (Claim("a", content=(Span(4, 17),), cue=cue), Claim("b", content=(Span(18, 32),), cue=cue)))
    assert_lossless(document, encode(document, tokenizer))


def test_a_claim_of_a_thousand_words_is_held(tokenizer):
    text = "قال الوزير إن " + " ".join(["البند"] * 1000) + ". انتهى."
    claim = Claim("c1", cue=(Span(0, 3),), source=(Span(4, 10),), content=(Span(11, len(text) - 8),), source_type="role")
    assert_lossless(document := Document("d", text, claims=(claim,)), encode(document, tokenizer, window=384))


def test_claims_without_cues_make_room_for_each_other(tokenizer):
    text = "نعم هنا هناك"
    wide = Claim("c1", content=(Span(0, 7),))
    narrow = Claim("c2", content=(Span(0, 3),), source=(Span(8, 12),), source_type="role")
    same = Claim("c3", content=(Span(0, 3),), source=(Span(8, 12),), source_type="person")
    document = Document("d", text, claims=(wide, narrow, same))
    encoded = encode(document, tokenizer, window=16)
    assert_lossless(document, encoded)
    assert sorted(claim.anchor for claim in targets(encoded).claims) == [0, 1, 2]
