import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
import transformers
from transformers import AutoModel, AutoModelForTokenClassification, AutoTokenizer, pipeline

from nisba import config, decode, encoder, grouping, predict
from nisba.attention import attend, packs, runs
from nisba.batching import collate
from nisba.encode import encode, encode_all, load_tokenizer, targets
from nisba.fit import save
from nisba.labels import NAME_TAGS, ROLE_TAGS
from nisba.metrics.calibration import calibrated
from nisba.model import ModelError, NisbaModel, bucket, packable
from nisba.predict import Predictor, load
from nisba.schema import Document


@pytest.fixture(scope="module")
def built(tiny):
    torch.manual_seed(1)
    settings = config.Config(model=config.Model(encoder=str(tiny), window=64), output="runs/x")
    tokenizer, model = encoder.build(settings.model)
    model.claims.anchor.bias.data.fill_(-0.15)  # random weights that claim something everywhere
    model.claims.roles.bias.data[ROLE_TAGS.index("B-content")] += decode.FRAGMENT
    return settings, tokenizer, model.eval()


@pytest.fixture(scope="module")
def saved(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    settings, tokenizer, model = built
    save(model, tokenizer, settings, folder)
    return folder


def test_save_and_load(built, saved, seeds):
    _, tokenizer, model = built
    predictor = load(saved)
    assert predictor.window == 64
    text = seeds[0].text
    expected = Predictor(model, tokenizer, window=64).predict(text)
    assert expected.claims
    assert expected.entities
    assert predictor.predict(text) == expected
    assert {file.suffix for file in saved.iterdir()} <= {".json", ".safetensors", ".yaml"}


def test_names_load_in_a_plain_pipeline_without_nisba(saved, seeds):
    program = """
import json, sys
sys.modules["nisba"] = None
from transformers import pipeline
found = pipeline("token-classification", sys.argv[1], aggregation_strategy="first")(sys.argv[2])
print(json.dumps([[f["start"], f["end"], f["entity_group"]] for f in found]))
"""
    text = seeds[0].text[:200]
    run = subprocess.run([sys.executable, "-c", program, str(saved), text], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout)
    tagger = pipeline("token-classification", str(saved))
    encoded = encode(Document("d", text), load_tokenizer(str(saved)), window=512)
    batch = collate([encoded], None, pad=0)
    with torch.no_grad():
        ours = NisbaModel.load(str(saved)).read(batch)[0][0].argmax(-1).tolist()
    theirs = {token["index"]: token["entity"] for token in tagger(text)}
    assert [theirs.get(i, "O") for i in range(1, len(ours) - 1)] == [NAME_TAGS[tag] for tag in ours[1:-1]]


def test_plain_transformers_sees_the_claim_heads_as_extra(saved):
    _, info = AutoModelForTokenClassification.from_pretrained(saved, output_loading_info=True)
    assert not info["missing_keys"]
    assert info["unexpected_keys"]
    assert all(key.startswith("claims.") for key in info["unexpected_keys"])
    assert (
        AutoTokenizer.from_pretrained(saved)("قالَ نعــم")["input_ids"]
        == AutoTokenizer.from_pretrained(saved)("قال نعم")["input_ids"]
    )


def test_batch_of_one_equals_batched(built, seeds):
    _, tokenizer, model = built
    predictor = Predictor(model, tokenizer, window=64)
    alone = [predictor.predict(d.text, id=d.id) for d in seeds[:6]]
    together = list(predictor.stream([*seeds[:3], Document("empty", ""), *seeds[3:6]]))
    assert together.pop(3).claims == ()
    for one, other in zip(alone, together, strict=True):
        assert [(e.span, e.label) for e in one.entities] == [(e.span, e.label) for e in other.entities]
        assert [(c.cue, c.source, c.content, c.source_type) for c in one.claims] == [
            (c.cue, c.source, c.content, c.source_type) for c in other.claims
        ]


def test_losses_do_not_depend_on_batching(built, seeds):
    _, tokenizer, model = built
    examples = list(encode_all(seeds[:4], tokenizer, window=64))
    labels = [targets(example) for example in examples]
    with torch.no_grad():
        whole = model(collate(examples, labels, pad=0))
        parts = sum(model(collate([e], [t], pad=0)) for e, t in zip(examples, labels, strict=True))
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-2)


def test_a_text_without_claims_trains_too(built):
    _, tokenizer, model = built
    encoded = encode(Document("d", "الطقس مشمس"), tokenizer, window=64)
    model.train()
    losses = model(collate([encoded], [targets(encoded)], pad=0))
    losses.sum().backward()
    model.eval()
    assert torch.isfinite(losses).all()
    assert losses[2:].tolist() == [0, 0, 0]


def test_distance_buckets_grow_and_are_signed():
    buckets = bucket(torch.arange(-600, 601)).tolist()
    assert buckets == sorted(buckets)
    assert buckets[600] == 24
    assert len(set(buckets[593:608])) == 15
    assert (buckets[0], buckets[-1]) == (48 - buckets[-1], buckets[-1])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 100), "weights cannot be read"),
        (lambda f: (f / "config.json").write_text("{"), "no model could be loaded"),
        (lambda f: edit(f, lambda c: c.pop("nisba")), "but a plain bert model"),
        (lambda f: edit(f, lambda c: c["nisba"].update(format=99)), "but format 99"),
        (lambda f: edit(f, lambda c: c["nisba"].update(roles=3)), "weights cannot be read"),
    ],
)
def test_what_is_no_model_is_refused(saved, tmp_path, spoil, message):
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    spoil(folder)
    with pytest.raises(ModelError, match=message):
        load(folder)


def edit(folder, change):
    values = json.loads((folder / "config.json").read_text())
    change(values)
    (folder / "config.json").write_text(json.dumps(values))


def test_no_folder():
    with pytest.raises(ModelError, match="no such model folder"):
        load("runs/none/at/all")


@pytest.mark.parametrize("kind", ["Bert", "Roberta", "XLMRoberta", "Camembert", "Electra", "DistilBert", "DebertaV2", "ModernBert"])
def test_encoders_of_other_kinds(kind, tiny, tmp_path, seeds):
    """Built with new heads, trained on an article, saved, and loaded again."""
    folder = tmp_path / "encoder"
    shutil.copytree(tiny, folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "pad_token_id": 0}
    if kind == "DistilBert":
        sizes = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "pad_token_id": 0}
    shape = getattr(transformers, f"{kind}Config")(vocab_size=len(load_tokenizer(str(tiny))), max_position_embeddings=130, **sizes)
    AutoModel.from_config(shape).save_pretrained(folder)
    settings = config.Config(model=config.Model(encoder=str(folder), window=64))
    tokenizer, model = encoder.build(settings.model)
    encoded = encode(seeds[0], tokenizer, window=64)
    model(collate([encoded], [targets(encoded)], pad=0)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.claims.parameters())
    save(model, tokenizer, settings, tmp_path / "saved")
    assert load(tmp_path / "saved").predict(seeds[0].text).text == seeds[0].text


def test_window_beyond_the_encoder_is_refused(tiny):
    with pytest.raises(encoder.EncoderError, match="600 sub-words are more than the encoder's 512"):
        encoder.build(config.Model(encoder=str(tiny), window=600))


def test_unreachable_hub_names_the_offline_way():
    with pytest.raises(encoder.EncoderError, match=r"--config configs/quickstart.yaml") as caught:
        encoder.build(config.Model())
    assert "\n" not in str(caught.value)


def test_what_is_not_annotated_moves_nothing(built, seeds):
    _, tokenizer, model = built

    def losses(document):
        encoded = encode(document, tokenizer, window=64)
        with torch.no_grad():
            return model(collate([encoded], [targets(encoded)], pad=0)).tolist()

    whole = losses(seeds[0])
    names = losses(replace(seeds[0], meta={"layers": ["names"]}))
    roles = losses(replace(seeds[0], meta={"layers": ["roles"]}))
    assert names == [pytest.approx(whole[0]), 0, 0, 0, 0]
    assert roles == [0, pytest.approx(whole[1]), pytest.approx(whole[2]), 0, 0]


def test_calibration_is_saved_and_moves_scores_only(built, seeds, tmp_path):
    settings, tokenizer, model = built
    predictor = Predictor(model, tokenizer, window=64)
    before = next(predictor.stream(seeds[:1]))
    model.calibration = (0.5, -1.0)
    save(model, tokenizer, settings, tmp_path / "m")
    after = next(load(tmp_path / "m").stream(seeds[:1]))
    model.calibration = (1.0, 0.0)
    assert before.claims
    assert [replace(c, score=None) for c in after.claims] == [replace(c, score=None) for c in before.claims]
    assert [c.score for c in after.claims] == [pytest.approx(calibrated(c.score, (0.5, -1.0)), abs=2e-4) for c in before.claims]


def test_predictions_say_nothing_of_older_annotation(built):
    _, tokenizer, model = built
    given = Document("d", "قال الوزير إنه هنا", meta={"layers": ["names"], "intended": "x", "category": "sport"})
    (found,) = Predictor(model, tokenizer, window=64).stream([given])
    assert found.meta == {"category": "sport"}


def networks(kind, tiny, seeds):
    """An encoder of that kind with random weights, and a padded batch."""
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "vocab_size": 3000, "pad_token_id": 1}
    names = getattr(transformers, f"{kind}ForTokenClassification")(getattr(transformers, f"{kind}Config")(**sizes)).eval()
    network = NisbaModel(names, roles=len(ROLE_TAGS), source_types=3, stances=3, window=64).eval()
    return network, collate(list(encode_all(seeds[:3], load_tokenizer(str(tiny)), window=64)), None, pad=1)


@pytest.mark.parametrize("kind", ["Bert", "XLMRoberta", "Electra", "DistilBert"])
def test_packed_windows_are_read_as_padded_ones(kind, tiny, seeds):
    """Encoders that packed attention serves read windows of any lengths as they do in padded batches; others are padded."""
    network, batch = networks(kind, tiny, seeds)
    names = network.names
    assert len(set(batch.attention_mask.sum(1).tolist())) > 2
    real = batch.attention_mask.bool()
    with torch.no_grad():
        padded = network.read(batch)
        assert packs(packable(names)) == (kind != "DistilBert")
        packed = network.read(batch)
        alone = names(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits  # masks still count without runs
    torch.testing.assert_close(packed[0][real], padded[0][real], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(packed[1], padded[1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(alone[real], padded[0][real], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("learning", [False, True])
def test_packed_attention_keeps_windows_apart(learning):
    """Another window beside it changes nothing in a window, nor in its gradient; the order within it does."""
    torch.manual_seed(0)
    states = torch.randn(12, 3, 2, 8, requires_grad=learning)
    found = attend(states, runs([4, 4, 3, 1]))
    if learning:
        found.square().sum().backward()
    for start, behind in ((0, 4), (4, 8), (8, 11), (11, 12)):
        own = states[start:behind].detach().requires_grad_(learning)
        one = torch.nn.functional.scaled_dot_product_attention(*own.permute(1, 2, 0, 3)[:, None].unbind())[0].transpose(0, 1)
        torch.testing.assert_close(found[start:behind], one)
        if learning:
            one.square().sum().backward()
            torch.testing.assert_close(states.grad[start:behind], own.grad)
    assert runs([4, 4, 3, 1]) == [(2, 4), (1, 3), (1, 1)]
    assert runs([]) == []


@torch.no_grad()
@pytest.mark.parametrize("kind", ["Bert", "XLMRoberta", "Electra", "DistilBert"])
def test_bfloat16_is_the_products_of_the_layers(kind, tiny, seeds):
    """Of encoders that packed attention serves; others are rounded as a whole. What comes out is near, and in single precision."""
    network, batch = networks(kind, tiny, seeds)
    packable(network.names)
    exact, exact_words = network.read(batch)
    predict.halve(network)
    found, words = network.read(batch)
    assert (found.dtype, words.dtype) == (torch.float32, torch.float32)
    assert 0 < float((words - exact_words).abs().mean()) < 0.02 * float(exact_words.abs().mean())
    assert 0 < float((found - exact).abs().mean()) < 0.02 * float(exact.abs().mean())
    whole = {name for name, weight in network.names.named_parameters() if weight.dtype == torch.float32}
    assert bool(whole) == (kind != "DistilBert")
    assert all("embeddings" in name or "LayerNorm" in name or "classifier" in name for name in whole)


def test_bfloat16_leaves_the_claim_heads(saved, seeds):
    quick = load(saved, precision="bf16")
    assert (quick.precision, load(saved).precision) == ("bf16", "fp32")
    assert {weight.dtype for weight in quick.model.claims.parameters()} == {torch.float32}
    document = quick.predict(seeds[0].text)
    assert document.text == seeds[0].text
    assert document.claims


def test_precision_is_measured_only_where_it_is_left_open(monkeypatch):
    measured = []
    monkeypatch.setattr(predict, "faster", lambda kind, device: measured.append(device.type) or True)
    assert [predict.chosen(name, "cpu") for name in ("fp32", "bf16")] == ["fp32", "bf16"]
    assert not measured
    assert predict.chosen("auto", "cpu") == "bf16"
    assert measured == ["cpu"]


def test_names_alone_are_those_of_the_whole(built, seeds):
    _, tokenizer, model = built
    predictor = Predictor(model, tokenizer, window=64)
    whole, names = list(predictor.stream(seeds[:3])), list(predictor.stream(seeds[:3], claims=False))
    assert [d.entities for d in whole] == [d.entities for d in names]
    assert not any(d.claims for d in names)


@pytest.mark.parametrize("threads", [1, 2, 3], indirect=True)
def test_threads_change_no_answer(built, seeds, threads, monkeypatch):
    """Groups of documents are read side by side; what torch computes with stays what it was, here and in threads begun later."""
    _, tokenizer, model = built
    monkeypatch.setattr(grouping, "CHARACTERS", 1500)
    documents = [*seeds[:4], Document("empty", ""), Document("blank", " \n" * 1000), *seeds[4:8]]
    expected = [Predictor(model, tokenizer, window=64).predict(d.text, id=d.id) for d in documents]
    seen: list[int] = []
    group = Predictor._group
    monkeypatch.setattr(Predictor, "_group", lambda *given: seen.append(torch.get_num_threads()) or group(*given))
    found = list(Predictor(model, tokenizer, window=64).stream(documents))
    with ThreadPoolExecutor(1) as pool:
        assert (torch.get_num_threads(), pool.submit(torch.get_num_threads).result()) == (threads, threads)
    assert set(seen) == {1}
    assert len(seen) > 3
    for one, other in zip(expected, found, strict=True):
        assert other.id == one.id
        assert [(e.span, e.label) for e in one.entities] == [(e.span, e.label) for e in other.entities]
        assert [(c.cue, c.source, c.content, c.source_type) for c in one.claims] == [
            (c.cue, c.source, c.content, c.source_type) for c in other.claims
        ]
    assert sum(len(d.claims) for d in found) > 5


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_an_error_in_a_thread_is_the_callers(built, seeds, threads, monkeypatch):
    _, tokenizer, model = built
    monkeypatch.setattr(grouping, "CHARACTERS", 1)
    monkeypatch.setattr(predict, "resolve", lambda document: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(Predictor(model, tokenizer, window=64).stream(seeds[:4]))
