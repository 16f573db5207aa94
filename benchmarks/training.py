"""How many images a second each method trains on: ``python benchmarks/training.py [RECIPE ...] [--write]``.

Images are noise of the recipe's shape, so that no data set is needed and reading one takes no time. Each round takes a
step of every recipe in turn, so that whatever else the machine does slows all of them alike; the table has the median
step. ``--write`` puts it into docs/guides/train.md.

On the CPU it counts CPU seconds of one thread, and keeps freed memory as ``interpzoo train`` does; on an accelerator
seconds, waiting for the device after each step.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch
from torch import Generator, Tensor
from typing_extensions import override

import interpzoo
from interpzoo.build import build_component
from interpzoo.cli.allocator import keep_freed_memory
from interpzoo.config import ComponentConfig, ImageSpec, Recipe
from interpzoo.interfaces import Batch, DataSet, Regularizer
from interpzoo.markdown import markdown_table
from interpzoo.recipes import load_recipe
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers

_RECIPES: Final = [
    "ae-lines",
    "acai-lines",
    "vae-lines",
    "aeai-lines",
    "amr-lines",
    "gaia-lines",
    "aae-mnist",
    "dae-mnist",
    "vae-mnist",
    "fmvae-mnist",
    "irvae-mnist",
    "skipvae-mnist",
    "ae-celeba",
    "acai-celeba",
    "acai-celeba64",
]
_HEADER: Final = ("recipe", "image", "batch", "weights", "ms a step", "images a second")
_PAGE: Final = Path(__file__).parents[1] / "docs" / "guides" / "train.md"
_PART: Final = re.compile(r"(<!-- measured: training -->\n).*?(<!-- end -->)", re.DOTALL)


class Noise(DataSet):
    """Random images without end, each with a class."""

    fields = frozenset({"image", "label"})

    def __init__(self, image: ImageSpec, batch: int) -> None:
        super().__init__(ComponentConfig(), image)
        generator = Generator().manual_seed(0)
        self._drawn = {"image": torch.rand(batch, *image.shape, generator=generator), "label": torch.arange(batch) % 10}

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return self._drawn

    @override
    def test(self, limit: int | None = None) -> Batch:
        return self._drawn


def trainer_of(recipe: Recipe, folder: Path) -> Trainer:
    """A trainer of the recipe on noise."""
    model = interpzoo.create(recipe)
    regularizer = build_component(Regularizer, recipe.regularizer, recipe.image, model.latent_shape)
    data = Noise(recipe.image, recipe.training.batch_size)
    return Trainer(recipe, model, regularizer, data, Workers(), folder / recipe.name)


def clock(device: torch.device) -> Callable[[], float]:
    """What time is measured by."""
    if device.type == "cpu":
        return time.process_time

    def waited() -> float:
        torch.accelerator.synchronize()
        return time.perf_counter()

    return waited


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="How many images a second each method trains on.")
    parser.add_argument("recipes", nargs="*", metavar="RECIPE")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--write", action="store_true", help="put the table into docs/guides/train.md")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    keep_freed_memory()
    with TemporaryDirectory() as folder:
        trainers = [trainer_of(load_recipe(name), Path(folder)) for name in given.recipes or _RECIPES]
        now = clock(trainers[0].workers.device)
        seconds: list[list[float]] = [[] for _ in trainers]
        for index in range(given.rounds + 2):
            for trainer, spent in zip(trainers, seconds, strict=True):
                begin = now()
                trainer.step(index)
                spent.append(now() - begin)
    rows: list[list[str]] = []
    for trainer, spent in zip(trainers, seconds, strict=True):
        recipe, step = trainer.recipe, statistics.median(spent[2:])  # the first ones allocate
        weights = sum(p.numel() for module in (trainer.model, trainer.regularizer) for p in module.parameters())
        size = recipe.training.batch_size
        shape = "x".join(map(str, recipe.image.shape))
        rows.append([recipe.name, shape, str(size), f"{weights:,}", f"{1000 * step:.0f}", f"{size / step:.0f}"])
    table = markdown_table(_HEADER, rows)
    sys.stdout.write(table)
    if given.write:
        page = _PAGE.read_text("utf-8")
        _PAGE.write_text(_PART.sub(lambda part: f"{part[1]}\n{table.rstrip()}\n\n{part[2]}", page), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
