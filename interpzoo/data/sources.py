"""Finds a data set of images and opens its splits as tables of the `datasets` library."""

import glob
import importlib
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from PIL import Image

from interpzoo.decoding import MOST_FILE_BYTES
from interpzoo.errors import DataError, MissingDependencyError, how_to_install
from interpzoo.files import expanded, open_regular
from interpzoo.pretrained.folder import SYSTEM_FILES
from interpzoo.pretrained.locate import is_path

ROOT_VARIABLE: Final = "INTERPZOO_DATA"
"""Environment variable with the path of the folder of local data sets."""

TEST_SPLITS: Final = ("test", "validation", "valid", "val")
"""Names of held-out splits, the likeliest first."""

_LOCAL_NAMES: Final = {"flwrlabs/celeba": "celeba64"}
_TABLES: Final = {".arrow", ".parquet", ".tar"}
_HINT: Final = (
    f"name the folder of local data sets with --data-root or {ROOT_VARIABLE}, or give a folder like './photos'"
)


def load_splits(source: str, root: Path | None = None) -> Mapping[str, Any]:
    """Find `source` and open it: a ``datasets.Dataset`` for each split, by name.

    Args:
        source: the path of a folder (see `is_path`), or a data set on the Hub, ``user/name``; the folder ``name`` in
            `root` takes precedence over the Hub.
        root: folder of local data sets; ``None`` for the one that the environment variable ``INTERPZOO_DATA`` names.

    Raises:
        DataError: it is not found or cannot be read.
        MissingDependencyError: `datasets` is not installed.
    """
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError:
        raise MissingDependencyError(f"reading images needs datasets: {how_to_install('train')}") from None
    folder, name = _locate(source, root)
    try:
        return datasets.load_dataset(**({"path": source} if folder is None else _arguments(folder)))
    except Exception as error:  # from `datasets`, Arrow or the network: in any case, the data set cannot be read
        hint = f"; {_HINT}" if folder is None else ""
        raise DataError(f"data set {name} cannot be read: {_reason(error)}{hint}") from error


def _locate(source: str, root: Path | None) -> tuple[Path | None, str]:
    """The folder of `source`, ``None`` if it is on the Hub, and a description of it for messages."""
    name = repr(source)
    if is_path(source):
        folder = expanded(source)
        if folder.is_file():
            raise DataError(
                f"data set {name}: there is no such folder, only a file: give the folder that it is in, which may hold "
                "zip archives of images"
            )
        if not folder.is_dir():
            raise DataError(f"data set {name}: there is no such folder")
        return folder, name
    if root is None and os.environ.get(ROOT_VARIABLE):
        root = Path(os.environ[ROOT_VARIABLE])
    if root is not None:
        root = expanded(root)
        if not root.is_dir():
            raise DataError(f"data set {name}: there is no folder {str(root)!r} of local data sets; {_HINT}")
        folder = root / _LOCAL_NAMES.get(source, source.rpartition("/")[2])
        if folder.is_dir():
            return folder, f"{name} in {str(folder)!r}"
        name += f", which is not in {str(folder)!r},"
    if Path(source).is_dir():
        raise DataError(f"data set {name.rstrip(',')}: write './{source}' for the folder of that name")
    return None, name


def _arguments(folder: Path) -> dict[str, Any]:
    """Arguments of `datasets.load_dataset` that read a folder."""
    suffixes = {path.suffix.lower() for path in folder.rglob("*")}
    if suffixes & _TABLES or not suffixes & Image.registered_extensions().keys():
        return {"path": str(folder)}
    # By default `datasets` infers splits from file names: of hundreds of files it might read 'test_5.png' alone.
    folders = [path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    splits = folders if "train" in folders and set(folders) <= {"train", *TEST_SPLITS} else []
    unlabeled = bool(splits) and not any(path.is_dir() for split in splits for path in (folder / split).iterdir())
    return {
        "path": "imagefolder",
        "data_dir": glob.escape(str(folder.resolve())),
        "data_files": {split: f"{split}/**" for split in splits} or {"train": "**"},
        # The split's own folder would be taken for the class.
        "drop_labels": unlabeled or None,
    }


def skipped_files(source: str, root: Path | None = None) -> dict[str, int]:
    """How many files of a folder of image files are of other kinds, by the ends of their names, such as ``.heic``.

    Hidden files and those of systems do not count, nor does anything in a folder of tables or archives.
    """
    folder, _ = _locate(source, root)
    if folder is None or _arguments(folder)["path"] != "imagefolder":
        return {}
    image_folder: Any = importlib.import_module("datasets.packaged_modules.imagefolder.imagefolder").ImageFolder
    extensions = {*image_folder.EXTENSIONS}
    visible = (
        p for p in folder.rglob("*") if p.is_file() and not any(n.startswith(".") for n in p.parts[len(folder.parts) :])
    )
    others = (
        p for p in visible if p.suffix.lower() not in extensions and p.stem != "metadata" and p.name not in SYSTEM_FILES
    )
    return dict(sorted(Counter(path.suffix.lower() or path.name for path in others).items()))


def encoded(value: Mapping[str, Any]) -> bytes:
    """The encoded image of a row: its own bytes, a file, or a member of an archive.

    Raises:
        OSError: it cannot be read.
    """
    if value["bytes"] is not None:
        return value["bytes"]
    if "::" in value["path"]:
        return _read_member(value["path"])
    with open_regular(value["path"]) as file:
        return file.read(MOST_FILE_BYTES + 1)  # enough for `open_image` to see that it is too large


def _read_member(path: str) -> bytes:
    """The bytes of a file in an archive, of which `datasets` gives the path ``zip://member::archive``.

    Raises:
        OSError: it cannot be read, or is larger than any image file may be.
    """
    inside, _, archive = path.partition("::")
    try:
        member = _archive(archive).getinfo(inside.removeprefix("zip://"))
        if member.file_size > MOST_FILE_BYTES:
            raise OSError(f"it has {member.file_size:,} bytes, expected at most {MOST_FILE_BYTES:,}")
        return _archive(archive).read(member)
    # Encrypted, of an unknown compression, damaged, or another kind of archive.
    except (KeyError, RuntimeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise OSError(f"it cannot be read from the archive: {error}") from None


@lru_cache(maxsize=64)
def _archive(path: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _reason(error: BaseException) -> str:
    first, cause = _first_line(error), error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return first if cause is error else f"{first} ({_first_line(cause)})"


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
