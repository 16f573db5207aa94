"""``interpzoo grid``: everything between four images, as a picture or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from interpzoo.cli.draw_options import frame_option, interpolators_option, look_options, output_option, size_option
from interpzoo.cli.drawing import Drawing
from interpzoo.cli.inputs import image_files, model_names
from interpzoo.cli.options import models_argument
from interpzoo.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from interpzoo.model import InterpolationModel


@click.command(
    short_help="Draw the images between four corners.",
    epilog="""\b
Examples:
  interpzoo grid acai-mnist three.png eight.png five.png one.png -o plane.png
  interpzoo grid acai-celeba --rows 5 --cols 9 -o faces.png
""",
)
@models_argument
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@output_option(films=False)
@click.option("--rows", default=7, show_default=True, metavar="N", help="Number of rows.")
@click.option("--cols", default=7, show_default=True, metavar="N", help="Number of columns.")
@interpolators_option
@size_option
@frame_option
@look_options
@click.pass_context
def command(
    ctx: click.Context,
    name: str,
    images: Sequence[str],
    *,
    rows: int,
    cols: int,
    interpolators: Sequence[str],
    **drawn: Any,
) -> None:
    """Fill a grid between four corners with the model NAME: top left, top right, bottom left and bottom right IMAGE.

    Without images, the corners are the first four of the model's examples.
    """
    drawing = Drawing(**drawn)
    files = image_files(images)
    if files and len(files) != 4:
        raise click.UsageError(f"a grid has four corners, got {len(files)} image{'s' * (len(files) != 1)}.", ctx)

    if drawing.frame is not None and not files:
        raise click.UsageError("--frame is for your own images: give four.", ctx)

    def draw(model: InterpolationModel, interpolator: str | None) -> Tensor:
        corners: Any = drawing.framed(model, files) if files else _corners(model)
        how: dict[str, Any] = {"size": drawing.size, "interpolator": interpolator, "batch_size": drawing.batch_size}
        return model.grid(*corners, rows=rows, cols=cols, **how).flatten(0, 1)

    drawing.write_images(drawing.by_model_and_path(model_names(name), draw, interpolators), cols)


def _corners(model: InterpolationModel) -> Tensor:
    if model.examples is None or len(model.examples) < 4:
        raise InputError(f"{model.config.name!r} has fewer than four example codes: give four images")
    return model.decode(model.examples[:4]).clamp(0, 1)
