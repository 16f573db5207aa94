"""Blending of aligned images that keeps their detail.

The mean of two textures that do not match has half the variance of either: hair and skin turn to mist. Colors are
therefore blended linearly, and details by their strength as well, as in the pyramid fusion of Burt & Kolczynski (1993).
"""

import functools
import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

_COARSEST = 32
"""Details are what is smaller than the image's longer side over this number."""
_SILENT = 1e-3
"""Details below this amplitude (of values in [0, 1]) count as this strong, so that flat parts are blended linearly."""


def blend(images: Sequence[Tensor], shares: Sequence[Tensor]) -> Tensor:
    """The weighted sum of the coarse parts; details with shares that grow with their local amplitude, too.

    Args:
        images: of one shape, (B, C, H, W).
        shares: one for each, (B, 1, 1, 1), with sum 1; where one is negative, all is blended linearly.
    """
    levels = max(0, round(math.log2(max(images[0].shape[-2:]) / _COARSEST)))
    coarse, details = zip(*(_split(image, levels) for image in images), strict=True)
    linear = torch.stack([*shares]).amin(0) < 0
    blended = _sum(share * part for share, part in zip(shares, coarse, strict=True))
    for level in range(levels - 1, -1, -1):
        parts = [of_image[level] for of_image in details]
        strengths = [share * _amplitude(part) for share, part in zip(shares, parts, strict=True)]
        total = _sum(strengths)
        own = [torch.where(linear, share, strength / total) for share, strength in zip(shares, strengths, strict=True)]
        blended = _enlarge(blended, parts[0]) + _sum(share * part for share, part in zip(own, parts, strict=True))
    return blended


def _sum(parts: Iterable[Tensor]) -> Tensor:
    return functools.reduce(torch.add, parts)


def _split(image: Tensor, levels: int) -> tuple[Tensor, list[Tensor]]:
    """The Laplacian pyramid of `image`: its coarse part, and details from fine to coarse."""
    details: list[Tensor] = []
    for _ in range(levels):
        half = functional.avg_pool2d(_smooth(image), 2, ceil_mode=True, count_include_pad=False)
        details.append(image - _enlarge(half, image))
        image = half
    return image, details


def _enlarge(small: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(small, like.shape[-2:], mode="bilinear", align_corners=False)


def _amplitude(detail: Tensor) -> Tensor:
    return (_smooth(_smooth(detail.square().sum(1, keepdim=True))) + _SILENT**2).sqrt()


def _smooth(maps: Tensor) -> Tensor:
    return functional.avg_pool2d(functional.pad(maps, (1, 1, 1, 1), mode="replicate"), 3, 1)
