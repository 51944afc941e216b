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


def kept(model, batch):
    """Bytes that the forward pass keeps for the backward pass, weights aside."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    found = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(batch).sum()
    loss.backward()
    return sum(found.values())


@pytest.mark.parametrize("sizes", [(128, 2, 512), (192, 4, 768)])
def test_what_is_kept_is_covered_and_not_by_far(sizes, batches):
    hidden, layers, inner = sizes
    model = network(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=inner).train()
    for batch in batches:
        extent = {"subwords": batch.input_ids.numel(), "pairs": batch.pairs.numel()}
        guess = footprint.activations(model, checkpointing=False, **extent)
        assert 0.9 < guess / kept(model, batch) < 1.7


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
    frozen = network(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128).requires_grad_(False)
    assert footprint.held(frozen) == guess * 2 // 5


def test_estimates_grow_with_what_they_are_of():
    small, large = ({"num_attention_heads": 2, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": n} for n in (2, 6))
    two, six = network(**small), network(**large)
    sizes = [footprint.estimate(six, subwords=n, checkpointing=False) for n in (0, 512, 2048)]
    assert sizes == sorted(set(sizes))
    assert footprint.estimate(two, subwords=512, checkpointing=False) < sizes[1]
    assert footprint.estimate(six, subwords=512, checkpointing=True) < sizes[1]
    assert footprint.estimate(six, subwords=512, checkpointing=False, pairs=0) < sizes[1]
    room = footprint.Room(six, sizes[1] / 2**30, checkpointing=False)
    assert room.fits(subwords=512, pairs=0)
    assert not room.fits(subwords=2048, pairs=0)
