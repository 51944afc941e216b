"""Shared fixtures: the project's articles, a tiny encoder for unit tests, the offline encoder, and ``NISBA_SHARED``."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from nisba import config, decode, encoder, offline
from nisba.fit import save
from nisba.formats import jsonl
from nisba.labels import ROLE_TAGS
from nisba.schema import Document
from nisba.text import words

ROOT = Path(__file__).parent.parent
ANCHORS = -0.15  # the bias with which random weights see an anchor here and there
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def seeds() -> list[Document]:
    return list(jsonl.read(ROOT / "seeds" / "articles.jsonl"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Development material that users do not have; the test says so where it is absent."""
    path = Path(os.environ.get("NISBA_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        pytest.skip(f"NISBA_SHARED: no folder {path}")
    return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, seeds: list[Document]) -> Path:
    """A BERT of 2 layers × 32 with random weights, and a WordPiece tokenizer over the seeds' frequent words and all letters."""
    folder = tmp_path_factory.mktemp("tiny")
    counts = Counter(span.of(d.text) for d in seeds for span in words(d.text))
    letters = sorted({c for word in counts for c in word})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{c}" for c in letters)]
    pieces += [word for word, n in counts.most_common(1500) if len(word) > 1]
    fast = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    fast.normalizer = normalizers.BertNormalizer(lowercase=True)
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=fast, model_max_length=512, **special).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(pieces), **TINY), add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model with random weights that finds an anchor, and content beside it, here and there."""
    folder = tmp_path_factory.mktemp("run") / "model"
    torch.manual_seed(1)
    settings = config.Config(model=config.Model(encoder=str(tiny), window=64))
    tokenizer, network = encoder.build(settings.model)
    network.claims.anchor.bias.data.fill_(ANCHORS)
    network.claims.roles.bias.data[ROLE_TAGS.index("B-content")] += decode.FRAGMENT
    save(network, tokenizer, settings, folder)
    return folder


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """As many threads as the parameter says are what torch computes with."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def offline_encoder() -> Path:
    return offline.folder()


@pytest.fixture(scope="session")
def browser() -> str:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None or shutil.which("chromedriver") is None:
        pytest.skip("no Chromium with chromedriver: the page is not opened")
    return path


@pytest.fixture(scope="session")
def driver(browser):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"):
        options.add_argument(f"--{flag}")
    for flag in ("disable-component-update", "disable-sync", "disable-dev-shm-usage", "window-size=1200,900"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()
