"""The losses of GAIA on numbers worked out by hand, their gradients, their clipping and the learning-rate balance.

Images of one pixel and networks of one weight, in the paper's [0, 1]. Each formula is written out once more here, in
Python's own floats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from interpzoo_gaia.gaia import GAIA, distance_loss
from torch import Generator, Tensor, nn

from interpzoo import wrap
from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import ConfigError, InputError
from interpzoo.interfaces import Regularizer, Step
from interpzoo.model import InterpolationModel
from tests.pixels import PIXEL, TwoPixels, pixelwise, step_of, values
from tests.tiny import random_images

SMALL = ImageSpec(channels=3, height=16, width=16)
SEED = 4


def gaia(image: ImageSpec = PIXEL, **options: Any) -> GAIA:
    sizes = {"width": 4, "scales": 0 if image.height < 4 else 2, "latent_channels": 2}
    component = Component.model_validate({"name": "gaia", "discriminator": sizes, **options})
    return build_component(Regularizer, component, image, (1, 1, 1))


def sig(u: float) -> float:
    return 1 / (1 + math.exp(-20 * u))


def mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


class Pixels(TwoPixels):
    """Both losses, with D(y) = d y + e and mixing weights of 1/2."""

    def discriminator(self, y: float) -> float:
        return self.d * y + self.e

    @property
    def r(self) -> float:
        return mean([abs(x - self.discriminator(x)) for x in self.x])

    @property
    def f_r(self) -> float:
        return mean([abs(x - self.discriminator(self.b * self.a * x + self.c)) for x in self.x])

    @property
    def f_s(self) -> float:
        # Both mixes of two images are halfway between them.
        mixed = self.b * self.a * mean(self.x) + self.c
        return abs(mixed - self.discriminator(mixed))

    @property
    def f(self) -> float:
        return (self.f_r + self.f_s) / 2

    @property
    def loss_d(self) -> float:
        return self.r - sig(0.5 * self.f_s - self.r) * self.f

    @property
    def loss_g(self) -> float:
        # Two images have one distance, which is preserved whatever it is.
        p = sig(self.f_s - self.f_r)
        return p * self.f_s + (1 - p) * self.f_r

    def built(self) -> tuple[GAIA, InterpolationModel, Step]:
        found = gaia(deviation=0)
        found.discriminator = nn.Sequential(pixelwise(self.d, self.e))
        return found, *self.step()


def test_errors_by_hand() -> None:
    """D(x) = (.21, .77); D(G(x)) = D(.3, 1) = (.29, .85); x_i = .65, D(x_i) = .57."""
    found, _, step = Pixels().built()
    found.loss(step, "discriminator")
    assert values(step.logged) == {
        "error of data": pytest.approx((0.01 + 0.13) / 2),
        # Against the data: against G(x) it would be (.01 + .15) / 2.
        "error of reconstructions": pytest.approx((0.09 + 0.05) / 2),
        "error of mixes": pytest.approx(0.08),
    }


def test_discriminator_by_hand() -> None:
    found, _, step = Pixels().built()
    expected = 0.07 - 0.075 / (1 + math.exp(20 * 0.03))
    assert values(found.loss(step, "discriminator")) == {"discriminator": pytest.approx(expected, rel=1e-5)}
    assert Pixels().loss_d == pytest.approx(expected)


def test_generator_by_hand() -> None:
    found, _, step = Pixels().built()
    p = 1 / (1 + math.exp(-20 * (0.08 - 0.07)))
    expected = p * 0.08 + (1 - p) * 0.07
    assert values(found.loss(step, "autoencoder")) == {"autoencoder": pytest.approx(expected, rel=1e-5)}
    assert Pixels().loss_g == pytest.approx(expected)


@pytest.mark.parametrize(("update", "loss"), [("discriminator", "loss_d"), ("autoencoder", "loss_g")])
def test_nothing_is_detached(update: str, loss: str) -> None:
    """Every weight has its whole derivative in either loss, that through p_D or p_G included."""
    pixels = replace(Pixels(), c=0.25)
    found, model, step = pixels.built()
    networks = {"a": model.encoder, "b": model.decoder, "d": found.discriminator}
    weights = [next(p for p in network.parameters() if p.ndim == 4) for network in networks.values()]
    gradients = torch.autograd.grad(found.loss(step, update)[update], weights)
    for name, gradient in zip(networks, gradients, strict=True):
        slope = pixels.slope(loss, name)
        assert abs(slope) > 1e-3
        assert gradient.item() == pytest.approx(slope, rel=1e-3), name


def test_the_share_of_the_fakes_is_at_most_nine_tenths_and_then_constant() -> None:
    """D(y) = clip(y, 0, 1) draws data without error; g(z) = z / 2 + 3/4.

    D(G(x)) = D(.95, 1.65) = (.95, 1): f_r = .425. x_i = 1.3: f_s = .3, sig(.15) = .953.
    """
    found, model, step = replace(Pixels(), c=0.75).built()
    found.discriminator = nn.Sequential(pixelwise(1.0), nn.Hardtanh(0, 1))
    loss = found.loss(step, "discriminator")["discriminator"]
    assert loss.item() == pytest.approx(-0.9 * 0.3625)
    bias = next(p for p in model.decoder.parameters() if p.ndim == 1)
    # Only the first reconstruction's and the mixes' errors grow with the image, by 1 each.
    assert torch.autograd.grad(loss, bias)[0].item() == pytest.approx(-0.9 * (0.5 + 1) / 2)


@pytest.mark.parametrize(("update", "sign"), [("discriminator", 1), ("autoencoder", 1), ("discriminator", -1)])
def test_losses_are_clipped_to_1_and_then_have_no_gradient(update: str, sign: int) -> None:
    found, model, step = replace(Pixels(), d=30.0, c=0.1 if sign > 0 else 3.0).built()
    if sign < 0:
        found.discriminator = nn.Sequential(pixelwise(1.0), nn.Hardtanh(0, 1))  # data drawn well, fakes badly
    loss = found.loss(step, update)[update]
    assert loss.item() == sign
    parameters = [*model.parameters(), *found.parameters()]
    assert not any(bool(g.any()) for g in torch.autograd.grad(loss, parameters, materialize_grads=True))


class TestDistances:
    def test_by_hand(self) -> None:
        """Images 0, 1 and 3 at 1, 9 and 4; codes (0, 0), (1, 1) and (2, 0) at 1, 2 and 1; means over all nine pairs."""
        x = torch.tensor([0.0, 1.0, 3.0]).view(3, 1, 1, 1)
        z = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
        dx, dz = 28 / 9, 8 / 9
        pairs = [(1, 1), (9, 2), (4, 1)]
        expected = sum((math.log(1 + a / dx) - math.log(1 + b / dz)) ** 2 for a, b in pairs) * 2 / 9
        assert distance_loss(x, z).item() == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("scale", [1e-2, 50.0])
    def test_codes_like_images_at_any_scale_cost_nothing(self, scale: float) -> None:
        x = random_images(16, SMALL)
        assert distance_loss(x, 40 + scale * x.flatten(1)).item() == pytest.approx(0, abs=1e-6)
        assert distance_loss(x, torch.randn(16, 4, generator=Generator().manual_seed(0))) > 0.05

    def test_equal_images_are_at_no_distance(self) -> None:
        z = torch.ones(4, 2).requires_grad_()
        loss = distance_loss(torch.ones(4, 1, 2, 2), z)
        loss.backward()
        assert loss.item() == 0
        assert z.grad is not None
        assert bool(z.grad.isfinite().all())

    def test_the_diagonal_has_a_finite_gradient(self) -> None:
        z = torch.randn(6, 3, generator=Generator().manual_seed(0)).requires_grad_()
        distance_loss(random_images(6, SMALL), z).backward()
        assert z.grad is not None
        assert bool(z.grad.isfinite().all())
        assert bool(z.grad.any())

    def test_its_weight_in_the_generators_loss(self) -> None:
        x = torch.tensor([0.1, 0.2, 0.9, 0.5]).view(4, 1, 1, 1)
        encoder = nn.Sequential(pixelwise(4.0), nn.ELU(), pixelwise(1.0, -3.0), nn.ELU())
        losses: list[float] = []
        for weight in (0.0, 0.5):
            found = gaia(distance_weight=weight)
            found.discriminator = nn.Sequential(pixelwise(0.8, 0.05))
            model = wrap(encoder, pixelwise(0.5, 0.1), PIXEL.shape)
            losses.append(found.loss(step_of(model, x), "autoencoder")["autoencoder"].item())
        with torch.no_grad():
            distance = distance_loss(x, encoder(x)).item()
        assert distance > 0.01
        assert losses[1] - losses[0] == pytest.approx(0.5 * distance, rel=1e-4)

    def test_the_default_is_half_of_the_papers_learning_rate(self) -> None:
        assert gaia().config.distance_weight == 1e-4 / 2


class Seen(nn.Module):
    """y -> y, and what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[Tensor] = []

    def forward(self, y: Tensor) -> Tensor:
        self.images.append(y.detach())
        return y


def mixes(x: Tensor, image: ImageSpec, **options: Any) -> Tensor:
    """The interpolants of a batch, with f(x) = x and g(z) = z."""
    found = gaia(image, **options)
    seen = Seen()
    found.discriminator = nn.Sequential(seen)
    model = wrap(nn.Identity(), nn.Identity(), image.shape)
    found.loss(step_of(model, x, seed=SEED), "discriminator")
    return seen.images[-1]


class TestMixes:
    def test_the_first_half_meets_the_second_and_once_more_reversed(self) -> None:
        x = random_images(6, ImageSpec(channels=2, height=2, width=2))
        (u0, u1, u2), (v0, v1, v2) = (0.5 + 0.25 * torch.randn(2, 3, generator=Generator().manual_seed(SEED))).tolist()
        expected = torch.stack(
            [
                u0 * x[0] + (1 - u0) * x[3],
                u1 * x[1] + (1 - u1) * x[4],
                u2 * x[2] + (1 - u2) * x[5],
                v0 * x[2] + (1 - v0) * x[3],
                v1 * x[1] + (1 - v1) * x[4],
                v2 * x[0] + (1 - v2) * x[5],
            ]
        )
        torch.testing.assert_close(mixes(x, ImageSpec(channels=2, height=2, width=2)), expected)

    def test_weights_are_gaussian_and_not_clipped(self) -> None:
        n = 20_000
        x = (torch.arange(n) < n // 2).float().view(n, 1, 1, 1)
        weights = mixes(x, PIXEL).flatten()
        assert weights.mean().item() == pytest.approx(0.5, abs=0.01)
        assert weights.std().item() == pytest.approx(0.25, abs=0.005)
        outside = ((weights < 0) | (weights > 1)).float().mean().item()
        assert outside == pytest.approx(math.erfc(2 / math.sqrt(2)), abs=0.005)

    def test_a_batch_that_cannot_be_halved(self) -> None:
        with pytest.raises(InputError, match="an even number of images per process, got 5"):
            mixes(random_images(5, SMALL), SMALL)


class TestUpdates:
    def test_each_moves_its_own_networks(self) -> None:
        found, model, _ = Pixels().built()
        autoencoder, discriminator = found.updates(model)
        assert {id(p) for p in autoencoder.parameters} == {id(p) for p in model.parameters()}
        assert {id(p) for p in discriminator.parameters} == {id(p) for p in found.parameters()}
        assert (autoencoder.every, discriminator.every) == (1, 1)

    def test_the_learning_rate_is_shared_out_by_the_errors(self) -> None:
        pixels = replace(Pixels(), c=0.2)
        found, model, step = pixels.built()
        autoencoder, discriminator = (u.learning_rate_scale(step) for u in found.updates(model))
        assert discriminator == pytest.approx(sig(pixels.r - pixels.f), rel=1e-4)
        assert autoencoder == pytest.approx(1 - sig(pixels.r - pixels.f), rel=1e-4)
        assert pixels.f > pixels.r
        assert discriminator < 0.5 < autoencoder

    def test_errors_are_computed_once_a_step(self) -> None:
        found, model, _ = Pixels().built()
        seen = Seen()
        found.discriminator = nn.Sequential(seen, pixelwise(0.8))
        step = step_of(model, torch.rand(2, 1, 1, 1, generator=Generator().manual_seed(0)))
        for update in found.updates(model):
            found.loss(step, update.name)
            update.learning_rate_scale(step)
        assert len(seen.images) == 3

    def test_all_draws_are_the_steps(self) -> None:
        found = gaia(SMALL)
        model = wrap(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1), SMALL.shape)
        results: list[dict[str, float]] = []
        for global_seed, seed in ((1, 5), (2, 5), (1, 6)):
            torch.manual_seed(global_seed)
            step = step_of(model, random_images(8, SMALL), seed=seed)
            found.loss(step, "discriminator")
            results.append(values(step.logged))
        assert results[0] == results[1]
        assert results[0]["error of reconstructions"] == results[2]["error of reconstructions"]
        assert results[0]["error of mixes"] != results[2]["error of mixes"]


class TestDiscriminator:
    def test_it_draws_images_through_a_code_of_its_own(self) -> None:
        found = gaia(SMALL, discriminator={"width": 4, "scales": 2, "latent_channels": 5})
        encoder, decoder = found.discriminator
        code = encoder(random_images(3, SMALL))
        assert code.shape == (3, 5, 4, 4)
        assert decoder(code).shape == (3, *SMALL.shape)

    def test_autocast_keeps_losses_in_float32(self) -> None:
        found = gaia(SMALL)
        model = wrap(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1), SMALL.shape)
        with torch.autocast("cpu", torch.bfloat16):
            step = step_of(model, random_images(4, SMALL))
            losses = [found.loss(step, update.name)[update.name] for update in found.updates(model)]
        assert [loss.dtype for loss in losses] == [torch.float32] * 2
        for loss, update in zip(losses, found.updates(model), strict=True):
            gradients = torch.autograd.grad(loss, update.parameters, retain_graph=True)
            assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@pytest.mark.parametrize(
    ("options", "field"),
    [({"deviation": -0.1}, "deviation"), ({"distance_weight": -1}, "distance_weight"), ({"k": 2}, "k")],
)
def test_bad_settings_are_refused_by_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=f"'gaia'.*{field}"):
        gaia(**options)
