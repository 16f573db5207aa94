"""Arcs of a circle, which may begin anywhere: a manifold that closes upon itself.

After the data set of arXiv 2104.13189, whose renderer is not published: every length here is a choice of ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from interpzoo_lowbend.pairs import Pairs, PairsConfig
from interpzoo_lowbend.spaces import Cylinder

_RADIUS, _BLUR = 0.6, 0.08
"""Of the circle, and the standard deviation of the arc's Gaussian profile, in half images."""


class ArcConfig(PairsConfig):
    """How far apart the arcs of a pair are at most, in radians."""

    epsilon: float = Field(default=math.pi / 6, gt=0, le=math.pi / 2)


class Arc(Pairs[ArcConfig]):
    """A bright arc around the centre, of any direction and 45 to 180 degrees long.

    A point is the angle theta of the arc's middle in [0, 2 pi), anticlockwise from the right, and its length, both in
    radians. The distance of two, d^2 = dtheta^2 + dlength^2 / 4, is by how much the two ends move, in the root of the
    mean square; dtheta is taken the shorter way round. The manifold is flat but closed: without distortion, it bends.
    A batch carries ``angle`` (B,), theta, as well.
    """

    fields = Pairs.fields | {"angle"}
    space = Cylinder(math.pi / 4, math.pi, 0.5)

    def other_fields(self, points: Tensor) -> Mapping[str, Tensor]:
        """``angle``: theta."""
        return {"angle": points[:, 0].float()}

    def render(self, points: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """exp(-r^2 / (2 0.08^2)), r the distance from the arc, around its ends measured along the circle and across."""
        theta, length = points.view(-1, 2, 1, 1).unbind(1)
        turned = torch.remainder(torch.atan2(y, x) - theta + math.pi, 2 * math.pi) - math.pi
        beyond = _RADIUS * (turned.abs() - length / 2).clamp(min=0)
        away = (torch.hypot(x, y) - _RADIUS).square() + beyond.square()
        return (-away / (2 * _BLUR**2)).exp()[:, None]
