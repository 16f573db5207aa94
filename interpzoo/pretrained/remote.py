"""One repository on the Hub: what it holds, and its files, brought into the cache and checked against their hashes."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

from huggingface_hub import constants, hf_hub_url
from huggingface_hub.utils import validate_repo_id
from pydantic import BaseModel, Field

from interpzoo.config import validate
from interpzoo.errors import ConfigError, HubError, HubUnreachableError, InputError, UnknownNameError, WeightsError
from interpzoo.pretrained.cache import CachedRepository
from interpzoo.pretrained.client import Access, ask
from interpzoo.pretrained.reading import read_bytes, sha256
from interpzoo.pretrained.transfer import Receiver, receive_text, within

MOST_LISTING_BYTES: Final = 1 << 23
"""Largest description of a repository: some 40,000 files."""
LOOK_UP_SECONDS: Final = 20.0
"""How long a description may take, and how long a file may, besides its size."""
LEAST_RATE: Final = 20_000
"""Bytes per second, on average, that a file has to arrive at."""

_MOST_GIT_BYTES: Final = 448 << 20
"""Largest file whose hash may be git's own: the Hub stores others by their SHA-256."""


class _LargeFile(BaseModel):
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class RemoteFile(BaseModel):
    """A file, as the Hub describes it; a proxy may leave out everything but the name."""

    rfilename: str
    size: int | None = Field(default=None, ge=0, le=1 << 60, strict=True)
    blob_id: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = Field(default=None, alias="blobId")
    lfs: _LargeFile | None = None

    @property
    def digest(self) -> str | None:
        """SHA-256 of a file that the Hub stores as a large one, git's own (SHA-1) of another."""
        return self.lfs.sha256 if self.lfs and self.lfs.sha256 else self.blob_id if self.lfs is None else None


class Listing(BaseModel):
    """The files of a commit on the Hub."""

    sha: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    siblings: list[RemoteFile]


def fetched(
    repository: str,
    revision: str | None,
    access: Access,
    *,
    wanted: Callable[[str], bool],
    cached: Callable[[CachedRepository, str], Path | None],
    download: Callable[["Remote"], Path],
) -> Path:
    """A folder in the cache with files of a revision, downloaded if necessary.

    A commit that is wholly in the cache needs no request. A branch or tag is looked up in one request; if the Hub does
    not answer, its last cached state is used.

    Args:
        repository: ``user/repo``.
        revision: a commit, branch or tag; the main branch by default.
        access: how the Hub may be reached.
        wanted: whether a file of this name matters.
        cached: the folder of a commit in the cache, or ``None`` if it is not whole.
        download: brings the files of a commit into the cache and gives their folder.

    Raises:
        UnknownNameError, HubUnreachableError, HubError: as `ask`; also if a file is missing, too large or too slow.
        WeightsError: a file had another hash twice.
    """
    where = shown(repository, revision)
    check_revision(repository, revision)
    cache = CachedRepository(repository, access.cache_dir)
    commit = cache.commit_of(revision or constants.DEFAULT_REVISION)
    found = None if commit is None else cached(cache, commit)
    if found is not None and (access.local_files_only or commit == revision):
        return found
    if access.local_files_only:
        raise HubUnreachableError(f"{where} is not in the cache (local_files_only)")
    try:
        listing = look_up(repository, revision, access, wanted)
    except HubUnreachableError as error:
        if found is not None:
            return found
        raise HubUnreachableError(
            f"{where} is not in the cache, and {error}. For a folder write './{repository}'"
        ) from error
    if found is not None and commit == listing.sha:
        return found
    try:
        folder = download(Remote(repository, listing, access, cache))
        cache.remember(revision or constants.DEFAULT_REVISION, listing.sha)
    except HubError:
        raise
    except OSError as error:
        raise HubError(f"{repository!r} cannot be written to the cache: {error}") from error
    return folder


def look_up(repository: str, revision: str | None, access: Access, wanted: Callable[[str], bool]) -> Listing:
    """Describe those files of a revision whose names are `wanted`.

    Raises:
        UnknownNameError, HubUnreachableError, HubError: as `ask`; also if there is no valid description.
    """
    where, end = shown(repository, revision), time.monotonic() + LOOK_UP_SECONDS

    def request() -> bytes:
        validate_repo_id(repository)
        path = "" if revision is None else f"/revision/{quote(revision, safe='')}"
        url, headers = f"{constants.ENDPOINT}/api/models/{repository}{path}?blobs=true", access.headers()
        left = max(0.1, end - time.monotonic())
        return within(left, lambda: receive_text(url, headers, MOST_LISTING_BYTES), f"the description of {where}")

    text = ask(request, repository, revision)
    try:
        value = json.loads(text)
        files = [file for file in value["siblings"] or [] if wanted(file["rfilename"])]
    except (ValueError, RecursionError, LookupError, TypeError):
        raise HubError(f"the Hub does not describe {where}: expected a JSON object with its files") from None
    try:
        return validate(Listing, {"sha": value.get("sha"), "siblings": files}, f"the Hub describes {where} wrongly")
    except ConfigError as error:
        raise HubError(str(error)) from None


def get_file(repository: str, commit: str, name: str, receiver: Receiver, access: Access, most: int) -> None:
    """Receive one file of at most `most` bytes; raises as `ask`, and a `HubUnreachableError` if it is too slow."""
    end = time.monotonic() + LOOK_UP_SECONDS + most / LEAST_RATE

    def request() -> None:
        url, headers = hf_hub_url(repository, name, revision=commit), access.headers()
        within(max(0.1, end - time.monotonic()), lambda: receiver.receive(url, headers) or True, name)

    try:
        ask(request, repository, commit, again=True)
    finally:
        receiver.stopped = True


@dataclass(frozen=True)
class Remote:
    """The files of a commit on the Hub, and the cache that they are brought into."""

    repository: str
    listing: Listing
    access: Access
    cache: CachedRepository

    @property
    def folder(self) -> Path:
        """The folder of the commit in the cache."""
        return self.cache.snapshot(self.listing.sha)

    def file(self, name: str) -> RemoteFile:
        """A file as the Hub describes it; raises a `KeyError` if there is none of this name."""
        return {file.rfilename: file for file in self.listing.siblings}[name]

    def get(self, name: str, expected: str | None, most: Callable[[], int]) -> None:
        """Put a file into the cache. If its hash is wrong, it is downloaded once more.

        Args:
            name: its name.
            expected: its SHA-256, or SHA-1 of git; ``None`` if nobody says it.
            most: the largest size of the file, asked for if the Hub does not say its size.

        Raises:
            HubError: as `ask`.
            WeightsError: it had another hash twice.
        """
        blob = expected or hashlib.sha256(f"{self.repository}/{self.listing.sha}/{name}".encode()).hexdigest()
        with self.cache.lock(blob):
            if expected is None or not has_hash(self.cache.blob(blob), expected):
                self._download(name, blob, expected, most)
            self.cache.link(self.listing.sha, name, blob)

    def _download(self, name: str, blob: str, expected: str | None, most: Callable[[], int]) -> None:
        size = self.file(name).size
        limit = most() if size is None else size
        for _ in range(2):
            with self.cache.new_blob(blob) as (file, path):

                def restart(file: Any = file) -> None:
                    file.seek(0)
                    file.truncate()

                receiver = Receiver(file.write, restart, limit, size)
                get_file(self.repository, self.listing.sha, name, receiver, self.access, limit)
                file.flush()
                if expected is None or has_hash(path, expected):
                    os.fsync(file.fileno())
                    self.cache.keep(path, blob)
                    return
        raise WeightsError(
            f"{shown(self.repository, self.listing.sha)}: {name} was downloaded twice with another hash than "
            f"{(expected or '')[:12]}...; it was deleted"
        )


def check_revision(repository: str, revision: object) -> None:
    """Raise an `InputError` or `UnknownNameError` unless `revision` is ``None`` or can be a branch, tag or commit."""
    if revision is None:
        return
    if not isinstance(revision, str):
        raise InputError(f"revision = {revision!r}: expected a branch, a tag or a commit, as a string")
    parts = revision.split("/")
    if not revision.isprintable() or len(revision) > 255 or any(part in ("", ".", "..") for part in parts):
        raise UnknownNameError(f"{repository!r} has no revision {revision!r}: expected a branch, a tag or a commit")


def has_hash(path: Path, expected: str) -> bool:
    """Whether a file has this SHA-256, or its content this SHA-1 of git."""
    try:
        if len(expected) == 64:
            return sha256(path) == expected
        content = read_bytes(path, _MOST_GIT_BYTES)
    except (FileNotFoundError, WeightsError):  # also for what is not a file
        return False
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == expected


def shown(repository: str, revision: str | None) -> str:
    """A repository and its revision, for messages."""
    return repr(repository if revision is None else f"{repository}@{revision}")
