"""The energy of a batch of curves between fixed ends, and its derivatives with respect to their nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache

import torch
from torch import Tensor

from interpzoo.geometry import Decode, jacobian, vjp
from interpzoo.tensors import widest
from interpzoo_riemannian.checks import rounding
from interpzoo_riemannian.clock import Clock

_REACH = 3
"""Largest distance between two nodes that one chord depends on: a chord to a midpoint depends on four nodes."""

ENERGY = 2
"""Passes through the decoder that the energy and its gradient take at a point; a linearization takes d + 1."""


@dataclass(frozen=True)
class Linearization:
    """The energy of curves and, by Gauss-Newton, its derivatives with respect to their free nodes; all in float64."""

    energy: Tensor
    """(B,)."""
    gradient: Tensor
    """(B, n, d)."""
    bands: tuple[Tensor, ...]
    """(B, n - k, d, d) each: the blocks (i, i + k) of the Gauss-Newton matrix, k = 0, 1, ...; all others are zero."""
    size: Tensor
    """(B,) mean diagonal entry of the metric along the curve."""

    def __getitem__(self, rows: Tensor) -> Linearization:
        return Linearization(
            self.energy[rows], self.gradient[rows], tuple(band[rows] for band in self.bands), self.size[rows]
        )

    def replace(self, rows: Tensor, other: Linearization) -> None:
        """Replace the curves where the mask `rows` (B,) is true by `other`, as many."""
        mine, theirs = ((x.energy, x.gradient, *x.bands, x.size) for x in (self, other))
        for here, there in zip(mine, theirs, strict=True):
            here[rows] = there


@dataclass(frozen=True)
class Curves:
    """B curves through n free nodes between fixed ends.

    Their energy is the paper's eq. 4, E = 1/2 sum_i ||g(z_{i+1}) - g(z_i)||^2 / dt, for the chain of all their points:
    the nodes and, with `midpoints`, one more between every two, on the cubic through the four nodes around it. A chain
    of free nodes can be short by leaping over images that lie between them; points that are not free prevent that.
    """

    decoder: Decode
    """Flat: (B, d) to (B, D)."""
    ends: Tensor
    """(B, 2, d)."""
    decoded_ends: Tensor
    """(B, 2, D)."""
    batch_size: int
    """Latents decoded at once; long curves are processed a stretch of points at a time."""
    midpoints: bool = False
    clock: Clock = field(default_factory=Clock)

    def __getitem__(self, rows: Tensor) -> Curves:
        return replace(self, ends=self.ends[rows], decoded_ends=self.decoded_ends[rows])

    def affords(self, nodes: Tensor, passes: int, once: int = 0) -> bool:
        """Whether there is time for so many `passes` at each point of curves through `nodes`, and `once` a curve."""
        return self.clock.affords(len(nodes) * (passes * self._points(nodes.shape[1]) + once))

    def path(self, nodes: Tensor) -> Tensor:
        """Nodes (B, n + 2, d) with both ends, of free `nodes` (B, n, d)."""
        return torch.cat([self.ends[:, :1], nodes, self.ends[:, 1:]], 1)

    def chain(self, nodes: Tensor) -> Tensor:
        """All points of curves through free `nodes` (B, n, d), ends included: (B, n + 2 or 2 n + 3, d)."""
        path = self.path(nodes)
        if not self.midpoints:
            return path
        start = path[:, :1]  # subtracted first, so that a curve that stays there does so exactly
        return start + _weights(path.shape[1], widest(path.device)).to(path) @ (path - start)

    def noise(self, segments: int) -> Tensor:
        """(B,): the energy of `segments` chords that the rounding of the decoder alone can make."""
        return (segments * rounding(self.decoded_ends).to(widest(self.ends.device))).square() / 2

    def energy(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Energy (B,) and gradient (B, n, d) at `nodes` (B, n, d), in float64; one backward pass per point."""
        with self.clock.timing(ENERGY * len(nodes) * self._points(nodes.shape[1])):
            return self._energy(nodes)

    def _energy(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        points = self.chain(nodes)[:, 1:-1]
        energy, gradient = _zeros(points, len(points)), _zeros(points, *points.shape)
        for rows, stretches in self._blocks(points, evaluations=1):
            for columns in stretches:
                part = points[rows, columns]
                y, pull = vjp(self.decoder, part.flatten(0, 1))
                chords = self._chords(points, rows, columns, y.view(*part.shape[:2], -1))
                energy[rows] += _energy(chords, columns.stop == points.shape[1])
                gradient[rows, columns] = (
                    pull((chords[:, :-1] - chords[:, 1:]).flatten(0, 1)).view(part.shape).to(energy.dtype)
                )
        segments = points.shape[1] + 1
        return segments * energy, segments * self._pulled(gradient, nodes)

    def linearize(self, nodes: Tensor) -> Linearization:
        """Energy, gradient and Gauss-Newton matrix at `nodes` (B, n, d), from d forward-mode passes per point."""
        with self.clock.timing((1 + nodes.shape[2]) * len(nodes) * self._points(nodes.shape[1])):
            return self._linearize(nodes)

    def _linearize(self, nodes: Tensor) -> Linearization:
        points = self.chain(nodes)[:, 1:-1]
        pairs, n, d = points.shape
        energy, gradient = _zeros(points, pairs), _zeros(points, pairs, n, d)
        metric, coupling = _zeros(points, pairs, n, d, d), _zeros(points, pairs, n - 1, d, d)
        for rows, stretches in self._blocks(points, evaluations=1 + d):
            last: Tensor | None = None
            for columns in stretches:
                # Points come first, so that neighbors along the curve are contiguous in memory.
                part = points[rows, columns].transpose(0, 1)
                y, J = (flat.unflatten(0, part.shape[:2]) for flat in jacobian(self.decoder, part.flatten(0, 1)))
                chords = self._chords(points, rows, columns, y.transpose(0, 1))
                bend = (chords[:, :-1] - chords[:, 1:]).transpose(0, 1)
                energy[rows] += _energy(chords, columns.stop == n)
                gradient[rows, columns] = (J.mT @ bend[..., None]).squeeze(3).transpose(0, 1).to(energy.dtype)
                metric[rows, columns] = (J.mT @ J).transpose(0, 1).to(energy.dtype)
                coupling[rows, columns.start : columns.stop - 1] = (J[:-1].mT @ J[1:]).transpose(0, 1).to(energy.dtype)
                if last is not None:
                    coupling[rows, columns.start - 1] = (last.mT @ J[0]).to(energy.dtype)
                last = J[-1]
        return Linearization(
            energy=(n + 1) * energy,
            gradient=(n + 1) * self._pulled(gradient, nodes),
            bands=self._bands(metric, coupling, nodes.shape[1]),
            size=metric.diagonal(dim1=2, dim2=3).mean((1, 2)),
        )

    def stiffness(self, n: int) -> tuple[Tensor, ...]:
        """The bands (1, n - k, 1, 1) of the matrix for a one-dimensional identity decoder."""
        ones = torch.ones(1, self._points(n), 1, 1, dtype=widest(self.ends.device), device=self.ends.device)
        return self._bands(ones, ones[:, 1:], n)

    def _points(self, n: int) -> int:
        """Points between the ends of a curve with n free nodes."""
        return 2 * n + 1 if self.midpoints else n

    def _pulled(self, gradient: Tensor, nodes: Tensor) -> Tensor:
        """Gradient with respect to the free `nodes` (B, n, d), from that with respect to all points (B, m, d)."""
        return _inner_weights(nodes.shape[1], gradient).mT @ gradient if self.midpoints else gradient

    def _bands(self, metric: Tensor, coupling: Tensor, n: int) -> tuple[Tensor, ...]:
        """Bands of the Gauss-Newton matrix in n free nodes, from J_k^T J_k and J_k^T J_{k+1} of all m points.

        With T segments it is T sum_k (J_{k+1} S_{k+1} - J_k S_k)^T (J_{k+1} S_{k+1} - J_k S_k), the ends' J = 0.
        """
        segments = metric.shape[1] + 1
        if not self.midpoints:
            return 2 * segments * metric, -segments * coupling
        S = _inner_weights(n, metric)
        bands: list[Tensor] = []
        for k in range(min(_REACH, n - 1) + 1):
            left, right = S[:, : n - k], S[:, k:]
            band = 2 * _weighted(left * right, metric)
            band -= _weighted(left[:-1] * right[1:], coupling) + _weighted(left[1:] * right[:-1], coupling.mT)
            bands.append(segments * band)
        return tuple(bands)

    def _blocks(self, points: Tensor, evaluations: int) -> Iterator[tuple[slice, list[slice]]]:
        """Rows, and for each the stretches of columns that `evaluations` per point allow within the batch size."""
        pairs, n, _ = points.shape
        height = max(1, self.batch_size // (n * evaluations))
        width = n if n * evaluations <= self.batch_size else max(1, self.batch_size // evaluations)
        columns = [slice(first, min(first + width, n)) for first in range(0, n, width)]
        for first in range(0, pairs, height):
            yield slice(first, min(first + height, pairs)), columns

    def _chords(self, points: Tensor, rows: slice, columns: slice, y: Tensor) -> Tensor:
        """Differences (b, m + 1, D) along the decoded stretch `y` (b, m, D) and its neighbor on either side."""
        start, end = self.decoded_ends[rows].unbind(1)
        before = self.decoder(points[rows, columns.start - 1]) if columns.start else start
        after = self.decoder(points[rows, columns.stop]) if columns.stop < points.shape[1] else end
        return torch.cat([before[:, None], y, after[:, None]], 1).diff(dim=1)


def _energy(chords: Tensor, is_last: bool) -> Tensor:
    """Half the squared chords (b,) of a stretch; the last chord counts with the next stretch, if there is one."""
    squared = chords.square().sum(2).to(widest(chords.device))
    return (squared if is_last else squared[:, :-1]).sum(1) / 2


def _zeros(like: Tensor, *shape: int) -> Tensor:
    return torch.zeros(shape, dtype=widest(like.device), device=like.device)


def _weighted(weights: Tensor, blocks: Tensor) -> Tensor:
    """sum_k weights_ki blocks_k: (B, n, d, d) of weights (m, n) and blocks (B, m, d, d)."""
    return (weights.mT @ blocks.flatten(2)).unflatten(2, blocks.shape[2:])


def _inner_weights(n: int, like: Tensor) -> Tensor:
    """S (m, n): how the points between the ends move with n free nodes."""
    return _weights(n + 2, widest(like.device))[1:-1, 1:-1].to(like)


@cache
def _weights(nodes: int, dtype: torch.dtype) -> Tensor:
    """(2 N - 1, N): maps N even nodes to the nodes and, halfway, the cubics through four of them."""
    weights = torch.zeros(2 * nodes - 1, nodes, dtype=dtype)
    weights[0::2] = torch.eye(nodes)
    count = min(4, nodes)
    for i in range(nodes - 1):
        first = min(max(i - 1, 0), nodes - count)
        times = torch.arange(first, first + count, dtype=dtype)
        for own, time in enumerate(times.tolist()):  # Lagrange
            others = torch.cat([times[:own], times[own + 1 :]])
            weights[2 * i + 1, first + own] = ((i + 0.5 - others) / (time - others)).prod()
    return weights
