import functools
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nisba import fetch as module
from nisba.fetch import FetchError, fetch

BODY = bytes(range(256)) * 4000
SHA = hashlib.sha256(BODY).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves BODY; ``plan`` lists after how many bytes each connection breaks (None: not)."""

    def __init__(self, state, *arguments):
        self.state = state
        super().__init__(*arguments)

    def do_GET(self):
        state = self.state
        state["ranges"].append(self.headers.get("Range"))
        if self.path == "/gone":
            self.send_error(404)
            return
        if state["status"]:
            self.send_response(state["status"].pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        if self.headers.get("Range") == f"bytes={len(BODY)}-":
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(BODY)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if state["resumable"] and self.headers.get("Range") and self.headers.get("If-Range") == state["etag"]:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        start = max(0, start + state["shift"]) if start else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.send_header("ETag", state["etag"])
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        for name, value in state["headers"].items():
            self.send_header(name, value)
        self.end_headers()
        cut = state["plan"].pop(0) if state["plan"] else None
        self.wfile.write(BODY[start:] if cut is None else BODY[start : start + cut])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    state = {"ranges": [], "resumable": True, "etag": '"one"', "plan": [], "status": [], "shift": 0, "headers": {}}
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, state))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    state["url"] = f"http://127.0.0.1:{httpd.server_port}/corpus.zip"
    yield state
    httpd.shutdown()
    httpd.server_close()


def test_a_whole_file_is_fetched_once(server, tmp_path):
    path = tmp_path / "deep" / "corpus.zip"
    assert fetch(server["url"], path, sha256=SHA).read_bytes() == BODY
    assert fetch(server["url"], path, sha256=SHA.upper()) == path
    assert len(server["ranges"]) == 1
    assert {p.name for p in path.parent.iterdir()} == {"corpus.zip", "corpus.zip.lock"}


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    server["plan"] = [100_000, 200_000]
    assert fetch(server["url"], tmp_path / "a", sha256=SHA).read_bytes() == BODY
    assert server["ranges"][0] is None
    first, second = (int(r.removeprefix("bytes=").removesuffix("-")) for r in server["ranges"][1:])
    assert 0 < first <= 100_000 < second <= 300_000


def test_it_goes_on_in_another_call(server, tmp_path):
    server["plan"] = [300_000] + [0] * 2 * module.TRIES
    with pytest.raises(FetchError, match="run again to go on where it stopped"):
        fetch(server["url"], tmp_path / "a", sha256=SHA)
    assert not (tmp_path / "a").exists()
    assert 0 < (tmp_path / "a.part").stat().st_size <= 300_000
    server["plan"], server["ranges"] = [], []
    assert fetch(server["url"], tmp_path / "a", sha256=SHA).read_bytes() == BODY
    assert server["ranges"][0] is not None


@pytest.mark.parametrize("change", [{"resumable": False}, {"etag": '"two"'}])
def test_a_changed_file_or_a_server_without_ranges_starts_anew(server, tmp_path, change):
    (tmp_path / "a.part").write_bytes(b"of an older version")
    (tmp_path / "a.etag").write_text('"one"')
    server.update(change)
    assert fetch(server["url"], tmp_path / "a", sha256=SHA).read_bytes() == BODY


def test_another_file_than_was_meant_is_refused(server, tmp_path):
    with pytest.raises(FetchError, match="is not the file that was meant: SHA-256"):
        fetch(server["url"], tmp_path / "a", sha256="0" * 64)
    assert [p.name for p in tmp_path.iterdir()] == ["a.lock"]
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(FetchError, match="is not the file that was meant"):
        fetch(server["url"], tmp_path / "a", sha256=SHA)


def test_errors_are_one_line(server, tmp_path):
    with pytest.raises(FetchError, match="the server answers 404"):
        fetch(server["url"].replace("corpus.zip", "gone"), tmp_path / "a")
    with pytest.raises(FetchError, match="not a web address"):
        fetch("file:///etc/passwd", tmp_path / "a")
    with pytest.raises(FetchError, match="refused") as error:
        fetch("http://127.0.0.1:9/x", tmp_path / "a")
    assert "\n" not in str(error.value)


def test_a_server_that_goes_on_elsewhere_is_not_believed(server, tmp_path):
    server["plan"], server["shift"] = [100_000], -4096
    assert fetch(server["url"], tmp_path / "a").read_bytes() == BODY


def test_a_part_that_is_whole_is_not_fetched_again(server, tmp_path):
    (tmp_path / "a.part").write_bytes(BODY)
    (tmp_path / "a.etag").write_text('"one"')
    assert fetch(server["url"], tmp_path / "a", sha256=SHA).read_bytes() == BODY
    assert server["ranges"] == [f"bytes={len(BODY)}-"]


def test_a_server_without_strong_tags_is_given_up_in_the_end(server, tmp_path):
    server["etag"], server["plan"] = 'W/"one"', [200_000, 400_000] * 20
    with pytest.raises(FetchError) as error:
        fetch(server["url"], tmp_path / "a")
    assert "run again" not in str(error.value)  # nothing could go on
    assert len(server["ranges"]) < 3 * module.TRIES


def test_a_slow_start_over_an_older_part_is_not_given_up(server, tmp_path):
    (tmp_path / "a.part").write_bytes(bytes(900_000))
    (tmp_path / "a.etag").write_text('"older"')
    server["plan"] = [60_000] * 12
    assert fetch(server["url"], tmp_path / "a", sha256=SHA).read_bytes() == BODY


def test_a_file_that_is_there_needs_no_writable_folder(server, tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(BODY)
    monkeypatch.setattr(module, "_alone", None)
    assert fetch(server["url"], tmp_path / "a", sha256=SHA).read_bytes() == BODY


def test_busy_servers_are_asked_again_and_packed_files_refused(server, tmp_path):
    server["status"] = [503, 429]
    assert fetch(server["url"], tmp_path / "a", sha256=SHA).read_bytes() == BODY
    server["headers"] = {"Content-Encoding": "gzip"}
    with pytest.raises(FetchError, match="the server packs the file"):
        fetch(server["url"], tmp_path / "b")


def test_two_at_once_get_the_same_whole_file(server, tmp_path):
    server["plan"] = [100_000, 300_000]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: fetch(server["url"], tmp_path / "a", sha256=SHA).read_bytes(), range(2)))
    assert found == [BODY, BODY]


@pytest.mark.parametrize("url", ["http://[::1", "https://", "ftp://x.example/a", f"http://{'a' * 70}.example/x"])
def test_addresses_that_are_none(tmp_path, monkeypatch, url):
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    with pytest.raises(FetchError):
        fetch(url, tmp_path / "a")
