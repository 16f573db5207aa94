"""Losses that several methods share."""

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from interpzoo.errors import ConfigError
from interpzoo.interfaces import Step
from interpzoo.nets import signed


def signed_mse(reconstruction: Tensor, x: Tensor) -> Tensor:
    """Mean squared error of images in [0, 1], a scalar, in the units of the ACAI paper, [-1, 1]."""
    return mse_loss(signed(reconstruction.float()), signed(x))


def adversarial_loss(logits: Tensor, *, real: bool) -> Tensor:
    """Mean binary cross-entropy in nats, a scalar, of a discriminator's `logits` when the answer should be `real`."""
    logits = logits.float()
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def elbo_terms(step: Step, method: str) -> tuple[Tensor, Tensor]:
    """The negative evidence lower bound under the prior N(0, I): -log p(x | z) and KL(q(z | x) || N(0, I)).

    Sums over pixels and latent dimensions, means over the batch: two scalars in nats.

    Raises:
        ConfigError: the encoder has no posterior or the decoder no likelihood; the message names `method`.
    """
    posterior = step.posterior
    likelihood = step.model.decoder.log_prob(step.x, step.codes)
    if posterior is None or likelihood is None:
        lacking = "encoder has no posterior" if posterior is None else "decoder has no likelihood"
        raise ConfigError(
            f"method {method!r} needs an encoder with a posterior and a decoder with a likelihood, and this {lacking}: "
            "for the network 'conv' set encoder.posterior=gaussian; in a wrapped model the encoder returns (mean, "
            "log-variance) or a distribution, and the decoder a distribution"
        )
    return -likelihood.mean(), standard_divergence(posterior).mean()


def standard_divergence(posterior: Distribution) -> Tensor:
    """KL(q || N(0, I)) in nats, (B,), for Gaussians q over (B, *latent_shape) with diagonal covariance."""
    mean, variance = posterior.mean, posterior.variance
    return (mean.square() + variance - variance.log() - 1).flatten(1).sum(1) / 2
