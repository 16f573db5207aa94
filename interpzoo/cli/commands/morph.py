"""``interpzoo morph``: a path through several images, as a film, a picture or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from interpzoo.cli.draw_options import (
    easing_option,
    film_options,
    frame_option,
    interpolators_option,
    look_options,
    output_option,
    size_option,
    spacing_options,
    steps_option,
)
from interpzoo.cli.drawing import Drawing
from interpzoo.cli.inputs import image_files, model_names
from interpzoo.cli.options import models_argument

if TYPE_CHECKING:
    from torch import Tensor

    from interpzoo.model import InterpolationModel


@click.command(
    short_help="Draw a path through several images.",
    epilog="""\b
Examples:
  interpzoo morph acai-celeba anna.png ben.png photo.png --loop closed --hold 0.5 -o faces.mp4
  interpzoo morph acai-mnist ./digits --easing in-out --fps 20 -o digits.gif
  interpzoo morph acai-celeba64 ./photos --frame face --seconds 8 -o photos.mp4
  ls ./digits/*.png | interpzoo morph acai-mnist - --steps 5 -o frames
""",
)
@models_argument
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@output_option(films=True)
@steps_option
@easing_option
@spacing_options("linear")
@interpolators_option
@size_option
@frame_option
@film_options("back-and-forth", "closed", "once")
@look_options
@click.pass_context
def command(
    ctx: click.Context, name: str, images: Sequence[str], *, interpolators: Sequence[str], **drawn: Any
) -> None:
    """Draw the path from each IMAGE to the next with the model NAME. With --loop closed it leads back to the first."""
    drawing = Drawing(**drawn)
    drawing.check(ctx)
    files = image_files(images)
    if len(files) < 2:
        raise click.UsageError(f"a morph needs at least two images, got {files[0]!r} alone.", ctx)
    if drawing.loop == "closed":
        files.append(files[0])
    sections = len(files) - 1

    def draw(model: InterpolationModel, interpolator: str | None) -> Tensor:
        how: dict[str, Any] = {"size": drawing.size, "interpolator": interpolator, "batch_size": drawing.batch_size}
        return model.morph(drawing.framed(model, files), **drawing.positions(model, sections), **how)[None]

    drawing.write_paths(drawing.by_model_and_path(model_names(name), draw, interpolators), sections)
