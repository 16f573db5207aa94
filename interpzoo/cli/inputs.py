"""What the commands read: models by name, and images as files, folders, patterns and lists."""

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

from interpzoo.arguments import MOST_IMAGES
from interpzoo.cli.console import echo
from interpzoo.cli.options import note_inputs
from interpzoo.errors import InputError
from interpzoo.text import natural, quoted

_WILD = re.compile(r"[*?\[]")


def image_files(arguments: Sequence[str], most: int = MOST_IMAGES) -> list[str]:
    """The image files that arguments name, in order.

    Args:
        arguments: files; folders, which stand for the images in them, in the order of their names (2 before 10);
            patterns with ``*``, ``?`` or ``[...]``; and ``-`` for a list on standard input, one of these on each line.
        most: how many files there may be.

    Raises:
        ImageError: a folder has no image.
        InputError: no file matches a pattern, a name is that of a model, or there are more than `most`.
    """
    found: list[str] = []
    for argument in arguments:
        for name in _lines() if argument == "-" else [argument]:
            found.extend(_files(os.path.expanduser(name)))
            if len(found) > most:
                raise InputError(f"{quoted(argument)}: more than {most:,} images: give fewer")
    note_inputs(found)
    return found


def model_names(names: str) -> list[str]:
    """The models that NAME stands for: one, or several with commas between them, each with wildcards if it has any.

    Raises an `UnknownNameError` if a pattern matches none.
    """
    from interpzoo.benchmark.selection import models_named
    from interpzoo.pretrained.locate import is_path

    found: dict[str, None] = {}
    for name in [names] if is_path(names) and os.path.isdir(os.path.expanduser(names)) else names.split(","):
        if _WILD.search(name) and not is_path(name):
            matching = models_named([name], skipped=lambda name: echo(f"{name} is skipped: not installed", err=True))
            found.update((str(model), None) for model in matching)
        else:
            found[name] = None
    return [*found]


def _lines() -> Iterator[str]:
    from interpzoo.benchmark.processes import agreed, is_alone, is_first

    lines: Iterable[str] = sys.stdin
    if not is_alone():  # what one process reads, the others miss
        lines = agreed(sys.stdin.read() if is_first() else "").splitlines()
    for line in lines:
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
