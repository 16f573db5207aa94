"""The energy of a batch of curves between fixed ends, and its derivatives with respect to their nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from interpzoo.geometry import Decode, jacobian, vjp


@dataclass(frozen=True)
class Linearization:
    """The energy of curves and, by Gauss-Newton, its derivatives; all in float64."""

    energy: Tensor
    """(B,)."""
    gradient: Tensor
    """(B, n, d): the paper's eq. 5."""
    metric: Tensor
    """(B, n, d, d): J_i^T J_i."""
    coupling: Tensor
    """(B, n - 1, d, d): J_i^T J_{i+1}."""

    def __getitem__(self, rows: Tensor) -> Linearization:
        return Linearization(self.energy[rows], self.gradient[rows], self.metric[rows], self.coupling[rows])

    def replace(self, rows: Tensor, other: Linearization) -> None:
        """Take over from `other` the curves that the mask `rows` (B,) marks."""
        self.energy[rows] = other.energy[rows]
        self.gradient[rows] = other.gradient[rows]
        self.metric[rows] = other.metric[rows]
        self.coupling[rows] = other.coupling[rows]


@dataclass(frozen=True)
class Curves:
    """B curves through n free nodes between fixed ends.

    The energy is the paper's eq. 4, E = 1/2 sum_i ||g(z_{i+1}) - g(z_i)||^2 / dt with dt = 1 / (n + 1).
    """

    decoder: Decode
    """Flat: (B, d) to (B, D)."""
    ends: Tensor
    """(B, 2, d)."""
    decoded_ends: Tensor
    """(B, 2, D)."""
    batch_size: int
    """Decoder evaluations in flight; long curves are taken a stretch of nodes at a time."""

    def __getitem__(self, rows: Tensor) -> Curves:
        return Curves(self.decoder, self.ends[rows], self.decoded_ends[rows], self.batch_size)

    def path(self, nodes: Tensor) -> Tensor:
        """Whole curves (B, n + 2, d) through free `nodes` (B, n, d)."""
        return torch.cat([self.ends[:, :1], nodes, self.ends[:, 1:]], 1)

    def energy(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Energy (B,) and gradient (B, n, d) at `nodes` (B, n, d), in float64; one backward pass a node."""
        energy, gradient = _zeros(nodes, len(nodes)), _zeros(nodes, *nodes.shape)
        for rows, stretches in self._blocks(nodes, evaluations=1):
            for columns in stretches:
                part = nodes[rows, columns]
                y, pull = vjp(self.decoder, part.flatten(0, 1))
                chords = self._chords(nodes, rows, columns, y.view(*part.shape[:2], -1))
                energy[rows] += _energy(chords, columns.stop == nodes.shape[1])
                gradient[rows, columns] = pull((chords[:, :-1] - chords[:, 1:]).flatten(0, 1)).view(part.shape).double()
        segments = nodes.shape[1] + 1
        return segments * energy, segments * gradient

    def linearize(self, nodes: Tensor) -> Linearization:
        """Energy, gradient and Gauss-Newton products at `nodes` (B, n, d); d forward passes a node and none backward.

        The memory is that of a stretch of Jacobians, never of all.
        """
        pairs, n, d = nodes.shape
        energy, gradient = _zeros(nodes, pairs), _zeros(nodes, pairs, n, d)
        metric, coupling = _zeros(nodes, pairs, n, d, d), _zeros(nodes, pairs, n - 1, d, d)
        for rows, stretches in self._blocks(nodes, evaluations=1 + d):
            last: Tensor | None = None
            for columns in stretches:
                # Nodes first, so that neighbours along the curve are whole blocks of memory.
                part = nodes[rows, columns].transpose(0, 1)
                y, J = (flat.unflatten(0, part.shape[:2]) for flat in jacobian(self.decoder, part.flatten(0, 1)))
                chords = self._chords(nodes, rows, columns, y.transpose(0, 1))
                bend = (chords[:, :-1] - chords[:, 1:]).transpose(0, 1)
                energy[rows] += _energy(chords, columns.stop == n)
                gradient[rows, columns] = (J.mT @ bend[..., None]).squeeze(3).transpose(0, 1).double()
                metric[rows, columns] = (J.mT @ J).transpose(0, 1).double()
                coupling[rows, columns.start : columns.stop - 1] = (J[:-1].mT @ J[1:]).transpose(0, 1).double()
                if last is not None:
                    coupling[rows, columns.start - 1] = (last.mT @ J[0]).double()
                last = J[-1]
        return Linearization((n + 1) * energy, (n + 1) * gradient, metric, coupling)

    def _blocks(self, nodes: Tensor, evaluations: int) -> Iterator[tuple[slice, list[slice]]]:
        """Rows and, for each, stretches of columns that keep `evaluations` a node within the batch size."""
        pairs, n, _ = nodes.shape
        height = max(1, self.batch_size // (n * evaluations))
        width = n if n * evaluations <= self.batch_size else max(1, self.batch_size // evaluations)
        columns = [slice(first, min(first + width, n)) for first in range(0, n, width)]
        for first in range(0, pairs, height):
            yield slice(first, min(first + height, pairs)), columns

    def _chords(self, nodes: Tensor, rows: slice, columns: slice, y: Tensor) -> Tensor:
        """Differences of the decoded stretch `y` (b, m, D) with both its neighbours included, (b, m + 1, D)."""
        start, end = self.decoded_ends[rows].unbind(1)
        before = self.decoder(nodes[rows, columns.start - 1]) if columns.start else start
        after = self.decoder(nodes[rows, columns.stop]) if columns.stop < nodes.shape[1] else end
        return torch.cat([before[:, None], y, after[:, None]], 1).diff(dim=1)


def _energy(chords: Tensor, is_last: bool) -> Tensor:
    """Half the squared chords (b,) of a stretch; the one after it counts with the next stretch, if there is one."""
    squared = chords.square().sum(2).double()
    return (squared if is_last else squared[:, :-1]).sum(1) / 2


def _zeros(like: Tensor, *shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.float64, device=like.device)
