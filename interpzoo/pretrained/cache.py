"""The cache of the Hub's client on this disk: ``models--USER--REPO/snapshots/COMMIT/NAME``, links to ``blobs``.

Others may have written it. Nothing outside of it is read, written or deleted, whatever its links say.
"""

import os
import re
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from huggingface_hub import constants
from huggingface_hub.utils import WeakFileLock

from interpzoo.errors import HubError, WeightsError
from interpzoo.files import expanded
from interpzoo.pretrained.reading import read_bytes

COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_MOST_REF_BYTES: Final = 100
_EXCLUSIVE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class CachedRepository:
    """One repository in the cache."""

    def __init__(self, repository: str, cache_dir: str | Path | None) -> None:
        self._cache = expanded(constants.HF_HUB_CACHE if cache_dir is None else cache_dir)
        self._name = f"models--{repository.replace('/', '--')}"
        self.root = self._cache / self._name
        self._blobs = self.root / "blobs"

    def snapshot(self, commit: str) -> Path:
        """The folder of a commit."""
        return self.root / "snapshots" / commit

    def commit_of(self, revision: str) -> str | None:
        """The commit that a branch or tag stood for when it was last looked up; a commit stands for itself."""
        if COMMIT.fullmatch(revision):
            return revision
        try:
            text = read_bytes(self.root / "refs" / revision, _MOST_REF_BYTES).decode("ascii").strip()
        except (FileNotFoundError, WeightsError, ValueError):
            return None
        return text if COMMIT.fullmatch(text) else None

    def remember(self, revision: str, commit: str) -> None:
        """Note the commit that a branch or tag stands for; raises an `OSError` if it cannot be written."""
        if revision != commit:
            path = self.root / "refs" / revision
            self._make(path.parent)
            temporary = path.with_name(f"{path.name}.{os.urandom(8).hex()}.tmp")
            try:
                with _new(temporary) as file:
                    file.write(commit.encode())
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)

    @contextmanager
    def lock(self, blob: str) -> Generator[None, None, None]:
        """Keep other processes from downloading the same content at the same time."""
        path = self._cache / ".locks" / self._name / f"{blob}.lock"
        self._make(path.parent)
        with WeakFileLock(path):
            yield

    def blob(self, name: str) -> Path:
        """The file of a content, which need not be there."""
        return self._blobs / name

    @contextmanager
    def new_blob(self, name: str) -> Generator[tuple[BinaryIO, Path], None, None]:
        """A new file, to be filled and then given to `keep`; it is removed if it is not."""
        self._make(self._blobs)
        path = self._blobs / f"{name}.incomplete"
        path.unlink(missing_ok=True)  # of a process that was killed
        try:
            with _new(path) as file:
                yield file, path
        finally:
            path.unlink(missing_ok=True)

    def keep(self, incomplete: Path, blob: str) -> None:
        """Give a finished file its name."""
        os.replace(incomplete, self._blobs / blob)

    def link(self, commit: str, name: str, blob: str) -> None:
        """Put a content into the folder of a commit, under a name that may have sub-folders.

        Where links are not possible, it is put there as a copy.
        """
        path = self.snapshot(commit) / name
        folder, up = path.parent, [".."] * (1 + len(Path(name).parts))
        self._make(folder)
        temporary = folder / f".{os.urandom(8).hex()}.tmp"
        try:
            try:
                temporary.symlink_to(Path(*up, "blobs", blob))
            except OSError:  # Windows without the right to make links
                shutil.copyfile(self._blobs / blob, temporary)
            os.replace(temporary, path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _make(self, folder: Path) -> None:
        """Make a folder below the cache's own; raises a `HubError` if a link leads out of it."""
        for part in (folder, *folder.parents):
            if part == self._cache:
                break
            if part.is_symlink():
                raise HubError(f"{part} is a link, which a cache does not have: remove it")
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _new(path: Path) -> Generator[BinaryIO, None, None]:
    with os.fdopen(os.open(path, _EXCLUSIVE, 0o666), "wb") as file:
        yield file
