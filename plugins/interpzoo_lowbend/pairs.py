"""Data sets of image pairs at known distance, with the image halfway between."""

from abc import abstractmethod
from typing import ClassVar, Final

import torch
from torch import Generator, Tensor
from typing_extensions import TypeVar, override

from interpzoo.config import ComponentConfig
from interpzoo.data.drawn import Drawn
from interpzoo.errors import InputError
from interpzoo.geometry import SampledManifold
from interpzoo.interfaces import Batch, check_limit

_CHUNK: Final = 256
_TEST: Final = 1_000
_TEST_SEED: Final = 210413189
_GRID: Final = 2_000
_GRID_SEED: Final = 189210413
REACH: Final = 2.0
"""Largest distance between the ends of a scored path, in epsilons."""


class PairsConfig(ComponentConfig):
    """Settings of data sets of pairs; each has its own default and upper bound."""

    epsilon: float
    """Largest distance of a pair, in the units of the data set's own; the nearest pairs are a tenth of it apart."""


PairsT = TypeVar("PairsT", bound=PairsConfig, default=PairsConfig, covariant=True)


class Pairs(Drawn[PairsT]):
    """Endless pairs of near points of a manifold, drawn; 1,000 are held out, drawn from a seed of their own.

    A batch carries ``image``, ``partner`` and ``midpoint`` (B, C, H, W): the images of two points and of the middle of
    the geodesic between them, never the mean of two images; ``distance`` (B,): from point to point; and ``parameters``
    (B, P): the point of ``image``. All are float32, computed in float64. The ground-truth path is the geodesic; scored
    pairs are at most 2 epsilon apart.
    """

    fields = frozenset({"image", "partner", "midpoint", "distance", "parameters"})
    sides = range(16, 129)  # below, the finest detail falls between the pixels; above, no recipe's networks go
    manifold: ClassVar[SampledManifold]  # pyright: ignore[reportIncompatibleVariableOverride]  # never assigned to

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return self._batch(*self.manifold.pairs(len(indices), self.config.epsilon, generator))

    @override
    def test(self, limit: int | None = None) -> Batch:
        check_limit(limit)
        p, q = self.manifold.pairs(_TEST, self.config.epsilon, Generator().manual_seed(_TEST_SEED))
        return self._batch(p[:limit], q[:limit])

    @override
    def render(self, parameters: Tensor) -> Tensor:
        """Images (N, C, H, W), float32 in [0, 1], of points (N, P) of the manifold.

        Raises:
            InputError: `parameters` is of another shape or type, or not finite.
        """
        k = self.manifold.coordinates
        if parameters.shape[1:] != (k,) or not parameters.is_floating_point() or not parameters.isfinite().all():
            raise InputError(
                f"points of shape {tuple(parameters.shape)} and {parameters.dtype}: expected finite floating-point "
                f"numbers (N, {k})"
            )
        x = (2 * torch.arange(self.side, dtype=torch.float64) + 1) / self.side - 1
        chunks = [self.draw(chunk, x, -x[:, None]).float() for chunk in parameters.double().split(_CHUNK)]
        return torch.cat(chunks) if chunks else torch.empty(0, self.channels, self.side, self.side)

    @abstractmethod
    def draw(self, points: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] of points (N, P), all in float64.

        They are smooth in the points, because a second difference of their codes is divided by a small d^2. `x` (W,)
        has the centers of the columns and `y` (H, 1) those of the rows: the edges are at -1 and 1, and `y` points up.
        """

    @override
    def pairs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        return self.manifold.pairs(n, REACH * self.config.epsilon, generator)

    @override
    def reference_grid(self) -> Tensor:
        """2,000 points, uniform; in more than two dimensions they are far apart."""
        return self.manifold.sample(_GRID, Generator().manual_seed(_GRID_SEED))

    def other_fields(self, points: Tensor) -> Batch:
        """Further fields of a batch, from the points (B, P) of its ``image``."""
        return {}

    def _batch(self, p: Tensor, q: Tensor) -> Batch:
        image, partner, midpoint = self.render(torch.cat([p, q, self.manifold.midpoint(p, q)])).chunk(3)
        return {
            "image": image,
            "partner": partner,
            "midpoint": midpoint,
            "distance": self.manifold.distance(p, q).float(),
            "parameters": p.float(),
            **self.other_fields(p),
        }
