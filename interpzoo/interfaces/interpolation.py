"""Paths between codes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Generator, Tensor

from interpzoo.interfaces.component import ConfigT, Configured
from interpzoo.interfaces.networks import LatentModel
from interpzoo.registry import Kind


class Interpolator(Configured[ConfigT], ABC):
    """A path between codes."""

    kind: ClassVar[Kind] = "interpolator"

    report: Any = None
    """What the last call has to say of its paths, pair by pair, where the path is searched for."""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @abstractmethod
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        """Codes at `t` between `z0` and `z1`.

        Args:
            z0: start codes (B, *latent_shape).
            z1: end codes (B, *latent_shape).
            t: positions (T,) or (B, T); 0 is `z0`, 1 is `z1`, values outside extrapolate where the path can.
            model: whose encoder, decoder and training codes the path may use.

        Returns:
            (B, T, *latent_shape); bit for bit `z0` where t = 0 and `z1` where t = 1.

        Raises:
            InputError: the path is not defined at some `t`.
        """


class Mixer(Interpolator[ConfigT]):
    """An interpolator that mixes any number of codes."""

    @abstractmethod
    def mix(self, codes: Tensor, weights: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Codes (B, k, *latent_shape) under weights (B, k) on the simplex, mixed to (B, *latent_shape)."""
