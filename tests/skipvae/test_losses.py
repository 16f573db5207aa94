"""The loss of Skip-VAE: known values, images drawn anew by the step's generator, and the warm-up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from interpzoo_skipvae.skipvae import SkipVAE, SkipVAEConfig
from torch import Generator, Tensor, nn
from torch.distributions import Independent, Normal

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Decoder, Encoder
from interpzoo.losses import standard_divergence
from tests.pixels import step_of, values
from tests.tiny import tiny_model

IMAGE = ImageSpec(channels=1, height=2, width=2)
N = 4000


class Reader(Encoder):
    """q(z | x) = N(2 x, 0.5^2), a dimension a pixel. What it is shown is kept."""

    latent_shape = (4,)

    def __init__(self) -> None:
        super().__init__(ComponentConfig(), IMAGE)
        self.gain = nn.Parameter(torch.tensor(2.0))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x.flatten(1)

    def posterior(self, x: Tensor) -> Independent[Normal]:
        self.seen.append(x)
        return Independent(Normal(self(x), 0.5), 1)


class Writer(Decoder):
    """Probability 3/4 of a pixel's own value, whatever the code. What it scores is kept."""

    def __init__(self) -> None:
        super().__init__(ComponentConfig(), IMAGE, (4,))
        self.weight = nn.Parameter(torch.tensor(1.0))
        self.seen: list[tuple[Tensor, Tensor]] = []

    def forward(self, z: Tensor) -> Tensor:
        return z.view(-1, *IMAGE.shape)

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        self.seen.append((x, z))
        return self.weight * math.log(0.75) * torch.ones(len(x)) * 4


@dataclass
class Toy:
    """What a regularizer sees of a model."""

    encoder: Reader = field(default_factory=Reader)
    decoder: Writer = field(default_factory=Writer)
    prior: None = None


def skipvae(**options: Any) -> SkipVAE:
    return SkipVAE(SkipVAEConfig(**options), IMAGE, (4,))


def test_the_terms_by_hand() -> None:
    """-4 log 3/4, and of one white pixel: 1/2 sum (mu^2 + sigma^2 - log sigma^2 - 1), summed and not averaged."""
    x = torch.zeros(8, 1, 2, 2)
    x[:, 0, 0, 0] = 1
    step = step_of(Toy(), x)
    kl = (4 + 4 * (0.25 - math.log(0.25) - 1)) / 2
    assert values(skipvae().loss(step, "autoencoder")) == pytest.approx(
        {"reconstruction": -4 * math.log(0.75), "divergence": kl}
    )
    assert values(step.logged) == pytest.approx({"kl": kl, "elbo": 4 * math.log(0.75) - kl})


def test_divergence_against_torch() -> None:
    mean, deviation = torch.randn(5, 3, 2, 1), torch.rand(5, 3, 2, 1) + 0.1
    expected = torch.distributions.kl_divergence(Normal(mean, deviation), Normal(0.0, 1.0)).sum((1, 2, 3))
    torch.testing.assert_close(standard_divergence(Independent(Normal(mean, deviation), 3)), expected)


class TestDraws:
    def drawn(self, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """What the encoder sees, and what the decoder scores and gets, of grey images."""
        model = Toy()
        x = torch.tensor([[0.0, 0.2], [0.7, 1.0]]).expand(N, 1, 2, 2)
        skipvae().loss(step_of(model, x, seed=seed), "autoencoder")
        (shown,), ((scored, z),) = model.encoder.seen, model.decoder.seen
        return shown, scored, z

    def test_images_are_bernoulli_of_their_greys_and_the_same_for_both_networks(self) -> None:
        shown, scored, _ = self.drawn(0)
        assert torch.equal(shown, scored)
        assert {*shown.unique().tolist()} == {0.0, 1.0}
        assert shown.mean(0).flatten().tolist() == pytest.approx([0, 0.2, 0.7, 1], abs=0.03)

    def test_codes_are_samples_of_the_drawn_images_posterior(self) -> None:
        shown, _, z = self.drawn(0)
        noise = (z - 2 * shown.flatten(1)) / 0.5
        assert noise.mean(0).abs().max() < 0.06
        assert noise.std(0).tolist() == pytest.approx([1] * 4, abs=0.05)
        assert torch.corrcoef(torch.cat([noise, shown.flatten(1)[:, 1:3]], 1).T)[:4, 4:].abs().max() < 0.06

    def test_they_are_the_generators(self) -> None:
        first, again, other = self.drawn(0), self.drawn(0), self.drawn(1)
        for a, b, c in zip(first, again, other, strict=True):
            assert torch.equal(a, b)
            assert not torch.equal(a, c)

    def test_the_global_random_state_does_not_change(self) -> None:
        before = torch.get_rng_state()
        self.drawn(0)
        assert torch.equal(torch.get_rng_state(), before)


class TestWarmUp:
    def test_off_unless_asked_for(self) -> None:
        assert skipvae().beta(0) == 1

    def test_beta_rises_evenly_from_a_tenth_to_one(self) -> None:
        """By 1 / W a step, the first included, so that it takes 9/10 W."""
        betas = [skipvae(warmup_steps=10).beta(index) for index in range(12)]
        assert betas == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1, 1, 1])

    def test_it_weights_only_the_divergence(self) -> None:
        x = torch.ones(8, 1, 2, 2)
        whole = values(skipvae().loss(step_of(Toy(), x, index=3), "autoencoder"))
        step = step_of(Toy(), x, index=3)
        part = values(skipvae(warmup_steps=10).loss(step, "autoencoder"))
        assert part["divergence"] == pytest.approx(0.5 * whole["divergence"])
        assert part["reconstruction"] == whole["reconstruction"]
        assert float(step.logged["kl"]) == pytest.approx(whole["divergence"])


def test_one_update_moves_all_of_both_networks() -> None:
    model = Toy()
    (update,) = skipvae().updates(model)
    assert {*map(id, update.parameters)} == {id(model.encoder.gain), id(model.decoder.weight)}


def test_networks_without_a_posterior() -> None:
    model = tiny_model("ae")
    regularizer = SkipVAE(SkipVAEConfig(), model.config.image, model.latent_shape)
    with pytest.raises(ConfigError, match=r"'skipvae' needs an encoder with a posterior.*encoder\.posterior=gaussian"):
        regularizer.loss(step_of(model, torch.rand(2, 1, 16, 16, generator=Generator())), "autoencoder")
