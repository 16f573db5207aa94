"""Options of the commands that draw: where to write, what lies along a path, and how a film is played."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from interpzoo.cli.options import F, UserPath, device_option, features_option, height_and_width, together, writable
from interpzoo.files import FILMS
from interpzoo.text import quoted

STRIPS: Final = (".png", ".jpg", ".jpeg")
"""Suffixes of pictures that show all frames."""
SECONDS: Final = 2.0
"""Time that a film takes from one image to the next."""
RATE: Final = 25.0
"""Frames a second of a film."""
RATE_OF_STEPS: Final = 10.0
"""Frames a second of a film whose number of frames is given."""
STEPS: Final = 9
"""Frames from one image to the next of what is not a film."""


def output_option(*, films: bool) -> Callable[[F], F]:
    """The option ``-o``, whose suffix decides what is written; with `films` that of films too."""
    suffixes = (*STRIPS, *(FILMS if films else ()), ".npy")
    film = "a film (.mp4, .gif, .webp, .apng), " if films else ""
    text = f"What to write: a picture (.png, .jpg), {film}the numbers (.npy), or a new folder with one file per frame."
    check = writable(*suffixes, folder=True)
    return click.option("-o", "--output", required=True, type=UserPath(), callback=check, metavar="PATH", help=text)


def several(*names: str, **options: Any) -> Callable[[F], F]:
    """An option whose values have commas between them."""
    return click.option(*names, callback=_numbers, **options)


def _numbers(ctx: click.Context, parameter: click.Parameter, text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"{quoted(text)}: expected numbers with commas between them.", ctx, parameter
        ) from None


size_option = click.option(
    "--size",
    callback=height_and_width,
    metavar="HxW",
    help="Height and width of the frames, for a model of any size.",
    show_default="those of the first image, or of its face with --frame face",
)
interpolators_option = click.option(
    "--interpolator",
    "interpolators",
    multiple=True,
    metavar="NAME",
    help="Path between the codes, such as slerp or 'geodesic nodes=40'. Can be repeated, to show several.",
    show_default="the model's own",
)
steps_option = click.option(
    "--steps",
    type=int,
    metavar="N",
    help="Number of frames from one image to the next, both included.",
    show_default=f"{STEPS}; in a film as many as its seconds need",
)
easing_option = click.option(
    "--easing",
    type=click.Choice(["linear", "in-out"]),
    default="linear",
    show_default=True,
    help="Even steps, or small ones at each image.",
)
frame_option = click.option(
    "--frame",
    type=click.Choice(["face", "ink"]),
    help="Frame images as the model's were: by the eyes of the largest face, or ink on paper as white on black.",
)


def spacing_options(default: str) -> Callable[[F], F]:
    """What the distances between frames are."""
    return together(
        click.option(
            "--spacing",
            type=click.Choice(["linear", "even"]),
            default=default,
            show_default=True,
            help="Frames even in t, or at even distances between images.",
        ),
        features_option("measure distances by", "pixels"),
    )


look_options = together(
    click.option(
        "--batch-size",
        type=int,
        metavar="N",
        help="Number of images to decode at once.",
        show_default="as memory allows",
    ),
    click.option(
        "--scale",
        type=int,
        metavar="N",
        help="Enlarge each image N times.",
        show_default="small images are enlarged, but not in a folder",
    ),
    click.option(
        "--enlarge",
        type=click.Choice(["smooth", "nearest"]),
        help="How to enlarge: smoothly, or each pixel to a square.",
        show_default="smooth in films, nearest elsewhere",
    ),
    device_option,
)
"""How pictures are enlarged, and where and how models compute."""


def film_options(*loops: str) -> Callable[[F], F]:
    """How a film is played; `loops` are the ways in which it can continue at its end."""
    return together(
        click.option(
            "--fps",
            type=float,
            metavar="N",
            help="Frames per second of a film.",
            show_default=f"{RATE:g}, or {RATE_OF_STEPS:g} with --steps",
        ),
        click.option(
            "--seconds",
            type=float,
            metavar="N",
            help="Length of one round of a film.",
            show_default=f"{SECONDS:g} from one image to the next",
        ),
        click.option("--hold", type=float, metavar="SECONDS", help="Stand still at each image.", show_default="0"),
        click.option(
            "--loop",
            type=click.Choice(loops),
            help="How a film continues at its end.",
            show_default=loops[0],
        ),
    )
