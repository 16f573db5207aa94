"""Checks of a method's updates: each loss reaches what its update declares and nothing else."""

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
from interpzoo.testing.samples import Noise, random_batch, random_images
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers
from interpzoo.untrained import create

_BATCH = 4
_STEPS = 4
_TOTAL = 12


def check_gradients(recipe: Recipe) -> None:
    """The loss of each update has finite terms and gives every parameter of the update a gradient.

    Checked at steps all over the run, because some updates take part only for a while. A loss changes neither weights
    nor their ``grad``, and every trainable weight of the model belongs to an update.
    """
    model, regularizer, updates = _method(recipe)
    owned = [*model.named_parameters(), *_of(regularizer)]
    names = {id(parameter): name for name, parameter in owned}
    expect(len({u.name for u in updates}) == len(updates), "two updates have one name")
    before = {name: parameter.detach().clone() for name, parameter in owned}
    reached: set[int] = set()
    for index in range(_TOTAL):
        step = _step(recipe, model, regularizer, index)
        for update in updates:
            if index % update.every == 0 and update.active(step):
                reached |= {*_gradients(_total(regularizer, step, update), update)}
        if index == 0:
            for name, parameter in owned:
                expect(parameter.grad is None, f"a loss leaves a gradient at {name!r}: expected no backward pass")
                expect_equal(parameter.detach(), before[name], f"{name!r} before and after the losses of a step")
        regularizer.after(step)
    for update in updates:
        missed = [names.get(id(p), "a weight") for p in update.parameters if p.requires_grad and id(p) not in reached]
        expect(not missed, f"the loss of update {update.name!r} never reaches {missed[:3]}, which it declares")
    declared = {id(p) for update in updates for p in update.parameters}
    idle = [name for name, p in model.named_parameters() if p.requires_grad and id(p) not in declared]
    expect(not idle, f"no update trains {idle[:3]}")


def _gradients(total: Tensor, update: Update) -> dict[int, Tensor]:
    """The gradients of `total`, by the ids of those of the update's parameters that it reaches."""
    found: tuple[Tensor | None, ...] = torch.autograd.grad(
        total, list(update.parameters), retain_graph=True, allow_unused=True
    )
    # Typed as never None, which is wrong with `allow_unused`.
    return {id(p): g for p, g in zip(update.parameters, found, strict=True) if g is not None}  # pyright: ignore[reportUnnecessaryComparison]


def check_first_step(recipe: Recipe) -> None:
    """A model of the recipe gives finite images, and each active update has a gradient that is not 0 everywhere.

    No two updates of a step move the same weights. The batch has the fields that the method requires and no others.
    """
    model, regularizer, updates = _method(recipe)
    step = _step(recipe, model, regularizer, 0)
    active = [update for update in updates if update.active(step)]
    moved = [id(parameter) for update in active for parameter in update.parameters]
    expect(len(set(moved)) == len(moved), "two updates of one step move the same weights")
    for update in active:
        found = _gradients(_total(regularizer, step, update), update)
        some = any(bool(gradient.any()) for gradient in found.values())
        expect(some, f"the gradient of update {update.name!r} is 0 everywhere")
    _check_images(model, recipe)


@torch.no_grad()
def _check_images(model: InterpolationModel, recipe: Recipe) -> None:
    model.eval()
    codes = model.encode(random_images(2, recipe.image))
    expect_shape(codes, (2, *model.latent_shape), "the codes")
    expect_shape(model.decode(codes), (2, *recipe.image.shape), "the decoded images")
    if model.prior is not None:
        drawn = model.prior.sample(3, generator=Generator().manual_seed(0))
        expect_shape(drawn, (3, *model.latent_shape), "the prior's sample")


def check_training(recipe: Recipe) -> None:
    """A few steps are finite, move the weights of the updates that are due and no others, and repeat exactly."""
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
            step = _step(recipe, model, regularizer, index)
            due = [u for u in trainer.updates if index % u.every == 0 and u.active(step)]
            moving = {id(p) for update in due for p in update.parameters}
            still = {n: p.detach().clone() for n, p in _all(model, regularizer) if id(p) not in moving}
            for name, value in trainer.step(index).items():
                expect(math.isfinite(float(value)), f"{name} is {float(value)} at step {index}")
            for name, parameter in _all(model, regularizer):
                if name in still:
                    expect_equal(parameter.detach(), still[name], f"{name!r}, of no update due at step {index}")
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


def _step(recipe: Recipe, model: InterpolationModel, regularizer: Regularizer, index: int) -> Step:
    generator = Generator().manual_seed(index)
    given = random_batch(_BATCH, recipe.image, generator)
    batch = {name: given[name] for name in ("image", *regularizer.requires)}
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
