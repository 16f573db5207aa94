"""``interpzoo edit``: images moved along a direction of codes, such as a smile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from interpzoo.cli.draw_options import (
    film_options,
    frame_option,
    look_options,
    output_option,
    several,
    size_option,
)
from interpzoo.cli.drawing import Drawing
from interpzoo.cli.inputs import directions_named, image_files, model_names
from interpzoo.cli.options import models_argument

if TYPE_CHECKING:
    from torch import Tensor

    from interpzoo.model import InterpolationModel


@click.command(
    short_help="Move images along a direction, such as a smile.",
    epilog="""\b
Examples:
  interpzoo edit acai-celeba64 anna.jpg --frame face --direction smiling -o smile.png
  interpzoo edit acai-celeba64 anna.png ben.png --direction eyeglasses --strengths 0,0.5,1,1.5 -o glasses.gif
""",
)
@models_argument
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--direction",
    required=True,
    metavar="NAME|FILE",
    help="A direction that the model comes with, or one in a file of save_directions (.safetensors).",
)
@several("--strengths", metavar="S,S,...", help="How far to move; 0 is the reconstruction.", show_default="-2 to 2")
@output_option(films=True)
@size_option
@frame_option
@film_options("back-and-forth", "once")
@look_options
@click.pass_context
def command(
    ctx: click.Context,
    name: str,
    images: Sequence[str],
    *,
    direction: str,
    strengths: Sequence[float] | None,
    **drawn: Any,
) -> None:
    """Move each IMAGE along a direction of the codes of the model NAME; one row per image.

    The models of CelebA have a direction for each of its 40 labels. With your own images, find one in Python,
    model.direction(positive, negative), and save it with interpzoo.save_directions.
    """
    drawing = Drawing(t=strengths, **drawn)
    drawing.check(ctx)
    along = directions_named(direction)
    if len(along) != 1:
        there = ", ".join(one if isinstance(one, str) else one.name for one in along)
        raise click.UsageError(f"--direction {direction!r} is {len(along)} directions ({there}): give one.", ctx)
    files = image_files(images)

    def draw(model: InterpolationModel, _: str | None) -> Tensor:
        far: dict[str, Any] = {} if strengths is None else {"strengths": strengths}
        how: dict[str, Any] = {"size": drawing.size, "batch_size": drawing.batch_size}
        return model.edit(drawing.framed(model, files), along[0], **how, **far)

    drawing.write_paths(drawing.by_model_and_path(model_names(name), draw))
