"""What a pack of stimuli is made of: checked, and written down so that a run is continued only with the same."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, get_args

import torch

from interpzoo.arguments import MOST_FRAMES, of_type, one_of, texts, whole
from interpzoo.errors import InputError, OutputError
from interpzoo.files import check_new_folder, expanded, locked, write_text, writing
from interpzoo.framing import Frame
from interpzoo.packs.frames import FrameFormat
from interpzoo.packs.manifest import Manifest, Parts
from interpzoo.packs.pairs import Pair
from interpzoo.packs.texts import Condition
from interpzoo.pixels import as_size
from interpzoo.plugins import registry
from interpzoo.pretrained.locate import locate
from interpzoo.spacing import NamedSpacing, checked_positions
from interpzoo.tensors import NumberInput
from interpzoo.text import quoted

PACK: Final = "pack.json"
"""What a pack is made of: a run is continued only with the same."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.@+-]+")


@dataclass(frozen=True)
class Settings:
    """What all frames of a pack have in common."""

    steps: int
    t: list[float] | None
    spacing: NamedSpacing
    features: str | None
    size: tuple[int, int] | None
    frame: Frame | None
    form: FrameFormat


def settings_of(
    steps: int,
    t: NumberInput | None,
    spacing: NamedSpacing,
    features: str | None,
    size: Sequence[int] | None,
    frame: Frame | None,
    form: FrameFormat,
) -> Settings:
    """The arguments of `stimuli`, checked; raises an `InputError` for one that is not valid."""
    positions = None
    if t is not None:
        positions = [float(value) for value in checked_positions(t, torch.device("cpu"))]
        steps = len(positions)
    else:
        steps = whole("steps", steps, 2, MOST_FRAMES)
    one_of("spacing", spacing, ("even", "linear"))
    if features is not None:
        of_type("features", features, str, "the name of a network of features")
    one_of("format", form, get_args(FrameFormat))
    if frame is not None:
        one_of("frame", frame, get_args(Frame))
    return Settings(steps, positions, spacing, features, None if size is None else as_size(size), frame, form)


def conditions_of(names: Sequence[str | Path], interpolators: Sequence[str]) -> list[tuple[Condition, str | Path]]:
    """Each model with each path, and what to load it from."""
    found: list[tuple[Condition, str | Path]] = []
    chosen = texts("interpolators", interpolators, "registered names of paths, such as ['linear']")
    for name in names:
        located = locate(name)
        config = located.config()
        paths = registry().components["interpolator"]
        for path in chosen or [paths.shown(paths.find(config.interpolator.name))]:
            words = [config.name] if len(names) > 1 else []
            words += [path] if len(chosen) > 1 else []
            label = _UNSAFE.sub("-", "-".join(words))
            weights = located.fingerprint()
            found.append((Condition(label, config.name, path, config.method, located.revision, weights), name))
    labels = [condition.label for condition, _ in found]
    if len({*labels}) < len(labels):
        raise InputError(f"two of the models or paths are named {max(labels, key=labels.count)!r}: give different ones")
    return found


def about(pairs: Sequence[Pair], conditions: Sequence[Condition], settings: Settings) -> dict[str, Any]:
    """What a pack is made of, as JSON values."""
    listed = "\n".join(f"{pair.name},{pair.first.name},{pair.second.name}" for pair in pairs)
    return {
        "format": 1,
        "pairs": len(pairs),
        "names": sha256(listed.encode(errors="backslashreplace")).hexdigest(),
        "conditions": [asdict(condition) for condition in conditions],
        **asdict(settings),
        "versions": versions(),
    }


@contextmanager
def claimed(output: str | Path, about: dict[str, Any]) -> Generator[Path, None, None]:
    """The folder of a pack, with what it is made of, for this run alone.

    Raises an `OutputError` if it holds something else, another run writes to it, or it cannot be written.
    """
    folder = expanded(output)
    _is_begun(folder, output, about)  # what is not a pack's folder gets not even the file of a lock
    with writing(output):
        folder.mkdir(exist_ok=True)
    with locked(folder):
        if not _is_begun(folder, output, about):
            write_text(folder / PACK, json.dumps(about, indent=1) + "\n")
        yield folder


def _is_begun(folder: Path, output: str | Path, about: dict[str, Any]) -> bool:
    """Whether a folder holds the same pack; raises an `OutputError` if it holds something else."""
    file = folder / PACK
    if not file.is_file():
        check_new_folder(output)
        return False
    wanted = json.loads(json.dumps(about))
    try:
        there: dict[str, Any] = json.loads(file.read_text("utf-8"))
        other = [key for key in wanted if there.get(key) != wanted[key]]
    except (OSError, ValueError, AttributeError, RecursionError):
        raise OutputError(f"{str(file)!r} cannot be read: choose another folder") from None
    if other and (next(Manifest(folder).groups(1), None) is not None or Parts(folder).are_there()):
        key = other[0]
        raise OutputError(
            f"{str(output)!r} holds other stimuli: {key} was {quoted(there.get(key))}, is {quoted(wanted[key])}: "
            "use the same arguments to continue, or choose another folder"
        )
    return not other


def versions() -> str:
    """What computes the frames, in words."""
    return f"interpzoo {version('interpzoo')}, torch {torch.__version__}, Python {platform.python_version()}"
