"""Downloading a pretrained folder from the Hub into its client's cache, each file checked against its hash."""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
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
from interpzoo.pretrained.folder import (
    CARD,
    CONFIG,
    FILES,
    MOST_BYTES,
    SUMS,
    WEIGHTS,
    check_hash,
    read_config,
    read_hashes,
)
from interpzoo.pretrained.reading import read_bytes, sha256
from interpzoo.pretrained.transfer import Receiver, receive_text, within

MOST_LISTING_BYTES: Final = 1 << 23
"""Largest description of a repository: some 40,000 files."""
LOOK_UP_SECONDS: Final = 20.0
"""How long a description may take, and how long a file may, besides its size."""
LEAST_RATE: Final = 20_000
"""Bytes per second, on average, that a file has to arrive at."""

_AT_ONCE: Final = 4  # files downloaded at the same time


class _LargeFile(BaseModel):
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class _File(BaseModel):
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
    """The pretrained files of a commit on the Hub."""

    sha: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    siblings: list[_File]


def fetch(repository: str, revision: str | None = None, *, pin: str | None = None, access: Access) -> Path:
    """The folder in the cache with the pretrained files of a revision, downloaded if necessary.

    A commit that is wholly in the cache needs no request. A branch or tag is looked up in one request; if the Hub does
    not answer, its last cached state is used.

    Args:
        repository: ``user/repo``.
        revision: a commit, branch or tag; the main branch by default.
        pin: SHA-256 of the folder's ``SHA256SUMS``.
        access: how the Hub may be reached.

    Raises:
        UnknownNameError, HubUnreachableError, HubError: as `ask`; also if a file is missing, too large or too slow.
        WeightsError: a file had another hash twice.
    """
    where = _shown(repository, revision)
    _check_revision(repository, revision)
    cache = CachedRepository(repository, access.cache_dir)
    cached = _cached(cache, revision, pin)
    if cached is not None and (access.local_files_only or cached.name == revision):
        return cached
    if access.local_files_only:
        raise HubUnreachableError(f"{where} is not in the cache (local_files_only)")
    try:
        listing = look_up(repository, revision, access)
    except HubUnreachableError as error:
        if cached is not None:
            return cached
        raise HubUnreachableError(
            f"{where} is not in the cache, and {error}. For a folder write './{repository}'"
        ) from error
    if cached is not None and cached.name == listing.sha:
        return cached
    files = {file.rfilename: file for file in listing.siblings}
    if missing := [name for name in (CONFIG, WEIGHTS, SUMS) if name not in files]:
        raise HubError(f"{where} is not a pretrained model of interpzoo: it has no {missing[0]}")
    for name, file in files.items():
        if file.size is not None and file.size > (most := MOST_BYTES[name]):
            raise HubError(f"{where} has {name} of {file.size:,} bytes, expected at most {most:,}")
    remote = _Remote(repository, listing.sha, files, pin, access, cache)
    try:
        folder = remote.download()
        cache.remember(revision or constants.DEFAULT_REVISION, listing.sha)
    except HubError:
        raise
    except OSError as error:
        raise HubError(f"{repository!r} cannot be written to the cache: {error}") from error
    return folder


def look_up(repository: str, revision: str | None, access: Access) -> Listing:
    """Describe the pretrained files of a revision.

    Raises:
        UnknownNameError, HubUnreachableError, HubError: as `ask`; also if there is no valid description.
    """
    where, end = _shown(repository, revision), time.monotonic() + LOOK_UP_SECONDS

    def request() -> bytes:
        validate_repo_id(repository)
        path = "" if revision is None else f"/revision/{quote(revision, safe='')}"
        url, headers = f"{constants.ENDPOINT}/api/models/{repository}{path}?blobs=true", access.headers()
        left = max(0.1, end - time.monotonic())
        return within(left, lambda: receive_text(url, headers, MOST_LISTING_BYTES), f"the description of {where}")

    text = ask(request, repository, revision)
    try:
        value = json.loads(text)
        files = [file for file in value["siblings"] or [] if file["rfilename"] in FILES]
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
class _Remote:
    """The pretrained files of a commit on the Hub."""

    repository: str
    commit: str
    files: Mapping[str, _File]
    pin: str | None
    access: Access
    cache: CachedRepository

    def download(self) -> Path:
        self._get(SUMS, self.pin or self.files[SUMS].digest)
        folder = self.cache.snapshot(self.commit)
        wanted = self._wanted(read_hashes(folder, self.pin))
        self._get(CONFIG, wanted.pop(CONFIG))
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(self._get, wanted, wanted.values()))
        return folder

    def _wanted(self, listed: Mapping[str, str]) -> dict[str, str | None]:
        """The expected hash of every file, on which the folder's list and the Hub must agree."""
        hashes = {name: file.digest for name, file in self.files.items() if name != SUMS}
        where = _shown(self.repository, self.commit)
        if odd := sorted((hashes.keys() - {CARD}) ^ listed.keys()):
            raise WeightsError(f"{where} and its {SUMS} have different files: {odd[0]} is in only one of the two")
        for name, found in listed.items():
            if len(hashes[name] or "") == len(found) and hashes[name] != found:
                raise WeightsError(f"{where}: {name} does not have the hash in {SUMS}")
        return {**hashes, **listed}

    def _get(self, name: str, expected: str | None) -> None:
        """Put a file into the cache. If its hash is wrong, it is downloaded once more."""
        blob = expected or hashlib.sha256(f"{self.repository}/{self.commit}/{name}".encode()).hexdigest()
        with self.cache.lock(blob):
            if expected is None or not _has_hash(self.cache.blob(blob), expected):
                self._download(name, blob, expected)
            self.cache.link(self.commit, name, blob)

    def _download(self, name: str, blob: str, expected: str | None) -> None:
        size = self.files[name].size
        most = self._most(name) if size is None else size
        for _ in range(2):
            with self.cache.new_blob(blob) as (file, path):

                def restart(file: Any = file) -> None:
                    file.seek(0)
                    file.truncate()

                receiver = Receiver(file.write, restart, most, size)
                get_file(self.repository, self.commit, name, receiver, self.access, most)
                file.flush()
                if expected is None or _has_hash(path, expected):
                    os.fsync(file.fileno())
                    self.cache.keep(path, blob)
                    return
        raise WeightsError(
            f"{_shown(self.repository, self.commit)}: {name} was downloaded twice with another hash than "
            f"{(expected or '')[:12]}...; it was deleted"
        )

    def _most(self, name: str) -> int:
        """Largest size of a file if the Hub does not say it: of the weights, what the config's networks may have."""
        if name != WEIGHTS:
            return MOST_BYTES[name]
        from interpzoo.pretrained.networks import most_weight_bytes  # imports torch, which descriptions do not need

        return most_weight_bytes(read_config(self.cache.snapshot(self.commit)))


def _cached(cache: CachedRepository, revision: str | None, pin: str | None) -> Path | None:
    """The folder in the cache, if it is whole."""
    commit = cache.commit_of(revision or constants.DEFAULT_REVISION)
    if commit is None:
        return None
    folder = cache.snapshot(commit)
    try:
        listed = read_hashes(folder, pin)
        for name in listed:
            check_hash(folder, name, listed)
    except WeightsError:
        return None
    return folder if {CONFIG, WEIGHTS} <= listed.keys() else None


def _check_revision(repository: str, revision: object) -> None:
    if revision is None:
        return
    if not isinstance(revision, str):
        raise InputError(f"revision = {revision!r}: expected a branch, a tag or a commit, as a string")
    parts = revision.split("/")
    if not revision.isprintable() or len(revision) > 255 or any(part in ("", ".", "..") for part in parts):
        raise UnknownNameError(f"{repository!r} has no revision {revision!r}: expected a branch, a tag or a commit")


def _has_hash(path: Path, expected: str) -> bool:
    """Whether a file has this SHA-256, or its content this SHA-1 of git."""
    try:
        if len(expected) == 64:
            return sha256(path) == expected
        content = read_bytes(path, max(MOST_BYTES[name] for name in FILES if name != WEIGHTS))
    except (FileNotFoundError, WeightsError):  # something else than a file, too
        return False
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == expected


def _shown(repository: str, revision: str | None) -> str:
    return repr(repository if revision is None else f"{repository}@{revision}")
