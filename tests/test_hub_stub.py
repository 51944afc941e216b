"""The real client against the stub of the Hub: what later tests rely on, and what the client does by itself about each fault."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from types import SimpleNamespace

import httpx2
import pytest
from datasets import Dataset
from huggingface_hub import CommitOperationAdd, HfApi, HfFileSystem, constants
from huggingface_hub.errors import HfHubHTTPError, RemoteEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import _http

from tests import hub_stub
from tests.hub_stub import HubStub, connected, environment

WEIGHTS = bytes(range(256)) * 4000  # 1,024,000 bytes: several reads and writes on a socket
CARD = "---\nlicense: apache-2.0\n---\n# بطاقة\n"
FILES = {"README.md": CARD.encode(), "config.json": b"{}", "نص/مقال.txt": "قال".encode(), "model.safetensors": WEIGHTS}
SAMPLE = "amal/names"


@pytest.fixture
def stub(monkeypatch, tmp_path):
    """The Hub, its client set to it, nobody logged in."""
    tokens = {"hf_amal": "amal", "hf_reader": "amal", "hf_badr": "badr"}
    stub = HubStub(tokens=tokens, read_only={"hf_reader"}, organizations={"amal": ["newsroom"]})
    with connected(stub, monkeypatch, tmp_path):
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield stub


@pytest.fixture
def waits(monkeypatch):
    """How long the client wanted to wait before each of its retries; it does not."""
    waits = []
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=waits.append))
    return waits


@pytest.fixture
def api(stub):
    return HfApi(endpoint=stub.url, token="hf_amal")


@pytest.fixture
def repo(stub, api):
    api.create_repo(SAMPLE)
    return stub.repos["model", SAMPLE]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def anonymous(stub):
    return HfApi(endpoint=stub.url, token=False)


def read(folder):
    paths = [path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def status(error):
    return error.value.response.status_code


def test_a_token_stands_for_a_user(stub, api):
    assert (api.whoami()["name"], api.whoami()["auth"]["accessToken"]["role"]) == ("amal", "write")
    assert [org["name"] for org in api.whoami()["orgs"]] == ["newsroom"]
    assert api.whoami(token="hf_reader")["auth"]["accessToken"]["role"] == "read"
    with pytest.raises(HfHubHTTPError, match="Invalid user token") as error:
        api.whoami(token="hf_unknown")
    assert status(error) == 401


def test_an_unknown_token_opens_nothing_not_even_a_public_repository(stub, repo):
    with pytest.raises(HfHubHTTPError, match="Invalid credentials") as error:
        HfApi(endpoint=stub.url, token="hf_unknown").model_info(SAMPLE)
    assert status(error) == 401
    assert not isinstance(error.value, RepositoryNotFoundError)


@pytest.mark.parametrize(("kind", "prefix"), [("model", ""), ("dataset", "datasets/"), ("space", "spaces/")])
def test_a_repository_is_created_once(stub, api, kind, prefix):
    sdk = "static" if kind == "space" else None
    url = api.create_repo(SAMPLE, repo_type=kind, space_sdk=sdk)
    assert (url, url.repo_id, url.repo_type) == (f"{stub.url}/{prefix}{SAMPLE}", SAMPLE, kind)
    with pytest.raises(HfHubHTTPError, match="already created") as error:
        api.create_repo(SAMPLE, repo_type=kind, space_sdk=sdk)
    assert status(error) == 409
    assert api.create_repo(SAMPLE, repo_type=kind, space_sdk=sdk, exist_ok=True) == url
    info = api.repo_info(SAMPLE, repo_type=kind)
    assert (info.id, info.sha, info.private) == (SAMPLE, stub.repos[kind, SAMPLE].main.sha, False)
    assert [sibling.rfilename for sibling in info.siblings] == [".gitattributes"]
    assert set(stub.repos) == {(kind, SAMPLE)}


def test_who_may_create_where(stub, api):
    for token, name in (("hf_reader", SAMPLE), ("hf_amal", "badr/names"), ("hf_badr", "newsroom/names")):
        with pytest.raises(HfHubHTTPError, match="rights") as error:
            api.create_repo(name, token=token, exist_ok=True)
        assert status(error) == 403
    with pytest.raises(HfHubHTTPError) as error:
        anonymous(stub).create_repo(SAMPLE)
    assert status(error) == 401
    assert not stub.repos
    api.create_repo("newsroom/names")
    assert api.create_repo("newsroom/names", token="hf_badr", exist_ok=True).repo_id == "newsroom/names"  # it is there and public


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_a_folder_goes_up_and_comes_down(stub, api, folder, kind, tmp_path):
    api.create_repo(SAMPLE, repo_type=kind, space_sdk="static" if kind == "space" else None)
    made = api.upload_folder(repo_id=SAMPLE, repo_type=kind, folder_path=folder, commit_message="first")
    repo = stub.repos[kind, SAMPLE]
    assert {name: repo.main.files[name] for name in FILES} == FILES
    assert (repo.main.message, repo.main.sha, repo.main.parent) == ("first", made.oid, repo.commits[0].sha)
    assert repo.main.large == {"model.safetensors"}
    for target in ({"cache_dir": tmp_path / "other"}, {"local_dir": tmp_path / "plain"}):
        fetched = anonymous(stub).snapshot_download(SAMPLE, repo_type=kind, allow_patterns=list(FILES), **target)
        assert read(tmp_path.joinpath(fetched)) == FILES
    found = api.verify_repo_checksums(SAMPLE, repo_type=kind, cache_dir=tmp_path / "other")
    assert (found.checked_count, found.mismatches, found.missing_paths) == (4, [], [".gitattributes"])


def test_the_token_goes_to_the_hub_and_not_to_the_storage(stub, api, repo, folder):
    api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    api.snapshot_download(SAMPLE)
    stored = [request for request in stub.requests if request.path.startswith("/lfs/")]
    assert {request.method for request in stored} == {"PUT", "GET"}
    assert all("authorization" not in request.headers for request in stored)
    assert {r.headers.get("authorization") for r in stub.requests if r not in stored} == {"Bearer hf_amal"}
    before = len(stub.requests)
    anonymous(stub).snapshot_download(SAMPLE, force_download=True)
    assert not any("authorization" in request.headers for request in stub.requests[before:])


def test_an_unchanged_folder_makes_no_commit_and_a_change_sends_one_file(stub, api, repo, folder):
    first = api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    again = api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    assert again.oid == first.oid == repo.main.sha
    assert len(repo.commits) == 2
    assert len(stub.sent("PUT", "/lfs/")) == 1
    (folder / "config.json").write_bytes(b"[]")
    api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    assert len(repo.commits) == 3
    assert repo.main.files["config.json"] == b"[]"
    assert repo.main.files["model.safetensors"] == WEIGHTS
    assert len(stub.sent("PUT", "/lfs/")) == 1


def test_a_large_file_needs_no_suffix(stub, api, repo, monkeypatch):
    monkeypatch.setattr(hub_stub, "LARGE", 1000)
    for name, size in (("small.txt", 1000), ("large.txt", 1001)):
        api.upload_file(repo_id=SAMPLE, path_in_repo=name, path_or_fileobj=b"x" * size)
    assert repo.main.large == {"large.txt"}
    api.upload_file(repo_id=SAMPLE, path_in_repo="large.txt", path_or_fileobj=b"x")
    assert (repo.main.large, repo.main.files["large.txt"]) == (set(), b"x")


def test_an_interrupted_upload_goes_on_with_what_is_missing(stub, api, repo, folder, waits):
    (folder / "second.safetensors").write_bytes(WEIGHTS[::-1])
    oid = hub_stub.sha256(WEIGHTS)
    stub.fault("PUT", oid, times=6, cut_request=300_000)
    with pytest.raises(RuntimeError, match=r"Error while uploading 'model.safetensors'"):
        api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    assert waits == [1, 2, 4, 8, 8]
    assert len(repo.commits) == 1
    assert list(repo.objects.values()) == [WEIGHTS[::-1]]
    before = len(stub.sent("PUT", "/lfs/"))
    api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    assert [oid in request.path for request in stub.sent("PUT", "/lfs/")[before:]] == [True]
    assert (repo.main.files["model.safetensors"], repo.main.files["second.safetensors"]) == (WEIGHTS, WEIGHTS[::-1])


def test_the_client_repeats_a_cut_upload_by_itself(stub, api, repo, folder, waits):
    stub.fault("PUT", "/lfs/", times=2, cut_request=1)
    api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    assert waits == [1, 2]
    assert repo.main.files["model.safetensors"] == WEIGHTS


def test_a_commit_whose_answer_is_lost_was_made_and_is_not_made_again(stub, api, repo, folder, waits):
    stub.fault("POST", "/commit/", cut_response=5)
    with pytest.raises(httpx2.RemoteProtocolError):
        api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    assert len(repo.commits) == 2
    assert api.upload_folder(repo_id=SAMPLE, folder_path=folder).oid == repo.main.sha
    assert (len(repo.commits), waits) == (2, [])


@pytest.mark.parametrize("code", [429, 500, 503])
def test_what_the_client_repeats_and_what_it_does_not(stub, api, repo, folder, waits, code):
    later = {"Retry-After": "7"}
    stub.fault("POST", "/preupload/", status=code)
    stub.fault("POST", "/objects/batch", status=code, headers=later)
    stub.fault("PUT", "/lfs/", times=2, status=code)
    api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    assert waits == [1, 8, 1, 2]  # after Retry-After it waits a second longer
    (folder / "config.json").write_bytes(b"[]")
    for method, path in (("POST", "/commit/"), ("POST", "/validate-yaml")):
        stub.fault(method, path, status=code, headers={**later, "Content-Type": "application/json"}, body=b"{}")
        with pytest.raises(HfHubHTTPError) as error:
            api.upload_folder(repo_id=SAMPLE, folder_path=folder)
        assert status(error) == code
    stub.fault("POST", "/repos/create", status=code)
    with pytest.raises(HfHubHTTPError) as error:
        api.create_repo("amal/other")
    assert (status(error), len(repo.commits), len(waits)) == (code, 2, 4)


def test_the_client_gives_up_after_five_repeats(stub, api, repo, folder, waits):
    stub.fault("POST", "/preupload/", times=6, status=500, body=b"out of order")
    with pytest.raises(HfHubHTTPError, match="out of order") as error:
        api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    assert (status(error), waits) == (500, [1, 2, 4, 8, 8])


def test_a_slow_answer(stub, api, repo):
    stub.fault("GET", "/api/models/", slow=0.5)
    with pytest.raises(httpx2.ReadTimeout):
        api.model_info(SAMPLE, timeout=0.1)
    assert api.model_info(SAMPLE, timeout=5).sha == repo.main.sha


def test_a_commit_on_an_old_parent_is_refused(stub, api, repo):
    def commit(parent, data):
        return api.upload_file(repo_id=SAMPLE, path_in_repo="a.txt", path_or_fileobj=data, parent_commit=parent)

    start = repo.main.sha
    commit(start, b"1")
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as error:
        commit(start, b"2")
    assert (status(error), repo.main.files["a.txt"]) == (412, b"1")


def test_a_pull_request_leaves_the_branch_alone(stub, api, repo, folder):
    start = repo.main
    for number, token in ((1, "hf_amal"), (2, "hf_badr")):
        made = api.upload_folder(repo_id=SAMPLE, folder_path=folder, create_pr=True, token=token)
        assert (made.pr_num, made.pr_revision) == (number, f"refs/pr/{number}")
        assert repo.at(made.pr_revision).files["model.safetensors"] == WEIGHTS
    assert repo.main is start
    api.upload_file(repo_id=SAMPLE, path_in_repo="b.txt", path_or_fileobj=b"b", revision="refs/pr/1")
    assert {"b.txt", "config.json"} <= set(api.list_repo_files(SAMPLE, revision="refs/pr/1"))
    assert "b.txt" not in repo.at("refs/pr/2").files
    refs = api.list_repo_refs(SAMPLE, include_pull_requests=True)
    assert [(ref.ref, ref.target_commit) for ref in refs.pull_requests] == list(repo.refs.items())[1:]
    with pytest.raises(HfHubHTTPError) as error:
        api.upload_folder(repo_id=SAMPLE, folder_path=folder, create_pr=True, token="hf_reader")
    assert status(error) == 403


def test_tags_and_branches(stub, api, repo):
    api.upload_file(repo_id=SAMPLE, path_in_repo="a.txt", path_or_fileobj=b"1")
    api.create_tag(SAMPLE, tag="v1.0", tag_message="first")
    api.create_branch(SAMPLE, branch="trial/one")
    api.upload_file(repo_id=SAMPLE, path_in_repo="a.txt", path_or_fileobj=b"2")
    api.upload_file(repo_id=SAMPLE, path_in_repo="a.txt", path_or_fileobj=b"3", revision="trial/one")
    revisions = {"v1.0": b"1", "main": b"2", "trial/one": b"3", repo.tags["v1.0"]: b"1"}
    for revision, data in revisions.items():
        with open(api.hf_hub_download(SAMPLE, "a.txt", revision=revision), "rb") as file:
            assert file.read() == data
    refs = api.list_repo_refs(SAMPLE)
    assert [(ref.name, ref.target_commit) for ref in refs.tags] == [("v1.0", repo.commits[1].sha)]
    assert {ref.name for ref in refs.branches} == {"main", "trial/one"}
    for create in (
        lambda **ok: api.create_tag(SAMPLE, tag="v1.0", **ok),
        lambda **ok: api.create_branch(SAMPLE, branch="main", **ok),
    ):
        create(exist_ok=True)
        with pytest.raises(HfHubHTTPError) as error:
            create()
        assert status(error) == 409
    with pytest.raises(RevisionNotFoundError):
        api.create_tag(SAMPLE, tag="v2.0", revision="absent")
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download(SAMPLE, "a.txt", revision="absent")


def test_files_and_folders_are_deleted(stub, api, repo, folder):
    api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    (folder / "new.safetensors").write_bytes(WEIGHTS)
    api.upload_folder(repo_id=SAMPLE, folder_path=folder, allow_patterns="new.*", delete_patterns="*.safetensors")
    assert repo.main.large == {"new.safetensors"}
    api.delete_folder("نص", SAMPLE)
    api.delete_file("config.json", SAMPLE)
    assert set(repo.main.files) == {".gitattributes", "README.md", "new.safetensors"}
    with pytest.raises(RemoteEntryNotFoundError, match="A file with this name doesn't exist"):
        api.delete_file("config.json", SAMPLE)


def test_a_private_repository_is_not_there_for_others(stub, api, folder):
    api.create_repo(SAMPLE, private=True)
    api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    assert api.model_info(SAMPLE, token="hf_reader").private
    for token, code in ((False, 401), ("hf_badr", 404)):
        for call in (api.model_info, api.list_repo_files, api.snapshot_download):
            with pytest.raises(RepositoryNotFoundError) as error:
                call(SAMPLE, token=token)
            assert status(error) == code
    assert api.repo_exists(SAMPLE)
    assert not api.repo_exists(SAMPLE, token="hf_badr")


def test_who_may_write(stub, api, repo):
    for token, code in ((False, 401), ("hf_reader", 403), ("hf_badr", 403)):
        changes = [
            lambda token: api.upload_file(repo_id=SAMPLE, path_in_repo="a.txt", path_or_fileobj=b"a", token=token),
            lambda token: api.create_tag(SAMPLE, tag="v1", token=token),
            lambda token: api.create_branch(SAMPLE, branch="b", token=token),
            lambda token: api.auth_check(SAMPLE, write=True, token=token),
        ]
        for change in changes:
            with pytest.raises(HfHubHTTPError if token else RepositoryNotFoundError) as error:
                change(token)
            assert status(error) == code
        api.auth_check(SAMPLE, token=token)
    api.auth_check(SAMPLE, write=True)
    assert (len(repo.commits), repo.tags, list(repo.refs)) == (1, {}, ["refs/heads/main"])


def test_listings_tell_sizes_and_hashes(stub, api, repo, folder):
    made = api.upload_folder(repo_id=SAMPLE, folder_path=folder, commit_message="first")
    flat = {entry.path: entry for entry in api.list_repo_tree(SAMPLE)}
    assert set(flat) == {*FILES, ".gitattributes", "نص"} - {"نص/مقال.txt"}
    assert [entry.path for entry in api.list_repo_tree(SAMPLE, "نص")] == ["نص/مقال.txt"]
    deep = {entry.path: entry for entry in api.list_repo_tree(SAMPLE, recursive=True, expand=True)}
    assert set(deep) == {*flat, "نص/مقال.txt"}
    assert (deep["config.json"].last_commit.oid, deep[".gitattributes"].last_commit.title) == (made.oid, "initial commit")
    assert deep["config.json"].blob_id == "9e26dfeeb6e641a33dae4961196235bdb965b21b"  # what `git hash-object` says of {}
    assert (deep["model.safetensors"].lfs.sha256, deep["model.safetensors"].lfs.size) == (hub_stub.sha256(WEIGHTS), len(WEIGHTS))
    [large, inner] = api.get_paths_info(SAMPLE, ["model.safetensors", "absent", "نص"])
    assert (large.blob_id, large.lfs, inner.path) == (flat["model.safetensors"].blob_id, deep["model.safetensors"].lfs, "نص")
    siblings = {sibling.rfilename: sibling for sibling in api.model_info(SAMPLE, files_metadata=True).siblings}
    assert siblings["model.safetensors"].lfs == large.lfs
    assert (siblings["config.json"].size, siblings["config.json"].lfs) == (2, None)
    assert api.file_exists(SAMPLE, "نص/مقال.txt")
    assert not api.file_exists(SAMPLE, "مقال.txt")
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree(SAMPLE, "absent"))


def test_parts_of_a_file_are_read_through_the_file_system(stub, api, repo, folder):
    api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    files = HfFileSystem(endpoint=stub.url, token="hf_amal", skip_instance_cache=True)
    with files.open(f"{SAMPLE}/model.safetensors", "rb", cache_type="none") as file:
        file.seek(1000)
        assert file.read(69_000) == WEIGHTS[1000:70_000]
    assert files.read_text(f"{SAMPLE}/نص/مقال.txt") == "قال"
    assert files.glob(f"{SAMPLE}/**/*.json") == [f"{SAMPLE}/config.json"]
    ranges = {request.headers.get("range") for request in stub.sent("GET", "/lfs/")}
    assert ranges == {"bytes=1000-69999"}


def test_an_interrupted_download_goes_on_where_it_stopped(stub, api, repo, folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time", SimpleNamespace(sleep=lambda _: None))
    api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)  # what is in an unfinished chunk is lost
    stub.fault("GET", "/lfs/", cut_response=350_000)
    path = api.hf_hub_download(SAMPLE, "model.safetensors")
    with open(path, "rb") as file:
        assert file.read() == WEIGHTS
    assert [request.headers.get("range") for request in stub.sent("GET", "/lfs/")] == [None, "bytes=300000-"]


def test_altered_bytes_are_not_noticed_until_the_checksums_are_asked_for(stub, api, repo, folder):
    api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    stub.fault("GET", "/lfs/|/resolve/.*/config.json", times=2, corrupt=True)
    fetched = api.snapshot_download(SAMPLE)
    for _ in range(2):  # the second time from the cache
        with open(f"{fetched}/model.safetensors", "rb") as file:
            altered = file.read()
        assert altered != WEIGHTS
        assert len(altered) == len(WEIGHTS)
        assert api.snapshot_download(SAMPLE) == fetched
    found = api.verify_repo_checksums(SAMPLE)
    assert {mismatch["path"] for mismatch in found.mismatches} == {"config.json", "model.safetensors"}
    api.snapshot_download(SAMPLE, force_download=True)
    assert api.verify_repo_checksums(SAMPLE).mismatches == []


def test_a_card_is_checked_before_anything_is_sent(stub, api, repo, folder):
    (folder / "README.md").write_text("---\nlicense apache\n---\n")
    with pytest.raises(ValueError, match="license apache"):
        api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    (folder / "README.md").write_text("# nothing\n")
    with pytest.warns(UserWarning, match="missing yaml"):
        api.upload_folder(repo_id=SAMPLE, folder_path=folder)
    assert len(repo.commits) == 2


def test_the_storage_takes_only_what_has_the_promised_hash_under_a_signed_address(stub, repo):
    def put(url, data):
        return urllib.request.urlopen(urllib.request.Request(url, data=data, method="PUT"), timeout=10).status

    address = stub.signed(repo, hub_stub.sha256(WEIGHTS))
    for url, data, code in ((address, WEIGHTS[1:], 400), (address[:-1] + "x", WEIGHTS, 403)):
        with pytest.raises(urllib.error.HTTPError) as error:
            put(url, data)
        assert error.value.code == code
    assert not repo.objects
    assert put(address, WEIGHTS) == 200
    assert repo.objects == {hub_stub.sha256(WEIGHTS): WEIGHTS}


def test_a_commit_may_not_name_an_object_that_was_not_uploaded(stub, api, repo, monkeypatch):
    addition = CommitOperationAdd("model.safetensors", WEIGHTS)
    monkeypatch.setattr("huggingface_hub._commit_api._upload_files", lambda **_: None)
    with pytest.raises(HfHubHTTPError, match="not uploaded") as error:
        api.create_commit(SAMPLE, [addition], commit_message="empty promise")
    assert (status(error), len(repo.commits)) == (400, 1)


def run(stub, home, token, code, *arguments):
    """What a process of its own prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)],
        env={**environment(stub, home, token), "OMP_NUM_THREADS": "1"},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


CONFIGS = """---
configs:
- config_name: names
  default: true
  data_files:
  - split: train
    path: names/train-*.parquet
  - split: test
    path: names/test-*.parquet
- config_name: claims
  data_files:
  - split: train
    path: claims/train-*.parquet
---
# أسماء
"""
LOAD = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
repo, revision = sys.argv[1:]
names, claims = load_dataset(repo, revision=revision), load_dataset(repo, "claims", split="train", revision=revision)
stream = load_dataset(repo, "names", split="test", streaming=True, revision=revision)
print(json.dumps({
    "configs": get_dataset_config_names(repo, revision=revision),
    "names": {split: list(rows["text"]) for split, rows in names.items()},
    "claims": list(claims["text"]),
    "streamed": [row["text"] for row in stream],
}))
"""


def test_a_dataset_with_configs_loads_from_the_stub(stub, api, tmp_path):
    rows = {"names/train": ["قال", "أعلن"], "names/test": ["وصف"], "claims/train": ["أكد أن"]}
    (tmp_path / "README.md").write_text(CONFIGS, encoding="utf-8")
    for split, texts in rows.items():
        Dataset.from_dict({"text": texts}).to_parquet(tmp_path / f"{split}-00000-of-00001.parquet")
    api.create_repo(SAMPLE, repo_type="dataset", private=True)
    api.upload_folder(repo_id=SAMPLE, repo_type="dataset", folder_path=tmp_path, ignore_patterns="cache*")
    api.create_tag(SAMPLE, tag="v1", repo_type="dataset")
    assert len(stub.repos["dataset", SAMPLE].main.large) == 3
    found = run(stub, tmp_path, "hf_reader", LOAD, SAMPLE, "v1")
    assert found == {
        "configs": ["names", "claims"],
        "names": {"train": rows["names/train"], "test": rows["names/test"]},
        "claims": rows["claims/train"],
        "streamed": rows["names/test"],
    }


PRETRAINED = """
import json, sys
from transformers import AutoConfig, AutoModel, AutoTokenizer
def seen(place):
    tokenizer, config, model = (kind.from_pretrained(place) for kind in (AutoTokenizer, AutoConfig, AutoModel))
    return [tokenizer("قال الوزير")["input_ids"], config.hidden_size, model.embeddings.word_embeddings.weight[7].tolist()]
print(json.dumps([seen(place) for place in sys.argv[1:]]))
"""


def test_a_checkpoint_loads_from_the_stub_as_from_its_folder(stub, api, repo, tiny, tmp_path):
    api.upload_folder(repo_id=SAMPLE, folder_path=tiny)
    here, there = run(stub, tmp_path, None, PRETRAINED, tiny, SAMPLE)
    assert here == there
    asked = {request.path.rsplit("/", 1)[1] for request in stub.sent("HEAD", f"^/{SAMPLE}/resolve/")}
    assert {"config.json", "tokenizer.json", "model.safetensors"} <= asked
    assert not any("authorization" in request.headers for request in stub.sent("HEAD", ""))


def test_the_environment_of_a_process_has_nothing_of_the_users_own(stub, tmp_path, monkeypatch):
    for name in ("HF_TOKEN", "HF_HUB_CACHE", "HUGGING_FACE_HUB_TOKEN", "https_proxy", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "own")
    found = environment(stub, tmp_path)
    assert "own" not in found.values()
    assert (found["HF_ENDPOINT"], found["HF_HOME"], found["HF_HUB_OFFLINE"]) == (stub.url, str(tmp_path), "0")
    assert environment(stub, tmp_path, "hf_amal")["HF_TOKEN"] == "hf_amal"
