"""What several commands take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

model_argument = click.argument("name")

device_option = click.option("--device", metavar="DEVICE", help="Where to compute, such as cuda or cpu (the default).")

data_root_option = click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of local data sets; else the environment variable INTERPZOO_DATA, else the Hub.",
)

metrics_option = click.option(
    "--metrics",
    multiple=True,
    metavar="PATTERN",
    help="Only these metrics or families, such as 'truth' or 'frechet-*'; may be given often.",
)

full_option = click.option("--full", is_flag=True, help="More pairs and images: about five times the work.")

features_option = click.option(
    "--features",
    metavar="NAME",
    help="Compare images by this network of features, by its name or folder, or by a backbone of timm's, "
    "timm:BACKBONE; by default that of the data set.",
)

json_flag = click.option("--json", "as_json", is_flag=True, help="As JSON.")


def writable(*suffixes: str) -> Callable[[click.Context, click.Parameter, Path | None], Path | None]:
    """An option's callback that refuses a file at once, not after the work, where it could not be written.

    Args:
        suffixes: the ones that are known; none: any.
    """

    def check(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path is None:
            return None
        if suffixes and path.suffix.lower() not in suffixes:
            known = ", ".join(suffixes)
            raise click.BadParameter(f"{str(path)!r} ends in {path.suffix!r}, expected {known}.", ctx, parameter)
        if not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {str(path.parent)!r}.", ctx, parameter)
        return path

    return check
