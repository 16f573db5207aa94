"""Combinations of Gaussian codes as a path and a mix."""

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.errors import InputError
from interpzoo.interfaces import LatentModel, Mixer
from interpzoo_lol.combination import combine

_DRAWS = 4096
"""Draws of a prior whose exact mean is unknown: the estimate is within about 0.02 standard deviations."""


class Lol(Mixer):
    """Mixes of Gaussian codes that are as probable as the codes themselves; see `interpzoo_lol.combine`.

    The codes' mean is that of the model's training codes or, without them, that of its prior: exact if the prior gives
    its `mean`, or else that of 4,096 draws. The path is for codes of
    different images: between two equal codes the path leaves them and comes back, as no independent codes would.
    """

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        t = t.to(z0.dtype).expand(len(z0), -1)
        ends = torch.stack([z0, z1], 1)
        weights = torch.stack([1 - t, t], 2)
        rows = ends[:, None].expand(-1, t.shape[1], *ends.shape[1:]).flatten(0, 1)
        return combine(rows, weights.flatten(0, 1), _mean(model, z0)).unflatten(0, t.shape)

    @override
    def mix(self, codes: Tensor, weights: Tensor, *, model: LatentModel, generator: Generator | None = None) -> Tensor:
        return combine(codes, weights, _mean(model, codes[:, 0]))


def _mean(model: LatentModel, like: Tensor) -> Tensor:
    """The mean (*latent) of the model's codes, on the device and in the type of `like` (B, *latent)."""
    if model.codes is not None:
        mean = model.codes.float().mean(0)
    elif model.prior is not None:
        mean = model.prior.mean
        if mean is None:
            mean = model.prior.sample(_DRAWS, generator=Generator().manual_seed(0)).mean(0)
    else:
        raise InputError(
            f"the path 'lol' needs the mean of the codes, and {model.name!r} has neither training codes nor a prior: "
            "set model.codes to encoded training images"
        )
    if mean.shape != like.shape[1:]:
        # A model of any size: codes of another size than its own have the same mean in each place.
        mean = mean.flatten(1).mean(1).view(-1, *[1] * (like.ndim - 2)).expand(like.shape[1:])
    return mean.to(like)
