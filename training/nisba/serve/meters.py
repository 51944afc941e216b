"""What a server counts, for Prometheus. Labels are paths of the interface and status codes: nothing that a client made up."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

PATHS = ("/predict", "/health", "/ready", "/metrics", "/openapi.json")
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Meters:
    """A registry of its own, so that several servers of one process do not mix."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("nisba_requests", "Requests, by path and status code", ["path", "code"], registry=registry)
        self._latency = Histogram(
            "nisba_predict_seconds", "From a request's headers to its answer", buckets=SECONDS, registry=registry
        )
        self._sizes = Histogram("nisba_batch_documents", "Documents that were annotated together", buckets=SIZES, registry=registry)
        self._busy = Histogram("nisba_batch_seconds", "The model's time for a batch", buckets=SECONDS, registry=registry)
        self._documents = Counter("nisba_documents", "Documents that the model was given", registry=registry)
        self._characters = Counter("nisba_characters", "Their characters", registry=registry)
        self._failures = Counter("nisba_failed_documents", "Documents that the model failed on", registry=registry)
        self._waiting = Gauge("nisba_queue_documents", "Documents that wait for the model", registry=registry)

    def waiting(self, count: Callable[[], int]) -> None:
        """Where the length of the queue is read off."""
        self._waiting.set_function(count)

    def request(self, path: str, code: int, seconds: float) -> None:
        self._requests.labels(path if path in PATHS else "other", str(code)).inc()
        if path == "/predict":
            self._latency.observe(seconds)

    def batch(self, documents: int, characters: int, seconds: float) -> None:
        self._sizes.observe(documents)
        self._busy.observe(seconds)
        self._documents.inc(documents)
        self._characters.inc(characters)

    def failed(self, documents: int) -> None:
        self._failures.inc(documents)

    def page(self) -> bytes:
        """All figures in Prometheus's text format."""
        return generate_latest(self._registry)
