"""A server in this process over a real socket, with a stand-in for the model and a client: for the tests of ``nisba serve``."""

import json
import re
import socket
import threading
import time
from contextlib import contextmanager

import requests

from nisba.schema import Claim, Document, Entity, Span
from nisba.serve import Limits
from nisba.serve.queueing import FIRST
from nisba.serve.server import address, build, listen

WAIT = 30  # seconds for what takes none
SECRET = "سرٌّ secret-7319"


class Rules:
    """Stands in for a model: the first word is a name and a cue, the rest is content."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.seen = []

    def stream(self, documents):
        for document in documents:
            if document is not FIRST:
                self.seen.append(document.id)
                assert self.gate.wait(WAIT)
            if "bad" in document.text:
                raise RuntimeError(document.text)
            yield annotated(document)


def annotated(document):
    match = re.fullmatch(r"(\w+) (\w+)", document.text)
    if match is None:
        return document
    first, rest = Span(*match.span(1)), Span(*match.span(2))
    claim = Claim("c1", (rest,), (first,), score=0.25)
    return Document(document.id, document.text, (Entity(first, "PER", 0.5),), (claim,))


class Client:
    """Requests to one server."""

    def __init__(self, base, model, server):
        self.base, self.model, self.server = base, model, server

    def get(self, path):
        return requests.get(self.base + path, timeout=WAIT)

    def post(self, data, content_type="application/json", **headers):
        return requests.post(f"{self.base}/predict", data, headers={"content-type": content_type, **headers}, timeout=WAIT)

    def ask(self, *texts):
        return self.post(body(*texts))

    def figure(self, name):
        (value,) = re.findall(rf"^{re.escape(name)} (.*)$", self.get("/metrics").text, re.MULTILINE)
        return float(value)

    @contextmanager
    def busy(self, *texts):
        """While the block runs, the model works on a request of these texts."""
        self.model.gate.clear()
        before = len(self.model.seen)
        thread = threading.Thread(target=self.ask, args=texts)
        thread.start()
        try:
            until(lambda: len(self.model.seen) > before)
            yield
        finally:
            self.model.gate.set()
            thread.join()

    def connection(self):
        host, port = self.base.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=WAIT)


def body(*texts):
    return json.dumps({"documents": [{"text": text} for text in texts]}).encode()


def until(done):
    end = time.monotonic() + WAIT
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@contextmanager
def serving(model=None, *, ready=True, load=None, **limits):
    model = model or Rules()
    listener = listen("127.0.0.1", 0)
    server = build(load or (lambda: model), Limits(**{"timeout": WAIT, "batch_wait": 0, **limits}))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    base = address(listener)
    thread.start()
    try:
        if ready:
            until(lambda: server.batcher.state == "ready")
        yield Client(base, model, server)
    finally:
        server.should_exit = True
        thread.join()
