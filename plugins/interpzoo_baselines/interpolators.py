"""Paths that need nothing but the two codes."""

from torch import Tensor
from typing_extensions import override

from interpzoo.geometry import lerp, slerp
from interpzoo.interfaces import Interpolator, LatentModel


class Linear(Interpolator):
    """The straight line."""

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return lerp(z0, z1, t)


class Slerp(Interpolator):
    """The great circle between the directions of codes; norms change linearly; see `interpzoo.geometry.slerp`."""

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return slerp(z0, z1, t)
