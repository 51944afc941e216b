"""A step: what changes nothing in its gradients, and what it leaves of the running average."""

import pytest
import torch
from accelerate import Accelerator

from nisba.batching import collate
from nisba.config import Model, Train
from nisba.descent import Learner, again, left
from nisba.encode import encode, targets
from nisba.encoder import build
from nisba.model import ClaimHeads
from nisba.rates import RatesError


def look(tiny, documents, *, layers=None, **train):
    """The losses and gradients of a first step on the tiny encoder, dropout and all."""
    torch.manual_seed(1)
    tokenizer, model = build(Model(encoder=str(tiny), window=128))
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
