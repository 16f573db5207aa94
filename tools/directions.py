"""Add directions to bundled models: ``python -m tools.directions NAME ...``, such as acai-celeba.

They are those of the labels of the models' training images: for each label, from the images without it to those with
it, as ``direction_between(..., probe=True)`` finds it. The list of hashes and the pin in ``zoo.toml`` follow.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch
from torch import Tensor

from interpzoo.build import build_component
from interpzoo.directions import Direction, direction_between, save_directions
from interpzoo.errors import DataError
from interpzoo.interfaces import DataSet
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.folder import DIRECTIONS
from tools.bundle import change_bundled

_BATCH = 512


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder of local data sets.")
def main(names: tuple[str, ...], *, data_root: Path | None) -> None:
    """Add the directions of their data's labels to the bundled models NAMES."""

    def add(model: InterpolationModel, folder: Path) -> str:
        found = label_directions(model, data_root)
        save_directions(folder / DIRECTIONS, found)
        return f"{len(found)} directions"

    change_bundled(names, add)


def label_directions(model: InterpolationModel, data_root: Path | None) -> list[Direction]:
    """The direction of each label of a model's training images.

    Raises:
        DataError: they do not have several labels each.
    """
    data = data_of(model, data_root)
    if not data.label_names:
        raise DataError(
            f"the images of {model.name!r} do not have several labels each: there are no directions of them"
        )
    codes, labels = encoded(model, data)
    return [
        direction_between(codes[labels[:, n]], codes[~labels[:, n]], name=slug(label), probe=True)
        for n, label in enumerate(data.label_names)
    ]


def data_of(model: InterpolationModel, data_root: Path | None) -> DataSet:
    """The data set that a model was trained on; raises a `DataError` if its config does not say."""
    if model.config.trained is None:
        raise DataError(f"{model.name!r} does not say what it was trained on")
    return build_component(DataSet, model.config.trained.data, model.config.image, data_root)


def encoded(model: InterpolationModel, data: DataSet) -> tuple[Tensor, Tensor]:
    """Codes (n, *latent_shape) and labels (n, k), as bool, of all training images."""
    codes: list[Tensor] = []
    labels: list[Tensor] = []
    with torch.no_grad():
        for rows in torch.arange(data.size or 0).split(_BATCH):
            batch = data.train(rows, torch.Generator().manual_seed(0))
            codes.append(model.encode(batch["image"]))
            labels.append(batch["label"].bool())
    return torch.cat(codes), torch.cat(labels)


def slug(label: str) -> str:
    """The name of a direction: a label in small letters, with hyphens."""
    return label.lower().replace("_", "-").replace(" ", "-")


if __name__ == "__main__":
    main()
