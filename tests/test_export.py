"""The exported file gives the logits of the model, and names without torch, transformers or nisba."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
import transformers
from torch.onnx import OnnxExporterError
from transformers import AutoModel, pipeline

from nisba import config, encoder, export
from nisba.batching import collate
from nisba.encode import encode, load_tokenizer
from nisba.fit import save
from nisba.labels import NAME_TAGS, untag
from nisba.model import ModelError, NisbaModel
from nisba.schema import Document
from nisba.text import words

SHORT = "قال الوزير أحمد علي إن الحكومة ستدرس القرار في القاهرة غدا"
WINDOW = 32
ALONE = """
import runpy, sys
for module in ("torch", "transformers", "nisba"):
    sys.modules[module] = None  # not installed
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.fixture(scope="module")
def packages():
    for package in export.PACKAGES:
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'nisba[onnx]'")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("export")


def build(kind, tiny, folder, *, context=True):
    """A model of random weights on a small encoder of that kind. Without ``context`` a sub-word is tagged the same everywhere."""
    bare = folder / f"{kind}-{context}-encoder"
    shutil.copytree(tiny, bare)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "pad_token_id": 0}
    if kind == "DebertaV2":
        sizes |= {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["p2c", "c2p"], "share_att_key": True}
    shape = getattr(transformers, f"{kind}Config")(vocab_size=len(load_tokenizer(str(tiny))), max_position_embeddings=130, **sizes)
    torch.manual_seed(4)
    network = AutoModel.from_config(shape)
    if not context:
        for name, weight in network.named_parameters():
            if "position_embeddings" in name or "attention.output.dense" in name:
                weight.data.zero_()
    network.save_pretrained(bare)
    settings = config.Config(model=config.Model(encoder=str(bare), window=WINDOW))
    tokenizer, model = encoder.build(settings.model)
    model.names.classifier.weight.data *= 50
    save(model, tokenizer, settings, folder / f"{kind}-{context}")
    return folder / f"{kind}-{context}"


@pytest.fixture(scope="module")
def free(packages, tiny, folder):
    """A model to which context means nothing, and its export."""
    model = build("Bert", tiny, folder, context=False)
    return model, export.export(model, folder / "free").parent


@pytest.mark.parametrize("kind", ["Bert", "DebertaV2"])
def test_logits_are_those_of_the_model(kind, packages, tiny, folder):
    import onnxruntime

    saved = build(kind, tiny, folder)
    file = export.export(saved, folder / kind / "onnx")
    assert file == folder / kind / "onnx" / "model.onnx"
    names = ["config.json", "model.onnx", "onnx_example.py", "tokenizer.json", "weights.sha256"]
    assert sorted(path.name for path in file.parent.iterdir()) == names
    assert b"site-packages" not in file.read_bytes()  # nothing of the machine that exported it
    session = onnxruntime.InferenceSession(file)
    described = [(value.name, value.shape, value.type) for value in (*session.get_inputs(), *session.get_outputs())]
    assert described == [
        ("input_ids", ["batch", "sequence"], "tensor(int64)"),
        ("attention_mask", ["batch", "sequence"], "tensor(int64)"),
        ("logits", ["batch", "sequence", len(NAME_TAGS)], "tensor(float)"),
    ]
    names = NisbaModel.load(str(saved)).names
    torch.manual_seed(5)
    for windows, length in ((1, 1), (1, 7), (2, 16), (5, 33), (3, 128)):
        ids, mask = torch.randint(1, 200, (windows, length)), torch.ones(windows, length, dtype=torch.long)
        for row in range(windows):
            mask[row, length - row * length // (windows + 1) :] = 0
        (found,) = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        with torch.no_grad(), export.exact():
            expected = names(input_ids=ids, attention_mask=mask).logits
        torch.testing.assert_close(torch.from_numpy(found)[mask.bool()], expected[mask.bool()], atol=1e-4, rtol=1e-4)


def example(folder, text):
    """The names that the script of ``folder`` prints, as (start, end, label)."""
    script = next(folder.rglob("onnx_example.py"))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", ALONE, script, folder]
    run = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", check=True, env=environment)
    lines = [json.loads(line) for line in run.stdout.splitlines() if line]
    assert all(text[start:end] == found for start, end, _, found in lines)
    return [(start, end, label) for start, end, label, _ in lines]


def likeliest(model, text):
    """The names of each word's likeliest tag, all words read at once."""
    encoded = encode(Document("d", text), load_tokenizer(str(model)), window=WINDOW)
    network = NisbaModel.load(str(model))
    batch = collate([encoded], None, pad=0)
    with torch.no_grad():
        tags = network.read(batch)[0].flatten(0, 1)[batch.firsts].argmax(-1).tolist()
    return [(encoded.words[a].start, encoded.words[b - 1].end, label) for a, b, label in untag(tags, NAME_TAGS)]


def test_the_example_finds_what_the_model_finds_in_a_short_text(free):
    model, exported = free
    found = example(exported, SHORT)
    assert len(found) >= 2
    assert found == likeliest(model, SHORT)
    tagger = pipeline("token-classification", str(model), aggregation_strategy="first")
    assert found == [(name["start"], name["end"], name["entity_group"]) for name in tagger(SHORT)]


def test_the_example_finds_the_same_in_windows(free, seeds):
    """Several windows that overlap, on a text whose words the tokenizer cuts as nisba does."""
    model, exported = free
    tokenizer = load_tokenizer(str(model))

    def alike(text):
        encoding = tokenizer(text)
        return [span.start for span in words(text)] == [
            encoding.word_to_chars(i).start for i in sorted(set(encoding.word_ids()) - {None})
        ]

    text = "\n".join([line for d in seeds for line in d.text.splitlines() if alike(line)][:12])
    assert len(encode(Document("d", text), tokenizer, window=WINDOW).windows) > 10
    found = example(exported, text)
    assert len(found) > 20
    assert found == likeliest(model, text)


def test_the_example_keeps_diacritics_with_their_word(free):
    model, exported = free
    vocalised = " ".join(f"{word}ٌ" for word in SHORT.split())
    found = example(exported, vocalised)
    assert found == likeliest(model, vocalised)
    assert [vocalised[end - 1] for _, end, _ in found] == ["ٌ"] * len(found)


def test_the_example_reads_the_layout_of_a_repository(free, tmp_path):
    """And no text gives no names."""
    _, exported = free
    shutil.copytree(exported, tmp_path / "repository")
    (tmp_path / "repository" / "onnx").mkdir()
    shutil.move(tmp_path / "repository" / "model.onnx", tmp_path / "repository" / "onnx")
    assert example(tmp_path / "repository", SHORT) == example(exported, SHORT)
    assert example(tmp_path / "repository", "") == []


def test_the_example_is_short():
    text = export.script()
    assert len(text.splitlines()) <= 30
    assert all(package not in text for package in ("torch", "transformers", "nisba import"))


@pytest.mark.parametrize("package", export.PACKAGES)
def test_a_missing_package_is_named(package, monkeypatch, tmp_path):
    for other in export.PACKAGES:
        monkeypatch.setitem(sys.modules, other, None if other == package else sys)
    with pytest.raises(export.ExportError, match=rf"the package {package}: pip install 'nisba\[onnx\]'"):
        export.export(tmp_path / "model", tmp_path / "onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def stubbed(monkeypatch):
    """Nothing is traced."""
    for package in export.PACKAGES:
        monkeypatch.setitem(sys.modules, package, sys)
    monkeypatch.setattr(export, "write", lambda names, file, opset: file.write_bytes(b"x"))
    monkeypatch.setattr(export, "difference", lambda names, file, shape: 0.0)


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory):
    return build("Bert", tiny, tmp_path_factory.mktemp("saved"))


@pytest.mark.parametrize("gap", [1e-3, float("nan")])
def test_a_file_that_differs_is_not_kept(gap, stubbed, saved, monkeypatch, tmp_path):
    monkeypatch.setattr(export, "difference", lambda names, file, shape: gap)
    with pytest.raises(export.ExportError, match="differ from the model's by"):
        export.export(saved, tmp_path / "onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_cannot_be_traced_is_named(saved, monkeypatch, tmp_path):
    def fail(*_, **__):
        raise OnnxExporterError("no such operator\nand a long explanation")

    monkeypatch.setattr(torch.onnx, "export", fail)
    names = export.Names(NisbaModel.load(str(saved)).names)
    with pytest.raises(export.ExportError, match=r"^the encoder cannot be exported: no such operator$"):
        export.write(names, tmp_path / "model.onnx", 18)


def test_more_than_a_file_holds_is_refused(stubbed, saved, monkeypatch, tmp_path):
    monkeypatch.setattr(export, "LARGEST", 1000)
    with pytest.raises(export.ExportError, match="GB of weights; an ONNX file holds 2 GB"):
        export.export(saved, tmp_path / "onnx")


def test_what_is_written_stands_alone_and_is_replaced_whole(stubbed, saved, tmp_path):
    (saved / "NOTICE").write_text("of others")
    output = tmp_path / "onnx"
    for _ in range(2):
        assert export.export(saved, output) == output / "model.onnx"
        assert (output / "NOTICE").read_text() == "of others"
        values = json.loads((output / "config.json").read_text())
        assert values["nisba"]["window"] == WINDOW
        assert list(values["id2label"].values()) == list(NAME_TAGS)
        (output / "old").touch()
    export.export(saved, output)
    assert not (output / "old").exists()
    with pytest.raises(FileExistsError, match=r"holds other files \(model.onnx is not among them\)"):
        export.export(saved, saved)


def test_no_model(stubbed, tmp_path):
    with pytest.raises(ModelError, match="no such model folder"):
        export.export(tmp_path / "none", tmp_path / "onnx")


def test_precision_is_given_back():
    before = torch.get_float32_matmul_precision()
    with export.exact():
        assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_float32_matmul_precision() == before
