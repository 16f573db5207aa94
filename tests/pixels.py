"""Networks of one weight and runs of a few steps, for losses worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from interpzoo import create, wrap
from interpzoo.build import build_component
from interpzoo.config import ImageSpec, Recipe
from interpzoo.interfaces import DataSet, LatentModel, Regularizer, Step
from interpzoo.model import InterpolationModel
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers

PIXEL = ImageSpec(channels=1, height=1, width=1)


def pixelwise(weight: float, bias: float = 0.0) -> nn.Conv2d:
    """y = weight x + bias, pixel by pixel."""
    layer = nn.Conv2d(1, 1, 1)
    with torch.no_grad():
        layer.weight.fill_(weight)
        layer.bias.fill_(bias)
    return layer


def step_of(model: LatentModel, x: Tensor, *, seed: int = 0, index: int = 0) -> Step:
    """A step on the images `x`."""
    return Step(batch={"image": x}, model=model, generator=Generator().manual_seed(seed), index=index, total=100)


@dataclass(frozen=True)
class TwoPixels:
    """Two images of one pixel, and networks of one weight: f(x) = a x, g(z) = b z + c, and d and e of a critic."""

    x: tuple[float, float] = (0.2, 0.9)
    a: float = 2.0
    b: float = 0.5
    c: float = 0.1
    d: float = 0.8
    e: float = 0.05

    def step(self, seed: int = 0) -> tuple[InterpolationModel, Step]:
        """The model, and a step on both images."""
        model = wrap(pixelwise(self.a), pixelwise(self.b, self.c), PIXEL.shape)
        return model, step_of(model, torch.tensor(self.x).view(2, 1, 1, 1), seed=seed)

    def slope(self, term: str, weight: str) -> float:
        """The whole derivative of a term, a property, by a weight."""
        up, down = (replace(self, **{weight: getattr(self, weight) + h}) for h in (1e-5, -1e-5))
        return (getattr(up, term) - getattr(down, term)) / 2e-5


def values(terms: Mapping[str, Tensor]) -> dict[str, float]:
    """The terms of a loss as numbers."""
    return {name: float(term.detach()) for name, term in terms.items()}


def trainer_of(recipe: Recipe, folder: Path) -> Trainer:
    """The recipe's trainer, with networks from the recipe's seed."""
    model = create(recipe)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed + 1)
        regularizer = build_component(Regularizer, recipe.regularizer, recipe.image, model.latent_shape)
    data = build_component(DataSet, recipe.data, recipe.image, None)
    return Trainer(recipe, model, regularizer, data, Workers(), folder)


def copied(parameters: list[nn.Parameter]) -> list[Tensor]:
    """The parameters' values now."""
    return [parameter.detach().clone() for parameter in parameters]


def check_resumed(run: Recipe, folder: Path, *, after: int) -> Trainer:
    """Check that a run stopped `after` so many steps and resumed equals the uninterrupted run, which is returned."""
    (folder / "whole").mkdir()
    (folder / "cut").mkdir()
    whole = trainer_of(run, folder / "whole")
    whole.run(lambda done, values: None)
    trainer_of(run, folder / "cut").run(lambda done, values: None, stop_after=after)
    resumed = trainer_of(run, folder / "cut")
    resumed.run(lambda done, values: None, resume=True)
    for a, b in ((whole.model, resumed.model), (whole.regularizer, resumed.regularizer)):
        left, right = a.state_dict(), b.state_dict()
        assert left.keys() == right.keys()
        for name in left:
            assert torch.equal(left[name], right[name]), name
    return whole
