"""The estimate of memory against what PyTorch keeps."""

import pytest
import torch
from accelerate import Accelerator
from transformers import BertConfig, BertForTokenClassification

from nisba import footprint
from nisba.batching import collate
from nisba.config import Train
from nisba.descent import Learner
from nisba.encode import encode, load_tokenizer, targets
from nisba.encoder import SIZES
from nisba.labels import NAME_TAGS
from nisba.model import NisbaModel, packable


def network(**sizes):
    config = BertConfig(vocab_size=3000, num_labels=len(NAME_TAGS), attention_probs_dropout_prob=0.0, **sizes)
    return NisbaModel(packable(BertForTokenClassification(config)), window=384, **SIZES)


@pytest.fixture(scope="module")
def batches(tiny, seeds):
    """One article, and three, in windows of 384."""
    encoded = [encode(document, load_tokenizer(str(tiny)), window=384) for document in seeds[:3]]
    return [collate(encoded[:n], [targets(each) for each in encoded[:n]], pad=0) for n in (1, 3)]


def load(batch):
    windows = batch.attention_mask.sum(1)
    return footprint.Load(int(windows.sum()), batch.input_ids.numel(), int((windows**2).sum()), batch.pairs.numel())


def kept(model, batch, half):
    """Bytes that the forward pass keeps for the backward pass, weights aside."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    found = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=half):
        loss = model(batch).sum()
    loss.backward()
    return sum(found.values())


@pytest.mark.parametrize("sizes", [(128, 2, 512), (192, 4, 768)])
def test_what_is_kept_is_covered_and_not_by_far(sizes, batches):
    hidden, layers, inner = sizes
    model = network(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=inner).train()
    for batch in batches:
        for half in (False, True):
            guess = footprint.activations(model, load(batch), checkpointing=False, half=half)
            assert 0.9 < guess / kept(model, batch, half) < 1.9  # the estimate has what comes and goes in the backward pass too


def test_what_is_held_is_counted(batches):
    model = network(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128)
    guess = footprint.held(model)
    learner = Learner(model, Accelerator(cpu=True), Train())
    learner.look([(batches[0], True)], done=0)
    gradients = [parameter.grad for parameter in model.parameters()]
    learner.step(done=0, total=10)
    moments = [value for state in learner.optimizer.state_dict()["state"].values() for value in state.values() if value.ndim]
    tensors = [*model.parameters(), *learner.kept.parameters(), *gradients, *moments]
    assert guess == sum(tensor.nbytes for tensor in tensors)
    assert footprint.held(model, gradients=False) == guess - sum(gradient.nbytes for gradient in gradients)
    frozen = network(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128).requires_grad_(False)
    assert footprint.held(frozen) == guess * 2 // 5


def of(subwords):
    """A load of one window."""
    return footprint.Load(subwords, 2 * subwords, subwords**2, 10 * subwords)


def test_estimates_grow_with_what_they_are_of():
    small, large = ({"num_attention_heads": 2, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": n} for n in (2, 6))
    two, six = network(**small), network(**large)
    plain = {"checkpointing": False, "half": False, "repeated": True}
    sizes = [footprint.estimate(six, of(n), **plain) for n in (0, 512, 2048)]
    assert sizes == sorted(set(sizes))
    assert footprint.estimate(two, of(512), **plain) < sizes[1]
    for less in ({"checkpointing": True}, {"half": True}, {"repeated": False}):
        assert footprint.estimate(six, of(512), **plain | less) < sizes[1]
    for less in ({"subwords": 500}, {"squares": 500}, {"pairs": 0}):
        assert footprint.estimate(six, of(512)._replace(**less), **plain) < sizes[1]
    assert footprint.estimate(six, of(512)._replace(padded=9999), **plain) == sizes[1]
    room = footprint.Room(six, sizes[1] / 2**30, checkpointing=False, half=False)
    assert room.fits(of(512))
    assert not room.fits(of(2048))


def test_an_encoder_that_computes_padding_too():
    """Its attention is PyTorch's, which keeps no shares."""
    model = network(num_attention_heads=2, hidden_size=64, intermediate_size=128, num_hidden_layers=2)
    ways = {"checkpointing": False, "half": False}
    packed = footprint.activations(model, of(512), **ways)
    for module in model.modules():
        module.__dict__.pop("forward", None)
    assert footprint.activations(model, of(512)._replace(padded=512), **ways) < packed
    assert footprint.activations(model, of(512)._replace(padded=5120), **ways) > packed
