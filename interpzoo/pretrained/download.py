"""Downloading a pretrained folder from the Hub into its client's cache, each file checked against its hash."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from interpzoo.errors import ConfigError, HubError, WeightsError
from interpzoo.pretrained.cache import CachedRepository
from interpzoo.pretrained.client import Access
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
from interpzoo.pretrained.remote import Remote, fetched, shown

_AT_ONCE: Final = 4  # files downloaded at the same time


def fetch(repository: str, revision: str | None = None, *, pin: str | None = None, access: Access) -> Path:
    """The folder in the cache with the pretrained files of a revision, downloaded if necessary.

    Args:
        repository, revision, access: as in `fetched`.
        pin: SHA-256 of the folder's ``SHA256SUMS``.

    Raises:
        UnknownNameError, HubUnreachableError, HubError, WeightsError: as `fetched`.
    """

    def cached(cache: CachedRepository, commit: str) -> Path | None:
        return _cached(cache.snapshot(commit), pin)

    def download(remote: Remote) -> Path:
        return _download(remote, pin, shown(repository, revision))

    return fetched(repository, revision, access, wanted=FILES.__contains__, cached=cached, download=download)


def _cached(folder: Path, pin: str | None) -> Path | None:
    """The folder in the cache, if it is whole."""
    try:
        listed = read_hashes(folder, pin)
        for name in listed:
            check_hash(folder, name, listed)
        if CONFIG in listed and (WEIGHTS in listed or read_config(folder, listed).origin is not None):
            return folder
    except (ConfigError, WeightsError):
        pass
    return None


def _download(remote: Remote, pin: str | None, where: str) -> Path:
    files, folder = {file.rfilename: file for file in remote.listing.siblings}, remote.folder
    not_ours = f"{where} is not a pretrained model of interpzoo: it has no"
    if missing := [name for name in (CONFIG, SUMS) if name not in files]:
        raise HubError(f"{not_ours} {missing[0]}")
    for name, file in files.items():
        if file.size is not None and file.size > (most := MOST_BYTES[name]):
            raise HubError(f"{where} has {name} of {file.size:,} bytes, expected at most {most:,}")

    def most_bytes(name: str) -> int:
        """Largest size of a file if the Hub does not say it: of the weights, what the config's networks may have."""
        if name != WEIGHTS:
            return MOST_BYTES[name]
        from interpzoo.pretrained.networks import most_weight_bytes  # imports torch, which descriptions do not need

        return most_weight_bytes(read_config(folder))

    def get(name: str, expected: str | None) -> None:
        remote.get(name, expected, lambda: most_bytes(name))

    get(SUMS, pin or files[SUMS].digest)
    wanted = _wanted(remote, read_hashes(folder, pin))
    get(CONFIG, wanted.pop(CONFIG))
    if WEIGHTS not in files and read_config(folder).origin is None:
        raise HubError(f"{not_ours} {WEIGHTS}")
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(get, wanted, wanted.values()))
    return folder


def _wanted(remote: Remote, listed: Mapping[str, str]) -> dict[str, str | None]:
    """The expected hash of every file, on which the folder's list and the Hub must agree."""
    hashes = {file.rfilename: file.digest for file in remote.listing.siblings if file.rfilename != SUMS}
    where = shown(remote.repository, remote.listing.sha)
    if odd := sorted((hashes.keys() - {CARD}) ^ listed.keys()):
        raise WeightsError(f"{where} and its {SUMS} have different files: {odd[0]} is in only one of the two")
    for name, found in listed.items():
        if len(hashes[name] or "") == len(found) and hashes[name] != found:
            raise WeightsError(f"{where}: {name} does not have the hash in {SUMS}")
    return {**hashes, **listed}
