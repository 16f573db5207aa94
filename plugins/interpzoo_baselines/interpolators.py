"""Paths that need nothing but the two codes."""

from __future__ import annotations

from torch import Tensor

from interpzoo.interfaces import Interpolator
from interpzoo.model import InterpolationModel
from interpzoo.paths import lerp, slerp


class Linear(Interpolator):
    """The straight line."""

    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: InterpolationModel) -> Tensor:
        """See `Interpolator`."""
        return lerp(z0, z1, t)


class Slerp(Interpolator):
    """The great circle, for codes of a Gaussian prior; see `interpzoo.paths.slerp`."""

    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: InterpolationModel) -> Tensor:
        """See `Interpolator`."""
        return slerp(z0, z1, t)
