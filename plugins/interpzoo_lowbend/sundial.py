"""Sundials: the shadow of a rod under a light that moves on the sky.

After the data set of arXiv 2104.13189, whose renderer is not published: every length here is a choice of ours.
"""

import math
from typing import Final

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from interpzoo.geometry.manifolds import Cap
from interpzoo_lowbend.pairs import Pairs, PairsConfig
from interpzoo_lowbend.splats import splat

_HEIGHT, _BLUR = 0.5, 0.05
"""Height of the rod, and standard deviation of its shadow's blur, in half images: shadows end within 0.87."""
_DARKNESS: Final = 0.8
_BLOTS: Final = 24
"""Blots that make a shadow: three quarters of the blur apart where it is longest."""


class SundialConfig(PairsConfig):
    """Largest angle between the lights of a pair, in radians."""

    epsilon: float = Field(default=math.pi / 8, gt=0, le=math.pi / 2)


class Sundial(Pairs[SundialConfig]):
    """The shadow of a vertical rod, seen from above, under any light at least 30 degrees above the plane.

    A point is the direction (x, y, z) of the light, a unit vector; the distance of two is the angle between them. The
    cap of a sphere is curved: an embedding without any distortion has a mean squared bending of at least 1.
    """

    manifold = Cap(math.pi / 3)

    @override
    def draw(self, points: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """1 - 0.8 (1 + L^2 / (2 pi b^2))^1/2 mean_s exp(-|pixel - s tip|^2 / (2 b^2)), b = 0.05, L = |tip|.

        The shadow goes from the origin to the tip, away from the light; its middle is equally dark whatever its length.
        A blurred segment would be no smoother: at the zenith, where the shadow is a point that can grow in any
        direction, the image must change smoothly from the start.
        """
        tip = -_HEIGHT * points[:, :2] / points[:, 2:]
        along = (torch.arange(_BLOTS, dtype=tip.dtype) + 0.5) / _BLOTS
        depth = (1 + tip.square().sum(1) / (2 * math.pi * _BLUR**2)).sqrt()
        amounts = (_DARKNESS / _BLOTS * depth).view(-1, 1, 1).expand(-1, _BLOTS, 1)
        return 1 - splat(tip[:, None] * along[:, None], amounts, _BLUR, x, y)
