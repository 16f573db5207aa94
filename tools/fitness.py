"""Add the figures of their images to bundled models: ``python -m tools.fitness NAME ...``, such as acai-celeba.

A model has them from its training; this is for models that were trained before, or whose images are framed otherwise
now. The list of hashes and the pin in ``zoo.toml`` follow.
"""

from __future__ import annotations

from pathlib import Path

import click

from interpzoo.errors import InterpzooError
from interpzoo.fitness import save_fitness
from interpzoo.pretrained.folder import FITNESS
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate
from interpzoo.training.own_kind import fitness_of
from tools.bundle import CARDS, pin
from tools.directions import data_of


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder of local data sets.")
def main(names: tuple[str, ...], *, data_root: Path | None) -> None:
    """Add the figures of their images to the bundled models NAMES."""
    try:
        for name in names:
            model = read_model(locate(name))
            found = fitness_of(model, data_of(model, data_root))
            if found is None:
                click.echo(f"{name}: none")
                continue
            save_fitness(CARDS / name / FITNESS, found)
            pin(CARDS / name)
            click.echo(f"{name}: limit {float(found.limit):.2f}")
    except InterpzooError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
