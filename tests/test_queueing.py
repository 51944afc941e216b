"""The thread that owns the model: what is put together, what is kept apart, what becomes of what waits."""

import threading
import time
from concurrent.futures import CancelledError, wait

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nisba.schema import Document
from nisba.serve.limits import LimitError, Limits
from nisba.serve.queueing import FIRST, AnnotationError, Batcher, UnavailableError

WAIT = 30  # seconds for what takes none


class PanicError(BaseException):
    """As the tokenizer's Rust panics: no Exception."""


class Model:
    """Marks every document with the size of its batch. Fails on ``bad`` texts; holds while ``gate`` is shut."""

    def __init__(self, *, error=ValueError):
        self.batches, self.error = [], error
        self.gate = threading.Event()
        self.gate.set()
        self.held = threading.Event()

    def stream(self, documents):
        documents = list(documents)
        if documents == [FIRST]:
            yield from documents
            return
        self.batches.append([document.id for document in documents])
        self.held.set()
        assert self.gate.wait(WAIT)
        for document in documents:
            if document.text.startswith("bad"):
                raise self.error(document.text)
            yield Document(document.id, document.text, meta={"together": len(documents)})


def documents(*names, text="نص"):
    return [Document(name, text) for name in names]


@pytest.fixture
def started():
    """Starts batchers, and ends them."""
    batchers = []

    def start(model, observe=lambda documents, characters, seconds: None, **limits):
        batcher = Batcher(lambda: model, limits=Limits(timeout=WAIT, **{"batch_wait": 0, **limits}), observe=observe)
        batchers.append(batcher)
        batcher.start()
        until(lambda: batcher.state == "ready")
        return batcher

    yield start
    for batcher in batchers:
        batcher.close()
        assert not batcher.alive


def until(done):
    end = time.monotonic() + WAIT
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def hold(model, batcher):
    """Shut the model's gate and have one document wait behind it."""
    model.gate.clear()
    model.held.clear()
    (future,) = batcher.submit(documents("held"))
    assert model.held.wait(WAIT)
    model.batches.clear()
    return future


def test_what_comes_while_a_batch_runs_makes_the_next(started):
    model, seen = Model(), []
    batcher = started(model, observe=lambda *batch: seen.append(batch[:2]))
    first = hold(model, batcher)
    later = [future for name in "abc" for future in batcher.submit(documents(name, name * 2))]
    assert len(batcher) == 6
    model.gate.set()
    assert [future.result(WAIT).meta["together"] for future in (first, *later)] == [1, 6, 6, 6, 6, 6, 6]
    assert model.batches == [["a", "aa", "b", "bb", "c", "cc"]]
    until(lambda: seen == [(1, 2), (6, 12)])


def test_a_batch_is_bounded_in_documents_and_characters(started):
    model = Model()
    batcher = started(model, batch_documents=3, batch_characters=10)
    hold(model, batcher)
    lengths = [5, 5, 1, 1, 1, 1, 11, 2]
    futures = [batcher.submit([Document(str(i), "س" * length)])[0] for i, length in enumerate(lengths)]
    model.gate.set()
    wait(futures, WAIT)
    assert model.batches == [["0", "1"], ["2", "3", "4"], ["5"], ["6"], ["7"]]


def test_an_idle_model_waits_for_more_but_not_when_the_batch_is_full(started):
    model = Model()
    batcher = started(model, batch_documents=2, batch_wait=WAIT * 1000)
    futures = batcher.submit(documents("a")) + batcher.submit(documents("b"))
    assert not wait(futures, WAIT / 2).not_done
    assert model.batches == [["a", "b"]]


@pytest.mark.parametrize("error", [ValueError, MemoryError, PanicError])
def test_a_bad_document_spoils_no_other(started, error, caplog):
    model = Model(error=error)
    batcher = started(model)
    hold(model, batcher)
    good = batcher.submit(documents("a", "b"))
    (bad,) = batcher.submit([Document("c", "bad secret")])
    more = batcher.submit(documents("d"))
    model.gate.set()
    assert [future.result(WAIT).id for future in good + more] == ["a", "b", "d"]
    with pytest.raises(AnnotationError) as caught:
        bad.result(WAIT)
    assert str(caught.value) == ""
    assert f"a document of 10 characters failed: {error.__name__} at test_queueing.py:" in caplog.text
    assert "secret" not in caplog.text
    assert batcher.submit(documents("e"))[0].result(WAIT).id == "e"


@pytest.mark.parametrize(
    "wrong",
    [lambda found: found[:-1], lambda found: [*found, found[-1]], lambda found: found[::-1]],
    ids=["one too few", "one too many", "another order"],
)
def test_nobody_gets_what_is_anothers(started, wrong):
    model = Model()
    stream = model.stream
    model.stream = lambda given: iter(wrong(found) if len(found := list(stream(given))) > 1 else found)
    batcher = started(model)
    hold(model, batcher)
    futures = batcher.submit(documents("a", "b", "c"))
    model.gate.set()
    assert [future.result(WAIT).id for future in futures] == ["a", "b", "c"]
    assert model.batches == [["a", "b", "c"], ["a"], ["b"], ["c"]]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["bad", "نعم", "لا", "س" * 30]), min_size=1, max_size=6), min_size=1, max_size=8),
    st.integers(1, 5),
)
def test_everybody_gets_their_own(requests, size):
    """Requests from as many threads: every document comes back to its place, the bad ones as errors."""
    model = Model()
    batcher = Batcher(
        lambda: model, limits=Limits(batch_documents=size, batch_characters=40, batch_wait=1), observe=lambda *_: None
    )
    batcher.start()
    until(lambda: batcher.state == "ready")
    found = {}

    def ask(number, texts):
        futures = batcher.submit([Document(f"{number}.{i}", text) for i, text in enumerate(texts)])
        wait(futures, WAIT)
        found[number] = [None if future.exception() else (future.result().id, future.result().text) for future in futures]

    threads = [threading.Thread(target=ask, args=item) for item in enumerate(requests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batcher.close()
    for number, texts in enumerate(requests):
        assert found[number] == [None if text == "bad" else (f"{number}.{i}", text) for i, text in enumerate(texts)]


def test_a_full_queue_takes_all_of_a_request_or_none(started):
    model = Model()
    batcher = started(model, max_queue=4, max_documents=4)
    hold(model, batcher)
    batcher.submit(documents("a", "b", "c"))
    with pytest.raises(UnavailableError, match="too many documents are waiting") as caught:
        batcher.submit(documents("d", "e"))
    assert caught.value.seconds >= 1
    assert len(batcher) == 3
    batcher.submit(documents("d"))
    model.gate.set()
    until(lambda: model.batches == [["a", "b", "c", "d"]])


def test_the_time_to_come_back_follows_the_pace(started):
    model = Model()
    batcher = started(model)
    hold(model, batcher)
    batcher.submit(documents(*"abcdefgh"))
    batcher._pace = 0.5
    assert batcher.delay() == 4
    batcher._pace = 1000
    assert batcher.delay() == 60
    model.gate.set()


def test_what_is_cancelled_costs_nothing(started):
    model = Model()
    batcher = started(model, max_queue=3, max_documents=3)
    held = hold(model, batcher)
    assert not held.cancel()  # too late
    gone, kept, left = batcher.submit(documents("a", "b", "c"))
    assert gone.cancel()
    assert left.cancel()
    more = batcher.submit(documents("d", "e"))  # there is room again
    model.gate.set()
    wait([kept, *more], WAIT)
    assert model.batches == [["b", "d", "e"]]
    with pytest.raises(CancelledError):
        gone.result(WAIT)


def test_a_batch_of_which_all_is_cancelled(started):
    model = Model()
    batcher = started(model)
    hold(model, batcher)
    assert all(future.cancel() for future in batcher.submit(documents("a", "b")))
    model.gate.set()
    until(lambda: not len(batcher))
    assert batcher.submit(documents("c"))[0].result(WAIT).id == "c"
    assert model.batches == [["c"]]


def test_stopping_finishes_what_waits_and_takes_no_more(started):
    model = Model()
    batcher = started(model, batch_documents=1)
    hold(model, batcher)
    futures = batcher.submit(documents("a", "b", "c"))
    batcher.refuse()
    assert batcher.state == "the server is stopping"
    with pytest.raises(UnavailableError, match="stopping"):
        batcher.submit(documents("d"))
    threading.Timer(0.1, model.gate.set).start()
    batcher.close()
    assert [future.result(0).id for future in futures] == ["a", "b", "c"]
    assert not batcher.alive


@pytest.mark.parametrize("error", [OSError("no such model"), PanicError("no")])
def test_a_model_that_cannot_be_loaded(error):
    def load():
        raise error

    batcher = Batcher(load, limits=Limits(), observe=lambda *_: None)
    with pytest.raises(UnavailableError, match="the model is being loaded"):
        batcher.submit(documents("a"))
    batcher.start()
    until(lambda: not batcher.alive)
    assert batcher.failure is error
    batcher.close()


def test_a_model_that_works_for_nobody_is_not_ready():
    class Broken:
        def stream(self, documents):
            raise RuntimeError("no kernel")

    batcher = Batcher(Broken, limits=Limits(), observe=lambda *_: None)
    batcher.start()
    until(lambda: not batcher.alive)
    assert isinstance(batcher.failure, RuntimeError)


def test_all_limits_that_cannot_be_kept_are_named():
    with pytest.raises(LimitError) as caught:
        Limits(max_bytes=0, max_queue=3, batch_wait=-1)
    assert str(caught.value) == (
        "--max-bytes: must be at least 1: 0; --batch-wait: must be at least 0: -1; "
        "--max-queue: a request of 64 documents would never fit in: 3"
    )
