"""A folder to a repository of the Hugging Face Hub in one commit, read back from a clean cache before it counts as published.

The requests are huggingface_hub's; what is already there is not sent again, so that a broken upload goes on with the same
command, and an unchanged folder makes no commit.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import (
    CommitInfo,
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    RepoCard,
    errors,
    get_token,
    snapshot_download,
)
from huggingface_hub.hf_api import GitRefs, RepoFile
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from nisba.files import digest
from nisba.secrets import findings

Kind = Literal["model", "dataset", "space"]
WAITS = (1, 4, 16)  # seconds before a commit that failed on the Hub's side is tried again
LONGEST_WAIT = 60  # seconds that the Hub may ask for
AGAIN = "run the command again, which goes on where it stopped"
REASONS = {
    400: "the Hub refuses what it was sent",
    401: "the token is missing or not valid: log in with `hf auth login`, or set HF_TOKEN",
    403: "the token may not do this: it needs write access to the repository",
    404: "no such repository or revision, or it is private and the token may not read it",
    409: "the repository was changed by somebody else meanwhile, or the name is taken; run the command again",
    412: "the repository was changed by somebody else meanwhile; run the command again",
    422: "the Hub refuses what it was sent",
    429: f"too many requests: wait, then {AGAIN}",
}


class HubError(RuntimeError):
    """What keeps a folder from being published. Nothing is announced; the same command, run again, goes on."""


class PublishError(ValueError):
    """A run or corpus that cannot be published as it is."""


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
    folder: Path,
    target: Target,
    *,
    message: str,
    ids: Sequence[str] = (),
    owned: Sequence[str] = (),
    check: Callable[[Path], None] = lambda _: None,
) -> Published:
    """Make the repository hold the files of ``folder``.

    Of the files that are there already those of ``owned`` (names, or folders with a slash at the end) go where the folder lacks
    them; others stay. What was committed is downloaded into an empty cache, compared byte for byte, and given to ``check``, which
    raises HubError where it does not work. ``ids`` are names on the Hub that the files may hold. Raises HubError.
    """
    scan(folder, [target.repo, *ids])
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    api = HfApi()
    with explained(target.repo):
        possible(target)
        if get_token() is None:
            raise HubError(f"{target.repo}: {REASONS[401]}")
        api.whoami()
        refs = _claim(api, target)
        head = str(api.repo_info(target.repo, repo_type=target.kind, revision=target.revision).sha)
        standing = _standing(api, target, refs, head, files, owned)
        moved = {ref.name: ref.target_commit for ref in refs.tags}.get(target.tag or "", standing)
        if moved != standing or (standing is None and target.tag in {ref.name for ref in refs.tags}):
            raise HubError(f"{target.repo}: the tag {target.tag} stands on another commit; choose another tag")
        if "README.md" in files:
            RepoCard.load(files["README.md"], ignore_metadata_errors=True).validate(repo_type=target.kind)
        if standing is None:
            commit = _patiently(lambda: _commit(api, target, files, owned, message), target)
            url, made = commit.pr_url or commit.commit_url, commit.oid
        else:
            url, made = (
                f"{api.endpoint}/{'' if target.kind == 'model' else target.kind + 's/'}{target.repo}/commit/{standing}",
                standing,
            )
        read_back(files, target, made, check)
        if target.tag is not None and target.tag not in {ref.name for ref in refs.tags}:
            api.create_tag(target.repo, tag=target.tag, revision=made, repo_type=target.kind)
    return Published(url, made, standing is None)


def possible(target: Target) -> None:
    """Raises HubError for a target that the Hub cannot have."""
    validate_repo_id(target.repo)
    if target.repo.count("/") != 1:
        raise HubError(f"{target.repo}: name the repository as user/name")
    if target.pull_request and (target.tag is not None or target.revision != "main"):
        raise HubError(f"{target.repo}: a pull request goes to main and takes no tag; tag the commit once it is merged")
    if re.fullmatch(r"[0-9a-f]{40}|refs/.*", target.revision):
        raise HubError(f"{target.repo}: {target.revision} is no branch; a commit or a pull request cannot be published to")


def read_back(files: Mapping[str, Path], target: Target, commit: str, check: Callable[[Path], None]) -> None:
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


def scan(folder: Path, ids: Sequence[str]) -> None:
    """Raises HubError that lists every token, path of this machine or user name in the files (``secrets.findings``)."""
    found = findings(folder, ids, get_token())
    if found:
        raise HubError("\n".join(["not published:", *found]))


@contextmanager
def explained(repo: str) -> Iterator[None]:
    """Failures of the Hub, of the connection and of this machine's disk as one HubError, without the token."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, errors.HTTPError) as error:  # type: ignore[attr-defined]
        cause: BaseException = error
        if type(error) is RuntimeError and error.__cause__ is not None:  # how the client wraps a broken upload
            cause = error.__cause__
        reason = None if type(cause).__module__.startswith("nisba.") else why(cause)
        if reason is None:
            raise
        raise HubError(f"{repo}: {reason}") from None


def why(error: BaseException) -> str | None:
    """What a user can do about a failure; None for one that is not of the Hub, the connection or the disk."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    if isinstance(error, errors.LocalTokenNotFoundError | UnicodeEncodeError):  # a token with letters that no token has
        return REASONS[401]
    if isinstance(error, errors.HFValidationError):
        return f"no name of a repository: {first}"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "the Hub is switched off by HF_HUB_OFFLINE"
    if isinstance(error, errors.HfHubHTTPError):
        status, wait = error.response.status_code, error.response.headers.get("Retry-After")
        reason = REASONS.get(status, f"the Hub failed ({status}); {AGAIN}")
        details = [f"it asks to wait {wait} s"] if status == 429 and wait else []
        details += (error.server_message or "").strip()[:200].splitlines()[:1]
        return f"{reason}{''.join(f' ({detail})' for detail in details)}"
    if isinstance(error, errors.HTTPError | ConnectionError | errors.LocalEntryNotFoundError):  # type: ignore[attr-defined]
        return f"the connection failed ({first}); {AGAIN}"
    if isinstance(error, OSError):
        return f"{error.filename or 'this machine'}: {error.strerror or first}"
    if isinstance(error, ValueError):
        return f"the Hub's answer was not understood, or it refuses the card ({' '.join(str(error).split())[:300]})"
    return None


def _claim(api: HfApi, target: Target) -> GitRefs:
    """Make the repository and the branch where they are missing; returns the branches, tags and pull requests. Raises HubError
    where a private repository is asked for and the one that stands is public, or where the branch has the name of a tag."""
    try:
        info = api.repo_info(target.repo, repo_type=target.kind)
    except errors.RepositoryNotFoundError:
        sdk = "gradio" if target.kind == "space" else None
        api.create_repo(target.repo, repo_type=target.kind, private=target.private, exist_ok=True, space_sdk=sdk)
    else:
        if target.private and not info.private:
            raise HubError(f"{target.repo}: stands already and is public; make it private on the Hub first, or leave --private out")
    refs = api.list_repo_refs(target.repo, repo_type=target.kind, include_pull_requests=target.pull_request)
    if target.revision in {ref.name for ref in refs.tags}:
        raise HubError(f"{target.repo}: {target.revision} is a tag; name a branch")
    if target.revision != "main" and target.revision not in {ref.name for ref in refs.branches}:
        api.create_branch(target.repo, branch=target.revision, repo_type=target.kind)
    return refs


def _standing(api: HfApi, target: Target, refs: GitRefs, head: str, files: Mapping[str, Path], owned: Sequence[str]) -> str | None:
    """The commit that holds exactly what is to be published, of the branch or of a pull request that was opened before."""
    proposals = [str(ref.ref) for ref in refs.pull_requests or ()] if target.pull_request else []
    for revision in (head, *proposals):
        tree = api.list_repo_tree(target.repo, repo_type=target.kind, revision=revision, recursive=True)
        there = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
        if not _stale(there, files, owned) and all(name in there and _same(there[name], path) for name, path in files.items()):
            return str(api.repo_info(target.repo, repo_type=target.kind, revision=revision).sha)
    return None


def _commit(api: HfApi, target: Target, files: Mapping[str, Path], owned: Sequence[str], message: str) -> CommitInfo:
    """The commit that makes the repository hold the files, or the one that stands where it does already."""
    head = str(api.repo_info(target.repo, repo_type=target.kind, revision=target.revision).sha)
    there = api.list_repo_files(target.repo, repo_type=target.kind, revision=head)
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()
    ]
    operations += [CommitOperationDelete(path_in_repo=name) for name in _stale(there, files, owned)]
    return api.create_commit(
        target.repo,
        operations,
        commit_message=message,
        repo_type=target.kind,
        revision=target.revision,
        create_pr=target.pull_request,
        parent_commit=head,
    )


def _patiently(commit: Callable[[], CommitInfo], target: Target) -> CommitInfo:
    """The commit, tried again where the Hub fails, asks to wait, or breaks off: where it was made all the same, the next try finds
    nothing to do. A pull request is tried once, for the next try would open another."""
    for wait in () if target.pull_request else WAITS:
        try:
            return commit()
        except errors.HfHubHTTPError as error:
            status, asked = error.response.status_code, error.response.headers.get("Retry-After", "")
            if status != 429 and status < 500:
                raise
            time.sleep(min(int(asked), LONGEST_WAIT) if wait and asked.isascii() and asked.isdigit() else wait)
        except errors.HTTPError:  # type: ignore[attr-defined]
            time.sleep(wait)
    return commit()


def _stale(there: Sequence[str] | Mapping[str, Any], files: Mapping[str, Path], owned: Sequence[str]) -> list[str]:
    """The files there that are ours to take away, since the folder has them no more."""
    folders = tuple(name for name in owned if name.endswith("/"))
    return [name for name in there if name not in files and (name in owned or name.startswith(folders))]


def _same(entry: RepoFile, path: Path) -> bool:
    """Whether a file of the Hub, known by the SHA-256 of a large file or by its git object, is this one."""
    if entry.lfs is not None:
        return bool(entry.lfs.sha256 == digest(path))
    data = path.read_bytes()
    return bool(entry.blob_id == hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())


def _literal(name: str) -> str:
    """A file's name as a pattern that matches only it."""
    return re.sub(r"([\[*?])", r"[\1]", name)
