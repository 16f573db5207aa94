"""Checks of a whole model: its networks, its shapes at several sizes, and the same results for the same seed."""

import torch

from interpzoo.config import ImageSpec, Recipe
from interpzoo.errors import InterpzooError
from interpzoo.model import InterpolationModel
from interpzoo.plugins import registry
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate
from interpzoo.registry import bundled_folder
from interpzoo.testing.expect import (
    ConformanceError,
    UnavailableError,
    blaming,
    drawing_nothing,
    expect_equal,
    expect_shape,
)
from interpzoo.testing.networks import check_decoder, check_encoder, check_prior, check_space
from interpzoo.testing.samples import BATCH, built, random_images

_ANY = "leave 'size_multiple' None in networks that take one size only"
_FIXED = "raise a ConfigError in __init__ for images or codes that the network cannot take"


def check_networks(recipe: Recipe) -> None:
    """Encoder, decoder, prior and space of the recipe keep the rules, each by itself."""
    check_networks_of(built(recipe).eval())


def check_networks_of(model: InterpolationModel) -> None:
    """As `check_networks`; `model` cannot be used any more."""
    with torch.no_grad(), blaming("the encoder"):
        z = model.encoder(random_images(BATCH, model.config.image)).clone()
    if model.space is not None:
        check_space(model.space, z)
    check_encoder(model.encoder, model.config.image)
    check_decoder(model.decoder, z)
    if model.prior is not None:
        check_prior(model.prior)


def check_shapes(recipe: Recipe) -> None:
    """Codes and images have the right shapes at the recipe's size, at other sizes and with other channels.

    A size that the networks cannot take must be an `InterpzooError` when they are built.
    """
    image = recipe.image
    check_shapes_of(built(recipe).eval())
    for change in (
        {"channels": 3 if image.channels == 1 else 1},
        {"height": 2 * image.height},
        {"width": 2 * image.width},
        {"height": image.height + 1},
    ):
        other = image.model_copy(update=change)
        try:
            with blaming(f"building networks for images of {'x'.join(map(str, other.shape))}", _FIXED):
                model = built(recipe.model_copy(update={"image": other})).eval()
        except UnavailableError:
            continue
        except ConformanceError as error:
            if isinstance(error.__cause__, InterpzooError):
                continue
            raise
        check_shapes_of(model)


@torch.no_grad()
def check_shapes_of(model: InterpolationModel) -> None:
    """Expect codes and images of the right shapes, at another size too if the model takes any."""
    image, shape = model.config.image, model.latent_shape
    with blaming("the model", "see 'size_multiple' in interpzoo.interfaces.Encoder"):
        sizes = model.sizes
    _check_shapes_at(model, image, shape)
    if sizes.multiple is not None:
        size = image.height + 2 * sizes.multiple, image.width + sizes.multiple
        _check_shapes_at(model, sizes.spec(size), sizes.code_shape(size))


def _check_shapes_at(model: InterpolationModel, image: ImageSpec, shape: tuple[int, ...]) -> None:
    at = f"at images of {'x'.join(map(str, image.shape))}"
    x = random_images(BATCH, image)
    with blaming(f"the model {at}", _FIXED if image == model.config.image else _ANY):
        codes = model.encoder(x)
        expect_shape(codes, (BATCH, *shape), f"the code {at}")
        expect_shape(model.decoder(codes), (BATCH, *image.shape), f"the decoded image {at}")
        expect_shape(model.reconstruct(x), (BATCH, *image.shape), f"the reconstruction {at}")


@torch.no_grad()
def check_determinism(recipe: Recipe) -> None:
    """The same seed gives the same weights, and the same call the same result, whatever the global random state."""
    first = built(recipe).eval()
    second = built(recipe).eval()
    for name, weight in first.state_dict().items():
        hint = "draw all of them by torch, in __init__"
        expect_equal(second.state_dict()[name], weight, f"weights {name!r} of two models with one seed", hint)
    x = random_images(BATCH, recipe.image)
    with blaming("the model"), drawing_nothing("a reconstruction", "in eval mode a model draws nothing"):
        codes, images = first.encode(x), first.reconstruct(x)
        expect_equal(first.encode(x), codes, "the codes of one image twice")
        expect_equal(first.reconstruct(x), images, "the reconstructions of one image twice")
        expect_equal(second.reconstruct(x), images, "the reconstructions by two models with one seed")
        path = first.interpolate(x[:1], x[1:2], steps=3)
        expect_equal(first.interpolate(x[:1], x[1:2], steps=3), path, "one interpolation twice")


def check_pretrained(name: str) -> None:
    """A model that the plugin's package contains loads, and its networks keep the rules. Passes if it has none yet."""
    folder = bundled_folder(registry().models.find(name))
    if folder is None:
        return
    with blaming(f"loading model {name!r}"):
        model = read_model(locate(folder))
    check_shapes_of(model)
    check_networks_of(model)
