"""Checks of networks: shapes at every size that they take, no hidden randomness, exact saving and loading."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Generator, Tensor, nn

from interpzoo.config import ImageSpec, ModelConfig, Recipe
from interpzoo.errors import InterpzooError
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate
from interpzoo.testing.expect import expect, expect_equal, expect_shape
from interpzoo.testing.samples import random_images
from interpzoo.untrained import create

_BATCH = 3


@torch.no_grad()
def check_shapes(recipe: Recipe) -> None:
    """Codes and images have the right shapes at the recipe's size, at other sizes and with other channels.

    A size that the networks cannot take must be an `InterpzooError` when they are built.
    """
    _check_shapes_of(create(recipe).eval())
    for image in _others(recipe.image):
        try:
            model = create(recipe.model_copy(update={"image": image})).eval()
        except InterpzooError:
            continue
        _check_shapes_of(model)


def _others(image: ImageSpec) -> Iterator[ImageSpec]:
    yield image.model_copy(update={"channels": 3 if image.channels == 1 else 1})
    yield image.model_copy(update={"height": 2 * image.height})
    yield image.model_copy(update={"width": 2 * image.width})
    yield image.model_copy(update={"height": image.height + 1})


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
    left: dict[str, Tensor] = a.state_dict()
    right: dict[str, Tensor] = b.state_dict()
    expect(left.keys() == right.keys(), f"{what} have different names")
    for name, tensor in left.items():
        expect_equal(tensor, right[name], f"{what}: {name!r}")
