"""The mixers of AMR: convex combinations of codes, and codes assembled from whole feature maps.

Source: arXiv 1903.02709, section 2; official code, models/swapgan.py, threegan.py and kgan.py. A feature map is
one slice of a code along its first dimension: a channel (H, W), or a single number if codes are flat.
"""

from abc import abstractmethod
from typing import Final

import torch
from pydantic import Field
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.arguments import MOST_SEED
from interpzoo.config import ComponentConfig
from interpzoo.errors import InputError
from interpzoo.geometry import align, lerp
from interpzoo.interfaces import ConfigT, LatentModel, Mixer

_ROUNDING: Final = 1e-6
"""Tolerance for float32 positions that fall just short of where the next feature map switches."""


class TrainingMixer(Mixer[ConfigT]):
    """A mixer that also draws the weights that it is trained with."""

    @abstractmethod
    def draw(self, n: int, k: int, generator: Generator) -> Tensor:
        """Weights (n, k), on the CPU, for a batch of `n` mixes of `k` codes."""


class Mixup(TrainingMixer):
    """The convex combination of any number of codes; of two, the straight line."""

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return lerp(z0, z1, t)

    @override
    def mix(
        self, codes: Tensor, weights: Tensor, *, model: LatentModel | None = None, generator: Generator | None = None
    ) -> Tensor:
        return (align(weights, codes) * codes).sum(1)

    def draw(self, n: int, k: int, generator: Generator) -> Tensor:
        """A draw of its own for each mix, uniform on the simplex; for two codes, alpha ~ U(0, 1)."""
        return _uniform_simplex(n, k, generator)


class BernoulliConfig(ComponentConfig):
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Seed of the order in which the feature maps of a path switch."""


class Bernoulli(TrainingMixer[BernoulliConfig]):
    """Feature maps switch from the first code to the second one by one, in a fixed random order.

    In training, a map comes from code j with probability w_j. The official code draws masks for two codes only (and, in
    another variant, one of three codes with equal chances); for more codes, this is the categorical draw with the same
    weights. Without a generator nothing is random: of C maps in shuffled order, the last code has the first int(C w_k),
    the code before it those up to int(C (w_(k-1) + w_k)), and so on.
    """

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        """The first int(t C) maps of the shuffled order come from `z1`; `InputError` if t is outside [0, 1]."""
        if bool(((t < 0) | (t > 1)).any()):
            raise InputError(
                f"t lies in [{t.min():g}, {t.max():g}]: the path 'bernoulli' is defined in [0, 1]; 'mixup' extrapolates"
            )
        switched = self._switches(z0) <= (t if t.ndim == 2 else t[None])[..., None]
        return torch.where(align(switched, z0[:, None]), z1[:, None], z0[:, None])

    @override
    def mix(
        self, codes: Tensor, weights: Tensor, *, model: LatentModel | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Take each feature map whole from one code, drawn from `generator` if there is one."""
        n, maps = len(codes), codes.shape[2]
        if generator is None:
            switches = self._switches(codes[:, 0])
        else:
            # In (0, 1]: a code of weight 0 never gets the map and a code of weight 1 always does.
            switches = (1 - torch.rand(n, maps, generator=generator)).to(codes.device)
        # A map comes from code j or a later one once their weights together reach its switch.
        shares = weights[:, 1:].flip(1).cumsum(1)
        source = (switches[..., None] <= shares[:, None]).sum(-1)
        return codes.gather(1, align(source, codes[:, 0])[:, None].expand_as(codes[:, :1])).squeeze(1)

    def draw(self, n: int, k: int, generator: Generator) -> Tensor:
        """One draw for the whole batch of a process, uniform on the simplex; for two codes (p, 1 - p), p ~ U(0, 1)."""
        return _uniform_simplex(1, k, generator).expand(n, k)

    def _switches(self, codes: Tensor) -> Tensor:
        """(C,): the position t at which each feature map of codes (B, C, ...) switches, 1 / C, 2 / C, ..., 1."""
        order = torch.randperm(codes.shape[1], generator=Generator().manual_seed(self.config.seed))
        return ((order + 1) / codes.shape[1] - _ROUNDING).to(codes.device)


def _uniform_simplex(n: int, k: int, generator: Generator) -> Tensor:
    """Dirichlet(1, ..., 1), (n, k): normalized exponentials, since `torch.distributions` takes no generator."""
    return torch.nn.functional.normalize(torch.empty(n, k).exponential_(generator=generator), p=1, dim=1)
