"""The mixers of AMR: convex combinations of codes, and codes put together from whole feature maps.

Source: arXiv 1903.02709, section 2; official code, models/swapgan.py, threegan.py and kgan.py. A feature map is what
stands at one index of a code's first dimension: a channel (H, W), or a single number where codes are flat.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

import torch
from pydantic import Field
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.config import ComponentConfig
from interpzoo.errors import InputError
from interpzoo.geometry import lerp
from interpzoo.interfaces import ConfigT, LatentModel, Mixer

_ROUNDING: Final = 1e-6
"""How much a position may fall short, by float32, of the one at which the next feature map switches."""


class TrainingMixer(Mixer[ConfigT]):
    """A mixer that says which weights it is trained with."""

    @abstractmethod
    def draw(self, n: int, k: int, generator: Generator) -> Tensor:
        """Weights (n, k), on the CPU, for a batch of `n` mixes of `k` codes."""


class Mixup(TrainingMixer):
    """The convex combination of any number of codes; of two, the straight line."""

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return lerp(z0, z1, t)

    def mix(self, codes: Tensor, weights: Tensor, *, generator: Generator | None = None) -> Tensor:
        """sum_j w_j z_j; see `Mixer.mix`."""
        return (_align(weights, codes) * codes).sum(1)

    def draw(self, n: int, k: int, generator: Generator) -> Tensor:
        """Uniform on the simplex, Dirichlet(1, ..., 1), for each mix its own; of two codes alpha ~ U(0, 1)."""
        return _uniform_simplex(n, k, generator)


class BernoulliConfig(ComponentConfig):
    """Settings of the feature-map mixer."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Of the shuffle that says in which order the feature maps of a path switch."""


class Bernoulli(TrainingMixer[BernoulliConfig]):
    """Feature maps switch from the first code to the second one by one, in a fixed random order.

    In training a map comes from code j with the probability w_j. Official code draws the mask for two codes alone (one
    of three, with equal chances, in another variant); for more codes this is the categorical draw under the same
    weights. Without a generator nothing is random: of C maps the last code has the first int(C w_k) of the shuffle,
    the last but one those up to int(C (w_(k-1) + w_k)), and so on.
    """

    def __init__(self, config: BernoulliConfig) -> None:
        super().__init__(config)
        self.seed = config.seed

    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        """See `Interpolator`; the first int(t C) maps of the shuffle are `z1`'s.

        Raises:
            InputError: some t lies outside [0, 1], where there is nothing to switch.
        """
        if bool(((t < 0) | (t > 1)).any()):
            raise InputError(
                f"t lies in [{t.min():g}, {t.max():g}]: the path 'bernoulli' is defined in [0, 1]; 'mixup' extrapolates"
            )
        switched = self._switches(z0) <= (t if t.ndim == 2 else t[None])[..., None]
        return torch.where(_align(switched, z0[:, None]), z1[:, None], z0[:, None])

    def mix(self, codes: Tensor, weights: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Each feature map whole from one of the codes, drawn from `generator` if there is one; see `Mixer.mix`."""
        n, maps = len(codes), codes.shape[2]
        if generator is None:
            switches = self._switches(codes[:, 0])
        else:
            # In (0, 1], so that a weight of 0 never and a weight of 1 always has the map.
            switches = (1 - torch.rand(n, maps, generator=generator)).to(codes.device)
        # A map passes on to code j once the weights from j on reach its switch.
        shares = weights[:, 1:].flip(1).cumsum(1)
        source = (switches[..., None] <= shares[:, None]).sum(-1)
        return codes.gather(1, _align(source, codes[:, 0])[:, None].expand_as(codes[:, :1])).squeeze(1)

    def draw(self, n: int, k: int, generator: Generator) -> Tensor:
        """Uniform on the simplex, one draw for all of a process's batch; of two codes (p, 1 - p), p ~ U(0, 1)."""
        return _uniform_simplex(1, k, generator).expand(n, k)

    def _switches(self, codes: Tensor) -> Tensor:
        """(C,): the position t at which each feature map of codes (B, C, ...) switches, 1 / C, 2 / C, ..., 1."""
        order = torch.randperm(codes.shape[1], generator=Generator().manual_seed(self.seed))
        return ((order + 1) / codes.shape[1] - _ROUNDING).to(codes.device)


def _uniform_simplex(n: int, k: int, generator: Generator) -> Tensor:
    """Dirichlet(1, ..., 1), (n, k): normalised exponentials, since `torch.distributions` takes no generator."""
    return torch.nn.functional.normalize(torch.empty(n, k).exponential_(generator=generator), p=1, dim=1)


def _align(weights: Tensor, codes: Tensor) -> Tensor:
    """`weights` with trailing axes of length 1, as many as `codes` has more."""
    return weights.view(*weights.shape, *(1 for _ in codes.shape[weights.ndim :]))
