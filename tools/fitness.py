"""Add the statistics of their images to bundled models: ``python -m tools.fitness NAME ...``, such as acai-celeba.

A model has them from its training; this is for models that were trained before, or whose images are framed otherwise
now. The list of hashes and the pin in ``zoo.toml`` follow.
"""

from __future__ import annotations

from pathlib import Path

import click

from interpzoo.fitness import save_fitness
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.folder import FITNESS
from interpzoo.training.fitness import fitness_of
from tools.bundle import change_bundled
from tools.directions import data_of


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder of local data sets.")
def main(names: tuple[str, ...], *, data_root: Path | None) -> None:
    """Add the statistics of their images to the bundled models NAMES."""

    def add(model: InterpolationModel, folder: Path) -> str:
        found = fitness_of(model, data_of(model, data_root))
        if found is None:
            return "none"
        save_fitness(folder / FITNESS, found)
        return f"limit {float(found.limit):.2f}"

    change_bundled(names, add)


if __name__ == "__main__":
    main()
