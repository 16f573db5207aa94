"""From the Hub into its client's cache: the files of a pretrained folder and no others, each held against its hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from interpzoo.errors import HubError, HubUnreachableError, WeightsError
from interpzoo.pretrained.client import Access, ask
from interpzoo.pretrained.folder import CARD, CONFIG, FILES, MOST_BYTES, SUMS, WEIGHTS, check_sum, read_sums, sha256

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_AT_ONCE: Final = 4
"""Files that are fetched at the same time."""


def fetch(repository: str, revision: str | None = None, *, pin: str | None = None, access: Access) -> Path:
    """The folder in the cache that holds the pretrained files of a revision, each as its hash says.

    A commit that is in the cache as a whole is not asked about. A branch or tag is looked up, in one request, and what
    the cache last had of it is used where the Hub does not answer.

    Args:
        repository: ``user/repo``.
        revision: a commit, branch or tag; the main branch by default.
        pin: SHA-256 of the folder's ``SHA256SUMS``.
        access: how the Hub may be reached.

    Raises:
        UnknownNameError, HubUnreachableError, HubError: as `ask`; also where a file is missing or too large.
        WeightsError: a file is not what its hash says, twice.
    """
    cached = _cached(repository, revision, access)
    if cached is not None and not _is_whole(cached, pin):
        cached = None
    if cached is not None and (access.local_files_only or cached.name == revision):
        return cached
    if access.local_files_only:
        raise HubUnreachableError(f"{_shown(repository, revision)} is not in the cache (local_files_only)")
    try:
        remote = _describe(repository, revision, access)
    except HubUnreachableError as error:
        if cached is not None:
            return cached
        raise HubUnreachableError(
            f"{_shown(repository, revision)} is not in the cache, and {error}. For a folder write './{repository}'"
        ) from error
    if cached is not None and cached.name == remote.commit:
        return cached
    return _Download(repository, remote, pin, access).run(revision)


@dataclass(frozen=True)
class _Remote:
    """What a commit holds of a pretrained folder."""

    commit: str
    hashes: Mapping[str, str]
    """By file: the SHA-256 where the Hub stores it as a large file, else git's own."""


def _describe(repository: str, revision: str | None, access: Access) -> _Remote:
    timeout = constants.HF_HUB_ETAG_TIMEOUT
    info = ask(
        lambda: access.api().model_info(repository, revision=revision, files_metadata=True, timeout=timeout),
        repository,
        revision,
    )
    files = {file.rfilename: file for file in info.siblings or [] if file.rfilename in FILES}
    where = _shown(repository, revision)
    if missing := [name for name in (CONFIG, WEIGHTS, SUMS) if name not in files]:
        raise HubError(f"{where} is no pretrained model of interpzoo: it has no {missing[0]}")
    for name, most in MOST_BYTES.items():
        if name in files and (size := files[name].size or 0) > most:
            raise HubError(f"{where} has {name} of {size:,} bytes, expected at most {most:,}")
    hashes = {name: file.lfs.sha256 if file.lfs else file.blob_id or "" for name, file in files.items()}
    return _Remote(info.sha or "", hashes)


@dataclass(frozen=True)
class _Download:
    """The download of one commit."""

    repository: str
    remote: _Remote
    pin: str | None
    access: Access

    def run(self, revision: str | None) -> Path:
        """The folder in the cache, once all is there."""
        # By the name that was asked for, so that the cache remembers what it stood for.
        listed = self._get(SUMS, self.pin or self.remote.hashes[SUMS], revision or constants.DEFAULT_REVISION)
        if (folder := listed.parent).name != self.remote.commit:
            # Committed to since: what the list says is of the newer commit.
            return fetch(self.repository, folder.name, pin=self.pin, access=self.access)
        wanted = self._wanted(read_sums(folder))
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(self._get, wanted, wanted.values()))
        return folder

    def _wanted(self, sums: Mapping[str, str]) -> dict[str, str]:
        """The hash of every file, on which the folder's list and the Hub must agree."""
        hashes = {name: found for name, found in self.remote.hashes.items() if name != SUMS}
        where = _shown(self.repository, self.remote.commit)
        if odd := sorted((hashes.keys() - {CARD}) ^ sums.keys()):
            raise WeightsError(f"{where} has other files than its {SUMS} lists: {odd[0]} is in one of the two only")
        for name, found in sums.items():
            if len(hashes[name]) == len(found) and hashes[name] != found:
                raise WeightsError(f"{where}: {name} is not what {SUMS} says of it")
        return {**hashes, **sums}

    def _get(self, name: str, expected: str, revision: str | None = None) -> Path:
        """The file in the cache; one that is not as expected is deleted and fetched once more."""
        for _ in range(2):
            path = Path(
                ask(
                    lambda: hf_hub_download(
                        self.repository,
                        name,
                        revision=revision or self.remote.commit,
                        cache_dir=self.access.cache_dir,
                        token=self.access.token,
                        library_name="interpzoo",
                    ),
                    self.repository,
                    self.remote.commit,
                    again=True,
                )
            )
            if _has_hash(path, expected) or path.parent.name != self.remote.commit:
                return path
            for part in (path.resolve(), path):
                part.unlink(missing_ok=True)
        raise WeightsError(
            f"{_shown(self.repository, self.remote.commit)}: {name} came twice with another content than its hash "
            f"{expected[:12]}... says; it was deleted"
        )


def _cached(repository: str, revision: str | None, access: Access) -> Path | None:
    try:
        path = try_to_load_from_cache(repository, SUMS, cache_dir=access.cache_dir, revision=revision)
    except HFValidationError:
        return None  # no name that the Hub could have, as it will say
    return Path(path).parent if isinstance(path, str) else None


def _is_whole(folder: Path, pin: str | None) -> bool:
    try:
        check_sum(folder, SUMS, {} if pin is None else {SUMS: pin})
        sums = read_sums(folder)
        for name in sums:
            check_sum(folder, name, sums)
    except WeightsError:
        return False
    return {CONFIG, WEIGHTS} <= sums.keys()


def _has_hash(path: Path, expected: str) -> bool:
    try:
        return expected == (sha256(path) if len(expected) == 64 else _git_hash(path))
    except FileNotFoundError:  # another process has found it spoilt
        return False


def _git_hash(path: Path) -> str:
    """Git's name of a file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _shown(repository: str, revision: str | None) -> str:
    return repr(repository if revision is None else f"{repository}@{revision}")
