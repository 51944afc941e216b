"""The process that serves: fuzzed by its own schema, a log without texts, an end without loss, what keeps it from starting."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import pytest
import requests

from nisba.cli import main
from nisba.serve import Limits, ServeError, serve
from tests.serving import SECRET, WAIT, Rules, body, serving, until
from tests.test_scripts import script


def test_schemathesis_finds_nothing(tmp_path):
    """Examples, boundary cases and fuzzing over the whole schema, valid and not, with all of its checks."""
    with serving(max_documents=3, max_characters=60) as client:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{client.base}/openapi.json", "--no-color", "--workers=1"]
        bounds = ["--max-examples=25", "--generation-deterministic", "--suppress-health-check=all"]
        done = subprocess.run([*command, *bounds], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
        assert re.search(r"Tested: +4\b", done.stdout)
        figures = client.get("/metrics").text
        assert float(re.search(r'nisba_requests_total{code="200",path="/predict"} (.*)', figures)[1]) > 10
        assert float(re.search(r'nisba_requests_total{code="422",path="/predict"} (.*)', figures)[1]) > 10


HOSTILE = """
import asyncio, logging, os, sys, time, warnings
from nisba.serve import Limits, serve

class Model:
    def stream(self, documents):
        for document in documents:
            if "slow" in document.text:
                time.sleep(1)
            if "secret" in document.text:
                os.write(2, document.text.encode())  # as a panic in Rust does
                print(document.text, file=sys.stderr)
                warnings.warn(document.text)
                logging.error(document.text)
                logging.getLogger("nisba").error(document.text)
                raise ValueError(document.text) from KeyError(document.text)
            yield document

sys.exit(serve(Model, host="127.0.0.1", port=0, limits=Limits(batch_documents=1, max_bytes=5000, timeout=20)))
"""


@contextmanager
def process(code=HOSTILE, *, ready=200):
    """A server in a process of its own: (process, address)."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        try:
            base = re.search(r"http://\S+", started.stdout.readline())[0]
            until(lambda: requests.get(f"{base}/ready", timeout=WAIT).status_code == ready)
            yield started, base
        finally:
            started.kill()


def test_no_text_is_logged():
    with process() as (server, base):

        def post(data, path="/predict"):
            return requests.post(base + path, data, headers={"content-type": "application/json"}, timeout=WAIT).status_code

        statuses = [post(body(SECRET)), post(body(SECRET, "نعم")), post(SECRET.encode()), post(body(SECRET + "\0"))]
        statuses += [post(body(SECRET * 1000)), post(json.dumps({SECRET: 1})), post(b"", f"/{SECRET}?text={SECRET}")]
        assert statuses == [500, 200, 400, 422, 413, 422, 404]
        with socket.create_connection(base.removeprefix("http://").split(":")) as connection:
            connection.sendall(f"{SECRET}\r\n\r\n".encode())  # no HTTP at all
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
        server.send_signal(signal.SIGTERM)
        output, log = server.communicate(timeout=WAIT)
    assert output == ""
    assert re.fullmatch(r"nisba serve: ready after [\d.]+ s", log.splitlines()[0])
    failed = f"nisba serve: a document of {len(SECRET)} characters failed: ValueError at <string>:16"
    assert [line.split(" < ")[0] for line in log.splitlines()[1:]] == [failed, failed, "nisba serve: stopped"]


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_what_is_queued(sign):
    with process() as (server, base):
        answers = []
        ask = [threading.Thread(target=lambda n=n: answers.append(post(base, f"slow {n}"))) for n in range(3)]
        for thread in ask:
            thread.start()
        until(lambda: "nisba_queue_documents 2.0" in requests.get(f"{base}/metrics", timeout=WAIT).text)
        with requests.Session() as kept:
            assert kept.get(f"{base}/ready", timeout=WAIT).status_code == 200
            server.send_signal(sign)
            until(lambda: not connects(base))
        for thread in ask:
            thread.join()
        _, log = server.communicate(timeout=WAIT)
    assert answers == [200, 200, 200]
    assert server.returncode == 0
    assert log.endswith("nisba serve: stopped\n")


def post(base, text):
    return requests.post(f"{base}/predict", json={"documents": [{"text": text}]}, timeout=WAIT).status_code


def connects(base):
    with suppress(OSError), socket.create_connection(base.removeprefix("http://").split(":")):
        return True
    return False


def test_a_second_signal_ends_it_at_once():
    with process() as (server, base):
        asking = threading.Thread(target=abandoned, args=(base,))
        asking.start()
        until(lambda: "nisba_queue_documents 59.0" in requests.get(f"{base}/metrics", timeout=WAIT).text)
        server.send_signal(signal.SIGTERM)
        until(lambda: not connects(base))
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=WAIT)
        asking.join()
    assert server.returncode == 130
    assert log.endswith("nisba serve: interrupted\n")


def abandoned(base):
    with suppress(requests.ConnectionError):
        requests.post(f"{base}/predict", json={"documents": [{"text": "slow"}] * 60}, timeout=WAIT)


def test_a_signal_while_the_model_is_loaded():
    with process(HOSTILE.replace("class Model:", "class Model:\n    __init__ = lambda self: time.sleep(60)"), ready=503) as (
        server,
        _,
    ):
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=WAIT)
    assert (server.returncode, log) == (0, "nisba serve: stopped\n")


def test_what_cannot_be_served_is_one_message(tmp_path, capfd):
    assert main(["serve", "--model", str(tmp_path / "none"), "--port", "0"]) == 1
    assert capfd.readouterr().err == f"nisba: {tmp_path / 'none'}: no such model folder\n"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for wrong in (port, 99_999):
            assert main(["serve", "--model", "x/y", "--port", str(wrong)]) == 1
            assert capfd.readouterr().err.startswith(f"nisba: 127.0.0.1, port {wrong}: cannot listen there: ")
    assert main(["serve", "--model", "x/y", "--max-bytes", "0"]) == 1
    assert capfd.readouterr().err == "nisba: --max-bytes: must be at least 1: 0\n"


def test_without_the_extra_the_package_to_install_is_named(monkeypatch):
    for name in ("nisba.serve.server", "nisba.serve.app", "nisba.serve.meters"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ServeError, match=r"nisba serve needs uvicorn: pip install 'nisba\[serve\]'"):
        serve(Rules, host="127.0.0.1", port=0, limits=Limits())


def test_the_benchmark_counts_answers_and_errors(root):
    bench = script(root, "bench_serve")
    with serving(batch_wait=1) as client:
        host = client.base.removeprefix("http://")
        run = bench.online(host, ["أ ب", "ج د"], clients=4, seconds=0.3)
        assert run.documents == len(run.latencies) == len(client.model.seen) >= 4
        assert run.characters == 3 * run.documents
        assert not run.errors
        failing = bench.online(host, ["bad"], clients=2, seconds=0.1)
        assert failing.documents == failing.characters == 0
        assert set(failing.errors) == {"500: the model failed; the server's log says where"}
        assert re.search(r"documents/s .* characters/s   p50 [\d.]+ s, p99 [\d.]+ s, \d+ answers, 0 errors", str(run))
    assert bench.online(host, ["أ"], clients=1, seconds=0.05).errors[0].startswith("ConnectionRefusedError")
