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
from interpzoo.errors import InputError, OutputError
from interpzoo.files import check_new_folder, check_writable
from interpzoo.text import quoted

_MODEL = "NAME is a model of 'interpzoo list', a Hub repository 'user/repo', or a folder that starts with ./, ../ or /."
_SEVERAL = " Several names have commas between them, and a name can have wildcards, as in 'acai-*'."


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


def model_argument(function: F, *, more: str = "") -> F:
    """The argument NAME of a command; its help gets a paragraph that says what NAME can be."""
    function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n{_MODEL}{more}"
    return click.argument("name", callback=_note_model)(function)


def models_argument(function: F) -> F:
    """As `model_argument`, for a command that takes several models."""
    return model_argument(function, more=_SEVERAL)


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """One decorator for several options, which help shows in this order."""

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


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


def seed_option(what: str) -> Callable[[F], F]:
    """The option ``--seed``, the seed of `what`."""
    seed = click.IntRange(0, MOST_SEED)
    return click.option("--seed", type=seed, default=0, show_default=True, metavar="N", help=f"Seed of {what}.")


def dataset_option(what: str, default: str | None = None) -> Callable[[F], F]:
    """The option ``--dataset``, which says `what` the images are for."""
    text = f"{what}: a data set of 'interpzoo plugins', a folder of images, or a data set on the Hub."
    return click.option("--dataset", metavar="NAME|FOLDER|ID", help=text, show_default=default)


def features_option(purpose: str, default: str) -> Callable[[F], F]:
    """The option ``--features``, a network to use for a `purpose`."""
    text = f"Feature network to {purpose}: its name, its folder, or timm:BACKBONE."
    return click.option("--features", metavar="NAME", help=text, show_default=default)


scoring_options = together(
    metrics_option,
    dataset_option("Data to score on", "what the model was trained on"),
    data_root_option,
    features_option("compare images with", "the one for the data set"),
    click.option("--full", is_flag=True, help="Use more pairs and images; takes about five times as long."),
    seed_option("the image pairs and of all other random choices"),
    device_option,
)
"""What to score by, on which data and how thoroughly."""


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


def writable(
    *suffixes: str, folder: bool = False
) -> Callable[[click.Context, click.Parameter, Path | None], Path | None]:
    """A callback for an option that names an output file; it refuses what cannot be written before the work starts.

    Only the file name extensions `suffixes` are accepted, or all if there are none. With `folder`, a path without an
    extension is that of a new folder.
    """

    def check(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path is None:
            return None
        try:
            if folder and (not path.suffix or path.is_dir()):
                return check_new_folder(path)
            if suffixes and path.suffix.lower() not in suffixes:
                known = ", ".join((*suffixes, "or a new folder") if folder else suffixes)
                raise InputError(f"{quoted(str(path))} ends in {path.suffix!r}, expected {known}.")
            check_writable(path)
        except (InputError, OutputError) as error:
            raise click.BadParameter(str(error), ctx, parameter) from None
        _note("written", [path])
        return path

    return check


json_file_option = click.option(
    "--json",
    "output",
    type=UserPath(dir_okay=False),
    callback=writable(),
    metavar="FILE",
    help="Also write the scores to FILE as JSON.",
)
