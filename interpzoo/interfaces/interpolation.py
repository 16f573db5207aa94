"""Paths between codes."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from interpzoo.interfaces.component import ConfigT, Configured
from interpzoo.interfaces.networks import LatentModel
from interpzoo.registry import Kind


@dataclass(frozen=True, eq=False)
class Solution:
    """Codes on a path, and how well the path was found."""

    codes: Tensor
    """(B, T, *latent_shape)."""
    report: object = None
    """How well each of the B paths was found, where paths are searched for; otherwise ``None``. Each path
    has a class of its own for it: test for that with ``isinstance``."""


class Interpolator(Configured[ConfigT], ABC):
    """A path between codes.

    One with weights is a module as well, ``class Mine(nn.Module, Interpolator[MineConfig])``. They are drawn, saved and
    loaded with the model that it is the path of, and a regularizer trains them as ``model.interpolator``.

    A path with a formula computes it with torch, so that it has derivatives. One that is searched for is marked by
    `interpzoo.tensors.untracked`, so that nobody takes its derivative for 0.
    """

    kind: ClassVar[Kind] = "interpolator"

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @abstractmethod
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        """Codes at `t` between `z0` and `z1`.

        Args:
            z0: start codes (B, *latent_shape).
            z1: end codes (B, *latent_shape).
            t: positions (T,) or (B, T); 0 is `z0`, 1 is `z1`, values outside extrapolate where the path can.
            model: the model, of which the path may use encoder, decoder and training codes.

        Returns:
            (B, T, *latent_shape); bit for bit `z0` where t = 0 and `z1` where t = 1.

        Raises:
            InputError: the path is not defined at some `t`.
        """

    def solve(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Solution:
        """The codes of `__call__`, with a report where the path is searched for."""
        return Solution(self(z0, z1, t, model=model))

    def path(self, z0: Tensor, z1: Tensor, *, model: LatentModel) -> Callable[[Tensor], Tensor]:
        """The codes of `__call__` as a function of `t`, for several `t`.

        A path that is searched for overrides this to search once.
        """
        return lambda t: self(z0, z1, t, model=model)

    def through(self, codes: Tensor, *, model: LatentModel) -> Callable[[Tensor], Tensor]:
        """The path through `codes` (k, *latent_shape) in turn, as a function of `t` like that of `path`.

        Its k - 1 rows are the ways from each code to the next, with `t` from 0 to 1 on each: those of `path`, unless
        the interpolator overrides this to pass the codes smoothly.
        """
        return self.path(codes[:-1], codes[1:], model=model)


class Mixer(Interpolator[ConfigT]):
    """An interpolator that mixes any number of codes."""

    @abstractmethod
    def mix(self, codes: Tensor, weights: Tensor, *, model: LatentModel, generator: Generator | None = None) -> Tensor:
        """Codes (B, k, *latent_shape) under weights (B, k) on the simplex, mixed to (B, *latent_shape).

        `model` is as in ``__call__``. With a `generator` the mix may be random; without one it never is.
        """
