"""`create`: the untrained model of a recipe."""

from pathlib import Path

import torch

from interpzoo.build import build_parts
from interpzoo.config import ModelConfig, Recipe
from interpzoo.model import InterpolationModel
from interpzoo.recipes import load_recipe


def create(recipe: str | Path | Recipe, *, seed: int | None = None) -> InterpolationModel:
    """The untrained model of a recipe, in train mode.

    Args:
        recipe: a registered recipe or method, a TOML file, or a `Recipe`.
        seed: seed of the initial weights; the recipe's by default.

    Raises:
        UnknownNameError: there is no such recipe.
        ConfigError: the recipe is invalid.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed if seed is None else seed)
        parts = build_parts(recipe)
    shared = recipe.model_dump(include={*ModelConfig.model_fields} & {*Recipe.model_fields})
    return InterpolationModel(ModelConfig.model_validate(shared), *parts)
