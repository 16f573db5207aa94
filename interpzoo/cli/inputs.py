"""What the commands read: models by name, and images as files, folders, patterns and lists, framed if need be."""

from __future__ import annotations

import glob
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from interpzoo.arguments import MOST_IMAGES
from interpzoo.cli.console import echo
from interpzoo.cli.options import note_inputs
from interpzoo.errors import InputError
from interpzoo.text import natural, quoted

if TYPE_CHECKING:
    from interpzoo.directions import Direction
    from interpzoo.framing import Frame
    from interpzoo.images import ImageInput
    from interpzoo.model import InterpolationModel

_DIRECTIONS = ".safetensors"
_MOST_CHARACTERS: Final = 1 << 16  # of a line on standard input: more than any path has
_WILD = re.compile(r"[*?\[]")


def image_files(arguments: Sequence[str], most: int = MOST_IMAGES) -> list[str]:
    """The image files that arguments name, in order.

    Args:
        arguments: files; folders, which stand for the images in them, in the order of their names (2 before 10);
            patterns with ``*``, ``?`` or ``[...]``; and ``-`` for a list on standard input, one of these on each line.
        most: how many files there may be.

    Raises:
        ImageError: a folder has no image.
        InputError: no file matches a pattern, a name is that of a model, there are more than `most`, or the list on
            standard input is empty or has a line that is too long.
    """
    found: list[str] = []
    for argument in arguments:
        for name in _lines(most) if argument == "-" else [argument]:
            found.extend(_files(os.path.expanduser(name)))
            if len(found) > most:
                raise InputError(f"{quoted(argument)}: more than {most:,} images: give fewer")
    note_inputs(found)
    return found


def directions_named(names: str) -> list[str | Direction]:
    """What a model is given for directions with commas between them: names of its own, and all that are in a file."""
    from interpzoo.directions import load_directions

    found: list[str | Direction] = []
    for name in names.split(","):
        is_file = name.lower().endswith(_DIRECTIONS)
        found += load_directions(os.path.expanduser(name)).values() if is_file else [name]
    return found


def as_framed(
    model: InterpolationModel, files: Sequence[str], frame: Frame | None, size: tuple[int, int] | None
) -> ImageInput:
    """What a model is given for `files`: the files, or images (n, C, H, W) framed as its own were."""
    return files if frame is None else model.frame(files, frame, size=size)


def size_of_all(
    model: InterpolationModel, files: Sequence[str], frame: Frame | None, size: tuple[int, int] | None
) -> tuple[int, int]:
    """Height and width that all `files` are brought to, in every part of them: `size`, or what the first has."""
    own = size is None and model.sizes.multiple is not None
    return model.sizes.fit(as_framed(model, files[:1], frame, None) if own else files, size)


def model_names(names: str) -> list[str]:
    """The models that NAME stands for: one, or several with commas between them, each with wildcards if it has any.

    Raises an `UnknownNameError` if a pattern matches none.
    """
    from interpzoo.benchmark.selection import models_named
    from interpzoo.pretrained.locate import is_path

    found: dict[str, None] = {}
    for name in [names] if is_path(names) and os.path.isdir(os.path.expanduser(names)) else names.split(","):
        if _WILD.search(name) and not is_path(name):
            found.update((str(model), None) for model in models_named([name], skipped=report_absent))
        else:
            found[name] = None
    return [*found]


def report_absent(name: str) -> None:
    """Say that a pattern leaves out a model."""
    echo(f"{name} is skipped: it is registered, but its folder is not installed", err=True)


def _lines(most: int) -> Iterator[str]:
    from interpzoo.processes import agreed, is_alone, is_first

    names = _read() if is_first() else iter(())
    if not is_alone():  # what one process reads, the others miss
        names = iter(json.loads(agreed(json.dumps([*islice(names, most + 1)]))))
    first = next(names, None)
    if first is None:
        raise InputError("the list on standard input is empty: expected an image on each line")
    yield first
    yield from names


def _read() -> Iterator[str]:
    while line := sys.stdin.readline(_MOST_CHARACTERS + 1):
        if len(line) > _MOST_CHARACTERS:
            raise InputError(
                f"the list on standard input has a line of more than {_MOST_CHARACTERS:,} characters, which begins "
                f"with {quoted(line)}: expected an image on each line"
            )
        if name := line.rstrip("\r\n"):
            yield name


def _files(name: str) -> list[str]:
    if os.path.isdir(name):
        from interpzoo.images import files_in

        return files_in(name)
    if _WILD.search(name) and not os.path.lexists(name):
        files = sorted((file for file in glob.glob(name, recursive=True) if os.path.isfile(file)), key=natural)
        if not files:
            raise InputError(f"{quoted(name)}: no file matches this pattern")
        return files
    if not os.path.lexists(name) and _is_model(name):
        raise InputError(f"{quoted(name)} is a model: expected an image; several models have commas between them")
    return [name]


def _is_model(name: str) -> bool:
    from interpzoo.plugins import registry

    return name in registry().models.names()
