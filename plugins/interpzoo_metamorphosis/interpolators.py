"""Metamorphosis as a path between the codes of any model."""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.errors import MatchWarning, warn
from interpzoo.interfaces import LatentModel, Mixer, Solution
from interpzoo.progress import tracked
from interpzoo.tensors import untracked
from interpzoo_metamorphosis.averaging import Mean, average
from interpzoo_metamorphosis.morphing import Morph, MorphReport, morph

_IMAGES_AT_ONCE = 256
_PHOTO = 96  # pixels that both sides of a photo have at least: of small images a model's own structure is coarse


class Metamorphosis(Mixer):
    """The decoded ends are morphed as images, and the frames are encoded: what corresponds moves instead of fading.

    It tracks no gradients.
    """

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

    @override
    def through(self, codes: Tensor, *, model: LatentModel) -> Callable[[Tensor], Tensor]:
        """Smoothly, along the splines of `Mean.through`, if there are more than two codes."""
        if len(codes) == 2:
            return super().through(codes, model=model)
        mean, ways = _averaged(codes, model), len(codes) - 1

        def at(t: Tensor) -> Tensor:
            t = t.expand(ways, -1)
            path = codes.new_empty(*t.shape, *codes.shape[1:])
            for i, row in enumerate(t):
                ends = row.view(-1, *[1] * (codes.ndim - 1))
                steps = tracked(f"drawing frames to image {i + 2} of {ways + 1}", row.split(1))
                found = torch.cat([model.encoder(mean.through(one + i)) for one in steps])
                path[i] = torch.where(ends == 0, codes[i], torch.where(ends == 1, codes[i + 1], found))
            return path

        return at

    @override
    def mix(self, codes: Tensor, weights: Tensor, *, model: LatentModel, generator: Generator | None = None) -> Tensor:
        """The mix of the decoded images' shapes and colors; of two codes, the same as the path between them."""
        if codes.shape[1] == 2:
            return self(codes[:, 0], codes[:, 1], weights[:, 1:], model=model)[:, 0]
        mixed: list[Tensor] = []
        means: list[tuple[Tensor, Mean]] = []
        for row, shares in zip(codes, weights.split(1), strict=True):
            if not means or not torch.equal(means[-1][0], row):  # mostly all rows mix the same codes
                means = [(row, _averaged(row, model))]
            found = model.encoder(means[-1][1].mix(shares))
            mixed.append(row[shares[0].argmax()][None] if bool((shares == 1).any()) else found)
        return torch.cat(mixed)


@untracked
def _found(z0: Tensor, z1: Tensor, model: LatentModel) -> Morph:
    found = morph(*(_in_parts(model.decoder, z) for z in (z0, z1)))
    _warn_if_poor(found.report, found.a)
    return found


def _averaged(codes: Tensor, model: LatentModel) -> Mean:
    found = average(_in_parts(model.decoder, codes))
    _warn_if_poor(found.report, found.images)
    return found


def _warn_if_poor(reports: Sequence[MorphReport], images: Tensor) -> None:
    poor = [report.mismatch_after / report.mismatch_before for report in reports if report.is_poor]
    if poor and min(images.shape[-2:]) >= _PHOTO:
        which = "the two pictures" if len(reports) == 1 else f"some pictures ({len(poor)} of {len(reports)})"
        warn(
            f"{which} hardly match: {100 * max(poor):.0f} % of the difference in local structure is left where they "
            "were moved together (of framed portraits of two people at most 72 %), and frames may show both. To frame "
            "faces: model.frame(..., 'face'), --frame face. Crop others so that what corresponds is in the same place",
            MatchWarning,
        )


@untracked
def _codes(found: Morph, z0: Tensor, z1: Tensor, t: Tensor, model: LatentModel) -> Tensor:
    t = t.expand(len(z0), -1)
    codes = z0.new_empty(*t.shape, *z0.shape[1:])
    for i, column in enumerate(tracked("drawing frames", t.unbind(1))):
        # A frame at a time: images may be large, and codes are small only where the model makes them so.
        frames = _in_parts(model.encoder, found.frames(column[:, None])[:, 0])
        at = column.view(-1, *[1] * (z0.ndim - 1))
        codes[:, i] = torch.where(at == 0, z0, torch.where(at == 1, z1, frames))
    return codes


def _in_parts(network: torch.nn.Module, inputs: Tensor) -> Tensor:
    return torch.cat([network(part) for part in inputs.split(_IMAGES_AT_ONCE)])
