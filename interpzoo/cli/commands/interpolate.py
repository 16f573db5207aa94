"""``interpzoo interpolate``: the path between two images, as a picture, a film or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from interpzoo.arguments import MOST_IMAGES
from interpzoo.cli.draw_options import (
    easing_option,
    film_options,
    frame_option,
    interpolators_option,
    look_options,
    output_option,
    several,
    size_option,
    spacing_options,
    steps_option,
)
from interpzoo.cli.drawing import Drawing
from interpzoo.cli.inputs import as_framed, image_files, model_names, size_of_all
from interpzoo.cli.options import models_argument

if TYPE_CHECKING:
    from torch import Tensor

    from interpzoo.model import InterpolationModel
    from interpzoo.pixels import Size

_EXAMPLES = 4  # pairs of a model's examples


@click.command(
    short_help="Draw the path between two images.",
    epilog="""\b
Examples:
  interpzoo interpolate acai-mnist -o strip.png
  interpzoo interpolate acai-mnist three.png eight.png --seconds 4 -o walk.mp4
  interpzoo interpolate 'acai-celeba,ae-celeba' anna.png ben.png --t 0,0.25,0.5 -o strip.png
  interpzoo interpolate ./runs/mine --interpolator linear --interpolator slerp -o strip.png
  torchrun --nproc-per-node 2 -m interpzoo interpolate acai-mnist - -o walks < files.txt
""",
)
@models_argument
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@output_option(films=True)
@steps_option
@several("--t", metavar="T,T,...", help="Where the frames lie instead: 0 is the first image, 1 the second.")
@easing_option
@spacing_options("linear")
@interpolators_option
@size_option
@frame_option
@film_options("back-and-forth", "once")
@look_options
@click.pass_context
def command(
    ctx: click.Context, name: str, images: Sequence[str], *, interpolators: Sequence[str], **drawn: Any
) -> None:
    """Interpolate from each first IMAGE to the second with the model NAME, or between its examples without images.

    Images of another size are cropped and resized to the model's size, or, if the model takes any size, to that of the
    first. Many pairs fit into memory if they are written to a folder, with one model and one path; processes that
    torchrun or accelerate has started share them.
    """
    drawing = Drawing(**drawn)
    drawing.check(ctx)
    files = image_files(images, 2 * MOST_IMAGES)
    if len(files) == 1:
        raise click.UsageError(f"a path needs two images: give one beside {files[0]!r}, or none.", ctx)
    if len(files) % 2:
        raise click.UsageError(
            f"each path needs two images, got {len(files)}: leave one out, or use 'interpzoo morph' for a path through "
            "all of them.",
            ctx,
        )
    for option in ("size", "frame"):
        if getattr(drawing, option) is not None and not files:
            raise click.UsageError(f"--{option} is for two images: give them.", ctx)

    def draw_files(model: InterpolationModel, interpolator: str | None, part: Sequence[str], size: Size) -> Tensor:
        how: dict[str, Any] = {"interpolator": interpolator, "batch_size": drawing.batch_size, "size": size}
        shown: Any = as_framed(model, part, drawing.frame, size)
        return model.interpolate(shown[::2], shown[1::2], **drawing.positions(model), **how)

    def size_of(model: InterpolationModel) -> Size:
        return size_of_all(model, files, drawing.frame, drawing.size)

    def draw(model: InterpolationModel, interpolator: str | None) -> Tensor:
        if files:
            return draw_files(model, interpolator, files, size_of(model))
        how: dict[str, Any] = {"interpolator": interpolator, "batch_size": drawing.batch_size}
        return model.example_strip(_EXAMPLES, **drawing.positions(model), **how)

    names = model_names(name)
    if drawing.is_folder and len(files) > 2 and len(names) == 1 and len(interpolators) < 2:
        from interpzoo.pretrained.load import load

        model, interpolator = load(names[0], device=drawing.device), next(iter(interpolators), None)
        size = size_of(model)  # once, as it may look for a face

        def draw_part(first: int, end: int) -> Tensor:
            return draw_files(model, interpolator, files[2 * first : 2 * end], size)

        drawing.write_many(len(files) // 2, draw_part)
    else:
        drawing.write_paths(drawing.by_model_and_path(names, draw, interpolators))
