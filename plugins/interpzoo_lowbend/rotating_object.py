"""A colored object that turns in space.

After the data set of arXiv 2104.13189, whose object is not published; this one needs no file.
"""

import math
from typing import Final

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from interpzoo.geometry.manifolds import Rotations
from interpzoo_lowbend.pairs import Pairs, PairsConfig
from interpzoo_lowbend.splats import splat

_BALLS: Final = 12
_REACH, _WIDTH = 0.65, 0.16
"""Distance of the balls' centers from the origin, and a ball's standard deviation, in half images."""
_DENSITY: Final = 3.0
_NEARNESS: Final = 4.0
"""Balls at the front weigh e^8 times as much in a pixel's color as those at the back."""


class RotatingObjectConfig(PairsConfig):
    """Largest angle between the orientations of a pair, in radians."""

    epsilon: float = Field(default=math.pi / 6, gt=0, le=math.pi / 2)


class RotatingObject(Pairs[RotatingObjectConfig]):
    """Twelve soft balls on a sphere, each of its own color, turned in any way and seen from the front.

    A point is a rotation, a unit quaternion (w, x, y, z) with w >= 0; the distance of two is the angle of the rotation
    between them. The colors leave no symmetry. SO(3) is closed: it has no embedding in fewer than five dimensions, and
    one without distortion bends by 1 at least.
    """

    channels = 3
    manifold = Rotations()

    @override
    def draw(self, points: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """(1 - exp(-3 sum_k g_k)) sum_k w_k c_k / sum_k w_k, w_k = g_k exp(4 z_k), g_k the Gaussian of ball k."""
        balls = _turn(points, _centers())
        weight = (_NEARNESS * balls[..., 2:]).exp()
        amounts = torch.cat([weight * _colors(), weight, torch.ones_like(weight)], 2)
        sums = splat(_REACH * balls[..., :2], amounts, _WIDTH, x, y)
        color, weights, density = sums.split([3, 1, 1], 1)
        return color / weights * (1 - (-_DENSITY * density).exp())


def _centers() -> Tensor:
    """(K, 3): points on the unit sphere along a spiral, evenly spread."""
    k = torch.arange(_BALLS, dtype=torch.float64)
    z = 1 - (2 * k + 1) / _BALLS
    azimuth = math.pi * (3 - math.sqrt(5)) * k
    radius = (1 - z.square()).sqrt()
    return torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), z], 1)


def _colors() -> Tensor:
    """(K, 3): around the circle of hues."""
    hue = torch.arange(_BALLS, dtype=torch.float64)[:, None] / _BALLS
    return (1 + (2 * math.pi * (hue - torch.arange(3) / 3)).cos()) / 2


def _turn(quaternions: Tensor, vectors: Tensor) -> Tensor:
    """Vectors (K, 3) turned by each of (N, 4): (N, K, 3)."""
    w, axis = quaternions[:, None, :1], quaternions[:, None, 1:].expand(-1, len(vectors), -1)
    once = torch.linalg.cross(axis, vectors.expand_as(axis))
    return vectors + 2 * (w * once + torch.linalg.cross(axis, once))
