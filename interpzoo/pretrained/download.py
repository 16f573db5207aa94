"""Downloading a pretrained folder from the Hub into its client's cache, each file checked against its hash."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from interpzoo.errors import HubError, HubUnreachableError, WeightsError
from interpzoo.pretrained.client import Access, ask
from interpzoo.pretrained.folder import CARD, CONFIG, FILES, MOST_BYTES, SUMS, WEIGHTS, check_hash, read_hashes, sha256

_AT_ONCE: Final = 4  # files downloaded at the same time


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
        UnknownNameError, HubUnreachableError, HubError: as `ask`; also if a file is missing or too large.
        WeightsError: a file had another hash twice.
    """
    cached = _cached(repository, revision, pin, access)
    if cached is not None and (access.local_files_only or cached.name == revision):
        return cached
    if access.local_files_only:
        raise HubUnreachableError(f"{_shown(repository, revision)} is not in the cache (local_files_only)")
    try:
        remote = _describe(repository, revision, pin, access)
    except HubUnreachableError as error:
        if cached is not None:
            return cached
        raise HubUnreachableError(
            f"{_shown(repository, revision)} is not in the cache, and {error}. For a folder write './{repository}'"
        ) from error
    if cached is not None and cached.name == remote.commit:
        return cached
    return remote.download(revision)


def _describe(repository: str, revision: str | None, pin: str | None, access: Access) -> "_Remote":
    timeout = constants.HF_HUB_ETAG_TIMEOUT
    info = ask(
        lambda: access.api().model_info(repository, revision=revision, files_metadata=True, timeout=timeout),
        repository,
        revision,
    )
    files = {file.rfilename: file for file in info.siblings or [] if file.rfilename in FILES}
    where = _shown(repository, revision)
    if missing := [name for name in (CONFIG, WEIGHTS, SUMS) if name not in files]:
        raise HubError(f"{where} is not a pretrained model of interpzoo: it has no {missing[0]}")
    for name, most in MOST_BYTES.items():
        if name in files and (size := files[name].size or 0) > most:
            raise HubError(f"{where} has {name} of {size:,} bytes, expected at most {most:,}")
    hashes = {name: file.lfs.sha256 if file.lfs else file.blob_id or "" for name, file in files.items()}
    return _Remote(repository, info.sha or "", hashes, pin, access)


@dataclass(frozen=True)
class _Remote:
    """The pretrained files of a commit on the Hub."""

    repository: str
    commit: str
    hashes: Mapping[str, str]
    """Hash by file: SHA-256 of those that the Hub stores as large files, git's own (SHA-1) of the others."""
    pin: str | None
    access: Access

    def download(self, revision: str | None) -> Path:
        # Under the requested name, so that the cache remembers which commit it stood for.
        listed = self._get(SUMS, self.pin or self.hashes[SUMS], revision or constants.DEFAULT_REVISION)
        if (folder := listed.parent).name != self.commit:
            # There has been a commit since: this list belongs to the newer one.
            return fetch(self.repository, folder.name, pin=self.pin, access=self.access)
        wanted = self._wanted(read_hashes(folder))
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(self._get, wanted, wanted.values()))
        return folder

    def _wanted(self, listed: Mapping[str, str]) -> dict[str, str]:
        """The expected hash of every file, on which the folder's list and the Hub must agree."""
        hashes = {name: found for name, found in self.hashes.items() if name != SUMS}
        where = _shown(self.repository, self.commit)
        if odd := sorted((hashes.keys() - {CARD}) ^ listed.keys()):
            raise WeightsError(f"{where} and its {SUMS} have different files: {odd[0]} is in only one of the two")
        for name, found in listed.items():
            if len(hashes[name]) == len(found) and hashes[name] != found:
                raise WeightsError(f"{where}: {name} does not have the hash in {SUMS}")
        return {**hashes, **listed}

    def _get(self, name: str, expected: str, revision: str | None = None) -> Path:
        """The file in the cache; if its hash is wrong it is deleted and downloaded once more."""
        for _ in range(2):
            path = Path(
                ask(
                    lambda: hf_hub_download(
                        self.repository,
                        name,
                        revision=revision or self.commit,
                        cache_dir=self.access.cache_dir,
                        token=self.access.token,
                        library_name="interpzoo",
                    ),
                    self.repository,
                    self.commit,
                    again=True,
                )
            )
            if _has_hash(path, expected) or path.parent.name != self.commit:
                return path
            for part in (path.resolve(), path):
                part.unlink(missing_ok=True)
        raise WeightsError(
            f"{_shown(self.repository, self.commit)}: {name} was downloaded twice with another hash than "
            f"{expected[:12]}...; it was deleted"
        )


def _cached(repository: str, revision: str | None, pin: str | None, access: Access) -> Path | None:
    """The folder in the cache, if it is whole."""
    try:
        path = try_to_load_from_cache(repository, SUMS, cache_dir=access.cache_dir, revision=revision)
        if not isinstance(path, str):
            return None
        folder = Path(path).parent
        check_hash(folder, SUMS, {} if pin is None else {SUMS: pin})
        listed = read_hashes(folder)
        for name in listed:
            check_hash(folder, name, listed)
    except (HFValidationError, WeightsError):
        return None  # not a valid name, which the Hub will report, or damaged
    return folder if {CONFIG, WEIGHTS} <= listed.keys() else None


def _has_hash(path: Path, expected: str) -> bool:
    """Whether a file has this SHA-256, or its content this SHA-1 of git."""
    try:
        if len(expected) == 64:
            return sha256(path) == expected
        content = path.read_bytes()
    except FileNotFoundError:  # another process has found it damaged, too, and deleted it
        return False
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == expected


def _shown(repository: str, revision: str | None) -> str:
    return repr(repository if revision is None else f"{repository}@{revision}")
