"""A published model without nisba: its scores are nisba's own, and plain transformers still reads the names."""

import ast
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel

from nisba import config, encoder, predict, remote_code, repository
from nisba.batching import SOURCE_TAGS, anchor_batch, collate
from nisba.encode import REACH, encode, load_tokenizer
from nisba.fit import save
from nisba.labels import NAME_TAGS, ROLE_TAGS
from nisba.model import ModelError, NisbaModel
from nisba.schema import Document

KINDS = ("Bert", "Electra", "Roberta", "XLMRoberta", "DistilBert", "DebertaV2", "ModernBert")
SHORT = "قال الوزير أحمد علي إن الحكومة ستدرس القرار في القاهرة"
LABELS = {"role_tags", "source_type_labels", "stance_labels"}

READ = """
import sys
sys.modules["nisba"] = None  # not installed
import torch
from transformers import AutoModel, AutoTokenizer

folder = sys.argv[1]
results = {}
for kind, case in torch.load(f"{folder}/cases.pt").items():
    model, info = AutoModel.from_pretrained(case["path"], trust_remote_code=True, output_loading_info=True)
    with torch.no_grad():
        found = [dict(model(**inputs)) for inputs in case["inputs"]]
        names = dict(model(**AutoTokenizer.from_pretrained(case["path"])(case["text"], return_tensors="pt")))
        half = AutoModel.from_pretrained(case["path"], trust_remote_code=True, dtype=torch.bfloat16)
        rough = dict(half(**case["inputs"][0]))
    model.save_pretrained(f"{folder}/{kind}-again")
    problems = {key: sorted(value) for key, value in info.items() if value}
    results[kind] = {"problems": problems, "found": found, "names": names, "rough": rough, "class": type(model).__name__}
torch.save(results, f"{folder}/results.pt")
"""

NAMES = """
import json, sys
sys.modules["nisba"] = None
from transformers import AutoModel, pipeline

tagger = pipeline("token-classification", sys.argv[1], aggregation_strategy="first")
names = [[f["start"], f["end"], f["entity_group"]] for f in tagger(sys.argv[2])]
print(json.dumps({"names": names, "plain": type(AutoModel.from_pretrained(sys.argv[1])).__name__}))
"""


def fresh(program, *arguments, cache):
    """The standard output of a new Python process with a cache of its own, offline, and nobody to answer a question."""
    environment = os.environ | {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


def publish(folder):
    """Make of a saved model what goes into its repository."""
    described = repository.describe(json.loads((folder / "config.json").read_text()))
    (folder / "config.json").write_text(json.dumps(described))
    for name, data in repository.files().items():
        (folder / name).write_bytes(data)


def build(kind, tiny, folder):
    """A model of random weights on a small encoder of that kind, published in ``folder``."""
    bare = folder / f"{kind}-encoder"
    shutil.copytree(tiny, bare)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "pad_token_id": 0}
    if kind == "DistilBert":
        sizes = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "pad_token_id": 0}
    if kind == "DebertaV2":
        sizes |= {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["p2c", "c2p"], "share_att_key": True}
    if kind == "ModernBert":
        sizes |= {"bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3}
    shape = getattr(transformers, f"{kind}Config")(vocab_size=len(load_tokenizer(str(tiny))), max_position_embeddings=130, **sizes)
    torch.manual_seed(2)
    AutoModel.from_config(shape).save_pretrained(bare)
    settings = config.Config(model=config.Model(encoder=str(bare), window=64))
    tokenizer, model = encoder.build(settings.model)
    model.claims.mix.data = torch.tensor([0.3, -0.2, 0.5, 0.1])
    model.calibration = (0.7, -0.4)
    save(model, tokenizer, settings, folder / kind)
    publish(folder / kind)
    return folder / kind


@pytest.fixture(autouse=True)
def exact():
    """Single precision throughout, as in the new process: other tests may have let oneDNN round."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def examples(tiny, seeds):
    """A short text; and one of several windows that is longer than what an anchor reaches, with quotations."""
    long = "\n".join(d.text for d in seeds[:12])
    found = [encode(Document("d", text), load_tokenizer(str(tiny)), window=64) for text in (SHORT, long)]
    assert len(found[1].words) > REACH + 200
    return found


@pytest.fixture(scope="module")
def results(tiny, examples, folder):
    """What a process that has no nisba reads from the models, by kind."""
    short, long = (given(example) for example in examples)
    inputs = [short, {key: value for key, value in short.items() if key != "anchors"}]
    cases = {kind: {"path": str(build(kind, tiny, folder)), "inputs": inputs, "text": SHORT} for kind in KINDS}
    cases["Bert"]["inputs"] = [*inputs, long]
    torch.save(cases, folder / "cases.pt")
    fresh(READ, folder, cache=folder / "cache")
    return torch.load(folder / "results.pt")


def given(example):
    """The arguments of a call that asks for all scores of ``anchors``."""
    batch = collate([example], None, pad=0)
    words = {"word_ids": batch.owners, "sentences": batch.sentences, "quotations": batch.quotations}
    return {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, "anchors": torch.tensor(anchors(example))} | words


def anchors(example):
    """Words at both ends and in between."""
    count = len(example.words)
    return sorted({0, 1, count // 3, count // 2, count - 1})


@pytest.mark.parametrize("kind", KINDS)
def test_all_weights_are_loaded(kind, results):
    assert results[kind]["problems"] == {}
    assert results[kind]["class"] == "NisbaForAttribution"


@pytest.mark.parametrize(("kind", "call", "text"), [*((kind, 0, 0) for kind in KINDS), ("Bert", 2, 1)])
def test_scores_are_those_of_nisba(kind, call, text, results, examples, folder):
    example, found = examples[text], results[kind]["found"][call]
    model = NisbaModel.load(str(folder / kind))
    batch = collate([example], None, pad=0)
    chosen = anchors(example)
    anchor_batch(batch, [example], ((0, word) for word in chosen))
    with torch.no_grad():
        names, words = model.read(batch)
        roles = model.claims.role_logits(words, batch)
        source = torch.isin(roles.argmax(-1), torch.tensor(SOURCE_TAGS)) & (batch.pairs >= 0)
        kinds, stances = model.claims.attribute_logits(words, batch, source)
        opens = model.claims.anchor_logits(words)
    attended = batch.attention_mask.bool()
    close(found["logits"][attended], names[attended])
    close(found["anchor_logits"], opens)
    assert found["anchors"].tolist() == chosen
    width = batch.pairs.shape[1]
    assert torch.equal(found["role_words"][:, :width], batch.pairs)
    assert (found["role_words"][:, width:] == -1).all()
    within = batch.pairs >= 0
    close(found["role_logits"][:, :width][within], roles[within])
    close(found["source_type_logits"], kinds)
    close(found["stance_logits"], stances)


@pytest.mark.parametrize("kind", KINDS)
def test_unless_told_the_likely_words_are_anchors(kind, results, examples):
    found, count = results[kind]["found"][1], len(examples[0].words)
    likely = (found["anchor_logits"] >= 0).nonzero()[:, 0]
    assert torch.equal(found["anchors"], likely)
    assert found["role_words"].tolist() == [list(range(count))] * len(likely)
    assert found["role_logits"].shape == (len(likely), count, len(ROLE_TAGS))


@pytest.mark.parametrize("kind", KINDS)
def test_without_words_there_are_names_only(kind, results, examples):
    """And the repository's own tokenizer is nisba's."""
    names = results[kind]["names"]
    assert names.keys() == {"logits"}
    close(names["logits"], results[kind]["found"][0]["logits"])


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_the_encoders_only(kind, results):
    exact, rough = results[kind]["found"][0], results[kind]["rough"]
    assert all(value.dtype == torch.float32 for key, value in rough.items() if key not in ("anchors", "role_words"))
    torch.testing.assert_close(rough["anchor_logits"], exact["anchor_logits"], atol=0.1, rtol=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_saves_is_a_model_of_nisba(kind, results, folder):
    again = folder / f"{kind}-again"
    before, after = load_file(folder / kind / "model.safetensors"), load_file(again / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    ours = [json.loads((path / "config.json").read_text()) for path in (folder / kind, again)]
    assert ours[0]["nisba"] == ours[1]["nisba"]
    assert ours[0]["auto_map"] == ours[1]["auto_map"]
    assert NisbaModel.load(str(again)).calibration == (0.7, -0.4)
    assert {name: (again / name).read_bytes() for name in repository.files()} == repository.files()


def test_fast_tokenizers_number_the_words(tiny, examples):
    """What the documentation says ``word_ids`` are, on a text whose words the tokenizer cuts as nisba does."""
    encoding = load_tokenizer(str(tiny))(SHORT)
    numbers = [-1 if word is None else word for word in encoding.word_ids()]
    assert numbers == collate([examples[0]], None, pad=0).owners[0].tolist()


def test_windows_that_hold_no_word(tiny, results, folder):
    model = remote_code.NisbaForAttribution(AutoConfig.from_pretrained(folder / "Bert")).eval()
    ids = torch.tensor([[2, 3]])
    found = model(ids, torch.ones_like(ids), word_ids=torch.tensor([[-1, -1]]))
    assert found.anchor_logits.shape == (0,)
    assert found.role_logits.shape == (0, 1, len(ROLE_TAGS))


@pytest.mark.parametrize("place", ["folder", "hub"])
def test_names_need_no_remote_code_and_no_answer(place, results, folder, tmp_path, seeds):
    text = seeds[0].text[:200]
    saved = folder / "Bert"
    if place == "hub":
        name, commit = "someone/nisba-tiny", "0123456789abcdef0123456789abcdef01234567"
        stored = tmp_path / "hub" / "models--someone--nisba-tiny"
        shutil.copytree(saved, stored / "snapshots" / commit)
        (stored / "refs").mkdir()
        (stored / "refs" / "main").write_text(commit)
    else:
        name = str(saved)
    found = json.loads(fresh(NAMES, name, text, cache=tmp_path))
    expected = transformers.pipeline("token-classification", str(saved), aggregation_strategy="first")(text)
    assert found["names"] == [[f["start"], f["end"], f["entity_group"]] for f in expected] != []
    assert found["plain"] == "BertModel"
    if place == "hub":
        program = READ.replace("bfloat16", "float32")
        cases = torch.load(folder / "cases.pt")
        torch.save({"Bert": cases["Bert"] | {"path": name}}, tmp_path / "cases.pt")
        fresh(program, tmp_path, cache=tmp_path)
        again = torch.load(tmp_path / "results.pt")["Bert"]
        assert again["problems"] == {}
        close(again["found"][0]["role_logits"], results["Bert"]["found"][0]["role_logits"])


def test_describe_adds_the_class_and_the_labels_and_nothing_else(results, folder):
    described = json.loads((folder / "Bert" / "config.json").read_text())
    saved = {key: value for key, value in described.items() if key != "auto_map"}
    saved["nisba"] = {key: value for key, value in described["nisba"].items() if key not in LABELS}
    before = json.dumps(saved)
    assert repository.describe(saved) == described
    assert json.dumps(saved) == before
    assert described["model_type"] == "bert"
    assert described["auto_map"] == {"AutoModel": "modeling_nisba.NisbaForAttribution"}
    ours = described["nisba"]
    sizes = [len(ours[key]) for key in ("role_tags", "source_type_labels", "stance_labels")]
    assert sizes == [ours["roles"], ours["source_types"], ours["stances"]]
    assert [described["id2label"][str(i)] for i in range(len(NAME_TAGS))] == list(NAME_TAGS)


BESIDE = {"modeling_nisba.py": {"model.py"}, "model.py": {"attention.py", "dropout.py"}}  # what each file finds beside itself


def test_the_code_needs_torch_and_transformers_only():
    for name, data in repository.files().items():
        nodes = list(ast.walk(ast.parse(data)))
        modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
        relative = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level}
        # safetensors comes with transformers
        assert {module.split(".")[0] for module in modules} - sys.stdlib_module_names <= {"torch", "transformers", "safetensors"}
        assert {f"{module}.py" for module in relative} == BESIDE.get(name, set())


def test_constants_are_those_of_nisba():
    assert (remote_code.REACH, remote_code.ANCHOR) == (REACH, predict.ANCHOR)


@pytest.mark.parametrize(
    "spoil", [lambda c: c.pop("nisba"), lambda c: c["nisba"].pop("role_tags"), lambda c: c["nisba"].update(format=1)]
)
def test_what_is_not_published_is_refused(spoil, results, folder):
    values = json.loads((folder / "Bert" / "config.json").read_text())
    spoil(values)
    with pytest.raises(ModelError, match=r"no config of a published model of nisba \(format 2\)"):
        remote_code.NisbaForAttribution(transformers.BertConfig.from_dict(values))


def close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
