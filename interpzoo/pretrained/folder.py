"""The pretrained folder: its files, and how they are read safely and written atomically.

``config.json``, ``model.safetensors``, ``examples.safetensors`` (``codes`` and the ``frames`` decoded from them),
optional ``codes.safetensors`` (training codes), ``README.md`` (the card), ``preview.png``, and ``SHA256SUMS`` of all
files but the card. Torch is imported only to write tensors, so that a folder can be described without it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from safetensors import SafetensorError, safe_open

from interpzoo.config import FORMAT_VERSION, MethodConfig, ModelConfig, validate
from interpzoo.errors import ConfigError, OutputError, WeightsError
from interpzoo.files import atomic_write, is_leftover

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS, EXAMPLES, CODES = "config.json", "model.safetensors", "examples.safetensors", "codes.safetensors"
CARD, PREVIEW, SUMS = "README.md", "preview.png", "SHA256SUMS"
FILES = (CONFIG, WEIGHTS, EXAMPLES, CODES, CARD, PREVIEW, SUMS)
"""Every file that a pretrained folder may hold; no other file is read or downloaded."""

CHECKPOINT = "checkpoint.safetensors"
"""State of a training run, in the model's folder until the run ends."""

FORMER = "checkpoint.former.safetensors"
"""The checkpoint before that; of a finished run the last one, from which it can be extended."""

HISTORY = "history.jsonl"
"""The losses of a training run, one JSON object a line."""

LOGS = "logs"
"""Subfolder that a training run's trackers write to."""

_SYSTEM: Final = ("Thumbs.db", "desktop.ini")

MOST_BYTES: Final[Mapping[str, int]] = {CONFIG: 1 << 20, CARD: 1 << 20, SUMS: 1 << 16, PREVIEW: 1 << 24}
"""Largest size of each file that is read whole; tensors are mapped, and their shapes are checked against the config."""

_MOST_HEADER_BYTES: Final = 1 << 20
"""Largest header of a safetensors file, which is parsed before anything is known of it: some 10,000 tensors."""

LIMITS: Final = "## Limits"
"""Heading of the card's section on known weaknesses."""

_PROSE: Final = {
    "summary": (re.compile(r"^# .*\n\n((?!!\[|```|## )\S.*)$", re.MULTILINE), 400),
    "limitations": (re.compile(rf"^{LIMITS}\n\n((?:.|\n)*?)(?=\n\n## |\Z)", re.MULTILINE), 2000),
}
"""Where each text stands on a card, and its largest length."""

_HASH_LINE: Final = re.compile(r"([0-9a-f]{64})  (\S+)")


def read_config(folder: Path) -> ModelConfig:
    """The folder's validated `config.json`, with summary and limitations from its card.

    Raises:
        ConfigError: it is missing, too large, not JSON, of a later format or invalid.
    """
    path = folder / CONFIG
    try:
        value = json.loads(read_text(path), object_pairs_hook=_no_duplicates)
    except WeightsError as error:
        raise ConfigError(str(error)) from None
    except FileNotFoundError:
        raise ConfigError(f"{folder} is not a pretrained folder: it has no {CONFIG}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds a {type(value).__name__}, expected an object")
    version: Any = value.get("format", FORMAT_VERSION)
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ConfigError(f"{path} has format {version}, this interpzoo reads up to {FORMAT_VERSION}: upgrade it")
    return validate(ModelConfig, value, str(path)).model_copy(update=_read_prose(folder))


def _read_prose(folder: Path) -> dict[str, str]:
    """Summary and limitations from the card, if it has them; people may edit cards, so any text is possible."""
    try:
        text = read_text(folder / CARD)
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
    config = read_config(folder).model_dump(mode="json", include={*MethodConfig.model_fields})
    hashes = [sha256(folder / name) for name in (WEIGHTS, CODES) if (folder / name).is_file()]
    return hashlib.sha256(json.dumps([config, *hashes], sort_keys=True).encode()).hexdigest()


def read_text(path: Path) -> str:
    """The text of a file of bounded size.

    Raises:
        FileNotFoundError: it is missing.
        WeightsError: it is not a regular file, or too large.
        UnicodeDecodeError: it is not text.
    """
    _check_regular(path)
    size, most = path.stat().st_size, MOST_BYTES[path.name]
    if size > most:
        raise WeightsError(f"{path} has {size:,} bytes, expected at most {most:,}")
    return path.read_text("utf-8")


def _check_regular(path: Path) -> None:
    """Refuse pipes, which would block, and devices, which never end."""
    if path.exists() and not path.is_file():
        raise WeightsError(f"{path} is not a regular file")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = sorted({key for key, _ in pairs if [k for k, _ in pairs].count(key) > 1})
        raise ValueError(f"key {twice[0]!r} occurs twice in one object")
    return value


def read_tensors(path: Path, expected: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file, mapped into memory.

    `expected` are the exact names and shapes, compared with the file's header before anything is allocated.

    Raises:
        WeightsError: the file is missing or damaged, or its names or shapes differ from `expected`.
    """
    _check_regular(path)
    try:
        with path.open("rb") as file:  # a header that is too large cannot be parsed safely
            size = int.from_bytes(file.read(8), "little")
        if size > _MOST_HEADER_BYTES:
            raise WeightsError(
                f"{path} is not a whole safetensors file: its header would have {size:,} bytes, "
                f"expected at most {_MOST_HEADER_BYTES:,}"
            )
        with safe_open(path, framework="pt") as file:
            if expected is not None:
                shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
                _compare(path, shapes, expected)
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise WeightsError(f"{path.parent} has no {path.name}") from None
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a whole safetensors file: {error}") from None


def _compare(path: Path, found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> None:
    problems = [f"lacks {name!r}" for name in expected if name not in found]
    problems += [f"has {name!r}, which the config's modules do not" for name in found if name not in expected]
    problems += [
        f"has {name!r} of shape {tuple(shape)}, the config says {tuple(expected[name])}"
        for name, shape in found.items()
        if name in expected and shape != expected[name]
    ]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise WeightsError(f"{path} {'; '.join(problems[:3])}{more}")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file atomically."""
    from safetensors.torch import save

    # Copied, because safetensors refuses tensors that share memory, such as tied weights.
    contiguous = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    with atomic_write(path) as temporary:
        temporary.write_bytes(save(contiguous, metadata))


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, "utf-8")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def read_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 by file name, from the folder's ``SHA256SUMS``; empty if there is no such file.

    Raises:
        WeightsError: it is damaged, or lists a file that a pretrained folder cannot hold.
    """
    path = folder / SUMS
    try:
        lines = read_text(path).splitlines()
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise WeightsError(f"{path} is damaged: it is not text") from None
    hashes: dict[str, str] = {}
    for line in lines:
        entry = _HASH_LINE.fullmatch(line)
        if entry is None or entry[2] in hashes or entry[2] not in FILES or entry[2] in (CARD, SUMS):
            raise WeightsError(f"{path} is damaged: it has the line {line[:100]!r}")
        hashes[entry[2]] = entry[1]
    return hashes


def write_hashes(folder: Path) -> None:
    """Write ``SHA256SUMS``, the hashes of all files but itself and the card, which people may edit."""
    files = [folder / name for name in FILES if name not in (CARD, SUMS) and (folder / name).is_file()]
    write_text(folder / SUMS, "".join(f"{sha256(file)}  {file.name}\n" for file in files))


def replace_files(folder: Path, made: Path) -> None:
    """Replace the model in `folder` by the one in the pretrained folder `made`.

    All files are written before the first is replaced, so that an `OutputError` on a full disk leaves the old model.
    """
    names = [name for name in FILES if (made / name).is_file()]
    with ExitStack() as stack:
        # The stack replaces in reverse order: the config first, SHA256SUMS last.
        for name in reversed(names):
            shutil.copyfile(made / name, stack.enter_context(atomic_write(folder / name)))
    for name in {*FILES} - {*names}:
        (folder / name).unlink(missing_ok=True)


def check_links(folder: Path) -> None:
    """Raise a `WeightsError` for links, which may lead anywhere, except those of the Hub's client inside its cache."""
    for path in (folder / name for name in FILES):
        if path.is_symlink():
            target = Path(os.path.normpath(path.parent / os.readlink(path)))
            if target.parent != folder.absolute().parent.parent / "blobs":
                raise WeightsError(f"{path} is a link: put the file itself there")


def check_hash(folder: Path, name: str, hashes: Mapping[str, str]) -> None:
    """Raise a `WeightsError` if the file is listed, but missing or of another hash."""
    expected = hashes.get(name)
    if expected is None:
        return
    if not (folder / name).is_file():
        raise WeightsError(f"{folder} has no {name}")
    if (found := sha256(folder / name)) != expected:
        raise WeightsError(f"{folder / name} is damaged: its SHA-256 is {found[:12]}..., expected {expected[:12]}...")


def claim_folder(folder: Path) -> Path:
    """Create `folder`; raises an `OutputError` if it cannot, or it holds more than a model or a training run.

    Files that systems leave anywhere, such as ``.DS_Store``, do not matter; beside a run's checkpoint no file does.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = sorted(entry.name for entry in folder.iterdir() if not is_leftover(entry))
        is_run = CHECKPOINT in names or FORMER in names
        own = {*FILES, LOGS, HISTORY, *_SYSTEM}
        strangers = [] if is_run else [name for name in names if name not in own and not name.startswith(".")]
        if not strangers and not is_run:
            try:
                read_config(folder)
            except ConfigError:  # a README.md or config.json alone may belong to anything
                strangers = [name for name in names if name in FILES]
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from None
    if strangers:
        raise OutputError(f"{folder} already holds {strangers[0]!r}: choose an empty or a new folder")
    return folder
