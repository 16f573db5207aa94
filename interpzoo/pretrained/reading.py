"""Reading files that strangers made: whole, once, and within a size that is known before anything is read."""

import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from interpzoo.errors import WeightsError
from interpzoo.files import regular_opener

MOST_FILE_BYTES: Final = 8 << 30
"""Largest file that is read at all."""

WHOLE_AGAIN: Final = "Copy or download the model again"
"""What to do about a damaged file."""

_PIECE: Final = 1 << 20
_FLAGS: Final = getattr(os, "O_NOFOLLOW", 0)
"""A link is not followed."""


@contextmanager
def open_regular(path: Path, most: int) -> Generator[tuple[BinaryIO, int], None, None]:
    """The file, opened for reading, and its size.

    Raises:
        FileNotFoundError: it is missing.
        WeightsError: it is not a regular file, too large, or cannot be read.
    """
    try:
        with open(path, "rb", opener=_open) as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise WeightsError(f"{path} has {size:,} bytes, expected at most {most:,}")
            yield file, size
    except FileNotFoundError:
        raise
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None


def followed(path: Path) -> Path:
    """Where a link of the Hub's client leads, inside its cache; `path` itself if it is not a link.

    Raises:
        WeightsError: the link leads elsewhere.
    """
    if not path.is_symlink():
        return path
    folder = path.absolute().parent
    # In the cache a folder of a commit, or one inside it.
    commits = next((up for up in folder.parents if up.name == "snapshots"), folder.parent)
    target, blobs = Path(os.path.normpath(folder / os.readlink(path))), commits.parent / "blobs"
    if target.parent != blobs or blobs.is_symlink() or target.is_symlink():
        raise WeightsError(f"{path} is a link: put the file itself there")
    return target


def _open(name: str, flags: int) -> int:
    return regular_opener(os.fspath(followed(Path(name))), flags | _FLAGS)


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a file of at most `most` bytes; raises as `open_regular`."""
    with open_regular(path, most) as (file, size):
        content = file.read(size + 1)
    if len(content) != size:
        raise WeightsError(f"{path} changed while it was read: try again")
    return content


def sha256(path: Path, most: int = MOST_FILE_BYTES) -> str:
    """Hexadecimal SHA-256 of a file, which has at most `most` bytes; raises as `open_regular`."""
    digest = hashlib.sha256()
    with open_regular(path, most) as (file, _):
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def check_digest(path: Path, found: str, expected: str | None) -> None:
    """Raise a `WeightsError` unless the hash that was found is the expected one, if there is one."""
    if expected is not None and found != expected:
        raise WeightsError(
            f"{path} is damaged: its SHA-256 is {found[:12]}..., expected {expected[:12]}...: {WHOLE_AGAIN}"
        )


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of a JSON text, for ``object_pairs_hook``; raises a `ValueError` if a key occurs twice in it."""
    value: dict[str, Any] = {}
    for key, item in pairs:
        if key in value:
            raise ValueError(f"key {key!r} occurs twice in one object")
        value[key] = item
    return value
