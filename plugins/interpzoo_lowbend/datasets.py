"""The data sets of arXiv 2104.13189, drawn: shadows of a rod, a turning object, arcs and ellipses.

The paper's renderers and its object are not published, nor whether its ellipses have the metric of optimal transport:
every length here is a choice of ours, and no data set needs a file.
"""

import math
from typing import Final

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from interpzoo.geometry.manifolds import Cap, Covariances, Cylinder, Rotations, shorter_turn
from interpzoo.interfaces import Batch
from interpzoo_lowbend.pairs import Pairs, PairsConfig

_HEIGHT, _SHADOW_BLUR = 0.5, 0.05
"""Height of the rod, and standard deviation of its shadow's blur, in half images: shadows end within 0.87."""
_DARKNESS: Final = 0.8
_BLOTS: Final = 24
"""Blots that make a shadow: three quarters of the blur apart where it is longest."""
_BALLS: Final = 12
_REACH, _WIDTH = 0.65, 0.16
"""Distance of the balls' centers from the origin, and a ball's standard deviation, in half images."""
_DENSITY: Final = 3.0
_NEARNESS: Final = 4.0
"""Balls at the front weigh e^8 times as much in a pixel's color as those at the back."""
_RADIUS, _ARC_BLUR = 0.6, 0.08
"""Radius of the circle, and standard deviation of the arc's Gaussian profile, in half images."""
_EDGE: Final = 0.04
"""Standard deviation of the blur of an ellipse's edge, in half images."""


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

        The shadow goes from the origin to the tip; its middle is equally dark whatever its length. A blurred
        segment would not be smooth at the zenith, where the shadow is a point that can grow in any direction.
        """
        tip = -_HEIGHT * points[:, :2] / points[:, 2:]
        along = (torch.arange(_BLOTS, dtype=tip.dtype) + 0.5) / _BLOTS
        depth = (1 + tip.square().sum(1) / (2 * math.pi * _SHADOW_BLUR**2)).sqrt()
        amounts = (_DARKNESS / _BLOTS * depth).view(-1, 1, 1).expand(-1, _BLOTS, 1)
        return 1 - _splat(tip[:, None] * along[:, None], amounts, _SHADOW_BLUR, x, y)


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
        sums = _splat(_REACH * balls[..., :2], amounts, _WIDTH, x, y)
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


class ArcConfig(PairsConfig):
    """Largest distance between the arcs of a pair, in radians."""

    epsilon: float = Field(default=math.pi / 6, gt=0, le=math.pi / 2)


class Arc(Pairs[ArcConfig]):
    """A bright arc around the center, in any direction and 45 to 180 degrees long.

    A point is the angle theta of the arc's middle in [0, 2 pi), anticlockwise from the right, and its length, both in
    radians. The distance d, d^2 = dtheta^2 + dlength^2 / 4, is the root mean square of how far the two ends move, with
    dtheta the shorter way round. The manifold is flat but closed: an embedding without distortion bends. A batch also
    carries ``angle`` (B,), theta.
    """

    fields = Pairs.fields | {"angle"}
    manifold = Cylinder(math.pi / 4, math.pi, 0.5)

    @override
    def other_fields(self, points: Tensor) -> Batch:
        return {"angle": points[:, 0].float()}

    @override
    def draw(self, points: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """exp(-r^2 / (2 0.08^2)), r the distance from the arc; past its ends, along the circle and across."""
        theta, length = points.view(-1, 2, 1, 1).unbind(1)
        turned = shorter_turn(torch.atan2(y, x) - theta)
        beyond = _RADIUS * (turned.abs() - length / 2).clamp(min=0)
        away = (torch.hypot(x, y) - _RADIUS).square() + beyond.square()
        return (-away / (2 * _ARC_BLUR**2)).exp()[:, None]


class EllipsesConfig(PairsConfig):
    """Largest distance between the ellipses of a pair, in half images."""

    epsilon: float = Field(default=0.1, gt=0, le=0.15)  # below every semi-axis: longer geodesics may degenerate


class Ellipses(Pairs[EllipsesConfig]):
    """A filled ellipse at the center, in any direction, with axes up to 3 to 1.

    A point is (a, b, c) of the matrix A = [[a, b], [b, c]] whose ellipse is x^T A^-1 x = 1, in half images: the roots
    of its eigenvalues are the semi-axes, the root of its trace lies in [0.5, 0.9]. The distance of two is the
    Bures-Wasserstein distance of their matrices, twice the 2-Wasserstein distance of the uniform measures on them.
    """

    manifold = Covariances(0.5, 0.9, 0.6)

    @override
    def draw(self, points: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Phi(r / 0.04), r the distance inwards from the edge to first order: (1 - x^T A^-1 x) / (2 |A^-1 x|)."""
        a, b, c = points.view(-1, 3, 1, 1).unbind(1)
        determinant = a * c - b.square()
        u, v = (c * x - b * y) / determinant, (a * y - b * x) / determinant
        # The center pixel of an image of odd size has no nearest edge point, and lies far inside.
        inwards = (1 - x * u - y * v) / (2 * torch.hypot(u, v)).clamp(min=torch.finfo(torch.float64).tiny)
        return torch.special.ndtr(inwards / _EDGE)[:, None]


def _splat(centers: Tensor, amounts: Tensor, width: float, x: Tensor, y: Tensor) -> Tensor:
    """(N, C, H, W): sums over k of amounts (N, K, C) times exp(-r^2 / (2 width^2)), r from centers (N, K, 2)."""
    across, down = (
        (-(line - centers[..., axis, None]).square() / (2 * width**2)).exp() for axis, line in enumerate((x, y[:, 0]))
    )
    # A blot is the product of a row and a column, so that their sum is a product of matrices.
    return (amounts.mT[:, :, None] * down.mT[:, None]) @ across[:, None]
