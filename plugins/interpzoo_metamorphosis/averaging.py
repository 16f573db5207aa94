"""Morphs between any number of images: their mean shape, the field from it to each of them, and paths through them.

The mean is that of Guimond, Meunier and Thirion (2000): match one image with the others, move all of them to the mean
of the fields, blend them, match the blend with each image, and move it to the mean again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.progress import tracked
from interpzoo_metamorphosis.blending import blend
from interpzoo_metamorphosis.fields import compose, exponential, joined, resample, warp
from interpzoo_metamorphosis.matching import find_velocity
from interpzoo_metamorphosis.morphing import (
    AT_ONCE,
    MorphReport,
    at_working_size,
    checked_images,
    report_of,
    structure_of,
    unfolded,
)


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean of k images."""

    images: Tensor
    """(k, C, H, W)."""
    velocity: Tensor
    """(k, 2, h, w): stationary velocities with sum 0, pixels of their own grid. Each flow takes pixels of the mean to
    those of an image."""
    report: Sequence[MorphReport] = ()
    """How well each image was matched with that of them which is most like all."""

    def mix(self, weights: Tensor) -> Tensor:
        """Images (N, C, H, W) whose shapes and colors are mixed under `weights` (N, k) with sum 1.

        The same bits as an image whose weight is 1. Weights outside [0, 1] exaggerate shapes.
        """
        return torch.cat([self._frame(row, row) for row in self._checked(weights)])

    def through(self, t: Tensor) -> Tensor:
        """Images (T, C, H, W) on a smooth path through all k images; image i is at t = i, from 0 to k - 1.

        Shapes move along the natural cubic spline through the velocities, which accelerates least and does not stop at
        an image; colors are those of the images before and after.
        """
        shapes, colors = _spline(t, len(self.images)), _hats(t, len(self.images))
        return torch.cat([self._frame(*row) for row in zip(shapes, colors, strict=True)])

    def _frame(self, shape: Tensor, color: Tensor) -> Tensor:
        """One image (1, C, H, W) of the weighted shape; images without a share in its color take no time."""
        used = color.nonzero()[:, 0]
        if len(used) == 1 and bool(shape[used] == 1):
            return self.images[used]
        size = self.images.shape[-2:]
        to_mean = exponential(-(shape.view(-1, 1, 1, 1) * self.velocity).sum(0, keepdim=True))
        parts = self.images[used].split(1)
        fields = [resample(compose(exponential(v), to_mean), *size) for v in self.velocity[used].split(1)]
        moved = [warp(image, field, "bicubic") for image, field in zip(parts, fields, strict=True)]
        frame = blend(moved, [share.view(1, 1, 1, 1) for share in color[used]])
        low, high = self.images[used].aminmax()
        return frame.clamp(low, high)

    def _checked(self, weights: Tensor) -> Tensor:
        if weights.ndim != 2 or weights.shape[1] != len(self.images):
            raise InputError(f"weights have shape {tuple(weights.shape)}, expected (N, {len(self.images)})")
        return weights.to(self.images)


@torch.no_grad()
def average(images: Tensor) -> Mean:
    """Find the mean shape of `images` (k, C, H, W) and the field to each; about two matches an image.

    Raises:
        InputError: `images` are not such, or not finite.
    """
    images = checked_images("images", images)
    if len(images) == 1:
        return Mean(images, images.new_zeros(1, 2, 8, 8))
    maps = torch.cat([structure_of(part) for part in images.split(AT_ONCE)])
    hub = int((maps - maps.mean(0)).square().mean((1, 2, 3)).argmin())
    to_hub = matched(maps, maps[hub : hub + 1])
    parts = zip(maps.split(AT_ONCE), to_hub.split(AT_ONCE), strict=True)
    report = [row for part, ways in parts for row in report_of(part, maps[hub].expand_as(part), ways)]
    mean = Mean(images, centered(to_hub))
    working = Mean(at_working_size(images), mean.velocity)
    blended = working.mix(torch.full((1, len(images)), 1 / len(images)))
    return Mean(images, unfolded(centered(matched(maps, structure_of(blended)))), report)


def matched(maps: Tensor, reference: Tensor) -> Tensor:
    """The velocities (k, 2, h, w) whose flows take pixels of `reference` to those of each image."""
    parts = tracked("matching images", maps.split(AT_ONCE), len)
    return torch.cat([find_velocity(part, reference.expand(len(part), -1, -1, -1)) for part in parts])


def centered(velocity: Tensor, about: Tensor | None = None) -> Tensor:
    """The velocities (k, 2, h, w) from the mean of where they lead, or where those of `about` do."""
    mean = (velocity if about is None else about).mean(0, keepdim=True)
    return joined(velocity, -mean.expand_as(velocity))


def _hats(t: Tensor, k: int) -> Tensor:
    """Weights (T, k) of the straight line from each of k values at 0, 1, ..., k - 1 to the next."""
    return (1 - (t.clamp(0, k - 1)[:, None] - torch.arange(k, device=t.device)).abs()).clamp_min(0)


def _spline(t: Tensor, k: int) -> Tensor:
    """Weights (T, k) of the natural cubic spline through k values at 0, 1, ..., k - 1."""
    knots = torch.eye(k, dtype=torch.float64)
    bends = torch.zeros(k, k, dtype=torch.float64)
    if k > 2:
        # The second derivatives at the knots, 0 at both ends.
        beside = torch.ones(k - 3, dtype=torch.float64)
        system = 4 * torch.eye(k - 2, dtype=torch.float64) + beside.diag(1) + beside.diag(-1)
        bends[1:-1] = torch.linalg.solve(system, 6 * (knots[2:] - 2 * knots[1:-1] + knots[:-2]))
    at = t.double().cpu()
    i = at.floor().clamp(0, k - 2).long()
    right = (at - i)[:, None]
    left = 1 - right
    weights = left * knots[i] + right * knots[i + 1]
    weights += ((left**3 - left) * bends[i] + (right**3 - right) * bends[i + 1]) / 6
    return weights.to(t)
