"""Dropout that draws four numbers at once."""

import copy

import pytest
import torch

from nisba import dropout
from nisba.dropout import Dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_rate_and_mean(rate, dtype):
    torch.manual_seed(0)
    found = Dropout(rate)(torch.ones(777, 513, dtype=dtype)).float()
    assert float((found == 0).float().mean()) == pytest.approx(rate, abs=0.004)
    assert found.unique().tolist() == [0, pytest.approx(1 / (1 - rate), rel=0.01)]
    neighbours = (found.flatten()[:-1] == 0) & (found.flatten()[1:] == 0)
    assert float(neighbours.float().mean()) == pytest.approx(rate**2, abs=0.004)  # four numbers from one draw do not hang together


def test_gradient_is_the_factor():
    torch.manual_seed(0)
    states = torch.randn(3, 5, 7, requires_grad=True)
    found = Dropout(0.3)(states)
    found.sum().backward()
    torch.testing.assert_close(states.grad * states, found)


def test_repeats_with_the_seed_and_changes_without():
    states, layer = torch.ones(100, 3), Dropout(0.4)
    torch.manual_seed(5)
    first, second = layer(states), layer(states)
    torch.manual_seed(5)
    assert torch.equal(layer(states), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("layer", [Dropout(0.0), Dropout(0.5).eval()])
def test_nothing_is_lost_where_nothing_shall_be(layer):
    states = torch.randn(4, 3)
    assert torch.equal(layer(states), states)
    assert Dropout(1.0)(states).count_nonzero() == 0


@pytest.mark.parametrize("learning", [False, True])
def test_replaces_every_layer_at_its_rate(learning):
    module = torch.nn.Sequential(torch.nn.Dropout(0.2), torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.3)))
    dropout.quicken(module.train(learning))
    for each in (module, copy.deepcopy(module)):
        found = [m for m in each.modules() if isinstance(m, torch.nn.Dropout)]
        assert [(type(m), m.p, m.training) for m in found] == [(Dropout, 0.2, learning), (Dropout, 0.3, learning)]
