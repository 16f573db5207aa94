"""Derivatives of paths between codes, and their precision."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Generator, Tensor
from torch.func import jacfwd, jacrev

from interpzoo.errors import InputError
from interpzoo.geometry import lerp
from interpzoo.model import InterpolationModel
from tests.tiny import random_images, tiny_model

FORMULAS = ("linear", "slerp", "lol", "mixup", "bernoulli")
SEARCHED = ("geodesic", "geodesic-paper", "projected", "metamorphosis")


@pytest.fixture
def model() -> InterpolationModel:
    model = tiny_model("vae")
    model.codes = codes(20, model)
    return model


def codes(n: int, model: InterpolationModel) -> Tensor:
    return torch.randn(n, *model.latent_shape, generator=Generator().manual_seed(0))


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # of torch's own forward mode
@pytest.mark.parametrize("path", FORMULAS)
def test_a_path_with_a_formula_has_the_derivatives_of_its_values(model: InterpolationModel, path: str) -> None:
    z0, z1, step = codes(3, model).double().split(1)
    t = torch.tensor([0.3], dtype=torch.float64)

    def middle(z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
        return model.interpolate_codes(z0, z1, t, interpolator=path)

    small = 1e-5
    for argument, move in ((0, step), (1, step), (2, torch.ones_like(t))):
        ends = [z0, z1, t]
        both = [[*ends[:argument], ends[argument] + s * move, *ends[argument + 1 :]] for s in (small, -small)]
        expected = (middle(*both[0]) - middle(*both[1])) / (2 * small)
        for jacobian in (jacrev, partial(jacfwd, randomness="same")):
            found = jacobian(middle, argnums=argument)(*ends)
            found = (found.flatten(-move.ndim) * move.flatten()).sum(-1)
            torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def test_gradients_pass_from_a_frame_to_an_image(model: InterpolationModel) -> None:
    images = random_images(2, model.config.image).requires_grad_()
    z = model.encode(images)
    frame = model.decode(model.interpolate_codes(z[:1], z[1:], [0.5])[:, 0])
    (gradient,) = torch.autograd.grad(frame.sum(), images)
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


def test_a_path_tracks_gradients_only_where_they_are_asked_for(model: InterpolationModel) -> None:
    z0, z1 = codes(2, model).split(1)
    t = torch.tensor([0.5])
    assert not model.interpolate_codes(z0, z1, t).requires_grad
    with torch.no_grad():
        assert not model.interpolate_codes(z0.requires_grad_(), z1, t).requires_grad
    assert model.interpolate_codes(z0, z1, t).requires_grad
    assert model.interpolate_codes(z0.detach(), z1, t.requires_grad_()).requires_grad


@pytest.mark.filterwarnings("ignore::interpzoo_riemannian.NotConvergedWarning")
@pytest.mark.parametrize("path", SEARCHED)
def test_a_path_that_is_searched_for_holds_its_codes_constant(model: InterpolationModel, path: str) -> None:
    z0, z1 = codes(2, model).split(1)
    assert not model.interpolate_codes(z0.requires_grad_(), z1, [0.5], interpolator=path).requires_grad
    with pytest.raises(InputError, match=r"tracks no gradients, so that torch\.func"):
        jacrev(lambda z: model.interpolate_codes(z, z1, [0.5], interpolator=path))(z0.detach())


def test_positions_between_codes_in_float64_are_in_float64(model: InterpolationModel) -> None:
    z0, z1 = codes(2, model).double().split(1)
    t = torch.tensor([1 / 3], dtype=torch.float64)
    for found in (model.interpolate_codes(z0, z1, [1 / 3]), model.walk(z0, z1, t=t)[0]):
        torch.testing.assert_close(found, lerp(z0, z1, t), rtol=1e-15, atol=1e-15)
