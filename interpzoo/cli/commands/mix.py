"""``interpzoo mix``: one image from several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from interpzoo.cli.draw_options import frame_option, look_options, output_option, several, size_option
from interpzoo.cli.drawing import Drawing
from interpzoo.cli.inputs import image_files, model_names
from interpzoo.cli.options import models_argument

if TYPE_CHECKING:
    from torch import Tensor

    from interpzoo.model import InterpolationModel


@click.command(
    short_help="Mix several images, such as to their average.",
    epilog="""\b
Examples:
  interpzoo mix acai-celeba64 ./photos --frame face -o average.png
  interpzoo mix 'acai-celeba,ae-celeba' anna.png ben.png --weights 0.7,0.3 -o mixed.png
""",
)
@models_argument
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@output_option(films=False)
@several("--weights", metavar="W,W,...", help="Share of each image; they sum to 1.", show_default="all the same")
@click.option(
    "--mixer", metavar="NAME", help="How codes are mixed, such as bernoulli.", show_default="the model's, or their mean"
)
@size_option
@frame_option
@look_options
def command(
    name: str, images: Sequence[str], *, weights: Sequence[float] | None, mixer: str | None, **drawn: Any
) -> None:
    """Mix the codes of all IMAGEs with the model NAME and draw the one image that they make."""
    drawing = Drawing(**drawn)
    files = image_files(images)

    def draw(model: InterpolationModel, _: str | None) -> Tensor:
        how: dict[str, Any] = {"size": drawing.size, "batch_size": drawing.batch_size}
        return model.mix(drawing.framed(model, files), weights, mixer=mixer, **how)[None]

    drawing.write_images(drawing.by_model_and_path(model_names(name), draw), 1)
