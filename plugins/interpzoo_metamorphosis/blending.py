"""Blending of two aligned images that keeps their detail.

The mean of two textures that do not match has half the variance of either: hair and skin turn to mist. Colors are
therefore blended linearly, and details by their strength as well, as in the pyramid fusion of Burt & Kolczynski (1993).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

_COARSEST = 32
"""Details are what is smaller than the image's longer side over this number."""
_SILENT = 1e-3
"""Details below this amplitude (of values in [0, 1]) count as this strong, so that flat parts are blended linearly."""


def blend(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """``(1 - t) a + t b`` for the coarse part; details with shares that grow with their local amplitude, too.

    Args:
        a, b: images (B, C, H, W).
        t: (B, 1, 1, 1); outside [0, 1] all is blended linearly.
    """
    levels = max(0, round(math.log2(max(a.shape[-2:]) / _COARSEST)))
    coarse_a, details_a = _split(a, levels)
    coarse_b, details_b = _split(b, levels)
    image = (1 - t) * coarse_a + t * coarse_b
    inside = t.clamp(0, 1)
    for detail_a, detail_b in zip(reversed(details_a), reversed(details_b), strict=True):
        strength_a, strength_b = (1 - inside) * _amplitude(detail_a), inside * _amplitude(detail_b)
        share = torch.where(inside == t, strength_b / (strength_a + strength_b), t)
        image = _enlarge(image, detail_a) + (1 - share) * detail_a + share * detail_b
    return image


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
