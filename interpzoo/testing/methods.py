"""Checks of a method: its networks, its updates, and the scores of a model."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Generator, Tensor, nn

from interpzoo.benchmark import Task
from interpzoo.benchmark.candidates import ModelCandidate
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.run import score_candidate
from interpzoo.config import ModelConfig, Recipe
from interpzoo.errors import DataError, InterpzooError
from interpzoo.interfaces import Regularizer, Step, Update
from interpzoo.model import InterpolationModel
from interpzoo.own import create
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate
from interpzoo.testing.expect import expect, expect_equal, expect_shape
from interpzoo.testing.samples import Noise, random_batch, random_images
from interpzoo.training.run import build_regularizer
from interpzoo.training.trainer import Trainer
from interpzoo.training.workers import Workers

_BATCH = 4
_STEPS = 4
"""Steps of a training."""
_TOTAL = 12
"""Steps of a run whose losses are checked."""
_HELD_OUT = 8
_SMALL = EvaluationProtocol(
    pairs=4,
    motion_pairs=2,
    motion_divisions=4,
    geometry_pairs=2,
    slow_pairs=2,
    reference=10,
    training=10,
    resamples=2,
)
_FAMILIES = ("reconstruction", "motion", "truth")


def check_shapes(recipe: Recipe) -> None:
    """Codes and images have the right shapes at the recipe's size, at other sizes and with other channels.

    A size that the networks cannot take must be an `InterpzooError` when they are built.
    """
    image = recipe.image
    _check_shapes_of(create(recipe).eval())
    for change in (
        {"channels": 3 if image.channels == 1 else 1},
        {"height": 2 * image.height},
        {"width": 2 * image.width},
        {"height": image.height + 1},
    ):
        try:
            model = create(recipe.model_copy(update={"image": image.model_copy(update=change)})).eval()
        except InterpzooError:
            continue
        _check_shapes_of(model)


@torch.no_grad()
def _check_shapes_of(model: InterpolationModel) -> None:
    image, shape = model.config.image, model.latent_shape
    at = f"at images of {'x'.join(map(str, image.shape))}"
    x = random_images(_BATCH, image)
    codes = model.encoder(x)
    expect_shape(codes, (_BATCH, *shape), f"the code {at}")
    expect_shape(model.decoder(codes), (_BATCH, *image.shape), f"the decoded image {at}")
    expect_shape(model.reconstruct(x), (_BATCH, *image.shape), f"the reconstruction {at}")
    posterior = model.encoder.posterior(x)
    if posterior is not None:
        expect_equal(posterior.mean, codes, f"the posterior's mean and the code {at}")
        expect_shape(posterior.stddev, (_BATCH, *shape), f"the posterior's deviation {at}")
    likelihood = model.decoder.log_prob(x, codes)
    if likelihood is not None:
        expect_shape(likelihood, (_BATCH,), f"the likelihood {at}")
    if model.decoder.noise_shape is not None:
        noise = torch.rand(_BATCH, *model.decoder.noise_shape, generator=Generator().manual_seed(0))
        expect_shape(model.decoder.sample(codes, noise), (_BATCH, *image.shape), f"the decoder's sample {at}")
    if model.prior is not None:
        drawn = model.prior.sample(_BATCH, generator=Generator().manual_seed(0))
        expect_shape(drawn, (_BATCH, *shape), f"the prior's sample {at}")
        expect_shape(model.prior.log_prob(drawn), (_BATCH,), f"the prior's density {at}")


@torch.no_grad()
def check_determinism(recipe: Recipe) -> None:
    """The same seed gives the same weights, and the same call the same result, whatever the global random state."""
    first, second = create(recipe, seed=3).eval(), create(recipe, seed=3).eval()
    _expect_same_state(first, second, "the weights of two models with one seed")
    x = random_images(_BATCH, recipe.image)
    before = torch.get_rng_state()
    codes, images = first.encode(x), first.reconstruct(x)
    expect_equal(torch.get_rng_state(), before, "the global random state before and after a reconstruction")
    expect_equal(first.encode(x), codes, "the codes of one image twice")
    expect_equal(first.reconstruct(x), images, "the reconstructions of one image twice")
    expect_equal(second.reconstruct(x), images, "the reconstructions by two models with one seed")
    path = first.interpolate(x[:1], x[1:2], steps=3)
    expect_equal(first.interpolate(x[:1], x[1:2], steps=3), path, "one interpolation twice")


@torch.no_grad()
def check_saved_and_loaded(recipe: Recipe) -> None:
    """A loaded model is the saved one: config, weights, codes and images, bit for bit."""
    model = create(recipe).eval()
    x = random_images(_BATCH, recipe.image)
    model.examples = model.encode(x)
    with TemporaryDirectory() as scratch:
        loaded = read_model(locate(model.save_pretrained(Path(scratch, "model"))))
    expect(loaded.config == model.config, "the config is not the same after saving and loading")
    again = ModelConfig.model_validate_json(model.config.model_dump_json(exclude_none=True))
    prose = {"summary": recipe.summary, "limitations": recipe.limitations}  # stand on the card alone
    same = again.model_copy(update=prose) == model.config
    expect(same, "the config is not the same after it is written as JSON and read")
    _expect_same_state(model, loaded, "the weights saved and loaded")
    expect_equal(loaded.encode(x), model.encode(x), "the codes of the saved and the loaded model")
    expect_equal(loaded.reconstruct(x), model.reconstruct(x), "the images of the saved and the loaded model")


def _expect_same_state(a: nn.Module, b: nn.Module, what: str) -> None:
    left, right = a.state_dict(), b.state_dict()
    expect(left.keys() == right.keys(), f"{what} have different names")
    for name, tensor in left.items():
        expect_equal(tensor, right[name], f"{what}: {name!r}")


def check_gradients(recipe: Recipe) -> None:
    """The loss of each update has finite terms and gives every parameter of the update a gradient.

    Checked at steps all over the run, because some updates take part only for a while. A loss changes neither weights
    nor their ``grad``, and every trainable weight of the model belongs to an update.
    """
    model, regularizer, updates = _method(recipe)
    owned = _parameters(model, regularizer)
    names = {id(parameter): name for name, parameter in owned}
    expect(len({u.name for u in updates}) == len(updates), "two updates have one name")
    before = [parameter.detach().clone() for _, parameter in owned]
    reached: set[int] = set()
    for index in range(_TOTAL):
        step = _step(recipe, model, regularizer, index)
        for update in updates:
            if index % update.every == 0 and update.active(step):
                reached |= {*_gradients(_total(regularizer, step, update), update)}
        if index == 0:
            for (name, parameter), old in zip(owned, before, strict=True):
                expect(parameter.grad is None, f"a loss leaves a gradient at {name!r}: expected no backward pass")
                expect_equal(parameter.detach(), old, f"{name!r} before and after the losses of a step")
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
    _check_shapes_of(model.eval())


def check_training(recipe: Recipe) -> None:
    """A few steps are finite, move the weights of the updates that are due and no others, and repeat exactly."""
    first, second = _trained(recipe), _trained(recipe)
    for name, tensor in first.items():
        expect_equal(tensor, second[name], f"{name!r} after the same {_STEPS} steps twice")


def _trained(recipe: Recipe) -> dict[str, Tensor]:
    training = recipe.training.model_copy(update={"batch_size": _BATCH, "samples": _STEPS * _BATCH})
    recipe = recipe.model_copy(update={"training": training})
    model, regularizer, _ = _method(recipe)
    with TemporaryDirectory() as scratch:
        trainer = Trainer(recipe, model, regularizer, Noise(recipe.image), Workers(), Path(scratch))
        for index in range(_STEPS):
            step = _step(recipe, model, regularizer, index)
            due = [u for u in trainer.updates if index % u.every == 0 and u.active(step)]
            moving = {id(p) for update in due for p in update.parameters}
            still = [(n, p, p.detach().clone()) for n, p in _parameters(model, regularizer) if id(p) not in moving]
            for name, value in trainer.step(index).items():
                expect(math.isfinite(float(value)), f"{name} is {float(value)} at step {index}")
            for name, parameter, before in still:
                expect_equal(parameter.detach(), before, f"{name!r}, of no update due at step {index}")
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _method(recipe: Recipe) -> tuple[InterpolationModel, Regularizer, list[Update]]:
    model = create(recipe).train()
    regularizer = build_regularizer(recipe, model)
    generator = Generator().manual_seed(0)
    with torch.no_grad():
        regularizer.setup(model, random_batch(_BATCH, recipe.image, generator), generator)
    return model, regularizer, list(regularizer.updates(model))


def _step(recipe: Recipe, model: InterpolationModel, regularizer: Regularizer, index: int) -> Step:
    generator = Generator().manual_seed(index)
    batch = random_batch(_BATCH, recipe.image, generator)
    batch = {name: batch[name] for name in ("image", *regularizer.requires)}
    return Step(batch=batch, model=model, generator=generator, index=index, total=_TOTAL)


def _total(regularizer: Regularizer, step: Step, update: Update) -> Tensor:
    terms = regularizer.loss(step, update.name)
    expect(bool(terms), f"the loss of update {update.name!r} has no terms")
    for name, term in terms.items():
        expect_shape(term.detach(), (), f"term {name!r} of update {update.name!r} at step {step.index}")
    return torch.stack([term.float() for term in terms.values()]).sum()


def _parameters(model: InterpolationModel, regularizer: Regularizer) -> list[tuple[str, nn.Parameter]]:
    return [*model.named_parameters(), *regularizer.named_parameters("regularizer")]


def check_metrics(recipe: Recipe) -> None:
    """An untrained model of the recipe gets finite scores.

    On a few images of the recipe's data if that has a ground truth, otherwise on noise, which needs no decoding. Passes
    where the data is not available, and for networks of kind ``features``.
    """
    model = create(recipe).eval()
    if model.config.kind == "features":
        return
    try:
        task = Task(recipe.data, recipe.image, _SMALL)
        if not task.has_truth:
            task.data = Noise(recipe.image)
        task.test = task.data.test(_HELD_OUT)
        record = score_candidate(task, ModelCandidate(model), metrics_named(_FAMILIES))
    except DataError:
        return
    values = {name: score.value for name, score in record.scores.items() if score.value is not None}
    expect(bool(values), f"no metric is applicable to a model of recipe {recipe.name!r}")
    for name, value in values.items():
        expect(math.isfinite(value), f"metric {name!r} of a model of recipe {recipe.name!r} is {value}")
