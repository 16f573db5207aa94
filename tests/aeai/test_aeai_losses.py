"""The losses of AEAI on numbers worked out by hand, what they reach, and the reduction of their norms.

Images of one pixel and networks of one weight, in [0, 1]. Each formula is written out once more here, in Python's own
floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from interpzoo_aeai.aeai import AEAI, next_of_group
from torch import Generator, Tensor, nn

from interpzoo import wrap
from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Regularizer, Step
from interpzoo.model import InterpolationModel
from tests.pixels import PIXEL, TwoPixels, pixelwise, step_of, values
from tests.tiny import random_images

SMALL = ImageSpec(channels=3, height=16, width=16)
SEED = 4
ALPHAS: list[float] = torch.rand(2, generator=Generator().manual_seed(SEED)).tolist()


def aeai(image: ImageSpec = PIXEL, **options: Any) -> AEAI:
    sizes = {"width": 4, "scales": 0 if image.height < 4 else 2, "latent_channels": 2}
    component = Component.model_validate({"name": "aeai", "discriminator": sizes, **options})
    return build_component(Regularizer, component, image, (1, 1, 1))


def cross_entropy(logit: float, target: int) -> float:
    probability = 1 / (1 + math.exp(-logit))
    return -math.log(probability if target else 1 - probability)


class Pixels(TwoPixels):
    """Both losses, with logit D(y) = d (2 y - 1) + e."""

    @property
    def paths(self) -> list[tuple[float, float]]:
        """z(alpha) and z_j - z_i of the first image on its way to the second, and of the second to the first."""
        z = [self.a * x for x in self.x]
        ends = [(z[0], z[1]), (z[1], z[0])]
        return [((1 - alpha) * i + alpha * j, j - i) for alpha, (i, j) in zip(ALPHAS, ends, strict=True)]

    @property
    def interpolants(self) -> list[float]:
        return [self.b * z + self.c for z, _ in self.paths]

    def discriminator(self, y: float) -> float:
        return self.d * (2 * y - 1) + self.e

    @property
    def reconstruction(self) -> float:
        return sum((x - (self.b * self.a * x + self.c)) ** 2 for x in self.x)

    @property
    def realism(self) -> float:
        return 0.01 * sum(cross_entropy(self.discriminator(y), 1) for y in self.interpolants) / 2

    @property
    def cycle(self) -> float:
        codes = [z for z, _ in self.paths]
        returned = [self.a * y for y in self.interpolants]
        return 0.01 * sum((z - r) ** 2 for z, r in zip(codes, returned, strict=True)) / 2

    @property
    def smoothness(self) -> float:
        return 0.1 * sum((self.b * way) ** 2 for _, way in self.paths) / 2

    @property
    def on_data(self) -> float:
        return sum(cross_entropy(self.discriminator(x), 1) for x in self.x) / 2

    @property
    def on_interpolants(self) -> float:
        return sum(cross_entropy(self.discriminator(y), 0) for y in self.interpolants) / 2

    def built(self, **options: Any) -> tuple[AEAI, InterpolationModel, Step]:
        found = aeai(**options)
        found.discriminator = nn.Sequential(pixelwise(self.d, self.e))
        return found, *self.step(SEED)


def test_autoencoder_by_hand() -> None:
    """z = (.4, 1.8) is drawn as (.3, 1), .1 too bright both times; on the way of +-1.4, images change by +-.7.

    x^(alpha) = z(alpha) / 2 + .1 encodes to z(alpha) + .2.
    """
    found, _, step = Pixels().built()
    mixes = [0.3 + 0.7 * ALPHAS[0], 1.0 - 0.7 * ALPHAS[1]]
    realism = sum(math.log1p(math.exp(-(0.8 * (2 * y - 1) + 0.05))) for y in mixes) / 2
    expected = {
        "reconstruction": 0.1**2 + 0.1**2,
        "realism": 0.01 * realism,
        "cycle": 0.01 * 0.2**2,
        "smoothness": 0.1 * 0.7**2,
    }
    assert values(found.loss(step, "autoencoder")) == pytest.approx(expected, rel=1e-5)
    assert {name: getattr(Pixels(), name) for name in expected} == pytest.approx(expected)


def test_discriminator_by_hand() -> None:
    """Data at .8 (.4 - 1) + .05 and .8 (1.8 - 1) + .05; reconstructions are no fakes."""
    found, _, step = Pixels().built()
    mixes = [0.3 + 0.7 * ALPHAS[0], 1.0 - 0.7 * ALPHAS[1]]
    expected = {
        "discriminator on data": (math.log1p(math.exp(0.43)) + math.log1p(math.exp(-0.69))) / 2,
        "discriminator on interpolants": sum(math.log1p(math.exp(0.8 * (2 * y - 1) + 0.05)) for y in mixes) / 2,
    }
    assert values(found.loss(step, "discriminator")) == pytest.approx(expected, rel=1e-5)
    assert [Pixels().on_data, Pixels().on_interpolants] == pytest.approx([*expected.values()])


@pytest.mark.parametrize("term", ["reconstruction", "realism", "cycle", "smoothness"])
def test_nothing_is_detached_in_the_autoencoders_loss(term: str) -> None:
    """The cycle reaches the encoder through both of its applications and through z(alpha)."""
    pixels = replace(Pixels(), b=0.6)  # at a b = 1 the cycle's derivatives are all of c
    found, model, step = pixels.built()
    networks = {"a": model.encoder, "b": model.decoder}
    weights = [next(p for p in network.parameters() if p.ndim == 4) for network in networks.values()]
    gradients = torch.autograd.grad(found.loss(step, "autoencoder")[term], weights)
    for name, gradient in zip(networks, gradients, strict=True):
        slope = pixels.slope(term, name)
        assert abs(slope) > 1e-4
        assert gradient.item() == pytest.approx(slope, rel=1e-3), name


def test_the_discriminators_loss_reaches_only_the_discriminator() -> None:
    found, model, step = Pixels().built()
    terms = found.loss(step, "discriminator")
    loss = torch.stack([*terms.values()]).sum()
    gradients = torch.autograd.grad(loss, [*model.parameters()], retain_graph=True, allow_unused=True)
    assert all(gradient is None for gradient in gradients)
    weight = next(p for p in found.discriminator.parameters() if p.ndim == 4)
    expected = Pixels().slope("on_data", "d") + Pixels().slope("on_interpolants", "d")
    assert torch.autograd.grad(loss, weight)[0].item() == pytest.approx(expected, rel=1e-3)


def test_weights_are_the_papers_and_scale_their_terms() -> None:
    found, _, _ = Pixels().built()
    assert (found.config.adversarial_weight, found.config.cycle_weight) == (1e-2, 1e-2)
    assert found.config.smoothness_weight == 1e-1
    other, _, step = Pixels().built(adversarial_weight=0.5, cycle_weight=0, smoothness_weight=1)
    terms = values(other.loss(step, "autoencoder"))
    assert terms["realism"] == pytest.approx(50 * Pixels().realism, rel=1e-5)
    assert terms["cycle"] == 0
    assert terms["smoothness"] == pytest.approx(10 * Pixels().smoothness, rel=1e-5)


def test_only_the_cycle_grows_with_the_code_and_nothing_with_the_image() -> None:
    """An image of 4x4 such pixels with a code of 16 dimensions costs what one pixel costs, but for 16 cycles."""
    found, model, step = Pixels().built()
    large = step_of(model, step.x.expand(2, 1, 4, 4).contiguous(), seed=SEED)
    for update in ("autoencoder", "discriminator"):
        expected = values(found.loss(step, update))
        if update == "autoencoder":
            expected["cycle"] *= 16
        assert values(found.loss(large, update)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("activation", [nn.ELU, nn.LeakyReLU, nn.Tanh])
def test_the_smoothness_is_the_decoders_derivative_along_the_path(activation: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    decoder = nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1), activation(), nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 1)
    )
    model = wrap(nn.Conv2d(3, 4, 2, 2), decoder, SMALL.shape)
    x = random_images(6, SMALL)
    term = aeai(SMALL).loss(step_of(model, x, seed=SEED), "autoencoder")["smoothness"]
    alpha = torch.rand(6, generator=Generator().manual_seed(SEED)).double().view(-1, 1, 1, 1)
    model.double()
    z = model.encoder(x.double())
    ahead, behind = (model.decoder(torch.lerp(z, z.flip(0), alpha + h)) for h in (1e-6, -1e-6))
    assert term.item() == pytest.approx(0.1 * ((ahead - behind) / 2e-6).square().mean().item(), rel=1e-4)


class Seen(nn.Module):
    """y -> y, and what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[Tensor] = []

    def forward(self, y: Tensor) -> Tensor:
        self.images.append((y.detach() + 1) / 2)
        return y


class TestInterpolants:
    def test_one_alpha_a_pair_and_the_same_for_both_updates(self) -> None:
        x = random_images(5, SMALL)
        found, seen = aeai(SMALL), Seen()
        found.discriminator = nn.Sequential(seen)
        step = step_of(wrap(nn.Identity(), nn.Identity(), SMALL.shape), x, seed=SEED)
        for update in ("autoencoder", "discriminator"):
            found.loss(step, update)
        alpha = torch.rand(5, generator=Generator().manual_seed(SEED)).view(-1, 1, 1, 1)
        first, data, second = seen.images
        torch.testing.assert_close(first, (1 - alpha) * x + alpha * x.flip(0))
        torch.testing.assert_close(data, x)
        assert torch.equal(first, second)

    def test_alpha_is_uniform_in_all_of_0_to_1(self) -> None:
        n = 20_000
        found, seen = aeai(), Seen()
        found.discriminator = nn.Sequential(seen)
        x = (torch.arange(n) >= n // 2).float().view(n, 1, 1, 1)
        found.loss(step_of(wrap(nn.Identity(), nn.Identity(), PIXEL.shape), x), "discriminator")
        alphas = seen.images[-1].flatten()[: n // 2]
        shares = torch.histc(alphas, 10, 0, 1) / (n // 2)
        assert bool(((shares - 0.1).abs() < 0.015).all())

    def test_all_draws_are_the_steps(self) -> None:
        found = aeai(SMALL)
        model = wrap(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1), SMALL.shape)
        results: list[dict[str, float]] = []
        for global_seed, seed in ((1, 5), (2, 5), (1, 6)):
            torch.manual_seed(global_seed)
            results.append(values(found.loss(step_of(model, random_images(8, SMALL), seed=seed), "autoencoder")))
        assert results[0] == results[1]
        assert results[0]["reconstruction"] == results[2]["reconstruction"]
        assert results[0]["realism"] != results[2]["realism"]


def test_each_update_moves_its_own_networks() -> None:
    found, model, _ = Pixels().built(discriminator_every=7)
    autoencoder, discriminator = found.updates(model)
    assert {id(p) for p in autoencoder.parameters} == {id(p) for p in model.parameters()}
    assert {id(p) for p in discriminator.parameters} == {id(p) for p in found.parameters()}
    assert (autoencoder.every, discriminator.every) == (1, 7)
    assert [update.every for update in Pixels().built()[0].updates(model)] == [1, 1]


def test_the_derivative_is_taken_in_float32() -> None:
    assert not AEAI.autocast


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"adversarial_weight": -0.1}, "adversarial_weight"),
        ({"cycle_weight": -1}, "cycle_weight"),
        ({"smoothness_weight": 1001}, "smoothness_weight"),
        ({"discriminator_every": 0}, "discriminator_every"),
        ({"gamma": 2}, "gamma"),
    ],
)
def test_bad_settings_are_refused_by_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=f"'aeai'.*{field}"):
        aeai(**options)


def test_a_path_may_keep_to_one_label() -> None:
    """Images 0, 2 and 3 go round in a circle; 1 and 4 are alone with their labels and go nowhere."""
    x = torch.tensor([0.1, 0.5, 0.9, 0.2, 0.7]).view(-1, 1, 1, 1)
    step = step_of(wrap(nn.Identity(), nn.Identity(), PIXEL.shape), x)
    step.batch = {**step.batch, "label": torch.tensor([7, 5, 7, 7, 9])}
    terms = values(aeai(partner="same-label").loss(step, "autoencoder"))
    assert terms["smoothness"] == pytest.approx(0.1 * (0.8**2 + 0.7**2 + 0.1**2) / 5)


@pytest.mark.parametrize(
    ("labels", "following"),
    [([3, 1, 3, 2, 1, 3], [2, 4, 5, 3, 1, 0]), ([5, 5, 5], [1, 2, 0]), ([4, 2], [0, 1]), ([6], [0])],
)
def test_the_next_of_a_group(labels: list[int], following: list[int]) -> None:
    assert next_of_group(torch.tensor(labels)).tolist() == following
