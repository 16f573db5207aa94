"""What the checks try a plugin on: its own recipe and data where they are available, otherwise noise."""

from functools import lru_cache
from urllib.error import URLError

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.build import build_component, component_class
from interpzoo.config import Component, ComponentConfig, ImageSpec, ModelConfig, Recipe
from interpzoo.errors import DataError, HubError, InterpzooError, MissingDependencyError, WeightsError
from interpzoo.interfaces import Batch, DataSet, Interpolator, LatentModel, Regularizer
from interpzoo.model import InterpolationModel
from interpzoo.nets import ConvDecoder, ConvDecoderConfig, ConvEncoder, ConvEncoderConfig
from interpzoo.own import create
from interpzoo.testing.expect import ConformanceError, UnavailableError, blaming
from interpzoo.training.given import check_batch

BATCH = 4
"""Images in a batch."""

PLAIN = ImageSpec(channels=1, height=16, width=16)
"""Images of `plain_model`."""

_CODES = 64  # more than paths through neighbors ask for
AWAY = (DataError, MissingDependencyError, HubError, WeightsError, ConnectionError, TimeoutError, URLError)
"""What a component raises where the files or the weights that it needs are not there and cannot be fetched."""


def random_images(n: int, image: ImageSpec, seed: int = 0) -> Tensor:
    """(n, C, H, W) of noise in [0, 1)."""
    return torch.rand(n, *image.shape, generator=Generator().manual_seed(seed))


def random_batch(n: int, image: ImageSpec, generator: Generator) -> Batch:
    """A batch of `n` with every field that a method may require."""
    first, second = torch.rand(2, n, *image.shape, generator=generator)
    return {
        "image": first,
        "partner": second,
        "midpoint": (first + second) / 2,
        "distance": torch.rand(n, generator=generator) + 0.1,
        "label": torch.randint(0, 10, (n,), generator=generator),
        "angle": torch.rand(n, generator=generator) * 2 * torch.pi,
        "parameters": torch.rand(n, 2, generator=generator),
    }


class Noise(DataSet):
    """Endless noise, with every field; the eight held-out images are always the same."""

    fields = frozenset(random_batch(2, ImageSpec(channels=1, height=1, width=1), Generator()))

    def __init__(self, image: ImageSpec) -> None:
        super().__init__(ComponentConfig(), image)

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return random_batch(len(indices), self.image, generator)

    @override
    def test(self, limit: int | None = None) -> Batch:
        return random_batch(min(limit or 8, 8), self.image, Generator().manual_seed(1))


def own_data(recipe: Recipe) -> DataSet | None:
    """The recipe's data set, or ``None`` where its files are not available.

    Raises:
        ConformanceError: it refuses the recipe's images or options.
    """
    with blaming(f"recipe {recipe.name!r}"):
        interface = component_class(DataSet, recipe.data.name)
    return _own_data(interface, recipe.data.model_dump_json(), recipe.image.shape, recipe.name)


@lru_cache(maxsize=16)
def _own_data(interface: type[DataSet], component: str, shape: tuple[int, int, int], recipe: str) -> DataSet | None:
    spec = Component.model_validate_json(component)
    image = ImageSpec.of(shape)
    size = "x".join(map(str, shape))
    try:
        data = build_component(interface, spec, image, None)
        checked_batch(data, torch.arange(1), Generator().manual_seed(0))
        return data
    except (ConformanceError, UnavailableError):
        raise
    except AWAY:
        return None
    except InterpzooError as error:
        raise ConformanceError(
            f"data set {spec.name!r} refuses recipe {recipe!r}, whose images are {size}: {error}. "
            "Change 'image' or 'data' in the recipe"
        ) from error
    except Exception as error:  # a plugin may raise anything
        with blaming(f"data set {spec.name!r} of recipe {recipe!r}, whose images are {size},"):
            raise error


def checked_batch(data: DataSet, indices: Tensor, generator: Generator) -> Batch:
    """A training batch, whose fields are tensors with a row for each image."""
    batch = data.train(indices, generator)
    with blaming("a batch"):
        check_batch(batch, len(indices), data.image, f"data set {type(data).__name__!r}")
    return batch


def data_for(recipe: Recipe, regularizer: Regularizer) -> DataSet:
    """The recipe's data set, or noise where that is not available.

    Raises:
        ConformanceError: the data set lacks a field that the method requires.
        UnavailableError: the method requires a field that noise does not have.
    """
    data = own_data(recipe)
    if data is None:
        if regularizer.requires <= Noise.fields:
            return Noise(recipe.image)
        raise UnavailableError
    if missing := sorted(regularizer.requires - data.fields):
        raise ConformanceError(
            f"method {recipe.method!r} requires {missing} in every batch, and data set {recipe.data.name!r} has the "
            f"fields {sorted(data.fields)}: add them to its 'fields' and to what its 'train' gives"
        )
    return data


def built(recipe: Recipe) -> InterpolationModel:
    """The recipe's model, with training codes of noise where the recipe keeps some.

    Raises:
        UnavailableError: its networks need weights or packages that are not there.
    """
    try:
        model = create(recipe)
    except AWAY as error:
        raise UnavailableError from error
    if recipe.training.codes:  # its paths may need them
        codes = torch.randn(_CODES, *model.latent_shape, generator=Generator().manual_seed(3))
        model.codes = codes[: recipe.training.codes]
    return model


class _Straight(Interpolator):
    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        t = t.view(*t.shape, *[1] * (z0.ndim - 1))
        return torch.where(t == 1, z1[:, None], z0[:, None] + t * (z1 - z0)[:, None])


def plain_model() -> InterpolationModel:
    """Small networks of the core for `PLAIN` images, whatever plugins are there."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = ConvEncoder(ConvEncoderConfig(width=2, scales=3, latent_channels=2, activation="elu"), PLAIN)
        decoder = ConvDecoder(ConvDecoderConfig(width=2, activation="elu"), PLAIN, encoder.latent_shape)
    conv, straight = Component(name="conv"), Component(name="linear")
    config = ModelConfig(name="plain", method="ae", image=PLAIN, encoder=conv, decoder=conv, interpolator=straight)
    codes = torch.randn(8, *encoder.latent_shape, generator=Generator().manual_seed(2))
    return InterpolationModel(config, encoder, decoder, None, _Straight(ComponentConfig()), codes=codes).eval()
