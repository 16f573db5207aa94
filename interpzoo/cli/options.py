"""Arguments and options that several commands share."""

import inspect
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from interpzoo.arguments import MOST_SEED
from interpzoo.files import file_to_write
from interpzoo.text import quoted

_MODEL = "NAME is a model of 'interpzoo list', a Hub repository 'user/repo', or a folder that starts with ./, ../ or /."


class UserPath(click.Path):
    """A path, in which ``~`` is the home folder also where the shell leaves it, as in ``--output=~/scores``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        expanded = os.path.expanduser(value)
        if os.fspath(expanded).startswith("~"):
            self.fail(f"{os.fspath(value)!r}: there is no such user.", param, ctx)
        try:
            return super().convert(expanded, param, ctx)
        except (OSError, ValueError) as error:  # a name that is too long, or holds a null character
            self.fail(f"{quoted(value)}: {error}", param, ctx)


F = TypeVar("F", bound=Callable[..., Any])


def model_argument(function: F) -> F:
    """The argument NAME of a command; its help gets a paragraph that says what NAME can be."""
    function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n{_MODEL}"
    return click.argument("name", callback=_note_model)(function)


def models_argument(function: F) -> F:
    """The argument NAME of a command that takes several models; its help gets a paragraph that says what it can be."""
    more = f"{_MODEL} It can be several, with commas between them, and names with wildcards, as in 'acai-*'."
    function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n{more}"
    return click.argument("name", callback=_note_model)(function)


def height_and_width(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, int] | None:
    """A callback for an option that takes a size of images, such as ``256x192``."""
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}x\d{1,9}", text, re.ASCII) is None:
        raise click.BadParameter(f"{quoted(text)}: expected height x width, such as 256x192.", ctx, parameter)
    height, width = map(int, text.split("x"))
    return height, width


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")

device_option = click.option(
    "--device", metavar="DEVICE", default="cpu", show_default=True, help="Device to compute on, such as cuda."
)

data_root_option = click.option(
    "--data-root",
    type=UserPath(exists=True, file_okay=False),
    metavar="DIR",
    help="Folder with local data sets.",
    show_default="INTERPZOO_DATA, or else the Hub",
)

metrics_option = click.option(
    "--metrics",
    multiple=True,
    metavar="PATTERN",
    help="Compute only the metrics or families that match, such as 'truth' or 'frechet-*'. Can be repeated.",
)

seed_option = click.option(
    "--seed",
    type=click.IntRange(0, MOST_SEED),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of the image pairs and of all other random choices.",
)

_SCORING = (
    metrics_option,
    click.option(
        "--dataset",
        metavar="NAME|FOLDER|ID",
        help="Data to score on: a data set of 'interpzoo plugins', a folder of images, or a data set on the Hub.",
        show_default="what the model was trained on",
    ),
    data_root_option,
    click.option(
        "--features",
        metavar="NAME",
        help="Feature network to compare images with: its name, its folder, or timm:BACKBONE.",
        show_default="the one for the data set",
    ),
    click.option("--full", is_flag=True, help="Use more pairs and images; takes about five times as long."),
    seed_option,
    device_option,
)


def scoring_options(function: F) -> F:
    """What to score by, on which data and how thoroughly."""
    for option in reversed(_SCORING):
        function = option(function)
    return function


def to_write(ctx: click.Context, parameter: click.Parameter, path: Path) -> Path:
    """`path`, a file to write.

    Raises a usage error if it has no folder, or the command also reads it, and an `OutputError` if it is no file.
    """
    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(path.parent)!r}.", ctx, parameter)
    file_to_write(path)
    _note("written", [path])
    return path


def note_inputs(files: Iterable[str | Path]) -> None:
    """Note which files the command reads; raises a usage error if it is also to write one of them."""
    _note("read", files)


def _note(use: str, files: Iterable[str | Path]) -> None:
    ctx = click.get_current_context(silent=True)
    if ctx is None:
        return
    noted: dict[str, dict[tuple[int, int], str]] = ctx.meta.setdefault(__name__, {"read": {}, "written": {}})
    for file in files:
        with suppress(OSError, ValueError):  # it does not exist, or cannot
            found = os.stat(file)
            noted[use][found.st_dev, found.st_ino] = os.fspath(file)
    for both in noted["read"].keys() & noted["written"].keys():
        raise click.UsageError(f"{noted['written'][both]!r} is read, and would be replaced: write to another file", ctx)


def _note_model(ctx: click.Context, parameter: click.Parameter, names: str) -> str:
    """A callback for models, whose folders hold files that are read."""
    for name in names.split(","):
        if os.path.isdir(folder := os.path.expanduser(name)):
            from interpzoo.pretrained.folder import FILES

            note_inputs(os.path.join(folder, file) for file in FILES)
    return names


def writable(*suffixes: str) -> Callable[[click.Context, click.Parameter, Path | None], Path | None]:
    """A callback for an option that names an output file; it refuses what cannot be written before the work starts.

    Only the file name extensions `suffixes` are accepted, or all if there are none.
    """

    def check(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path is None:
            return None
        if suffixes and path.suffix.lower() not in suffixes:
            known = ", ".join(suffixes)
            raise click.BadParameter(f"{str(path)!r} ends in {path.suffix!r}, expected {known}.", ctx, parameter)
        return to_write(ctx, parameter, path)

    return check
