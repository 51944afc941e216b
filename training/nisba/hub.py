"""A folder to a repository of the Hugging Face Hub in one commit, read back from a clean cache before it counts as published.

The requests are huggingface_hub's; what is already there is not sent again, so that a broken upload goes on with the same
command, and an unchanged folder makes no commit.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete, HfApi, errors, get_token, snapshot_download
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

Kind = Literal["model", "dataset", "space"]
TOKEN = re.compile(rb"\bhf_[A-Za-z0-9]{16,}")
PATH = re.compile(rb"(?:/home/|/Users/|/root/|[A-Za-z]:\\Users\\)[\w.\-]+")
WAITS = (1, 4, 16)  # seconds before a commit that failed on the Hub's side is tried again
BINARY = (".safetensors", ".onnx", ".parquet", ".png")
REASONS = {
    401: "the token is missing or not valid: log in with `hf auth login`, or set HF_TOKEN",
    403: "the token may not do this: it needs write access to the repository",
    404: "no such repository or revision, or it is private and the token may not read it",
    409: "the repository was changed by somebody else meanwhile, or the name is taken; run the command again",
    412: "the repository was changed by somebody else meanwhile; run the command again",
    429: "too many requests: wait, then run the command again, which goes on where it stopped",
}


class HubError(RuntimeError):
    """What keeps a folder from being published. Nothing is announced; the same command, run again, goes on."""


@dataclass(frozen=True)
class Target:
    """Where to publish. ``revision`` is a branch, made where it is missing; ``tag`` is put on the commit once it was read back."""

    repo: str
    kind: Kind = "model"
    private: bool = False
    revision: str = "main"
    pull_request: bool = False
    tag: str | None = None


@dataclass(frozen=True)
class Published:
    """A commit that was read back: its page, its hash, and whether it is a new one."""

    url: str
    commit: str
    new: bool


def push(
    folder: Path, target: Target, *, message: str, owned: Sequence[str] = (), check: Callable[[Path], None] = lambda _: None
) -> Published:
    """Make the repository hold the files of ``folder``; other files there stay, but for those of ``owned`` that the folder lacks.

    What was committed is downloaded into an empty cache, compared byte for byte, and given to ``check``, which raises HubError
    where it does not work. Raises HubError.
    """
    scan(folder, target.repo)
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    api = HfApi()
    with explained(target.repo):
        validate_repo_id(target.repo)
        if "/" not in target.repo:
            raise HubError(f"{target.repo}: name the repository as user/name")
        if get_token() is None:
            raise HubError(f"{target.repo}: {REASONS[401]}")
        api.whoami()
        _claim(api, target)
        head = _head(api, target)
        for wait in (*WAITS, None):
            try:
                commit = _commit(api, target, files, owned, message)
                break
            except errors.HfHubHTTPError as error:  # it may have been made all the same: then the next try finds nothing to do
                if wait is None or error.response.status_code < 500:
                    raise
                time.sleep(wait)
        read_back(files, target, commit.oid, check)
        if target.tag is not None:
            _tag(api, target, target.tag, commit.oid)
    return Published(commit.pr_url or commit.commit_url, commit.oid, commit.oid != head)


def read_back(files: dict[str, Path], target: Target, commit: str, check: Callable[[Path], None]) -> None:
    """Download a commit into an empty cache and compare it with what was sent. Raises HubError."""
    with tempfile.TemporaryDirectory(prefix="nisba-") as cache:
        copy = Path(
            snapshot_download(
                target.repo,
                repo_type=target.kind,
                revision=commit,
                cache_dir=cache,
                allow_patterns=[_literal(name) for name in files],
            )
        )
        for name, path in files.items():
            if not (copy / name).is_file() or digest(copy / name) != digest(path):
                raise HubError(
                    f"{target.repo}: {name} was read back otherwise than it was sent: not published as it should be; run again"
                )
        check(copy)


def scan(folder: Path, repo: str) -> None:
    """Raises HubError that lists every token, home folder or user name in files that are about to be published.

    The user's name is looked for in texts other than the vocabulary; in the name of the repository it is meant.
    """
    secrets = {token.encode() for token in (get_token(),) if token}
    home = str(Path.home()).encode()
    user = next((os.environ[key] for key in ("USER", "LOGNAME", "USERNAME") if os.environ.get(key)), Path.home().name)
    name = re.compile(rb"(?<![\w])" + re.escape(user.encode()) + rb"(?![\w])") if len(user) > 2 and user != "root" else None
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data, where = path.read_bytes(), path.relative_to(folder).as_posix()
        if any(secret in data for secret in secrets) or TOKEN.search(data):
            found.append(f"{where}: holds an access token")
        if path.suffix in BINARY:
            continue
        text = data.replace(repo.encode(), b"")
        local = PATH.search(text) or (re.search(re.escape(home) + rb"[/\\][\w.\-]+", text) if len(home) > 1 else None)
        if local:
            found.append(f"{where}: holds a path of this machine: {local.group().decode(errors='replace')}")
        elif name is not None and path.name != "tokenizer.json" and name.search(text):
            found.append(f"{where}: holds the user's name")
    if found:
        raise HubError("\n".join(["not published:", *found]))


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def explained(repo: str) -> Iterator[None]:
    """Failures of the Hub, of the connection and of this machine's disk as one HubError, without the token."""
    try:
        yield
    except HubError:
        raise
    except (OSError, RuntimeError, ValueError, errors.HTTPError) as error:  # type: ignore[attr-defined]
        cause: BaseException = error
        if type(error) is RuntimeError and error.__cause__ is not None:  # how the client wraps a broken upload
            cause = error.__cause__
        reason = why(cause)
        if reason is None:
            raise
        raise HubError(f"{repo}: {reason}") from None


def why(error: BaseException) -> str | None:
    """What a user can do about a failure; None for one that is not of the Hub, the connection or the disk."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    if isinstance(error, errors.LocalTokenNotFoundError):
        return REASONS[401]
    if isinstance(error, errors.HFValidationError):
        return f"no name of a repository: {first}"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "the Hub is switched off by HF_HUB_OFFLINE"
    if isinstance(error, errors.HfHubHTTPError):
        status, wait = error.response.status_code, error.response.headers.get("Retry-After")
        reason = REASONS.get(status, f"the Hub failed ({status}); run the command again, which goes on where it stopped")
        details = [f"it asks to wait {wait} s"] if status == 429 and wait else []
        details += (error.server_message or "").strip()[:200].splitlines()[:1]
        return f"{reason}{''.join(f' ({detail})' for detail in details)}"
    if isinstance(error, errors.HTTPError | ConnectionError | errors.LocalEntryNotFoundError):  # type: ignore[attr-defined]
        return f"the connection failed ({first}); run the command again, which goes on where it stopped"
    if isinstance(error, OSError):
        return f"{error.filename or 'this machine'}: {error.strerror or first}"
    return None


def _claim(api: HfApi, target: Target) -> None:
    """Make the repository and the branch where they are missing. Raises HubError where a private one is asked for and the one
    that stands is public."""
    try:
        info = api.repo_info(target.repo, repo_type=target.kind)
    except errors.RepositoryNotFoundError:
        sdk = "gradio" if target.kind == "space" else None
        api.create_repo(target.repo, repo_type=target.kind, private=target.private, exist_ok=True, space_sdk=sdk)
    else:
        if target.private and not info.private:
            raise HubError(f"{target.repo}: stands already and is public; make it private on the Hub first, or leave --private out")
    if target.revision != "main":
        api.create_branch(target.repo, branch=target.revision, repo_type=target.kind, exist_ok=True)


def _head(api: HfApi, target: Target) -> str:
    return str(api.repo_info(target.repo, repo_type=target.kind, revision=target.revision).sha)


def _commit(api: HfApi, target: Target, files: Mapping[str, Path], owned: Sequence[str], message: str) -> CommitInfo:
    """The commit that makes the repository hold the files, or the one that stands where it does already."""
    head = _head(api, target)
    there = set(api.list_repo_files(target.repo, repo_type=target.kind, revision=head))
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()
    ]
    operations += [CommitOperationDelete(path_in_repo=name) for name in owned if name in there and name not in files]
    return api.create_commit(
        target.repo,
        operations,
        commit_message=message,
        repo_type=target.kind,
        revision=target.revision,
        create_pr=target.pull_request,
        parent_commit=head,
    )


def _tag(api: HfApi, target: Target, tag: str, commit: str) -> None:
    """Put the tag on the commit. Raises HubError where it stands on another one: a tag that moves misleads."""
    standing = {ref.name: ref.target_commit for ref in api.list_repo_refs(target.repo, repo_type=target.kind).tags}
    if tag not in standing:
        api.create_tag(target.repo, tag=tag, revision=commit, repo_type=target.kind)
    elif standing[tag] != commit:
        raise HubError(f"{target.repo}: the tag {tag} stands on another commit ({standing[tag][:8]}); choose another tag")


def _literal(name: str) -> str:
    """A file's name as a pattern that matches only it."""
    return re.sub(r"([\[*?])", r"[\1]", name)
