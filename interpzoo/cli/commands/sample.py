"""``interpzoo sample``: new images from a model's prior."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from interpzoo.arguments import MOST_IMAGES
from interpzoo.cli.draw_options import look_options, output_option
from interpzoo.cli.drawing import Drawing
from interpzoo.cli.inputs import model_names
from interpzoo.cli.options import models_argument, seed_option

if TYPE_CHECKING:
    from torch import Tensor

    from interpzoo.model import InterpolationModel


@click.command(
    short_help="Draw new images, where the model has a prior.",
    epilog="""\b
Examples:
  interpzoo sample vae-mnist -o new.png
  interpzoo sample vae-celeba --count 1000 --seed 7 -o faces
""",
)
@models_argument
@click.option(
    "--count",
    type=click.IntRange(1, MOST_IMAGES),
    default=16,
    show_default=True,
    metavar="N",
    help="Number of images.",
)
@seed_option("the images")
@output_option(films=False)
@look_options
def command(name: str, *, count: int, seed: int, **drawn: Any) -> None:
    """Draw images from the prior of the model NAME. A picture shows them in rows, about as many as columns."""
    drawing = Drawing(**drawn)

    def draw(model: InterpolationModel, _: str | None) -> Tensor:
        return model.sample(count, seed=seed, batch_size=drawing.batch_size)

    drawing.write_images(drawing.by_model_and_path(model_names(name), draw), math.ceil(math.sqrt(count)))
