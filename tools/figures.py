"""The pictures of the documentation: ``python -m tools.figures`` draws all of docs/images, or those that are named.

The portraits are of the Face Research Lab London Set, see tools.untrained. All else was decoded by a model.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import torch
from interpzoo_riemannian import geodesic
from PIL import Image
from torch.nn.functional import adaptive_avg_pool2d as area

from interpzoo.films import ease, save_video
from interpzoo.pictures import save_strip
from interpzoo.pretrained.load import load
from tools.untrained import portraits

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"


def portraits_strip(path: Path) -> None:
    """The strip at the head of the README."""
    save_strip(path, load("metamorphosis").interpolate(*portraits(256), steps=7))


def portraits_film(path: Path) -> None:
    """The same as a film."""
    frames = load("metamorphosis").interpolate(*portraits(256), t=ease(16))
    save_video(path, frames, fps=12, hold=0.5, scale=1)


def morph(path: Path) -> None:
    """A short strip of the guide, and below it a fade."""
    save_strip(path, load("metamorphosis").interpolate(*portraits(200), steps=5))


def fade(path: Path) -> None:
    """The same portraits, faded."""
    save_strip(path, load("pixels").interpolate(*portraits(200), steps=5))


def geodesics(path: Path) -> None:
    """Digits along the straight line, along the geodesic of the decoder, and along the own path of a model."""
    model = load("riemannian-mnist")
    assert model.examples is not None
    a, b = model.examples[0:1], model.examples[1:2]
    t = torch.linspace(0, 1, 11)
    found = geodesic(model.decoder, a, b, steps=21, method="quasi-newton", max_iterations=300)
    paths = {
        "straight line": model.interpolate_codes(a, b, t, interpolator="linear"),
        "geodesic": found.path[:, ::2],
        "its own path": model.interpolate_codes(a, b, t),
    }
    save_strip(path, {name: model.decode(codes) for name, codes in paths.items()}, scale=2)


def template(path: Path) -> None:
    """Two people who were not in the training, as a template draws them: from one to the other, a smile, an age."""
    model = load("template-portraits256")
    a, b = (model.encode(portrait)[0] for portrait in portraits(256))
    rows = {"to another person": b - a}
    rows |= {name: length * model.directions[name].vector for name, length in (("smiling", 1.0), ("older", 1.5))}
    drawn = {
        name: model.decode(torch.stack([a + t * way for t in torch.linspace(0, 1, 5)])) for name, way in rows.items()
    }
    save_strip(path, {name: area(frames.clamp(0, 1), (160, 160)) for name, frames in drawn.items()})


def smiles(path: Path) -> None:
    """The same two people, with less and more of a smile."""
    edited = load("template-portraits256").edit([*portraits(256)], "smiling", [-1, 0, 1])
    save_strip(path, area(edited.flatten(0, 1).clamp(0, 1), (160, 160)).unflatten(0, edited.shape[:2]))


def twins(path: Path) -> None:
    """The same pairs of unseen images by a method and by the same networks without it."""
    rows = {
        name: load(name).example_strip(pairs=3)[-1]  # examples are the same images for all models of a data set
        for name in (
            *("ae-lines", "acai-lines", "aeai-lines", "amr-lines", "gaia-lines"),
            *("ae-sundial", "lowbend-sundial"),
            *("vae-mnist-deep", "skipvae-mnist"),
            *("vae-mnist-smooth", "fmvae-mnist"),
        )
    }
    save_strip(path, rows, scale=2)


FIGURES: Final[dict[str, Callable[[Path], None]]] = {
    "portraits.jpg": portraits_strip,
    "portraits.webp": portraits_film,
    "morph.jpg": morph,
    "fade.jpg": fade,
    "geodesic.png": geodesics,
    "template.jpg": template,
    "smiles.jpg": smiles,
    "twins.png": twins,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*FIGURES]))
def main(names: tuple[str, ...]) -> None:
    """Draw the pictures NAMES of docs/images, or all."""
    for name in names or FIGURES:
        FIGURES[name](IMAGES / name)
        with Image.open(IMAGES / name) as picture:
            click.echo(f"{name}: {picture.width} x {picture.height}, {(IMAGES / name).stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
