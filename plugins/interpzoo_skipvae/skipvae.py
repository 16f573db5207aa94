"""The loss of Skip-VAE: the evidence lower bound and nothing else, for what the paper changes is the decoder.

Source: Dieng et al., arXiv 1807.04863; official code, train_img_skip.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from pydantic import Field
from torch import Tensor
from torch.distributions import Distribution

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.interfaces import LatentModel, Regularizer, Step, Update

_FIRST_BETA = 0.1


class SkipVAEConfig(ComponentConfig):
    """Settings of Skip-VAE."""

    warmup_steps: int = Field(default=0, ge=0, le=100_000_000)
    """W: beta grows by 1 / W a step from 0.1 to 1; 0, as the paper has it for images: it is 1 from the start."""


class SkipVAE(Regularizer[SkipVAEConfig]):
    """Variational autoencoder of binary images; its twin without skips has the same loss."""

    def __init__(self, config: SkipVAEConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.warmup_steps = config.warmup_steps

    def updates(self, model: LatentModel) -> Sequence[Update]:
        """One, of encoder and decoder."""
        return [Update("autoencoder", [*model.encoder.parameters(), *model.decoder.parameters()])]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """L = mean_B [ -log p(x | z) + beta KL(q(z | x) || N(0, I)) ], x ~ Bernoulli(image) drawn anew, z ~ q(z | x).

        In nats, summed over pixels and latent dimensions. The encoder sees the drawn image, too.

        Raises:
            ConfigError: the encoder has no posterior or the decoder no likelihood.
        """
        binary = _binarised(step)
        posterior = binary.posterior
        likelihood = binary.model.decoder.log_prob(binary.x, binary.codes)
        if posterior is None or likelihood is None:
            raise ConfigError(
                "method 'skipvae' needs an encoder with a posterior and a decoder with a likelihood: "
                "for the network 'conv' set encoder.posterior=gaussian"
            )
        reconstruction, kl = -likelihood.mean(), divergence(posterior).mean()
        step.log("kl", kl)
        step.log("elbo", -reconstruction - kl)
        return {"reconstruction": reconstruction, "divergence": self.beta(step.index) * kl}

    def beta(self, index: int) -> float:
        """Weight of the divergence at step `index`; the first step's is one increment above 0.1 already."""
        return min(1.0, _FIRST_BETA + (index + 1) / self.warmup_steps) if self.warmup_steps else 1.0


def divergence(posterior: Distribution) -> Tensor:
    """KL(q || N(0, I)) in nats, (B,), of a Gaussian posterior with a diagonal covariance over (B, *latent_shape)."""
    mean, variance = posterior.mean, posterior.variance
    return (mean.square() + variance - variance.log() - 1).flatten(1).sum(1) / 2


def _binarised(step: Step) -> Step:
    """The step on images drawn from its own."""
    x = step.x
    binary = torch.bernoulli(x.cpu().clamp(0, 1), generator=step.generator).to(x)
    return Step(
        batch={**step.batch, "image": binary},
        model=step.model,
        generator=step.generator,
        index=step.index,
        total=step.total,
        epoch=step.epoch,
        mean=step.mean,
    )
