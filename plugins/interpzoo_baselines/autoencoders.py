"""The baselines of the ACAI paper, on the same networks (official: autoencoder.py, denoising.py, vae.py, aae.py)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn.functional import mse_loss
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec, Width
from interpzoo.errors import ConfigError
from interpzoo.interfaces import ConfigT, LatentModel, Regularizer, Step, Update
from interpzoo.nets import cross_entropy, he_init, signed


def autoencoder_update(model: LatentModel) -> Update:
    """The update that moves encoder and decoder."""
    return Update("autoencoder", [*model.encoder.parameters(), *model.decoder.parameters()])


def reconstruction_loss(x: Tensor, reconstruction: Tensor) -> Tensor:
    """Mean squared error over batch, channels and pixels, in the paper's [-1, 1]."""
    return mse_loss(signed(reconstruction.float()), signed(x))


class Autoencoder(Regularizer[ConfigT]):
    """Reconstruction alone."""

    @override
    def updates(self, model: LatentModel) -> Sequence[Update]:
        return [autoencoder_update(model)]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """L = mean (x - g(f(x)))^2."""
        return {"reconstruction": reconstruction_loss(step.x, step.reconstruction)}


class DenoisingConfig(ComponentConfig):
    """Settings of the denoising autoencoder."""

    noise: float = Field(default=1.0, gt=0, le=10)
    """Standard deviation of the Gaussian noise on the input, in [-1, 1] units."""


class Denoising(Autoencoder[DenoisingConfig]):
    """Reconstruction of the clean image from a noisy one."""

    def __init__(self, config: DenoisingConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.noise = config.noise

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """L = mean (x - g(f(x + noise)))^2, noise ~ N(0, sigma^2) on [-1, 1], so sigma / 2 on [0, 1]."""
        noisy = step.x + self.noise / 2 * step.normal(*step.x.shape)
        denoised = step.model.decoder(step.model.encoder(noisy))
        return {"reconstruction": reconstruction_loss(step.x, denoised)}


class VariationalConfig(ComponentConfig):
    """Settings of the variational autoencoder."""

    beta: float = Field(default=1.0, ge=0, le=1000)
    """Weight of the KL divergence (1: the evidence lower bound; above: beta-VAE)."""


class Variational(Regularizer[VariationalConfig]):
    """The negative evidence lower bound with prior N(0, I) (Kingma and Welling 2014; beta: Higgins et al. 2017)."""

    def __init__(self, config: VariationalConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.beta = config.beta

    @override
    def updates(self, model: LatentModel) -> Sequence[Update]:
        return [autoencoder_update(model)]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """L = mean_B [ -log p(x | z) + beta KL(q(z | x) || N(0, I)) ], sums over pixels and latent dimensions, in nats.

        Raises:
            ConfigError: the encoder has no posterior or the decoder no likelihood.
        """
        posterior = step.posterior
        likelihood = step.model.decoder.log_prob(step.x, step.codes)
        if posterior is None or likelihood is None:
            raise ConfigError(
                "method 'vae' needs an encoder with a posterior and a decoder with a likelihood: "
                "for the network 'conv' set encoder.posterior=gaussian"
            )
        zeros = torch.zeros_like(posterior.mean)
        prior = Independent(Normal(zeros, torch.ones_like(zeros), validate_args=False), zeros.ndim - 1)
        divergence = kl_divergence(posterior, prior).mean()
        step.log("kl", divergence)
        return {"reconstruction": -likelihood.mean(), "divergence": self.beta * divergence}


class AdversarialConfig(ComponentConfig):
    """Settings of the adversarial autoencoder."""

    width: Width = 100
    """Hidden units of both layers of the discriminator."""
    weight: float = Field(default=1.0, ge=0, le=1000)
    """Weight of the adversarial term."""


class Adversarial(Regularizer[AdversarialConfig]):
    """A discriminator pulls the codes' distribution to the standard normal (Makhzani et al. 2016)."""

    def __init__(self, config: AdversarialConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.weight = config.weight
        self.discriminator = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(latent_shape), config.width),
            nn.LeakyReLU(0.2),
            nn.Linear(config.width, config.width),
            nn.LeakyReLU(0.2),
            nn.Linear(config.width, 1),
        )
        he_init(self.discriminator)

    @override
    def updates(self, model: LatentModel) -> Sequence[Update]:
        return [autoencoder_update(model), Update("discriminator", [*self.discriminator.parameters()])]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """Autoencoder: mean (x - g(z))^2 + w BCE(d(z), 1); discriminator: BCE(d(z), 0) + BCE(d(p), 1), p ~ N(0, I)."""
        if update == "autoencoder":
            return {
                "reconstruction": reconstruction_loss(step.x, step.reconstruction),
                "adversarial": self.weight * self._cross_entropy(step.codes, 1.0),
            }
        drawn = step.normal(*step.codes.shape)
        loss = self._cross_entropy(step.codes.detach(), 0.0) + self._cross_entropy(drawn, 1.0)
        return {"discriminator": loss}

    def _cross_entropy(self, codes: Tensor, target: float) -> Tensor:
        return cross_entropy(self.discriminator(codes), target)
