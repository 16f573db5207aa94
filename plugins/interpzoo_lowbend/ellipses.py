"""Ellipses under optimal transport: a manifold of images whose metric is curved.

After the data set of arXiv 2104.13189; whether its ellipses have this metric is not known, and every length here is a
choice of ours.
"""

from typing import Final

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from interpzoo.geometry.manifolds import Covariances
from interpzoo_lowbend.pairs import Pairs, PairsConfig

_EDGE: Final = 0.04
"""Standard deviation of the edge's blur, in half images."""


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
