"""A step: what changes nothing in its gradients, and what it leaves of the running average."""

from contextlib import ExitStack

import pytest
import torch
from accelerate import Accelerator

from nisba.adversary import disturbed
from nisba.batching import collate
from nisba.config import Model, Train
from nisba.descent import Learner, again, left
from nisba.encode import encode, targets
from nisba.encoder import build
from nisba.fit import arithmetic
from nisba.model import ClaimHeads
from nisba.rates import RatesError

EMBEDDINGS = "names.bert.embeddings.word_embeddings.weight"


@pytest.fixture(autouse=True)
def same_sums():
    """As in training; two threads would add gradients up in any order."""
    before = torch.are_deterministic_algorithms_enabled()
    arithmetic(Accelerator(cpu=True))
    yield
    torch.use_deterministic_algorithms(before)


def look(tiny, documents, *, rate=None, move=None, **train):
    """Losses and gradients of a first step on the tiny encoder, its embeddings moved first; dropout at ``rate`` (None: its own)."""
    torch.manual_seed(1)
    tokenizer, model = build(Model(encoder=str(tiny), window=128))
    for module in model.modules():
        if rate is not None and hasattr(module, "p"):
            module.p = rate
    if move is not None:
        model.get_parameter(EMBEDDINGS).data += move
    learner = Learner(model, Accelerator(cpu=True), Train(**train))
    encoded = [encode(document, tokenizer, window=128) for document in documents]
    losses, fault = learner.look([(collate(encoded, [targets(each) for each in encoded], pad=0), True)], done=0)
    assert fault is None
    return losses, {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("freeze", [0, 1])
def test_layers_computed_twice_change_nothing(tiny, seeds, freeze):
    """Long articles, so that windows are packed one behind the other; the random numbers of dropout are the same again."""
    losses, gradients = look(tiny, seeds[:2], freeze=freeze)
    others, same = look(tiny, seeds[:2], freeze=freeze, gradient_checkpointing=True)
    assert losses == others
    assert gradients.keys() == same.keys()
    assert all(torch.equal(gradients[name], same[name]) for name in gradients)


def test_layers_are_computed_twice(tiny, seeds, monkeypatch):
    from transformers.models.bert.modeling_bert import BertIntermediate

    calls, forward = [], BertIntermediate.forward
    monkeypatch.setattr(BertIntermediate, "forward", lambda self, *given: calls.append(self) or forward(self, *given))
    look(tiny, seeds[:1])
    once = len(calls)
    look(tiny, seeds[:1], gradient_checkpointing=True)
    assert (once, len(calls)) == (2, 6)


def test_heads_that_weigh_nothing_are_not_computed(tiny, seeds, monkeypatch):
    """Names and anchors learn the same from less; the other heads' parameters keep a gradient, of 0."""
    weights = {"names": 1.0, "anchors": 1.0, "roles": 0.0, "source_types": 0.0, "stances": 0.0}
    sizes, read = [], ClaimHeads.role_logits
    monkeypatch.setattr(
        ClaimHeads, "role_logits", lambda self, words, batch: sizes.append(len(batch.anchors)) or read(self, words, batch)
    )
    whole, all_of_them = look(tiny, seeds[:1])
    losses, gradients = look(tiny, seeds[:1], weights=weights)
    assert sizes == [len(seeds[0].claims), 0]
    assert losses[:2] == whole[:2]
    assert losses[2:] == [0, 0, 0]
    assert gradients.keys() == all_of_them.keys()
    assert not any(gradients[name].count_nonzero() for name in gradients if name.startswith("claims.roles"))


def test_adversarial_gradients(tiny, seeds):
    """Without dropout: those where the embeddings are, and those where a step uphill of that length leads, added up."""
    quiet, far = {"clip": 1e9}, 0.25
    losses, plain = look(tiny, seeds[:1], rate=0.0, **quiet)
    others, both = look(tiny, seeds[:1], rate=0.0, adversarial=far, **quiet)
    slope = plain[EMBEDDINGS]
    uphill, there = look(tiny, seeds[:1], rate=0.0, move=far * slope / slope.norm(), **quiet)
    assert losses == others
    assert sum(uphill) > sum(losses)
    for name, gradient in both.items():
        assert torch.allclose(gradient, plain[name] + there[name], atol=1e-4, rtol=1e-3), name


@pytest.mark.parametrize("value", [1.0, 0.0, float("inf"), float("nan")])
def test_embeddings_are_put_back(value):
    weight = torch.nn.Parameter(torch.randn(5, 3))
    weight.grad = torch.zeros(5, 3)
    weight.grad[1], weight.grad[3, 2] = value, 2 * value
    before, slope = weight.detach().clone(), weight.grad.clone()
    within = ExitStack()
    within.enter_context(disturbed(weight, 0.5))
    moved = weight.detach() - before
    assert moved.norm().item() == pytest.approx(0.5 if value == 1 else 0, abs=1e-6)
    assert torch.nn.functional.cosine_similarity(moved.flatten(), slope.flatten(), dim=0) > 0.999 or value != 1
    weight.grad += 1
    with pytest.raises(KeyError), within:
        raise KeyError
    assert torch.equal(weight, before)


def test_nothing_to_go_along():
    with pytest.raises(ValueError, match="no gradient"), disturbed(torch.nn.Parameter(torch.ones(2, 2)), 0.5):
        pass
    with pytest.raises(ValueError, match="adversarial needs word embeddings that learn"):
        Train(adversarial=1.0, freeze=1)


def test_an_encoder_that_cannot(tiny, monkeypatch):
    _, model = build(Model(encoder=str(tiny), window=128))
    monkeypatch.setattr(type(model.names), "supports_gradient_checkpointing", False)
    with pytest.raises(RatesError, match=r"train.gradient_checkpointing: .*does not support"):
        again(model)


def test_the_running_average(tiny, seeds):
    """That of the weights behind each step, in closed form."""
    tokenizer, model = build(Model(encoder=str(tiny), window=128))
    learner = Learner(model, Accelerator(cpu=True), Train(average=0.25))
    encoded = encode(seeds[0], tokenizer, window=128)
    expected = None
    for done in range(4):
        learner.look([(collate([encoded], [targets(encoded)], pad=0), True)], done=done)
        learner.step(done=done, total=4)
        now = model.claims.roles.weight.detach().double()
        share = (0.0, 2 / 11, 0.25, 0.25)[done]
        assert left(0.25, done) == share
        expected = now if expected is None else share * expected + (1 - share) * now
    assert torch.allclose(learner.kept.claims.roles.weight.double(), expected, atol=1e-7)
    assert not torch.equal(learner.kept.claims.roles.weight, model.claims.roles.weight)
    assert left(0.0, 7) == 0
