from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from nisba.batching import IGNORE, collate, shares, steps
from nisba.encode import encode, load_tokenizer, targets
from nisba.labels import NAME_TAGS

sizes = st.lists(st.integers(1, 500), min_size=1, max_size=40)


@given(sizes, st.integers(0, 5))
def test_every_document_once_an_epoch_within_the_budget(sizes, epoch):
    planned = steps(sizes, budget=512, seed=3, epoch=epoch)
    assert sorted(i for step in planned for i in step) == list(range(len(sizes)))
    assert all(sum(sizes[i] for i in step) <= 512 for step in planned)
    assert planned == steps(sizes, budget=512, seed=3, epoch=epoch)


def test_epochs_and_seeds_differ():
    plans = [steps([100] * 50, budget=200, seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({str(plan) for plan in plans}) == 4


@given(sizes, st.integers(1, 4))
def test_shares_deal_all_documents(sizes, parts):
    dealt = shares(range(len(sizes)), sizes, parts)
    assert sorted(i for part in dealt for i in part) == list(range(len(sizes)))
    assert max(sum(sizes[i] for i in part) for part in dealt) <= sum(sizes) / parts + max(sizes)


def test_labels_of_a_batch(tiny, seeds):
    tokenizer = load_tokenizer(str(tiny))
    examples = [encode(document, tokenizer, window=64) for document in seeds[:3]]
    labels = [targets(example) for example in examples]
    batch = collate(examples, labels, pad=0)
    claims = sum(len(d.claims) for d in seeds[:3])
    words = sum(len(e.words) for e in examples)
    assert batch.input_ids.shape == batch.attention_mask.shape == batch.name_labels.shape
    assert batch.firsts.shape == batch.anchor_labels.shape == (words,)
    assert len(set(batch.firsts.tolist())) == words
    assert batch.anchor_labels.sum() == claims == len(batch.anchors)
    assert batch.role_labels.shape == batch.pairs.shape
    assert ((batch.role_labels == IGNORE) == (batch.pairs < 0)).all()
    begins = sum(NAME_TAGS[i].startswith("B-") for i in batch.name_labels[batch.name_labels >= 0].tolist())
    assert begins == sum(len(d.entities) for d in seeds[:3])  # the sub-words behind a word's first continue its name
    assert batch.counts()[1] == claims


def test_what_is_not_annotated_has_no_label(tiny, seeds):
    tokenizer = load_tokenizer(str(tiny))
    whole, names, roles = (
        seeds[0],
        replace(seeds[1], meta={"layers": ["names"]}),
        replace(seeds[2], meta={"layers": ["roles"]}),
    )
    examples = [encode(document, tokenizer, window=64) for document in (whole, names, roles)]
    batch = collate(examples, [targets(example) for example in examples], pad=0)
    first, second = len(examples[0].words), len(examples[1].words)
    assert (batch.anchor_labels[:first] >= 0).all()
    assert (batch.anchor_labels[first : first + second] == IGNORE).all()
    assert batch.anchor_labels[first + second :].sum() == len(roles.claims)
    assert (batch.source_type_labels >= 0).sum() == (batch.stance_labels >= 0).sum() == len(whole.claims)
    assert batch.counts()[2:] == [int((batch.role_labels > 0).sum()), len(whole.claims), len(whole.claims)]
    windows = [len(example.windows) for example in examples]
    tagged = (batch.name_labels >= 0).any(1).tolist()
    assert tagged == [True] * (windows[0] + windows[1]) + [False] * windows[2]
