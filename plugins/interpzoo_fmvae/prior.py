"""The variational hierarchical prior: a Gaussian whose mean and variance a network computes from another code, zeta.

Source: Klushyn, Chen, Kurle, Cseke and van der Smagt, arXiv 1905.04982, where the flat-manifold VAE takes it from.
"""

import math

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.distributions import Independent, Normal
from typing_extensions import override

from interpzoo.config import ComponentConfig, Width
from interpzoo.interfaces import Prior


class HierarchicalConfig(ComponentConfig):
    width: Width = 256
    """Units of each hidden layer of both networks; the papers do not give theirs."""
    samples: int = Field(default=16, ge=1, le=1024)
    """K: number of importance samples in the bound."""


class HierarchicalPrior(Prior[HierarchicalConfig]):
    """p(z) = int p_Theta(z | zeta) N(zeta; 0, I) dzeta, estimated with the help of q_Phi(zeta | z).

    zeta has as many dimensions as z. Both conditionals are Gaussians with diagonal covariance; mean and log-variance
    come from tanh networks with two hidden layers. The paper leaves the networks open.
    """

    def __init__(self, config: HierarchicalConfig, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, latent_shape)
        size = math.prod(latent_shape)
        self.generative = _network(size, config.width)
        """Theta: zeta (..., d) to mean and log-variance of z, (..., 2 d)."""
        self.recognition = _network(size, config.width)
        """Phi: z (..., d) to mean and log-variance of zeta, (..., 2 d)."""

    @override
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        weight = next(self.parameters())
        zeta, noise = torch.randn(2, n, math.prod(self.latent_shape), generator=generator).to(weight)
        p = _gaussian(self.generative, zeta)
        return (p.mean + p.stddev * noise).unflatten(1, self.latent_shape)

    @override
    def log_prob(self, z: Tensor) -> Tensor:
        """The bound on log p(z) in nats, (B,), with K fixed draws, so that the same code always has the same value."""
        noise = torch.randn(self.config.samples, 1, math.prod(self.latent_shape), generator=Generator().manual_seed(0))
        return self.bound(z, noise.to(z))

    def bound(self, z: Tensor, noise: Tensor) -> Tensor:
        """log (1/K) sum_k p_Theta(z | zeta_k) N(zeta_k; 0, I) / q_Phi(zeta_k | z), zeta_k ~ q_Phi(. | z).

        Its mean over the noise is below log p(z), and closer to it for larger K. It is in nats, (B,), for codes `z`
        (B, *latent_shape); the zeta_k are made from `noise`, N(0, 1) of shape (K, B, d).
        """
        flat = z.flatten(1)
        q = _gaussian(self.recognition, flat)
        zeta = q.mean + q.stddev * noise
        p = _gaussian(self.generative, zeta)
        log_weights = p.log_prob(flat) + Normal(0.0, 1.0).log_prob(zeta).sum(-1) - q.log_prob(zeta)
        return log_weights.logsumexp(0) - math.log(len(noise))


def _network(size: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(size, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2 * size)
    )


def _gaussian(network: nn.Module, given: Tensor) -> Independent[Normal]:
    mean, log_variance = network(given).chunk(2, -1)
    return Independent(Normal(mean, (log_variance / 2).exp(), validate_args=False), 1)
