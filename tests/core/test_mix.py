"""Several images mixed under weights: what `InterpolationModel.mix` takes, gives and refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from interpzoo.build import build_component
from interpzoo.config import Component, ComponentConfig
from interpzoo.errors import InputError, UnknownNameError
from interpzoo.geometry import lerp
from interpzoo.interfaces import Interpolator, LatentModel, Mixer
from interpzoo.model import InterpolationModel
from tests.tiny import random_images, tiny_model


class Averaging(Mixer):
    """The weighted mean of the codes, and what it was asked for."""

    generator: Generator | None = None

    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: InterpolationModel) -> Tensor:
        return lerp(z0, z1, t)

    def mix(self, codes: Tensor, weights: Tensor, *, model: LatentModel, generator: Generator | None = None) -> Tensor:
        self.generator = generator
        return torch.einsum("bk,bk...->b...", weights, codes)


@pytest.fixture(scope="module")
def model() -> InterpolationModel:
    return tiny_model()


@pytest.fixture(scope="module")
def images(model: InterpolationModel) -> Tensor:
    return random_images(3, model.config.image)


AVERAGING = Averaging(ComponentConfig())


def test_one_mix_is_one_image(model: InterpolationModel, images: Tensor) -> None:
    mixed = model.mix(images, [0.5, 0.25, 0.25], mixer=AVERAGING)
    z = model.encode(images)
    torch.testing.assert_close(mixed, model.decode(0.5 * z[:1] + 0.25 * z[1:2] + 0.25 * z[2:])[0])
    assert not mixed.requires_grad


def test_many_mixes_are_a_batch(model: InterpolationModel, images: Tensor) -> None:
    weights = [[1.0, 0.0, 0.0], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0], [1 / 3] * 3]
    mixed = model.mix(images, weights, mixer=AVERAGING)
    assert mixed.shape == (4, *model.config.image.shape)
    torch.testing.assert_close(mixed[[0, 2]], model.reconstruct(images)[[0, 2]])
    for row, one in zip(weights, mixed, strict=True):
        torch.testing.assert_close(model.mix(images, torch.tensor(row), mixer=AVERAGING), one)
    torch.testing.assert_close(model.mix(images, weights, mixer=AVERAGING, batch_size=1), mixed)


def test_nothing_is_drawn(model: InterpolationModel, images: Tensor) -> None:
    model.mix(images, [0.5, 0.25, 0.25], mixer=AVERAGING)
    assert AVERAGING.generator is None


@pytest.mark.parametrize("name", ["mixup", "bernoulli"])
def test_a_registered_mixer_by_name_or_as_the_models_own(name: str, model: InterpolationModel, images: Tensor) -> None:
    weights = [0.5, 0.25, 0.25]
    named = model.mix(images, weights, mixer=name)
    torch.testing.assert_close(model.mix(list(images), weights, mixer=name), named)
    own = InterpolationModel(
        model.config, model.encoder, model.decoder, None, build_component(Interpolator, Component(name=name))
    )
    assert torch.equal(own.mix(images, weights), named)


def test_a_path_that_is_not_a_mixer(model: InterpolationModel, images: Tensor) -> None:
    with pytest.raises(InputError, match=r"'Slerp' is a path between two codes, not a mixer.*mixer='mixup'"):
        model.mix(images, [0.5, 0.25, 0.25], mixer="slerp")
    with pytest.raises(UnknownNameError, match="mixup"):
        model.mix(images, [0.5, 0.25, 0.25], mixer="mixpu")


@pytest.mark.parametrize("weights", [[0.5, 0.5], [[0.5, 0.5]], [[[1.0, 0.0, 0.0]]], 1.0])
def test_as_many_weights_as_images(weights: object, model: InterpolationModel, images: Tensor) -> None:
    with pytest.raises(InputError, match=r"expected \(3,\) or \(N, 3\)"):
        model.mix(images, weights, mixer=AVERAGING)


@pytest.mark.parametrize(
    "row", [[0.5, 0.25, 0.2], [1.0, 1.0, 1.0], [-0.5, 0.5, 1.0], [float("nan"), 0.5, 0.5], [0.0, 0.0, 0.0]]
)
def test_weights_off_the_simplex_are_quoted(row: list[float], model: InterpolationModel, images: Tensor) -> None:
    with pytest.raises(InputError, match=r"weights .*(at least 0 that sum to 1|are not finite)"):
        model.mix(images, [[1.0, 0.0, 0.0], row], mixer=AVERAGING)


def test_rounded_thirds_are_on_it(model: InterpolationModel, images: Tensor) -> None:
    assert model.mix(images, [0.33333, 0.33333, 0.33333], mixer=AVERAGING).isfinite().all()


def test_a_model_without_a_mixer_mixes_by_the_mean_of_the_codes(model: InterpolationModel, images: Tensor) -> None:
    codes = model.encode(images)
    assert torch.allclose(model.mix(images), model.decode(codes.mean(0, keepdim=True))[0], atol=1e-6)
    weighted = model.mix(images, [[0.5, 0.25, 0.25]])
    assert torch.allclose(
        weighted, model.decode((codes * torch.tensor([0.5, 0.25, 0.25]).view(3, 1, 1, 1)).sum(0)[None])
    )
