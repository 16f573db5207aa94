"""A method's updates: each loss reaches what its update declares, and nothing else is touched."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Generator, Tensor, nn

from interpzoo.build import build_component
from interpzoo.config import Recipe
from interpzoo.interfaces import Regularizer, Step, Update
from interpzoo.model import InterpolationModel
from interpzoo.testing.expect import expect, expect_equal, expect_shape
from interpzoo.testing.samples import Noise, random_batch
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers
from interpzoo.untrained import create

_BATCH = 4
_STEPS = 4
_TOTAL = 12


def check_gradients(recipe: Recipe) -> None:
    """Each update's loss is of finite scalars and gives every parameter that the update declares a gradient.

    At steps all over the run, for updates of a part of it. A loss leaves all weights and their ``grad``
    as they were, and every weight of the model that can be trained is in some update.
    """
    model, regularizer, updates = _method(recipe)
    owned = [*model.named_parameters(), *_of(regularizer)]
    names = {id(parameter): name for name, parameter in owned}
    expect(len({u.name for u in updates}) == len(updates), "two updates have one name")
    before = {name: parameter.detach().clone() for name, parameter in owned}
    reached: set[int] = set()
    for index in range(_TOTAL):
        step = _step(recipe, model, index)
        for update in updates:
            if index % update.every == 0 and update.active(step):
                reached |= _reached(_total(regularizer, step, update), update)
        if index == 0:
            for name, parameter in owned:
                expect(parameter.grad is None, f"a loss leaves a gradient at {name!r}: return it, do not apply it")
                expect_equal(parameter.detach(), before[name], f"{name!r} before and after the losses of a step")
        regularizer.after(step)
    for update in updates:
        missed = [names.get(id(p), "a weight") for p in update.parameters if p.requires_grad and id(p) not in reached]
        expect(not missed, f"the loss of update {update.name!r} never reaches {missed[:3]}, which it declares")
    declared = {id(p) for update in updates for p in update.parameters}
    idle = [name for name, p in model.named_parameters() if p.requires_grad and id(p) not in declared]
    expect(not idle, f"no update trains {idle[:3]}")


def _reached(total: Tensor, update: Update) -> set[int]:
    """Of the update's parameters, those that `total` has a gradient for."""
    found: tuple[Tensor | None, ...] = torch.autograd.grad(
        total, list(update.parameters), retain_graph=True, allow_unused=True
    )
    # Typed as always there; with `allow_unused` it is not.
    return {id(p) for p, g in zip(update.parameters, found, strict=True) if g is not None}  # pyright: ignore[reportUnnecessaryComparison]


def check_training(recipe: Recipe) -> None:
    """A few steps are finite, move the weights of updates that were due and no others, and are the same twice."""
    first, second = _trained(recipe), _trained(recipe)
    for name, tensor in first.items():
        expect_equal(tensor, second[name], f"{name!r} after the same {_STEPS} steps twice")


def _trained(recipe: Recipe) -> dict[str, Tensor]:
    """The model after a few steps."""
    training = recipe.training.model_copy(update={"batch_size": _BATCH, "samples": _STEPS * _BATCH})
    recipe = recipe.model_copy(update={"training": training})
    model, regularizer, _ = _method(recipe)
    with TemporaryDirectory() as scratch:
        trainer = Trainer(recipe, model, regularizer, Noise(recipe.image), Workers(), Path(scratch))
        for index in range(_STEPS):
            step = _step(recipe, model, index)
            due = [u for u in trainer.updates if index % u.every == 0 and u.active(step)]
            moving = {id(p) for update in due for p in update.parameters}
            still = {n: p.detach().clone() for n, p in _all(model, regularizer) if id(p) not in moving}
            for name, value in trainer.step(index).items():
                expect(math.isfinite(float(value)), f"{name} is {float(value)} at step {index}")
            for name, parameter in _all(model, regularizer):
                if name in still:
                    expect_equal(parameter.detach(), still[name], f"{name!r}, which no update due at step {index} has")
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _method(recipe: Recipe) -> tuple[InterpolationModel, Regularizer, list[Update]]:
    model = create(recipe).train()
    with torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed + 1)
        regularizer = build_component(Regularizer, recipe.regularizer, recipe.image, model.latent_shape)
    generator = Generator().manual_seed(0)
    with torch.no_grad():
        regularizer.setup(model, random_batch(_BATCH, recipe.image, generator), generator)
    return model, regularizer, list(regularizer.updates(model))


def _step(recipe: Recipe, model: InterpolationModel, index: int) -> Step:
    generator = Generator().manual_seed(index)
    batch = random_batch(_BATCH, recipe.image, generator)
    return Step(batch=batch, model=model, generator=generator, index=index, total=_TOTAL)


def _total(regularizer: Regularizer, step: Step, update: Update) -> Tensor:
    terms = regularizer.loss(step, update.name)
    expect(bool(terms), f"the loss of update {update.name!r} has no terms")
    for name, term in terms.items():
        expect_shape(term.detach(), (), f"term {name!r} of update {update.name!r} at step {step.index}")
    return torch.stack([term.float() for term in terms.values()]).sum()


def _of(regularizer: Regularizer) -> Iterator[tuple[str, nn.Parameter]]:
    return ((f"regularizer.{name}", parameter) for name, parameter in regularizer.named_parameters())


def _all(model: InterpolationModel, regularizer: Regularizer) -> list[tuple[str, nn.Parameter]]:
    return [*model.named_parameters(), *_of(regularizer)]
