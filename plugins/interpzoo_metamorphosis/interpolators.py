"""Metamorphosis as a path between the codes of any model."""

from collections.abc import Callable

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.interfaces import Interpolator, LatentModel, Solution
from interpzoo_metamorphosis.morphing import Morph, morph

_IMAGES_AT_ONCE = 256


class Metamorphosis(Interpolator):
    """The decoded ends are morphed as images, and the frames are encoded: what corresponds moves instead of fading."""

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return self.solve(z0, z1, t, model=model).codes

    @override
    def solve(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Solution:
        """The codes, and a `MorphReport` of each pair."""
        found = _found(z0, z1, model)
        return Solution(_codes(found, z0, z1, t, model), found.report)

    @override
    def path(self, z0: Tensor, z1: Tensor, *, model: LatentModel) -> Callable[[Tensor], Tensor]:
        found = _found(z0, z1, model)
        return lambda t: _codes(found, z0, z1, t, model)


def _found(z0: Tensor, z1: Tensor, model: LatentModel) -> Morph:
    return morph(*(_in_parts(model.decoder, z) for z in (z0, z1)))


def _codes(found: Morph, z0: Tensor, z1: Tensor, t: Tensor, model: LatentModel) -> Tensor:
    t = t.expand(len(z0), -1)
    codes = z0.new_empty(*t.shape, *z0.shape[1:])
    for i, column in enumerate(t.unbind(1)):
        # A frame at a time: images may be large, and codes are small only where the model makes them so.
        frames = _in_parts(model.encoder, found.frames(column[:, None])[:, 0])
        at = column.view(-1, *[1] * (z0.ndim - 1))
        codes[:, i] = torch.where(at == 0, z0, torch.where(at == 1, z1, frames))
    return codes


def _in_parts(network: torch.nn.Module, inputs: Tensor) -> Tensor:
    return torch.cat([network(part) for part in inputs.split(_IMAGES_AT_ONCE)])
