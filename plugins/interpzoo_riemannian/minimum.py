"""The result of a minimizer of the energy, for a batch of curves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Minimum:
    """B curves; each is stored when its minimization ends."""

    nodes: Tensor
    """(B, n, d): the free nodes."""
    energy: Tensor
    """(B,) in float64: energy of the chain of points that was minimized."""
    gradient_norm: Tensor
    """(B,) in float64: the square root of sum_i ||dE/dz_i||^2."""
    converged: Tensor
    """(B,) bool: another full step promised to lower the energy by less than the tolerance's share of it."""
    iterations: Tensor
    """(B,) int64."""

    @classmethod
    def of(cls, nodes: Tensor) -> Minimum:
        """Curves through `nodes`, not minimized yet."""
        zeros = torch.zeros(len(nodes), dtype=torch.float64, device=nodes.device)
        return cls(nodes.clone(), zeros.clone(), zeros, zeros.bool(), zeros.long())

    def store(
        self, rows: Tensor, nodes: Tensor, energy: Tensor, gradient: Tensor, converged: Tensor, iterations: int
    ) -> None:
        """Store the curves `rows`."""
        self.nodes[rows] = nodes
        self.energy[rows] = energy
        self.gradient_norm[rows] = gradient.flatten(1).norm(dim=1)
        self.converged[rows] = converged
        self.iterations[rows] = iterations

    def continue_with(self, rows: Tensor, other: Minimum) -> None:
        """Replace the curves `rows` by those of `other`, which started from them."""
        self.nodes[rows] = other.nodes
        self.energy[rows] = other.energy
        self.gradient_norm[rows] = other.gradient_norm
        self.converged[rows] = other.converged
        self.iterations[rows] += other.iterations
