"""The HTTP interface over real sockets: answers, limits, errors that repeat nothing, figures."""

import http.client
import json
import re
import threading
from contextlib import suppress

import pytest
import requests

from nisba.predict import load
from nisba.schema import Document
from nisba.serve.messages import Answer
from tests.serving import SECRET, WAIT, Rules, body, serving, until


@pytest.fixture(scope="module")
def client():
    with serving(max_documents=8, max_characters=100, max_bytes=10_000) as client:
        yield client


def test_one_document(client):
    answer = client.post(json.dumps({"documents": [{"id": "a1", "text": "قال نعم"}]}))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {
        "documents": [
            {
                "id": "a1",
                "text": "قال نعم",
                "meta": {},
                "entities": [{"start": 0, "end": 3, "label": "PER", "score": 0.5}],
                "claims": [
                    {"id": "c1", "cue": [[0, 3]], "source": [], "content": [[4, 7]], "addressee": []}
                    | {"type": "indirect", "source_type": "implicit", "stance": "neutral", "speaker": None, "score": 0.25}
                ],
            }
        ],
        "errors": [],
    }
    Answer.model_validate_json(answer.content)


def test_many_documents_keep_their_order_and_need_no_id(client):
    sent = [{"text": "أ ب"}, {"id": "x", "text": "؟!"}, {"id": "x", "text": "\t\n 😀"}, {"id": None, "text": "ج"}]
    answer = client.post(json.dumps({"documents": sent})).json()
    assert [(d["id"], d["text"]) for d in answer["documents"]] == [("0", "أ ب"), ("x", "؟!"), ("x", "\t\n 😀"), ("3", "ج")]


def test_a_real_model_says_what_predict_says(model, seeds):
    texts = [seed.text for seed in seeds[:5]]
    expected = [document.to_dict() for document in load(model).stream(Document(str(i), t) for i, t in enumerate(texts))]
    with serving(load=lambda: load(model)) as client:
        answer = client.ask(*texts)
        assert client.ask("\u202e\ufeff\u0640 \x0c \x80 \U0010ffff \ufffe").status_code == 200
    Answer.model_validate_json(answer.content)
    assert answer.json()["documents"] == expected
    assert sum(len(row["claims"]) for row in expected) > 0


def test_requests_that_come_together_are_annotated_together():
    with serving() as client:
        threads = [threading.Thread(target=client.ask, args=(text,)) for text in ("ب", "ج", "د", "ه")]
        with client.busy("أ"):
            for thread in threads:
                thread.start()
            until(lambda: len(client.server.batcher) == 4)
            assert client.figure("nisba_queue_documents") == 4
        for thread in threads:
            thread.join()
        assert client.figure("nisba_batch_documents_count") == 2
        assert client.figure('nisba_batch_documents_bucket{le="2.0"}') == 1
        assert client.figure("nisba_documents_total") == 5
        assert client.figure("nisba_characters_total") == 5


DEEP = b'{"documents":' + b"[" * 4000 + b"]" * 4000 + b"}"
REFUSED = {
    "nothing": (b"", 400, "not JSON: EOF"),
    "no JSON": (f"{SECRET}".encode(), 400, "not JSON: expected value"),
    "cut": (body(SECRET)[:-4], 400, "not JSON: EOF"),
    "deep": (DEEP, 400, "not JSON: recursion limit exceeded"),
    "UTF-16": (body(SECRET).decode().encode("utf-16"), 400, "not JSON"),
    "BOM": (b"\xef\xbb\xbf" + body(SECRET), 400, "not JSON"),
    "bytes that are no UTF-8": (b'{"documents": [{"text": "\xff\xfe secret"}]}', 400, "not JSON: invalid unicode"),
    "surrogate bytes": (b'{"documents": [{"text": "\xed\xa0\x80"}]}', 400, "not JSON: invalid unicode"),
    "lone surrogate": (b'{"documents": [{"text": "secret \\ud800"}]}', 400, "not JSON: "),
    "lone low surrogate": (b'{"documents": [{"text": "secret \\udc00"}]}', 400, "not JSON: "),
    "raw control": (b'{"documents": [{"text": "secret \x01"}]}', 400, "not JSON: control character"),
    "NUL": (body(f"{SECRET}\0"), 422, "documents[0].text: has a control character"),
    "control": (body("نص", f"{SECRET}\x1b[31m"), 422, "documents[1].text: has a control character"),
    "DEL": (body("\x7f"), 422, "documents[0].text: has a control character"),
    "a number": (b'{"documents": [{"text": 1e999}]}', 422, "documents[0].text: must be a string"),
    "a huge number": (b'{"documents": [{"text": ' + b"9" * 5000 + b"}]}", 400, "not JSON: number out of range"),
    "a huge exponent": (b'{"documents": 1e999999999}', 422, "documents: must be a list"),
    "NaN": (b'{"documents": NaN}', 422, "documents: must be a list"),
    "null": (b"null", 422, "the request: must be an object"),
    "a list": (body("x")[14:-1], 422, "the request: must be an object"),
    "no documents": (b'{"documents": []}', 422, "documents: must not be empty"),
    "a text alone": (
        json.dumps({"text": SECRET}).encode(),
        422,
        "documents: is missing; the request: has a key that is not of the format",
    ),
    "no text": (b'{"documents": [{"id": "secret"}]}', 422, "documents[0].text: is missing"),
    "empty text": (body(""), 422, "documents[0].text: must not be empty"),
    "foreign key": (b'{"documents": [{"text": "x", "secret-7319": 1}]}', 422, "documents[0]: has a key that is not of the format"),
    "empty id": (b'{"documents": [{"id": "", "text": "x"}]}', 422, "documents[0].id: must not be empty"),
    "blank id": (b'{"documents": [{"id": " \\u001c\\u0085", "text": "x"}]}', 422, "documents[0].id: must have a visible character"),
    "long id": (b'{"documents": [{"id": "%s", "text": "x"}]}' % (b"i" * 201), 422, "documents[0].id: has more than 200 characters"),
    "long text": (body("س" * 101), 422, "documents[0].text: has more than 100 characters"),
    "many documents": (body(*"x" * 9), 422, "documents: has more than 8 documents"),
    "many foreign keys": (
        json.dumps({f"secret{i}": 0 for i in range(600)}).encode(),
        422,
        "documents: is missing; the request: has a key",
    ),
    "too many to list": (
        b"[%s]" % b",".join(b'{"\xd8%c":1}' % (0x80 + i % 60) for i in range(900)),
        422,
        "the request: must be an object",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_of_the_format_is_refused_and_not_repeated(client, name):
    data, status, message = REFUSED[name]
    answer = client.post(data)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error.startswith(message)
    assert "secret" not in answer.text
    assert "سر" not in error
    assert len(error) < 500
    assert client.ask("أ ب").status_code == 200


def test_every_bad_document_is_named(client):
    error = client.post(json.dumps({"documents": [{"text": i} for i in range(8)], "x": 0, "y": 1})).json()["error"]
    lines = error.split("; ")
    assert lines[:8] == [f"documents[{i}].text: must be a string" for i in range(8)]
    assert lines[8:] == ["… (+1)"]


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "text/json", "application/x-www-form-urlencoded", "application/jsonl", "multipart/form-data"]
)
def test_other_content_types_are_refused(client, kind):
    answer = client.post(body("أ ب"), content_type=kind)
    assert (answer.status_code, answer.json()) == (415, {"error": "the body must be application/json"})


def test_content_types_that_are_taken(client):
    for kind in ("application/json", "Application/JSON; charset=utf-8"):
        assert client.post(body("أ ب"), content_type=kind).status_code == 200
    assert client.post(b"\x1f\x8b", **{"content-encoding": "gzip"}).json() == {"error": "a packed body is not taken"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", f"/{SECRET}?text={SECRET}", 404),
        ("GET", "/\0\ud7ff%ff%00", 404),
        ("GET", "/docs", 404),
        ("POST", "/predict/", 404),
        ("GET", "/predict", 405),
        ("OPTIONS", "/predict", 405),
        ("POST", "/ready", 405),
        ("DELETE", "/health", 405),
    ],
)
def test_other_paths_and_methods(client, method, path, status):
    answer = requests.request(method, client.base + path, timeout=WAIT)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert "secret" not in answer.text
    assert status == 404 or answer.headers["allow"]


def test_a_body_that_is_too_long_by_its_length(client):
    with client.connection() as connection:  # nothing of it is sent
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10001\r\n\r\n")
        assert response(connection) == (413, {"error": "the body has more than 10,000 bytes"})
    assert client.post(b" " * 10_000).status_code == 400
    assert client.post(b" " * 3_000_000).status_code == 413


def test_a_body_that_is_too_long_is_refused_while_it_is_read(client):
    with client.connection() as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(11):  # its end is never sent
            connection.sendall(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        assert response(connection) == (413, {"error": "the body has more than 10,000 bytes"})


def response(connection):
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, json.loads(answer.read())


def test_a_body_that_does_not_come():
    with serving(timeout=1) as client, client.connection() as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
        assert response(connection) == (408, {"error": "the body did not come within 1 seconds"})
        assert connection.recv(1) == b""  # and the connection is closed


def test_an_answer_that_takes_too_long():
    with serving(timeout=2) as client, client.busy("أ"):
        answer = client.ask("ب")
        assert (answer.status_code, answer.json()) == (504, {"error": "not done within 2 seconds"})
        assert client.get("/health").status_code == 200
        client.model.gate.set()
        assert client.ask("ج").status_code == 200
        assert client.model.seen == ["0", "0"]  # what nobody waited for any more was not annotated


def test_a_full_queue():
    with serving(max_queue=2, max_documents=2) as client, client.busy("أ"):
        waiting = threading.Thread(target=client.ask, args=("ب", "ج"))
        waiting.start()
        until(lambda: len(client.server.batcher) == 2)
        answer = client.ask("د")
        assert (answer.status_code, answer.json()) == (503, {"error": "too many documents are waiting"})
        assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/ready").status_code == 200
        client.model.gate.set()
        waiting.join()


def test_too_many_requests():
    with serving(max_requests=1) as client:
        with client.busy("أ"):
            answer = client.ask("ب")
            assert (answer.status_code, answer.json()) == (503, {"error": "too many requests"})
            assert int(answer.headers["retry-after"]) >= 1
        assert client.ask("ب").status_code == 200


def test_a_client_that_goes_is_not_waited_for():
    with serving() as client, client.busy("أ"):
        with client.connection() as connection:
            data = body("ب", "ج")
            head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
            connection.sendall(head.encode() + data)
            until(lambda: len(client.server.batcher) == 2)
        until(lambda: 'nisba_requests_total{code="499",path="/predict"} 1.0' in client.get("/metrics").text)
        client.model.gate.set()
        assert client.ask("د").status_code == 200
        assert client.model.seen == ["0", "0"]


def test_a_document_that_the_model_fails_on_spoils_no_other(client):
    data = json.dumps({"documents": [{"text": "أ ب"}, {"id": "x", "text": f"bad {SECRET}"}, {"text": "ج د"}]})
    answer = client.post(data)
    assert answer.status_code == 200
    assert [row["id"] for row in answer.json()["documents"]] == ["0", "2"]
    assert answer.json()["errors"] == [{"position": 1, "id": "x", "error": "the model failed on this document"}]
    Answer.model_validate_json(answer.content)
    answer = client.ask("bad", "bad")
    assert (answer.status_code, answer.json()) == (500, {"error": "the model failed; the server's log says where"})
    assert client.figure("nisba_failed_documents_total") == 3


def test_ready_while_loading_and_while_stopping():
    loaded = threading.Event()

    def load():
        assert loaded.wait(WAIT)
        return Rules()

    with serving(load=load, ready=False) as client:
        until(lambda: server_answers(client))
        assert client.get("/health").json() == {"status": "alive"}
        for answer in (client.get("/ready"), client.ask("أ")):
            assert (answer.status_code, answer.json()) == (503, {"error": "the model is being loaded"})
            assert answer.headers["retry-after"] == "1"
        loaded.set()
        until(lambda: client.get("/ready").status_code == 200)
        assert client.get("/ready").json() == {"status": "ready"}
        client.server.batcher.refuse()
        for answer in (client.get("/ready"), client.ask("أ")):
            assert (answer.status_code, answer.json()) == (503, {"error": "the server is stopping"})
        assert client.get("/health").status_code == 200
        client.server.batcher.close()
        assert client.get("/health").status_code == 503


def server_answers(client):
    with suppress(requests.ConnectionError):
        return client.get("/health").status_code == 200


def test_figures_without_texts(client):
    before = client.get("/metrics")
    assert before.headers["content-type"].startswith("text/plain; version=0.0.4")
    client.post(json.dumps({"documents": [{"id": SECRET, "text": SECRET}]}))
    client.post(SECRET.encode())
    requests.get(f"{client.base}/{SECRET}", timeout=WAIT)
    text = client.get("/metrics").text
    assert "secret" not in text
    for label in ('{code="200",path="/predict"}', '{code="400",path="/predict"}', '{code="404",path="other"}'):
        assert f"nisba_requests_total{label}" in text
    assert client.figure("nisba_predict_seconds_count") >= 2
    labels = set(re.findall(r'(\w+)="', text))
    assert labels == {"code", "path", "le"}


def test_the_schema_says_the_limits(client):
    schema = client.get("/openapi.json").json()["components"]["schemas"]
    documents = schema["Request"]["properties"]["documents"]
    assert (documents["minItems"], documents["maxItems"]) == (1, 8)
    text = schema["Article"]["properties"]["text"]
    assert (text["minLength"], text["maxLength"]) == (1, 100)
    assert schema["Article"]["additionalProperties"] is False
