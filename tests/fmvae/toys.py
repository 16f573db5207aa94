"""LatentModel of the flat-manifold VAE whose losses can be worked out by hand: all Gaussian and linear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from interpzoo_fmvae.fmvae import FMVAE
from interpzoo_fmvae.prior import HierarchicalConfig, HierarchicalPrior
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from interpzoo.build import build_component
from interpzoo.config import Component, ComponentConfig, ImageSpec
from interpzoo.interfaces import Decoder, Encoder, Prior, Regularizer

IMAGE = ImageSpec(channels=1, height=1, width=2)
"""Two pixels, two latent dimensions."""


class GaussianEncoder(Encoder):
    """q(z | x) = N(x, s^2 I)."""

    latent_shape = (2,)

    def __init__(self, s: float = 0.1) -> None:
        super().__init__(ComponentConfig(), IMAGE)
        self.log_s = nn.Parameter(torch.tensor(math.log(s)))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def posterior(self, x: Tensor) -> Distribution:
        return Independent(Normal(self(x), self.log_s.exp().expand(len(x), 2)), 1)


class LinearDecoder(Decoder):
    """g(z) = W z; G = W^T W everywhere. What it is given is kept."""

    def __init__(self, W: list[list[float]]) -> None:
        super().__init__(ComponentConfig(), IMAGE, (2,))
        self.W = nn.Parameter(torch.tensor(W))
        self.seen: list[Tensor] = []

    def forward(self, z: Tensor) -> Tensor:
        self.seen.append(z)
        return (z @ self.W.mT)[:, None, None]


class Affine(nn.Module):
    """Mean A y and a constant log-variance: a conditional that leaves the marginal Gaussian."""

    def __init__(self, A: Tensor, variance: Tensor) -> None:
        super().__init__()
        self.A = A
        self.log_variance = variance.log()

    def forward(self, y: Tensor) -> Tensor:
        mean = y @ self.A.mT
        return torch.cat([mean, self.log_variance.expand_as(mean)], -1)


def normal_prior(samples: int = 2) -> HierarchicalPrior:
    """p(z | zeta) = N(0, I) and q(zeta | z) = N(0, I): the bound is log N(z; 0, I) whatever is drawn."""
    prior = HierarchicalPrior(HierarchicalConfig(width=3, samples=samples), (2,))
    for network in (prior.generative, prior.recognition):
        for parameter in network[-1].parameters():
            nn.init.zeros_(parameter)
    return prior


@dataclass
class Toy:
    """What a regularizer sees of a model."""

    encoder: Encoder
    decoder: Decoder
    prior: Prior | None


def toy(W: list[list[float]] | None = None, s: float = 0.1) -> Toy:
    """All three, with the decoder x = z unless told otherwise."""
    return Toy(GaussianEncoder(s), LinearDecoder(W or [[1.0, 0.0], [0.0, 1.0]]), normal_prior())


def fmvae(kappa: float = 0.5, constraint: dict[str, Any] | None = None, **options: Any) -> FMVAE:
    """The method with kappa^2 = 1/4 and beta_0 = 1/10."""
    settings = {"kappa": kappa, "initial_beta": 0.1, **(constraint or {})}
    component = Component.model_validate({"name": "fmvae", "constraint": settings, **options})
    return build_component(Regularizer, component, IMAGE, (2,))
