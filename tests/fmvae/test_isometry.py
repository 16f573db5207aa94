"""Isometric regularization: the estimate against all columns of the Jacobian, and what it does in 32 dimensions."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from interpzoo_fmvae.flatness import flatness
from interpzoo_fmvae.isometry import Isometric, IsometryConfig, distortion
from torch import Generator, Tensor, nn

from interpzoo.errors import ConfigError
from interpzoo.geometry import jacobian
from interpzoo.metrics.flatness import condition_numbers
from interpzoo.model import InterpolationModel
from tests.pixels import step_of, values
from tests.tiny import random_images, tiny_model


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed))


def images(model: InterpolationModel) -> Tensor:
    return random_images(6, model.config.image)


def curved(d: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(d, 2 * d), nn.Tanh(), nn.Linear(2 * d, 2 * d))


def test_on_average_it_is_the_flatness_of_the_whole_jacobian() -> None:
    net, z = curved(4), normal(20, 4)
    J = jacobian(net, z)[1]
    exact = flatness(J.mT @ J, "relative") / 4
    found = distortion(net, z.repeat(300, 1), normal(6000, 4, seed=1))
    torch.testing.assert_close(found, exact, rtol=0.05, atol=0)


def test_an_isometry_has_none_in_any_direction_and_at_any_scale() -> None:
    basis = torch.linalg.qr(normal(64, 32)).Q
    for scaled in (1e-3 * basis, basis, 50 * basis):
        found = distortion(partial(_linear, scaled), normal(5, 32), normal(5, 32, seed=1))
        assert found.item() == pytest.approx(0, abs=1e-5)
    stretched = basis * torch.linspace(0.5, 2, 32)
    assert distortion(partial(_linear, stretched), normal(500, 32), normal(500, 32, seed=1)) > 0.2


def _linear(basis: Tensor, z: Tensor) -> Tensor:
    return z @ basis.T


def test_a_decoder_that_ignores_its_code_is_finite() -> None:
    assert distortion(lambda z: 0 * z, normal(3, 2), normal(3, 2)).isfinite()


def test_it_takes_two_passes_in_any_number_of_dimensions() -> None:
    calls: list[int] = []

    def counted(z: Tensor) -> Tensor:
        calls.append(len(z))
        return z.tanh()

    for d in (2, 32):
        calls.clear()
        distortion(counted, normal(6, d), normal(6, d))
        assert calls == [6, 6]


def test_it_makes_a_decoder_of_32_dimensions_isotropic() -> None:
    net, draw = curved(32), Generator().manual_seed(2)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)

    def anisotropy() -> float:
        J = jacobian(net, normal(20, 32, seed=3))[1].detach()
        return float(condition_numbers(J.mT @ J).median())

    before = anisotropy()
    for _ in range(100):
        z, v = torch.randn(2, 64, 32, generator=draw)
        optimizer.zero_grad()
        distortion(net, z, v).backward()
        optimizer.step()
    assert anisotropy() < 0.2 * before


def test_the_loss_has_three_terms_that_train_both_networks() -> None:
    model = tiny_model("vae", size=(8, 8)).requires_grad_()
    config = IsometryConfig(weight=2.0)
    terms = Isometric(config, model.config.image, model.latent_shape).loss(step_of(model, images(model)), "autoencoder")
    single = Isometric(IsometryConfig(weight=1.0), model.config.image, model.latent_shape)
    once = values(single.loss(step_of(model, images(model)), "autoencoder"))
    assert values(terms) == pytest.approx({**once, "distortion": 2 * once["distortion"]})
    assert once["distortion"] > 0
    terms["distortion"].backward()
    assert all(weight.grad is not None and bool(weight.grad.isfinite().all()) for weight in model.decoder.parameters())
    assert any(weight.grad is not None and bool(weight.grad.any()) for weight in model.encoder.parameters())


def test_a_model_without_a_posterior_is_refused() -> None:
    model = tiny_model("ae", size=(8, 8))
    regularizer = Isometric(IsometryConfig(), model.config.image, model.latent_shape)
    with pytest.raises(ConfigError, match="'irvae' needs an encoder with a posterior"):
        regularizer.loss(step_of(model, images(model)), "autoencoder")
