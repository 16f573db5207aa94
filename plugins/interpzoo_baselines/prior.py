"""The standard normal prior."""

import torch
from torch import Generator, Tensor
from torch.distributions import Normal
from typing_extensions import override

from interpzoo.interfaces import Prior


class StandardNormal(Prior):
    """Independent N(0, 1) in every latent dimension."""

    @property
    @override
    def mean(self) -> Tensor:
        return torch.zeros(self.latent_shape)

    @override
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        return torch.randn(n, *self.latent_shape, generator=generator)

    @override
    def log_prob(self, z: Tensor) -> Tensor:
        return Normal(0.0, 1.0).log_prob(z).flatten(1).sum(1)
