"""``interpzoo interpolate``: a picture of the path between two images."""

from pathlib import Path
from typing import Literal

import click

from interpzoo.cli.console import echo
from interpzoo.cli.options import UserPath, device_option, height_and_width, model_argument, writable


@click.command(
    short_help="Draw the path between two images.",
    epilog="""\b
Examples:
  interpzoo interpolate acai-mnist -o strip.png
  interpzoo interpolate acai-mnist three.png eight.png --steps 15 -o path.gif
  interpzoo interpolate ./runs/mine --interpolator slerp -o strip.png
""",
)
@model_argument
@click.argument("a", required=False)
@click.argument("b", required=False)
@click.option(
    "-o",
    "--output",
    required=True,
    type=UserPath(dir_okay=False),
    callback=writable(".png", ".jpg", ".jpeg", ".webp", ".gif"),
    metavar="FILE",
    help="File to write: a picture (.png, .jpg, .webp) with one path per row, or an animation (.gif).",
)
@click.option(
    "--steps", default=9, show_default=True, metavar="N", help="Number of frames per path, both ends included."
)
@click.option(
    "--interpolator", metavar="NAME", help="Path between the codes, such as slerp.", show_default="the model's own"
)
@click.option(
    "--size",
    callback=height_and_width,
    metavar="HxW",
    help="Height and width of the frames, for a model of any size.",
    show_default="those of image A",
)
@click.option(
    "--frame",
    type=click.Choice(["face", "ink"]),
    help="Frame A and B as the model's images: by the eyes of the largest face, or ink on paper as white on black.",
)
@click.option(
    "--spacing",
    type=click.Choice(["linear", "even"]),
    default="linear",
    show_default=True,
    help="Frames even in t, or at even distances between images.",
)
@click.option(
    "--features",
    metavar="NAME",
    help="Feature network to measure distances by: its name, its folder, or timm:BACKBONE.",
    show_default="pixels",
)
@click.option(
    "--batch-size", type=int, metavar="N", help="Number of images to decode at once.", show_default="as memory allows"
)
@click.option(
    "--scale", type=int, metavar="N", help="Repeat each pixel N times.", show_default="small images are enlarged"
)
@device_option
def command(
    name: str,
    a: str | None,
    b: str | None,
    *,
    output: Path,
    steps: int,
    interpolator: str | None,
    size: tuple[int, int] | None,
    frame: Literal["face", "ink"] | None,
    spacing: Literal["linear", "even"],
    features: str | None,
    batch_size: int | None,
    scale: int | None,
    device: str,
) -> None:
    """Interpolate from image A to image B with the model NAME, or between its example images if there is no A and B.

    Images of another size are cropped and resized to the model's size, or, if the model takes any size, to that of A.
    """
    if a is not None and b is None:
        raise click.UsageError(f"a path needs two images: give one beside {a!r}, or none.", click.get_current_context())
    if a is None and size is not None:
        raise click.UsageError("--size is for two images: give A and B.", click.get_current_context())
    if a is None and frame is not None:
        raise click.UsageError("--frame is for two images: give A and B.", click.get_current_context())
    if features is not None and spacing == "linear":
        raise click.UsageError("--features is for even steps: give --spacing even.", click.get_current_context())
    from interpzoo.features import features_named
    from interpzoo.films import save_gif
    from interpzoo.pictures import save_strip
    from interpzoo.pretrained.load import load

    model = load(name, device=device)
    even = spacing if features is None else features_named(features, model.config.image, device=device)
    if a is None or b is None:
        frames = model.example_strip(steps=steps, spacing=even, interpolator=interpolator, batch_size=batch_size)
    else:
        first, last = (a, b) if frame is None else model.frame([a, b], frame, size=size)
        frames = model.interpolate(
            first, last, steps, size=size, spacing=even, interpolator=interpolator, batch_size=batch_size
        )[None]
    save = save_gif if output.suffix.lower() == ".gif" else save_strip
    save(output, frames, scale=scale)
    paths, count, _, height, width = frames.shape
    echo(f"{output}: {paths} path{'s' if paths > 1 else ''} of {count} frames of {height}x{width}")
