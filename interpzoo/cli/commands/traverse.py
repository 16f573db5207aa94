"""``interpzoo traverse``: one image moved along the directions in which codes vary most."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from interpzoo.cli.draw_options import film_options, frame_option, look_options, output_option, several
from interpzoo.cli.drawing import Drawing
from interpzoo.cli.inputs import directions_named, model_names
from interpzoo.cli.options import models_argument, note_inputs

if TYPE_CHECKING:
    from torch import Tensor

    from interpzoo.model import InterpolationModel


@click.command(
    short_help="Show in which directions codes vary.",
    epilog="""\b
Examples:
  interpzoo traverse vae-mnist three.png -o directions.png
  interpzoo traverse acai-celeba anna.png --directions smiling,male,young -o attributes.png
""",
)
@models_argument
@click.argument("image", required=False)
@click.option(
    "--directions",
    default="principal",
    show_default=True,
    metavar="WHICH",
    help="principal; axes (single numbers of the code); or, with commas, names of the model's directions and files "
    "of save_directions (.safetensors).",
)
@click.option(
    "--count", type=int, metavar="N", show_default="8, or all that there are", help="Number of directions or axes."
)
@several("--strengths", metavar="S,S,...", help="How far to move, in standard deviations.", show_default="-2 to 2")
@output_option(films=True)
@frame_option
@film_options("back-and-forth", "once")
@look_options
@click.pass_context
def command(
    ctx: click.Context,
    name: str,
    image: str | None,
    *,
    directions: str,
    count: int | None,
    strengths: Sequence[float] | None,
    **drawn: Any,
) -> None:
    """Move IMAGE, or the mean of the example codes, along directions of the model NAME; one row per direction."""
    drawing = Drawing(t=strengths, **drawn)
    drawing.check(ctx)
    if drawing.frame is not None and image is None:
        raise click.UsageError("--frame is for your own image: give one.", ctx)
    note_inputs([] if image is None else [os.path.expanduser(image)])
    which: Any = directions if directions in ("principal", "axes") else directions_named(directions)

    def draw(model: InterpolationModel, _: str | None) -> Tensor:
        far: dict[str, Any] = {} if strengths is None else {"strengths": strengths}
        shown = None if image is None else drawing.framed(model, [image])
        return model.traverse(shown, which, count=count, batch_size=drawing.batch_size, **far)

    drawing.write_paths(drawing.by_model_and_path(model_names(name), draw))
