"""How informative codes are: the bound and its parts, mutual information and active units.

Source: Dieng et al., arXiv 1807.04863; official code, train_img_skip.py (eval, get_agg_kl).
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Generator, Tensor

from interpzoo.errors import ConfigError, InputError
from interpzoo.losses import standard_divergence
from interpzoo.model import InterpolationModel

ACTIVE: Final = 0.02
"""Variance of the posterior means above which a latent dimension is active, as in the official code."""

_BATCH: Final = 250


@dataclass(frozen=True, eq=False)
class InformationScores:
    """What each of N held-out images has, float64 and in nats, and the means over them."""

    log_likelihoods: Tensor
    """log p(x | z) (N,), with one z ~ q(z | x) for each image."""
    divergences: Tensor
    """KL(q(z | x) || N(0, I)) (N,)."""
    information: Tensor
    """The divergences less the `aggregate_log_ratios` (N,): their mean is the mutual information of image and code."""
    active_units: int
    """Number of latent dimensions whose posterior mean varies, see `active_units`."""

    @property
    def bounds(self) -> Tensor:
        """The evidence lower bound of each image (N,)."""
        return self.log_likelihoods - self.divergences


def binarize(images: Tensor, *, seed: int = 0) -> Tensor:
    """Binary images drawn from grey ones (B, C, H, W) in [0, 1], always the same for a seed."""
    return torch.bernoulli(images.cpu(), generator=Generator().manual_seed(seed)).to(images)


@torch.no_grad()
def score_information(model: InterpolationModel, images: Tensor, *, seed: int = 0) -> InformationScores:
    """Score a model in eval mode.

    Args:
        model: a model with a posterior and a likelihood.
        images: binary images (N, C, H, W), N at least 2, such as held-out images after `binarize`.
        seed: seed of the codes, one from the posterior of each image.

    Raises:
        ConfigError: the model lacks one of them.
        InputError: there are fewer than two images.
    """
    if len(images) < 2:
        raise InputError(f"{len(images)} images: expected at least 2")
    generator = Generator().manual_seed(seed)
    means: list[Tensor] = []
    deviations: list[Tensor] = []
    codes: list[Tensor] = []
    bounds: list[Tensor] = []
    for batch in images.to(model.device, model.dtype).split(_BATCH):
        posterior = model.encoder.posterior(batch)
        if posterior is None:
            raise ConfigError(f"{model.config.name!r} has no posterior: expected a model with one, such as a VAE")
        mean, deviation = posterior.mean, posterior.stddev
        z = mean + deviation * torch.randn(mean.shape, generator=generator).to(mean)
        likelihood = model.decoder.log_prob(batch, z)
        if likelihood is None:
            raise ConfigError(
                f"{model.config.name!r} has a decoder without a likelihood: give a model with one, such as a VAE"
            )
        bounds.append(torch.stack([likelihood, standard_divergence(posterior)]).double().cpu())
        for values, new in ((means, mean), (deviations, deviation), (codes, z)):
            values.append(new.flatten(1).double().cpu())
    mean = torch.cat(means)
    log_likelihoods, divergences = torch.cat(bounds, 1)
    return InformationScores(
        log_likelihoods=log_likelihoods,
        divergences=divergences,
        information=divergences - aggregate_log_ratios(torch.cat(codes), mean, torch.cat(deviations)),
        active_units=active_units(mean),
    )


def aggregate_log_ratios(z: Tensor, means: Tensor, deviations: Tensor) -> Tensor:
    """log q(z_i) - log N(z_i; 0, I) (N,) in nats, float64.

    Their mean estimates KL(q(z) || N(0, I)) of the aggregate posterior q(z) = 1/N sum_j N(z; mu_j, sigma_j^2), the
    mixture of all N posteriors, z_i's own among them.
    mean_i KL(q(z | x_i) || N(0, I)) less this is the mutual information. It is at most log N in expectation, however
    informative the codes are: it saturates where N images have distinguishable codes.

    `z` has one code of each posterior, whose `means` and standard `deviations` are (N, d) too.
    """
    z, means, precisions = z.double(), means.double(), deviations.double().square().reciprocal()
    # -2 log N(z; mu, sigma^2) without the constant, as a product of matrices: z^2 / s^2 - 2 z mu / s^2 + ...
    constant = (means.square() * precisions - precisions.log()).sum(1)
    factors = torch.cat([precisions, -2 * means * precisions], 1).mT
    ratios: list[Tensor] = []
    for part in z.split(_BATCH):
        exponents = torch.cat([part.square(), part], 1) @ factors + constant
        log_mixture = (-exponents / 2).logsumexp(1) - math.log(len(means))
        # The normalizing constants of mixture and prior cancel.
        ratios.append(log_mixture + part.square().sum(1) / 2)
    return torch.cat(ratios)


def active_units(means: Tensor) -> int:
    """Latent dimensions in which posterior means (N, d) have a variance above `ACTIVE` (unbiased, as official).

    Burda et al., arXiv 1509.00519, who introduced the measure, use a threshold of 0.01.
    """
    return int((means.var(0) > ACTIVE).sum())
