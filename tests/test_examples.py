"""How the articles of a step are dealt out: over processes, micro-batches, and within the memory."""

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nisba.config import Train
from nisba.encode import ClaimTarget, Encoded, Targets, Window, load_tokenizer
from nisba.examples import Examples, ExamplesError, extent
from nisba.footprint import BASE, Room
from nisba.schema import Document, Span


def examples(sizes, claims=0):
    """Articles of as many sub-words and words; the number of each, from 1, is its only piece."""
    encoded, labels, extents = [], [], []
    for number, size in enumerate(sizes, 1):
        spans = [Span(2 * i, 2 * i + 1) for i in range(size)]
        encoded.append(Encoded(Document(f"d{number}", "و " * size), spans, [Window([number] * size, list(range(size)))]))
        told = [ClaimTarget(anchor, [0] * size, 0, 0) for anchor in range(min(claims, size))]
        labels.append(Targets([0] * size, told, 0, 0))
        extents.append(extent(encoded[-1], labels[-1]))
    return Examples(encoded, labels, [each.document.id for each in encoded], list(sizes), extents, 0)


class Fits:
    """A room for ``most`` sub-words, padding included."""

    limit = 1.0

    def __init__(self, most):
        self.most = most

    def fits(self, load):
        return load.padded <= self.most

    def needs(self, load):
        return load.padded / self.most


cases = st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 5), st.integers(1, 4), st.none() | st.integers(30, 90)


@settings(deadline=None, max_examples=150)
@given(*cases)
def test_over_all_processes_every_article_comes_exactly_once(sizes, processes, accumulate, most):
    data, train, room = examples(sizes), Train(accumulate=accumulate), None if most is None else Fits(most)
    step = range(len(sizes))
    seen, passes = [], set()
    for rank in range(processes):
        batches = data.share(step, SimpleNamespace(process_index=rank, num_processes=processes), train, room=room)
        passes.add(len(batches))
        for batch, real in batches:
            rows = [sorted(set(row) - {0}) for row in batch.input_ids.tolist()]
            seen += [number for [number] in rows] if real else []
            assert room is None or len(rows) == 1 or batch.input_ids.numel() <= most
    assert sorted(seen) == list(range(1, len(sizes) + 1))
    assert len(passes) == 1  # else one process waits for another
    assert passes == {accumulate} or room is not None


def test_more_micro_batches_only_where_they_are_needed():
    data, alone = examples([10] * 8), SimpleNamespace(process_index=0, num_processes=1)
    for most, expected in ((80, 1), (79, 2), (40, 2), (20, 4), (10, 8)):
        assert len(data.share(range(8), alone, Train(), room=Fits(most))) == expected
    assert len(data.share(range(8), alone, Train(accumulate=3), room=Fits(80))) == 3


def test_an_article_that_does_not_fit_alone():
    data = examples([5, 40, 8])
    data.check(Fits(40))
    with pytest.raises(ExamplesError, match=r"train.memory: 1 GiB are too few: .* the model and d2 alone, 40 sub-words"):
        data.check(Fits(39))


def test_what_is_estimated_is_what_is_collated(tiny, seeds):
    data = Examples.of(seeds[:6], load_tokenizer(str(tiny)), 64)
    for part in ([0], [1, 3], [0, 2, 4, 5]):
        [(batch, _)] = data.share(part, SimpleNamespace(process_index=0, num_processes=1), Train())
        windows = batch.attention_mask.sum(1)
        expected = (windows.sum().item(), batch.input_ids.numel(), (windows**2).sum().item(), batch.pairs.numel())
        assert data.load(part) == expected


def test_a_real_room(tiny):
    from nisba.config import Model
    from nisba.encoder import build

    _, model = build(Model(encoder=str(tiny), window=128))
    data = examples([100] * 10, claims=9)
    room = Room(model, BASE / 2**30 + 0.03, checkpointing=False, half=False)
    data.check(room)
    parts = data.dealt(range(10), 1, 2, room=room)
    assert 2 < len(parts) < 20
    assert all(room.fits(data.load(part)) for part in parts)
    with pytest.raises(ExamplesError, match=r"0.001 GiB are too few: 0.\d\d GiB for the model and d1 alone"):
        data.check(Room(model, 0.001, checkpointing=False, half=False))
