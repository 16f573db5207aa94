"""Bundle the models that need no training: ``python -m tools.untrained``.

They are `pixels` and `metamorphosis`. The portraits are of the Face Research Lab London Set, whose people consented to
be shown to illustrate research (data set portraits256, searched for under INTERPZOO_DATA).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
from PIL import Image

from interpzoo.build import build_parts, resolved
from interpzoo.config import Component, ImageSpec, ModelConfig
from interpzoo.data.sources import load_splits
from interpzoo.images import as_batch
from interpzoo.model import InterpolationModel
from interpzoo.plugins import registry
from interpzoo.pretrained.card import write_card
from interpzoo.pretrained.folder import claim_folder
from tools.bundle import CARDS, ROOT, register

_PEOPLE: Final = ("l006", "l030")
_CREDIT: Final = (
    "The portraits of its examples are from the Face Research Lab London Set (DeBruine & Jones 2017, "
    "doi 10.6084/m9.figshare.5047666.v5, CC BY 4.0). These people consented to be shown in studies and to illustrate "
    "research, and to nothing else."
)
_PIXELS: Final = Component(name="pixels")

MODELS: Final = (
    ModelConfig(
        name="pixels",
        method="pixels",
        image=ImageSpec(channels=3, height=64, width=64),
        encoder=_PIXELS,
        decoder=_PIXELS,
        interpolator=Component(name="linear"),
        summary="Pictures of any size as their own codes. Its straight line is a fade, with which paths are compared.",
        limitations=f"It has learned nothing: a fade shows both pictures at once. {_CREDIT}",
    ),
    ModelConfig(
        name="metamorphosis",
        method="metamorphosis",
        image=ImageSpec(channels=3, height=128, width=128),
        encoder=_PIXELS,
        decoder=_PIXELS,
        interpolator=Component(name="metamorphosis"),
        summary="Morphs any two pictures at their own size, without training: what corresponds moves, the rest fades.",
        limitations=(
            "It finds what corresponds by local structure alone. It works best where the pictures show the same kind "
            "of thing in a similar place. Hair and background that have no counterpart fade, and motion of more than "
            f"about a tenth of the picture is not found. {_CREDIT}"
        ),
    ),
)


@click.command()
def main() -> None:
    """Bundle `pixels` and `metamorphosis`."""
    for config in MODELS:
        bundle(config)
        click.echo(f"{CARDS.name}/{config.name}: bundled; 'python -m tools.pages' puts it into the pages")


def portraits(side: int) -> Iterator[Image.Image]:
    """The two portraits, ``side`` x ``side``."""
    rows = [row for row in load_splits("debruine/portraits256")["validation"] if row["expression"] == "neutral"]
    for person in _PEOPLE:
        yield next(row["image"] for row in rows if row["person"] == person).resize(
            (side, side), Image.Resampling.BICUBIC
        )


def bundle(config: ModelConfig) -> None:
    """Store the model of `config`, describe it on its card and register it."""
    config = resolved(config)
    model = InterpolationModel(config, *build_parts(config)).eval()
    model.examples = as_batch([*portraits(config.image.height)], config.image)
    with TemporaryDirectory() as scratch:
        stored = model.save_pretrained(Path(scratch, config.name))
        write_card(stored, config, name=config.name)
        target = claim_folder(CARDS / config.name)
        shutil.copytree(stored, target, dirs_exist_ok=True)
    owner = registry().methods.find(config.method).owner
    zoo = ROOT / "plugins" / f"interpzoo_{owner.plugin}" / "zoo.toml"
    zoo.write_text(register(zoo.read_text("utf-8"), config, "", target), "utf-8")


if __name__ == "__main__":
    main()
