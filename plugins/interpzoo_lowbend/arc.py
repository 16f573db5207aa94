"""Arcs of a circle, which may begin anywhere: a closed manifold.

After the data set of arXiv 2104.13189, whose renderer is not published: every length here is a choice of ours.
"""

import math

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from interpzoo.geometry.manifolds import Cylinder, shorter_turn
from interpzoo.interfaces import Batch
from interpzoo_lowbend.pairs import Pairs, PairsConfig

_RADIUS, _BLUR = 0.6, 0.08
"""Radius of the circle, and standard deviation of the arc's Gaussian profile, in half images."""


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
        """``angle``: theta."""
        return {"angle": points[:, 0].float()}

    @override
    def draw(self, points: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """exp(-r^2 / (2 0.08^2)), r the distance from the arc; past its ends, along the circle and across."""
        theta, length = points.view(-1, 2, 1, 1).unbind(1)
        turned = shorter_turn(torch.atan2(y, x) - theta)
        beyond = _RADIUS * (turned.abs() - length / 2).clamp(min=0)
        away = (torch.hypot(x, y) - _RADIUS).square() + beyond.square()
        return (-away / (2 * _BLUR**2)).exp()[:, None]
