"""Networks of one weight and runs of a few steps, for losses worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from interpzoo import create
from interpzoo.build import build_component
from interpzoo.config import Recipe
from interpzoo.interfaces import DataSet, LatentModel, Regularizer, Step
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers


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
