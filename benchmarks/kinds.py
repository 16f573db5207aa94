"""How often a model's warning about pictures is right: ``python benchmarks/kinds.py [MODEL ...]``.

For each model: false alarms on up to 500 held-out images of its own data, which are others than those that gave the
limit where there are enough, and misses on up to 500 images of every other data set, brought to the model's size and
channels. Without models, those that stand for their data sets are taken.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor

from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.images import as_batch
from interpzoo.interfaces import DataSet
from interpzoo.markdown import markdown_table
from interpzoo.pretrained.load import load

_MODELS = (
    *("acai-mnist", "ae-celeba", "acai-celeba64", "acai-coil20", "skipvae-omniglot", "acai-lines", "acai-pole-shadow"),
    *("vae-pendulum", "ae-sundial", "ae-rotating-object"),
)
_FOREIGN = ("mnist", "celeba", "coil20", "omniglot", "lines", "pole-shadow", "mednist")
_COLOR = {"celeba": 64, "mednist": 64}  # kept in color and at this size; the others are gray, at 32
_MOST = 500


def held_out(name: str, spec: ImageSpec, root: Path | None, skipped: int = 0) -> Tensor:
    """Up to 500 held-out images of a data set, after the first `skipped` where there are as many more."""
    data = {"name": "images", "source": name} if name == "mednist" else {"name": name}
    if name == "mednist" and root is not None:
        data["source"] = str(root / name)
    found = build_component(DataSet, Component.model_validate(data), spec, root)
    images = found.examples(_MOST + skipped, Generator().manual_seed(0))["image"]
    return images[skipped:] if len(images) >= _MOST + skipped else images[-_MOST:]


def row(name: str, root: Path | None) -> list[str]:
    """One row of the table: percent of alarms on own images, and of none on others, in all and by data set."""
    model = load(name)
    trained, image = model.config.trained, model.config.image
    if trained is None:
        sys.exit(f"{name} does not say on which data it was trained")
    own = trained.data.name.rpartition(":")[2]
    alarms = float((model.unlike(held_out(own, image, root, skipped=_MOST)) > 1).float().mean())
    misses: dict[str, float] = {}
    for other in _FOREIGN:
        if other != own:
            size = _COLOR.get(other, 32)
            spec = ImageSpec(channels=3 if other in _COLOR else 1, height=size, width=size)
            misses[other] = float((model.unlike(as_batch(held_out(other, spec, root), image)) <= 1).float().mean())
    worst = ", ".join(f"{other} {100 * miss:.0f}" for other, miss in misses.items() if miss >= 0.005)
    return [name, f"{100 * alarms:.1f}", f"{100 * sum(misses.values()) / len(misses):.1f}", worst or "none"]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="How often the warning about pictures is right.")
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--data-root", type=Path, help="folder of local data sets")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = [row(name, options.data_root) for name in options.models or _MODELS]
    header = ("model", "false alarms (%)", "misses (%)", "of which")
    sys.stdout.write(f"`python benchmarks/kinds.py {' '.join(arguments)}`\n\n{markdown_table(header, rows)}")


if __name__ == "__main__":
    main(sys.argv[1:])
