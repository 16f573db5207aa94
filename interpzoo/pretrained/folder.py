"""The pretrained folder: its files, and how they are read safely and replaced in one step.

``config.json``, ``model.safetensors`` (unless the config says that the weights are elsewhere),
``examples.safetensors`` (``codes`` and the ``frames`` decoded from them),
optional ``codes.safetensors`` (training codes) and ``directions.safetensors`` (named directions), ``README.md`` (the
card), ``preview.png``, and ``SHA256SUMS`` of all files but the card. Torch is not imported, so that a folder can be
described without it.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from interpzoo.config import FORMAT_VERSION, ModelConfig, validate
from interpzoo.errors import ConfigError, OutputError, WeightsError
from interpzoo.files import atomic_write, is_leftover, locked, write_text, writing
from interpzoo.pretrained.reading import (
    MOST_FILE_BYTES,
    WHOLE_AGAIN,
    check_digest,
    followed,
    read_bytes,
    sha256,
    unique_keys,
)
from interpzoo.text import quoted

CONFIG, WEIGHTS, EXAMPLES, CODES = "config.json", "model.safetensors", "examples.safetensors", "codes.safetensors"
DIRECTIONS, FITNESS = "directions.safetensors", "fitness.safetensors"
CARD, PREVIEW, SUMS = "README.md", "preview.png", "SHA256SUMS"
FILES = (CONFIG, WEIGHTS, EXAMPLES, CODES, DIRECTIONS, FITNESS, CARD, PREVIEW, SUMS)
"""Every file that a pretrained folder may hold; no other file is read or downloaded."""

CHECKPOINT = "checkpoint.safetensors"
"""State of a training run, in the model's folder until the run ends."""

FORMER = "checkpoint.former.safetensors"
"""The checkpoint before that; after a finished run, the last one, from which the run can be extended."""

HISTORY = "history.jsonl"
"""The losses of a training run, one JSON object a line."""

LOGS = "logs"
"""Subfolder that a training run's trackers write to."""

SYSTEM_FILES: Final = ("Thumbs.db", "desktop.ini")
"""Visible files that systems leave in any folder."""

MOST_BYTES: Final[Mapping[str, int]] = {
    CONFIG: 1 << 20,
    WEIGHTS: MOST_FILE_BYTES,
    EXAMPLES: 448 << 20,
    CODES: 1 << 28,
    DIRECTIONS: 1 << 26,
    FITNESS: 1 << 16,
    CARD: 1 << 20,
    PREVIEW: 1 << 24,
    SUMS: 1 << 16,
}
"""Largest size of each file. The weights have a smaller bound, as soon as the config says which tensors there are."""

LIMITS: Final = "## Limits"
"""Heading of the card's section on known weaknesses."""

_PROSE: Final = {
    "summary": (re.compile(r"^# .*\n\n((?!!\[|```|## )\S.*)$", re.MULTILINE), 400),
    "limitations": (re.compile(rf"^{LIMITS}\n\n((?:.|\n)*?)(?=\n\n## |\Z)", re.MULTILINE), 2000),
}
"""Where each text stands on a card, and its largest length."""

_HASH_LINE: Final = re.compile(r"([0-9a-f]{64})  (\S+)")


def read_config(folder: Path, hashes: Mapping[str, str] | None = None) -> ModelConfig:
    """The folder's validated `config.json`, with summary and limitations from its card.

    Args:
        folder: the pretrained folder.
        hashes: SHA-256 by file name, to check the file against.

    Raises:
        ConfigError: it is missing, too large, not JSON, of a later format or invalid.
        WeightsError: it has another hash, or the folder's ``SHA256SUMS`` is damaged.
    """
    path = file_of(folder, CONFIG, read_hashes(folder) if hashes is None else hashes)
    try:
        content = read_bytes(path, MOST_BYTES[CONFIG])
    except WeightsError as error:
        raise ConfigError(str(error)) from None
    except FileNotFoundError:
        raise ConfigError(f"{folder} is not a pretrained folder: it has no {CONFIG}") from None
    if hashes is not None:
        check_digest(path, hashlib.sha256(content).hexdigest(), hashes.get(CONFIG))
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds {quoted(value)}, expected an object")
    version: Any = value.get("format", FORMAT_VERSION)
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ConfigError(f"{path} has format {version}, expected at most {FORMAT_VERSION}: upgrade interpzoo")
    return validate(ModelConfig, value, str(path)).model_copy(update=_read_prose(folder))


def _read_prose(folder: Path) -> dict[str, str]:
    """Summary and limitations from the card, if it has them; people may edit cards, so any text is possible."""
    try:
        text = read_text(folder, CARD)
    except (FileNotFoundError, WeightsError, UnicodeDecodeError):
        return {}
    return {
        name: "".join(c for c in match[1].strip() if c.isprintable() or c == "\n")[:most]
        for name, (pattern, most) in _PROSE.items()
        if (match := pattern.search(text))
    }


def fingerprint(folder: Path) -> str:
    """Hexadecimal SHA-256 of everything that a model's frames depend on: networks, path, weights and training codes.

    It stays the same when only names, licenses or pictures change. Raises as `read_config`.
    """
    read, listed = read_config(folder), read_hashes(folder)
    config = read.networks()
    if read.base is not None:
        config["base"] = read.base.model_dump(mode="json", include={"encoder", "decoder"})
    elsewhere = [] if read.pointer is None else sorted(read.pointer.files.values())
    there = [name for name in (WEIGHTS, CODES) if (name in listed if listed else (folder / name).is_file())]
    hashes = [sha256(file_of(folder, name, listed), MOST_BYTES[name]) for name in there]
    return hashlib.sha256(json.dumps([config, *elsewhere, *hashes], sort_keys=True).encode()).hexdigest()


def file_of(folder: Path, name: str, hashes: Mapping[str, str]) -> Path:
    """Where the content of a file is: under its name, or where a save that was killed has left it."""
    if name in hashes and os.path.lexists(waiting := folder / _waiting(name, hashes[name])):
        return waiting
    return folder / name


def _waiting(name: str, digest: str) -> str:
    """Name of a file of this hash until it has its own name; `is_leftover` knows it."""
    return f".{hashlib.sha256(f'{digest}  {name}'.encode()).hexdigest()[:16]}.tmp"


def read_text(folder: Path, name: str) -> str:
    """The text of a file of the folder.

    Raises:
        FileNotFoundError: it is missing.
        WeightsError: it is not a regular file, too large, or cannot be read.
        UnicodeDecodeError: it is not text.
    """
    return read_bytes(folder / name, MOST_BYTES[name]).decode("utf-8")


def read_hashes(folder: Path, pin: str | None = None) -> dict[str, str]:
    """SHA-256 by file name, from the folder's ``SHA256SUMS``; empty if there is no such file.

    Args:
        folder: the pretrained folder.
        pin: SHA-256 of the list itself.

    Raises:
        WeightsError: it is damaged, or lists a file that a pretrained folder cannot hold.
    """
    path = folder / SUMS
    try:
        content = read_bytes(path, MOST_BYTES[SUMS])
    except FileNotFoundError:
        if pin is not None:
            raise WeightsError(f"{folder} has no {SUMS}. {WHOLE_AGAIN}") from None
        return {}
    check_digest(path, hashlib.sha256(content).hexdigest(), pin)
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise WeightsError(f"{path} is damaged: it is not text. {WHOLE_AGAIN}") from None
    hashes: dict[str, str] = {}
    for line in lines:
        entry = _HASH_LINE.fullmatch(line)
        if entry is None or entry[2] in hashes or entry[2] not in FILES or entry[2] in (CARD, SUMS):
            raise WeightsError(f"{path} is damaged: it has the line {line[:100]!r}. {WHOLE_AGAIN}")
        hashes[entry[2]] = entry[1]
    return hashes


def write_hashes(folder: Path) -> None:
    """Write ``SHA256SUMS``, the hashes of all files but itself and the card, which people may edit."""
    files = [folder / name for name in FILES if name not in (CARD, SUMS) and (folder / name).is_file()]
    write_text(folder / SUMS, "".join(f"{sha256(file)}  {file.name}\n" for file in files))


def replace_files(folder: Path, made: Path) -> None:
    """Replace the model in `folder` by the one in the pretrained folder `made`, in one step; the folder may be new.

    The new files are written beside the old ones first. The step is to replace ``SHA256SUMS``: from then on `file_of`
    finds the new files where they wait, until each has its name. So a process may be killed at any moment: the folder
    has the old model or the new one. Of several processes that replace it, one waits for the other.

    Raises:
        OutputError: the folder holds something else, see `claim_folder`, or the files cannot be written. It has the old
            model, or already the new one.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, wait=True):
            _replace(claim_folder(folder), made)


def _replace(folder: Path, made: Path) -> None:
    for path in (folder / name for name in FILES):
        if path.exists() and not path.is_file():
            raise OutputError(f"cannot write {str(path)!r}: it is not a regular file")
    with suppress(WeightsError):  # a damaged list of the old model
        _give_names(folder, read_hashes(folder))
    for leftover in [path for path in folder.iterdir() if is_leftover(path)]:
        leftover.unlink()
    hashes = read_hashes(made)
    for name, digest in hashes.items():
        with atomic_write(folder / _waiting(name, digest)) as temporary:
            shutil.copyfile(made / name, temporary)
    with atomic_write(folder / CARD) as card:
        shutil.copyfile(made / CARD, card)
        with atomic_write(folder / SUMS) as sums:
            shutil.copyfile(made / SUMS, sums)
    _give_names(folder, hashes)
    for name in {*FILES} - {CARD, SUMS, *hashes}:
        (folder / name).unlink(missing_ok=True)


def _give_names(folder: Path, hashes: Mapping[str, str]) -> None:
    for name, digest in hashes.items():
        with suppress(FileNotFoundError):
            os.replace(folder / _waiting(name, digest), folder / name)


def check_links(folder: Path) -> None:
    """Raise a `WeightsError` for a file that is a link, as `followed`."""
    for name in FILES:
        followed(folder / name)


def check_hash(folder: Path, name: str, hashes: Mapping[str, str], most: int = MOST_FILE_BYTES) -> None:
    """Raise a `WeightsError` if the file is listed, but missing, of more than `most` bytes, or of another hash."""
    if name in hashes:
        path = file_of(folder, name, hashes)
        try:
            found = sha256(path, min(most, MOST_BYTES.get(name, most)))
        except FileNotFoundError:
            raise WeightsError(f"{folder} has no {name}. {WHOLE_AGAIN}") from None
        check_digest(path, found, hashes[name])


def claim_folder(folder: Path) -> Path:
    """Create `folder`; raises an `OutputError` if it cannot, or it holds more than a model or a training run.

    Files that systems leave anywhere, such as ``.DS_Store``, do not matter; beside a run's checkpoint no file does.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        names = sorted(entry.name for entry in folder.iterdir() if not is_leftover(entry))
        is_run = CHECKPOINT in names or FORMER in names
        own = {*FILES, LOGS, HISTORY, *SYSTEM_FILES}
        strangers = [] if is_run else [name for name in names if name not in own and not name.startswith(".")]
        if not strangers and not is_run:
            try:
                read_config(folder)
            except (ConfigError, WeightsError):  # a README.md or config.json alone may belong to anything
                strangers = [name for name in names if name in FILES]
    if strangers:
        raise OutputError(f"{folder} already holds {strangers[0]!r}: choose an empty or a new folder")
    return folder
