"""One thread that has the model annotate, and documents that wait for it: those that come while a batch runs make the next one."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from nisba.schema import Document
from nisba.serve.limits import Limits
from nisba.serve.log import log, place

LONGEST = 60  # seconds that anybody is told to stay away
FIRST = Document("first", "قال الوزير إن العمل بدأ.")  # annotated before anybody is served: first passes are slow


class Annotator(Protocol):
    """What ``nisba.load`` gives."""

    def stream(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Annotated documents, in order."""


class UnavailableError(RuntimeError):
    """No document is taken now; ``seconds`` is when to come back."""

    def __init__(self, message: str, seconds: int = 1):
        super().__init__(message)
        self.seconds = seconds


class AnnotationError(RuntimeError):
    """The model failed on a document; says no more than that."""


class Waiting(NamedTuple):
    """A document and where its annotated form goes."""

    document: Document
    future: Future[Document]


class Batcher:
    """Annotates documents from many threads in one. ``failure`` is what ``load`` raised, if it did."""

    def __init__(self, load: Callable[[], Annotator], *, limits: Limits, observe: Callable[[int, int, float], None]):
        """``observe`` is told of every batch: documents, characters, seconds."""
        self.failure: BaseException | None = None
        self._load, self._limits, self._observe = load, limits, observe
        self._queue: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._loaded = self._refusing = self._closed = False
        self._pace = 0.0  # seconds a document took in the last batch
        self._thread = threading.Thread(target=self._run, name="nisba-model", daemon=True)

    def start(self) -> None:
        """Load the model, in its own thread."""
        self._thread.start()

    @property
    def state(self) -> str:
        """``ready``, or why no document is taken."""
        if self._refusing:
            return "the server is stopping"
        return "ready" if self._loaded else "the model is being loaded"

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def __len__(self) -> int:
        """How many documents wait."""
        return len(self._queue)

    def submit(self, documents: Sequence[Document]) -> list[Future[Document]]:
        """Take all of the documents, or none. A future that is cancelled before its document's turn costs nothing.

        A future raises AnnotationError where the model fails on its document. Raises UnavailableError.
        """
        added = [Waiting(document, Future()) for document in documents]
        with self._changed:
            if self.state != "ready":
                raise UnavailableError(self.state)
            if len(self._queue) + len(added) > self._limits.max_queue:
                self._queue = deque(one for one in self._queue if not one.future.cancelled())
            if len(self._queue) + len(added) > self._limits.max_queue:
                raise UnavailableError("too many documents are waiting", self.delay())
            self._queue.extend(added)
            self._changed.notify()
        return [one.future for one in added]

    def delay(self) -> int:
        """Seconds until what waits now is done, as it went last; from 1 to LONGEST."""
        return min(LONGEST, max(1, math.ceil(len(self._queue) * self._pace)))

    def refuse(self) -> None:
        """Take no more documents; what waits is still done. Safe in a signal handler: it asks for no lock."""
        self._refusing = True

    def close(self) -> None:
        """``refuse``, and wait until all is done, for at most the time that requests have. Loading is not waited for."""
        self.refuse()
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(self._limits.timeout if self._loaded else 0)

    def _run(self) -> None:
        began = time.perf_counter()
        try:
            annotator = self._load()
            list(annotator.stream([FIRST]))
        except BaseException as error:
            self.failure = error
            return
        self._loaded = True
        log.info("ready after %.1f s", time.perf_counter() - began)
        while (batch := self._take()) is not None:
            if batch:
                began = time.perf_counter()
                self._annotate(annotator, batch)
                seconds = time.perf_counter() - began
                self._pace = seconds / len(batch)
                self._observe(len(batch), sum(len(one.document.text) for one in batch), seconds)

    def _take(self) -> list[Waiting] | None:
        """The next batch, empty where all of it was cancelled; None when there is nothing left to come."""
        with self._changed:
            while not self._queue:
                if self._closed:
                    return None
                self._changed.wait()
            end = time.monotonic() + self._limits.batch_wait / 1000
            while self._fitting() == len(self._queue) < self._limits.batch_documents and not self._closed:
                if not self._changed.wait(end - time.monotonic()):
                    break
            batch = [self._queue.popleft() for _ in range(self._fitting())]
        return [one for one in batch if one.future.set_running_or_notify_cancel()]

    def _fitting(self) -> int:
        """How many of the documents that wait make one batch: the first, and what fits in beside it."""
        used = 0
        for count, one in enumerate(self._queue):
            used += len(one.document.text)
            if count and (count == self._limits.batch_documents or used > self._limits.batch_characters):
                return count
        return len(self._queue)

    def _annotate(self, annotator: Annotator, batch: Sequence[Waiting]) -> None:
        """Annotate a batch; where that fails, each document by itself, so that only the one at fault goes without."""
        try:
            found = matched([one.document for one in batch], annotator)
        except BaseException as error:  # a panic of the tokenizer is no Exception
            if len(batch) == 1:
                log.error("a document of %d characters failed: %s", len(batch[0].document.text), place(error))
                batch[0].future.set_exception(AnnotationError())
            else:
                for one in batch:
                    self._annotate(annotator, [one])
            return
        for one, document in zip(batch, found, strict=True):
            one.future.set_result(document)


def matched(documents: Sequence[Document], annotator: Annotator) -> list[Document]:
    """The documents, annotated. Raises RuntimeError rather than giving one the annotation of another."""
    found = list(annotator.stream(documents))
    if [(document.id, document.text) for document in found] != [(document.id, document.text) for document in documents]:
        raise RuntimeError("other documents came back")
    return found
