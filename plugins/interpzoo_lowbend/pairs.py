"""Data sets of image pairs at known distance, with the image halfway between."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

import torch
from torch import Generator, Tensor
from typing_extensions import TypeVar, override

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError, InputError
from interpzoo.interfaces import Batch, DataSet, Truth
from interpzoo_lowbend.spaces import Space

_CHUNK: Final = 256
_SMALLEST, _LARGEST = 16, 128  # below, the finest detail falls between the pixels; above, no recipe's networks go
_TEST: Final = 1_000
_TEST_SEED: Final = 210413189
_KNOWN: Final = 2_000
_KNOWN_SEED: Final = 189210413
REACH: Final = 2.0
"""Epsilons between the ends of a path, at most, as in `score_geodesics`."""


class PairsConfig(ComponentConfig):
    """How far apart the images of a pair are at most; each data set has a default and a largest value of its own."""

    epsilon: float
    """In the units of the data set's distance; the nearest pairs are a tenth of it apart."""


PairsT = TypeVar("PairsT", bound=PairsConfig, default=PairsConfig, covariant=True)


class Pairs(DataSet[PairsT], Truth):
    """Endless pairs of near points of a manifold, drawn; held out: 1,000 of a seed of their own.

    A batch carries ``image``, ``partner`` and ``midpoint`` (B, C, H, W): the images of two points and of the middle of
    the geodesic between them, never the mean of two images; ``distance`` (B,): from point to point; and ``parameters``
    (B, k): the point of ``image``. All are float32, computed in float64. The true way between two is the geodesic; what
    is scored are pairs up to 2 epsilon apart.

    Raises:
        ConfigError: `image` is not square, of `channels` channels and between 16x16 and 128x128.
    """

    fields = frozenset({"image", "partner", "midpoint", "distance", "parameters"})
    license = "cc0-1.0"
    channels: ClassVar[int] = 1
    """Of the images."""
    space: ClassVar[Space]
    """Where the points come from."""

    def __init__(self, config: PairsT, image: ImageSpec, root: Path | None = None) -> None:
        super().__init__(config, image, root)
        if image.channels != self.channels or image.height != image.width or not _SMALLEST <= image.height <= _LARGEST:
            raise ConfigError(
                f"{type(self).__name__}: image = {image.channels}x{image.height}x{image.width}: expected "
                f"channels = {self.channels} and a square from {_SMALLEST}x{_SMALLEST} to {_LARGEST}x{_LARGEST}"
            )
        self.epsilon = config.epsilon
        self._side = image.height

    def train(self, indices: Tensor, generator: Generator) -> Batch:
        """As many fresh pairs as there are `indices`, drawn from `generator`."""
        return self._batch(*self.space.pairs(len(indices), self.epsilon, generator))

    def test(self, limit: int | None = None) -> Batch:
        """The held-out pairs, the first `limit` of them, always the same.

        Raises:
            InputError: `limit` is less than 1.
        """
        if limit is not None and limit < 1:
            raise InputError(f"limit = {limit}: expected at least 1, or None for all {_TEST}")
        p, q = self.space.pairs(_TEST, self.epsilon, Generator().manual_seed(_TEST_SEED))
        return self._batch(p[:limit], q[:limit])

    def draw(self, points: Tensor) -> Tensor:
        """Images (N, C, H, W), float32 in [0, 1], of points (N, k) of the manifold.

        Raises:
            InputError: `points` is of another shape or type, or not finite.
        """
        k = self.space.coordinates
        if points.ndim != 2 or points.shape[1] != k or not points.is_floating_point() or not points.isfinite().all():
            raise InputError(
                f"points of shape {tuple(points.shape)} and {points.dtype}: expected finite floating-point numbers "
                f"(N, {k})"
            )
        chunks = [self.render(chunk, *self._grid()).float() for chunk in points.double().split(_CHUNK)]
        return torch.cat(chunks) if chunks else torch.empty(0, self.channels, self._side, self._side)

    @abstractmethod
    def render(self, points: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] of points (N, k), all in float64.

        They are smooth in the points, as a second difference of their codes is to be divided by a small d^2.

        Args:
            points: of the manifold.
            x: (W,) where the columns' centres are, from -1 on the left to 1 on the right edge of the image.
            y: (H, 1) where the rows' centres are, from 1 at the top edge down to -1.
        """

    def pairs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Points (n, k) of starts and ends, at most `REACH` epsilon apart."""
        return self.space.pairs(n, REACH * self.epsilon, generator)

    def between(self, starts: Tensor, ends: Tensor, t: Tensor) -> Tensor:
        """See `Truth.between`: on geodesics."""
        return torch.stack([self.space.between(starts, ends, float(share)) for share in t], 1)

    @override
    def show(self, parameters: Tensor) -> Tensor:
        return self.draw(parameters)

    def known(self) -> Tensor:
        """See `Truth.known`: 2,000 points, uniform; of more than two dimensions they are no fine net."""
        return self.space.sample(_KNOWN, Generator().manual_seed(_KNOWN_SEED))

    def ways(self, p: Tensor, q: Tensor) -> Tensor:
        """See `Truth.ways` and `Space.way`."""
        shape = torch.broadcast_shapes(p.shape, q.shape)
        first, last = p.expand(shape).reshape(-1, shape[-1]), q.expand(shape).reshape(-1, shape[-1])
        return self.space.way(first, last).view(*shape[:-1], -1)

    def other_fields(self, points: Tensor) -> Mapping[str, Tensor]:
        """What a batch carries besides, of the points (B, k) of its ``image``."""
        return {}

    def _grid(self) -> tuple[Tensor, Tensor]:
        x = (2 * torch.arange(self._side, dtype=torch.float64) + 1) / self._side - 1
        return x, -x[:, None]

    def _batch(self, p: Tensor, q: Tensor) -> Batch:
        image, partner, midpoint = self.draw(torch.cat([p, q, self.space.between(p, q, 0.5)])).chunk(3)
        return {
            "image": image,
            "partner": partner,
            "midpoint": midpoint,
            "distance": self.space.distance(p, q).float(),
            "parameters": p.float(),
            **self.other_fields(p),
        }
