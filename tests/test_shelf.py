"""Articles and labels on disk come back as they were, and leave nothing behind."""

import os
from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nisba import examples, shelf
from nisba.batching import collate
from nisba.encode import ClaimTarget, Targets, encode_all, load_tokenizer, targets
from nisba.examples import Examples, ExamplesError
from nisba.schema import LAYERS, Claim, Document, Span

numbers = st.integers(-100, 2**31 - 1)
claims = st.builds(ClaimTarget, numbers, st.lists(st.integers(-100, 10), max_size=30), st.integers(0, 6), st.integers(0, 3))
labels = st.builds(
    Targets,
    st.lists(numbers, max_size=20),
    st.lists(claims, max_size=4),
    st.just(0),
    st.just(0),
    st.sets(st.sampled_from(sorted(LAYERS))).map(frozenset),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(labels, max_size=6))
def test_labels_come_back(things):
    kept = shelf.labels(None)
    for thing in things:
        kept.add(thing)
    assert len(kept) == len(things)
    assert list(kept) == things
    assert [kept[i] for i in reversed(range(len(things)))] == things[::-1]
    assert kept[1:] == things[1:]
    with pytest.raises(IndexError):
        kept[len(things)]


def test_articles_make_the_same_batches(tiny, seeds, tmp_path):
    """In windows of 64 and of one, with articles that are annotated in part, and one without a word."""
    partly = replace(seeds[3], id="partly", meta={"layers": ["names"]})
    documents = [*seeds[:3], partly, Document("blank", " \n"), *seeds[4:6]]
    tokenizer = load_tokenizer(str(tiny))
    for window in (64, 512):
        data = Examples.of(documents, tokenizer, window, folder=tmp_path)
        encoded = [each for each in encode_all(documents, tokenizer, window=window) if each.words]
        told = [targets(each) for each in encoded]
        assert data.ids == [each.document.id for each in encoded]
        assert list(data.labels) == told
        for part in ([0], [3, 1], range(6)):
            one = collate([data.encoded[i] for i in part], [data.labels[i] for i in part], pad=0)
            other = collate([encoded[i] for i in part], [told[i] for i in part], pad=0)
            for field in fields(one):
                mine, same = getattr(one, field.name), getattr(other, field.name)
                assert torch.equal(mine, same) if isinstance(mine, torch.Tensor) else mine == same
        assert [data.encoded[1].reach(i) for i in (0, 9)] == [encoded[1].reach(i) for i in (0, 9)]


def test_encoding_in_chunks_changes_nothing(tiny, seeds, monkeypatch):
    tokenizer = load_tokenizer(str(tiny))
    whole = Examples.of(seeds[:5], tokenizer, 64)
    monkeypatch.setattr(examples, "CHUNK", 2)
    chunks = Examples.of(seeds[:5], tokenizer, 64)
    assert list(whole.encoded) == list(chunks.encoded)
    assert (whole.ids, whole.sizes, whole.extents) == (chunks.ids, chunks.sizes, chunks.extents)


def test_all_that_would_be_lost_is_named(tiny, seeds):
    """A word stands for one claim."""
    alike = [Claim(name, content=(Span(0, 3),), source_type="implicit", stance=name) for name in ("assert", "deny")]
    bad = [Document(name, "قال", (), tuple(alike)) for name in ("x1", "x2")]
    with pytest.raises(ExamplesError, match=r"encoding would lose annotation \(x1: 0 names, 1 claims, x2: 0 names, 1 claims\)"):
        Examples.of([bad[0], *seeds[:1], bad[1]], load_tokenizer(str(tiny)), 64)


def test_the_file_has_no_name_and_goes_with_the_shelf(tmp_path):
    before = set(os.listdir("/proc/self/fd"))
    kept = shelf.labels(tmp_path)
    kept.add(Targets([1], [], 0, 0))
    assert not list(tmp_path.iterdir())
    assert len(os.listdir("/proc/self/fd")) == len(before) + 1
    del kept
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        shelf.articles(tmp_path / "none")


def test_documents_come_back(seeds, tmp_path):
    kept = shelf.documents(tmp_path)
    odd = Document("odd", "\ufeff𝒶 \u202bنص\r\n", meta={"x": [1, None]})
    for document in (*seeds[:3], odd):
        kept.add(document)
    assert list(kept) == [*seeds[:3], odd]
    assert not list(tmp_path.iterdir())
