"""A Hugging Face Hub on the loopback: enough of its protocol for the real client to publish to it and to read back.

    with HubStub(tokens={"hf_testwrite": "amal"}) as stub:
        HfApi(endpoint=stub.url, token="hf_testwrite").create_repo("amal/names")
        assert ".gitattributes" in stub.repos["model", "amal/names"].main.files

Two servers run: the Hub (``stub.url``), and the storage of large files (``stub.storage``) on a port of its own with signed
addresses, where a client must not send its token. Not modelled: Xet (set ``HF_HUB_DISABLE_XET``), multipart uploads, gated
repositories, ``.gitignore``, pages of a listing, discussions, merging, and the deletion of anything but files.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

from huggingface_hub import constants
from huggingface_hub.utils import close_session

LARGE = 10_000_000  # bytes; a larger file is stored as an LFS object whatever its name
SUFFIXES = (".arrow", ".bin", ".gz", ".model", ".npy", ".npz", ".onnx", ".parquet", ".pt", ".safetensors", ".tar", ".zip")
OTHER_BYTES = bytes(i ^ 1 for i in range(256))
ADDRESS = re.compile(
    r"/api/(?P<api>model|dataset|space)s/(?P<id>[^/]+/[^/]+)(/(?P<action>[^/]+)(/(?P<rest>.*))?)?"
    r"|/((?P<kind>dataset|space)s/)?(?P<name>[^/]+/[^/]+?)(/resolve/(?P<file>.+)|\.git/info/lfs/objects/(?P<lfs>\w+))"
)


class Request(NamedTuple):
    """What arrived: the path as sent, with its query; header names in lower case, the authorization among them."""

    method: str
    path: str
    headers: dict[str, str]


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Refusal(Exception):
    def __init__(self, status: int, message: str, code: str = "", **more: str) -> None:
        headers = {"X-Error-Message": message.encode("ascii", "backslashreplace").decode(), **more}
        self.reply = as_json({"error": message}, status, headers | ({"X-Error-Code": code} if code else {}))


class Call(NamedTuple):
    """A request to a repository, unquoted: ``/api/<kind>s/<name>/<action>/<revision>/<path>?<query>``, or its like."""

    token: str  # a known one, or empty
    repo: Repo
    revision: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


class Commit(NamedTuple):
    sha: str
    message: str
    parent: str | None
    files: dict[str, bytes]
    large: frozenset[str]  # paths of the files that are LFS objects


@dataclass
class Fault:
    """What goes wrong with the next ``left`` requests that match: see :meth:`HubStub.fault`."""

    method: str
    path: str
    left: int
    reply: Reply | None = None
    cut_request: int | None = None
    cut_response: int | None = None
    slow: float = 0.0
    corrupt: bool = False


@dataclass
class Repo:
    """``refs``: ``refs/heads/main`` and its like → SHA of a commit; ``objects``: uploaded large files by their SHA-256."""

    kind: str
    name: str
    private: bool
    sdk: str | None
    commits: list[Commit] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)

    @property
    def tags(self) -> dict[str, str]:
        return {ref.removeprefix("refs/tags/"): sha for ref, sha in self.refs.items() if ref.startswith("refs/tags/")}

    @property
    def main(self) -> Commit:
        return self.at("main")

    @property
    def place(self) -> str:
        return self.name if self.kind == "model" else f"{self.kind}s/{self.name}"

    def at(self, revision: str) -> Commit:
        """The commit that a branch, tag, pull request or full SHA names."""
        shas = {self.refs.get(ref, revision) for ref in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision)}
        for commit in self.commits:
            if commit.sha in shas:
                return commit
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def add(self, ref: str, message: str, parent: str | None, files: dict[str, bytes], large: Collection[str]) -> Commit:
        known = [self.place, len(self.commits), message, parent, sorted((path, git_oid(data)) for path, data in files.items())]
        commit = Commit(hashlib.sha1(json.dumps(known).encode()).hexdigest(), message, parent, files, frozenset(large))
        self.commits.append(commit)
        self.refs[ref] = commit.sha
        return commit

    def listed(self, commit: Commit, entry: dict[str, Any], expand: bool) -> dict[str, Any]:
        if not expand:
            return entry
        while commit.parent and self.at(commit.parent).files.get(entry["path"]) == commit.files.get(entry["path"]):
            commit = self.at(commit.parent)
        return entry | {"lastCommit": {"id": commit.sha, "title": commit.message, "date": "1970-01-01T00:00:00.000Z"}}


class HubStub:
    """``tokens``: token → user; ``read_only``: tokens that may not write; ``organizations``: user → his further namespaces."""

    def __init__(
        self, *, tokens: Mapping[str, str], read_only: Collection[str] = (), organizations: Mapping[str, Sequence[str]] = {}
    ) -> None:
        self.tokens, self.read_only, self.organizations = tokens, read_only, organizations
        self.repos: dict[tuple[str, str], Repo] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.lock, self.closing = threading.RLock(), threading.Event()

    def __enter__(self) -> HubStub:
        self.servers = [ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self, f)) for f in (self.answer, self.store)]
        self.url, self.storage = (f"http://127.0.0.1:{server.server_port}" for server in self.servers)
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def fault(
        self, method: str, path: str, *, times: int = 1, status: int | None = None, headers: Mapping[str, str] = {},
        body: bytes = b"", cut_request: int | None = None, cut_response: int | None = None,
        slow: float = 0.0, corrupt: bool = False,
    ) -> None:  # fmt: skip
        """Spoils the next ``times`` requests of this method whose path (with its query) the regular expression finds.

        ``status`` answers with this status, ``headers`` and ``body``, and does nothing. ``cut_request`` and ``cut_response``
        close the connection after so many bytes of the body were read, or sent (the request is then carried out). ``slow``
        waits so many seconds first. ``corrupt`` changes every byte of the answer's body and keeps its length.
        """
        reply = None if status is None else Reply(status, headers, body)
        self.faults.append(Fault(method, path, times, reply, cut_request, cut_response, slow, corrupt))

    def sent(self, method: str, path: str) -> list[Request]:
        """The requests so far with this method whose path the regular expression finds."""
        return [request for request in self.requests if request.method == method and re.search(path, request.path)]

    def arrived(self, request: Request) -> Fault:
        with self.lock:
            self.requests.append(request)
            for fault in self.faults:
                if fault.left and fault.method == request.method and re.search(fault.path, request.path):
                    fault.left -= 1
                    return fault
        return Fault(request.method, request.path, 0)

    def store(self, request: Request, body: bytes) -> Reply:
        """The storage of large files: signed addresses, no tokens."""
        kind, user, name, oid = request.path.partition("?")[0].split("/")[2:6]
        repo = self.repos[kind, f"{user}/{name}"]
        if self.storage + request.path != self.signed(repo, oid):
            return Reply(403)
        if request.method != "PUT":
            return ranged(repo.objects[oid], request.headers.get("range"), {"ETag": f'"{oid}"'})
        if sha256(body) != oid:
            return Reply(400, body=b"the content does not have the SHA-256 of its name")
        repo.objects[oid] = body
        return Reply(200, {"ETag": f'"{oid}"'})

    def signed(self, repo: Repo, oid: str) -> str:
        path = f"/lfs/{repo.kind}/{repo.name}/{oid}"
        return f"{self.storage}{path}?signature={sha256(f'{id(self)} {path}'.encode())[:16]}"

    def answer(self, request: Request, body: bytes) -> Reply:
        path, _, query = request.path.partition("?")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        with self.lock:
            try:
                if token and token not in self.tokens:
                    raise Refusal(401, "Invalid credentials in Authorization header")
                address = ADDRESS.fullmatch(path)
                if address is None:
                    return self.account(path, token, body)
                repo = self.open(address["api"] or address["kind"] or "model", address["id"] or address["name"], token)
                revision, _, inside = (address["rest"] or address["file"] or "main").partition("/")
                call = Call(token, repo, unquote(revision), unquote(inside), parse_qs(query), request.headers, body)
                action = "resolve" if address["file"] else address["lfs"] or address["action"] or "revision"
                if action not in ACTIONS:
                    raise Refusal(404, f"the stub does not know {path}")
                return ACTIONS[action](self, call)
            except Refusal as refusal:
                return refusal.reply

    def member(self, token: str, name: str) -> bool:
        user = self.tokens.get(token)
        return user is not None and name.split("/")[0] in (user, *self.organizations.get(user, ()))

    def open(self, kind: str, name: str, token: str) -> Repo:
        """A repository that may be read. Nobody learns whether another exists: 401 without a token, 404 with one."""
        repo = self.repos.get((kind, name))
        if repo is None or (repo.private and not self.member(token, name)):
            raise Refusal(404, "Repository not found", "RepoNotFound") if token else anonymous()
        return repo

    def allow(self, token: str, name: str, proposal: bool = False) -> None:
        """Whoever may write somewhere may propose a change anywhere."""
        if not token:
            raise anonymous()
        if token in self.read_only or not (proposal or self.member(token, name)):
            raise Refusal(403, f"You don't have the rights to write to {name}")

    def account(self, path: str, token: str, body: bytes) -> Reply:
        """The requests about no existing repository: is this card valid, who am I, a new repository."""
        if path == "/api/validate-yaml":
            return validate(json.loads(body)["content"])
        if path == "/api/whoami-v2" and token:
            user, role = self.tokens[token], "read" if token in self.read_only else "write"
            orgs = [{"type": "org", "name": name, "roleInOrg": role} for name in self.organizations.get(user, ())]
            return as_json({"type": "user", "name": user, "orgs": orgs, "auth": {"accessToken": {"role": role}}})
        if path != "/api/repos/create" or not token:
            raise Refusal(404, f"the stub does not know {path}") if token else anonymous()
        asked = json.loads(body)
        kind, name = asked.get("type") or "model", f"{asked['organization'] or self.tokens[token]}/{asked['name']}"
        self.allow(token, name)
        repo = Repo(kind, name, asked.get("visibility") == "private", asked.get("sdk"))
        answer = {"url": f"{self.url}/{repo.place}", "name": name}
        if (kind, name) in self.repos:
            return as_json({"error": f"You already created this {kind} repo: {name}", **answer}, 409)
        attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in SUFFIXES)
        repo.add("refs/heads/main", "initial commit", None, {".gitattributes": attributes.encode()}, ())
        self.repos[kind, name] = repo
        return as_json(answer)

    def resolve(self, call: Call) -> Reply:
        commit = call.repo.at(call.revision)
        headers = {"X-Repo-Commit": commit.sha}
        if call.path not in commit.files:
            raise Refusal(404, "Entry not found", "EntryNotFound", **headers)
        data = commit.files[call.path]
        if call.path not in commit.large:
            return ranged(data, call.headers.get("range"), headers | {"ETag": f'"{git_oid(data)}"'})
        headers |= {"X-Linked-Etag": f'"{sha256(data)}"', "X-Linked-Size": str(len(data))}
        return Reply(302, headers | {"Location": self.signed(call.repo, sha256(data))})

    def info(self, call: Call) -> Reply:
        repo, commit = call.repo, call.repo.at(call.revision)
        siblings: list[dict[str, Any]] = [{"rfilename": path} for path in sorted(commit.files)]
        for sibling in siblings if "blobs" in call.query else ():
            entry = entries(commit)[sibling["rfilename"]]
            lfs = {**entry["lfs"], "sha256": entry["lfs"]["oid"]} if "lfs" in entry else None
            sibling |= {"size": entry["size"], "blobId": entry["oid"], "lfs": lfs}
        about = {"id": repo.name, "author": repo.name.split("/")[0], "sha": commit.sha, "private": repo.private, "sdk": repo.sdk}
        return as_json(about | {"gated": False, "disabled": False, "tags": [], "siblings": siblings})

    def tree(self, call: Call) -> Reply:
        commit, folder, flat = call.repo.at(call.revision), call.path or ".", call.query["recursive"] != ["true"]
        known = entries(commit)
        if folder != "." and known.get(folder, {}).get("type") != "directory":
            raise Refusal(404, f"{folder} does not exist on {call.revision}", "EntryNotFound")
        above = {path: [str(parent) for parent in PurePosixPath(path).parents] for path in known}
        found = [known[path] for path in known if folder in (above[path][:1] if flat else above[path])]
        return as_json([call.repo.listed(commit, entry, call.query["expand"] == ["true"]) for entry in found])

    def paths_info(self, call: Call) -> Reply:
        commit, asked = call.repo.at(call.revision), parse_qs(call.body.decode())
        found = [entries(commit)[path] for path in asked.get("paths", []) if path in entries(commit)]
        return as_json([call.repo.listed(commit, entry, asked["expand"] == ["true"]) for entry in found])

    def list_refs(self, call: Call) -> Reply:
        shown: dict[str, list[dict[str, str]]] = {"heads": [], "tags": [], "pr": []}
        for ref, sha in call.repo.refs.items():
            _, kind, name = ref.split("/", 2)
            shown[kind].append({"name": name, "ref": ref, "targetCommit": sha})
        return as_json({"branches": shown["heads"], "tags": shown["tags"], "pullRequests": shown["pr"], "converts": []})

    def add_ref(self, call: Call) -> Reply:
        """A tag, ``tag/<revision>`` with its name in the body, or a branch, ``branch/<name>`` with its start there."""
        asked, ref, start = json.loads(call.body), f"refs/heads/{call.revision}", "main"
        if "tag" in asked:
            ref, start = f"refs/tags/{asked['tag']}", call.revision
        self.allow(call.token, call.repo.name)
        if ref in call.repo.refs:
            raise Refusal(409, f"{ref} exists already")
        call.repo.refs[ref] = call.repo.at(asked.get("startingPoint", start)).sha
        return as_json({})

    def auth_check(self, call: Call) -> Reply:
        if call.revision == "write":
            self.allow(call.token, call.repo.name)
        return as_json({})

    def preupload(self, call: Call) -> Reply:
        """Which files are large, and what is there already: the client leaves those out of its commit."""
        self.allow(call.token, call.repo.name, "create_pr" in call.query)
        known, answers = entries(call.repo.at(call.revision)), []
        for file in json.loads(call.body)["files"]:
            mode = "lfs" if file["path"].endswith(SUFFIXES) or file["size"] > LARGE else "regular"
            entry = known.get(file["path"], {})
            oid = entry.get("lfs", entry).get("oid")
            answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return as_json({"files": answers})

    def batch(self, call: Call) -> Reply:
        """What to upload where; the client names no ref when the files are for a pull request."""
        asked, repo = json.loads(call.body), call.repo
        self.allow(call.token, repo.name, "ref" not in asked)
        verify = {"href": f"{self.url}/{repo.place}.git/info/lfs/objects/verify"}
        answers: list[dict[str, Any]] = [{"oid": wanted["oid"], "size": wanted["size"]} for wanted in asked["objects"]]
        for answer in answers:
            if answer["oid"] not in repo.objects:
                answer["actions"] = {"upload": {"href": self.signed(repo, answer["oid"])}, "verify": verify}
        return as_json({"transfer": "basic", "objects": answers})

    def verify(self, call: Call) -> Reply:
        self.allow(call.token, call.repo.name, proposal=True)
        asked = json.loads(call.body)
        return as_json({}, 200 if len(call.repo.objects.get(asked["oid"], b"")) == asked["size"] else 404)

    def commit(self, call: Call) -> Reply:
        repo, (header, *operations) = call.repo, [json.loads(line) for line in call.body.splitlines()]
        proposal, expected = "create_pr" in call.query, header["value"].get("parentCommit", "")
        self.allow(call.token, repo.name, proposal)
        base, number = repo.at(call.revision), 1 + sum(ref.startswith("refs/pr/") for ref in repo.refs)
        ref = call.revision if call.revision.startswith("refs/") else f"refs/heads/{call.revision}"
        if proposal:
            ref, base = f"refs/pr/{number}", repo.at(expected or call.revision)
        elif ref not in repo.refs:
            raise Refusal(400, f"{call.revision} is no branch")
        elif not base.sha.startswith(expected):
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        files, large = dict(base.files), set(base.large)
        for operation in operations:
            apply(operation["key"], operation["value"], files, large, repo.objects)
        made = repo.add(ref, header["value"]["summary"], base.sha, files, large)
        urls = {"commitUrl": f"{self.url}/{repo.place}/commit/{made.sha}"}
        urls |= {"pullRequestUrl": f"{self.url}/{repo.place}/discussions/{number}"} if proposal else {}
        return as_json({"success": True, "commitOid": made.sha, **urls})


ACTIONS = {
    "resolve": HubStub.resolve, "revision": HubStub.info, "tree": HubStub.tree, "paths-info": HubStub.paths_info,
    "refs": HubStub.list_refs, "tag": HubStub.add_ref, "branch": HubStub.add_ref, "auth-check": HubStub.auth_check,
    "preupload": HubStub.preupload, "batch": HubStub.batch, "verify": HubStub.verify, "commit": HubStub.commit,
}  # fmt: skip


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] = {}) -> Reply:
    return Reply(status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode())


def anonymous() -> Refusal:
    """The real answer has no code; the client knows it by the https:// of the address, which a loopback does not have."""
    return Refusal(401, "Invalid username or password.", "RepoNotFound")


def git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entries(commit: Commit) -> dict[str, dict[str, Any]]:
    """Every file and folder of a commit, by path, as the listing of a tree shows it."""
    found: dict[str, dict[str, Any]] = {}
    for path, data in sorted(commit.files.items()):
        for folder in map(str, PurePosixPath(path).parents[:-1]):
            found[folder] = {"type": "directory", "oid": git_oid(folder.encode()), "size": 0, "path": folder}
        found[path] = {"type": "file", "oid": git_oid(data), "size": len(data), "path": path}
        if path in commit.large:
            pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(data)}\nsize {len(data)}\n".encode()
            lfs = {"oid": sha256(data), "size": len(data), "pointerSize": len(pointer)}
            found[path] |= {"oid": git_oid(pointer), "lfs": lfs}
    return found


def ranged(data: bytes, wanted: str | None, headers: dict[str, str]) -> Reply:
    """All of a file, or the part that a ``Range`` header with a start asks for."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
    if match is None:
        return Reply(200, headers, data)
    part = data[int(match[1]) : int(match[2]) + 1 if match[2] else None]
    span = f"bytes {match[1]}-{int(match[1]) + len(part) - 1}/{len(data)}" if part else f"bytes */{len(data)}"
    return Reply(206 if part else 416, headers | {"Content-Range": span}, part)


def apply(key: str, value: dict[str, Any], files: dict[str, bytes], large: set[str], objects: dict[str, bytes]) -> None:
    """Carries out one line of a commit: ``files`` and ``large`` are changed."""
    path = value["path"]
    if key == "file":
        files[path] = base64.b64decode(value["content"], validate=True)
        large.discard(path)
    elif key == "lfsFile" and value["oid"] in objects:
        files[path] = objects[value["oid"]]
        large.add(path)
    elif key in ("deletedFile", "deletedFolder"):
        gone = {name for name in files if name == path or (key == "deletedFolder" and name.startswith(f"{path.rstrip('/')}/"))}
        if not gone:
            raise Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
        for name in gone:
            del files[name]
        large -= gone
    else:
        raise Refusal(400, f"{path}: {key} is unknown to the stub, or its object was not uploaded")


def validate(card: str) -> Reply:
    """Not a YAML parser: a missing header gives a warning, a header that does not end or has a line of another form an error."""
    lines = card.splitlines()
    if lines[:1] != ["---"]:
        return as_json({"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]})
    header = lines[1 : lines.index("---", 1)] if "---" in lines[1:] else ["the header does not end"]
    errors = [{"message": f"not YAML: {line}"} for line in header if not re.match(r"[\w-]+:( |$)|[ #-]|$", line)]
    return as_json({"errors": errors, "warnings": []}, 400 if errors else 200)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60.0  # seconds that a connection may idle

    def __init__(self, stub: HubStub, serve: Any, *arguments: Any) -> None:
        self.stub, self.serve = stub, serve
        super().__init__(*arguments)

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client has gone
            super().handle()

    def exchange(self) -> None:
        request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        fault = self.stub.arrived(request)
        self.stub.closing.wait(fault.slow)
        length = int(request.headers.get("content-length", 0))
        body = self.rfile.read(length if fault.cut_request is None else min(length, fault.cut_request))
        self.close_connection = len(body) < length or fault.cut_response is not None
        if len(body) < length:
            return
        status, headers, content = fault.reply or self.serve(request, body)
        content = content.translate(OTHER_BYTES) if fault.corrupt else content
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: fault.cut_response])

    do_GET = do_HEAD = do_POST = do_PUT = exchange

    def log_message(self, *_: object) -> None:
        pass


def environment(stub: HubStub, home: Path, token: str | None = None) -> dict[str, str]:
    """The environment of a process whose client talks to the stub: nothing of the user's own Hub settings, caches or proxies."""
    foreign = re.compile(r"HF_|HUGGING|TRANSFORMERS_OFFLINE|.*_proxy", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not foreign.match(name)}
    off = dict.fromkeys(("HF_HUB_OFFLINE", "HF_UPDATE_DOWNLOAD_COUNTS"), "0")
    on = dict.fromkeys(("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS"), "1")
    return kept | off | on | {"HF_ENDPOINT": stub.url, "HF_HOME": str(home)} | ({"HF_TOKEN": token} if token else {})


@contextmanager
def connected(stub: HubStub, monkeypatch: Any, folder: Path) -> Iterator[HubStub]:
    """The stub, served, with this process's client set to it: what that read from its environment on import is replaced."""
    close_session()
    with stub:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", stub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", stub.url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
        yield stub
        close_session()
