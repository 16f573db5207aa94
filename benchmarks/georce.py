"""GEORCE, a geodesic solver to compare with, from its published update (Rygaard and Hauberg 2025, arXiv 2505.05961).

Another discretisation than ours: with z_{t+1} = z_t + u_t it minimises sum_t u_t^T G(z_t) u_t, the metric at the left
end of each segment. Stationarity in u_t and z_t gives, with g_t = d/dz (u_t^T G(z) u_t) at z_t and
c_t = sum_{s > t} g_s,

    mu  = -(sum_t G_t^-1)^-1 (2 (z_T - z_0) + sum_t G_t^-1 c_t),
    u_t = -1/2 G_t^-1 (mu + c_t),

towards which all u move at once, as far as a backtracking search finds the energy to fall.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from interpzoo.geometry import Decode, jacobian, jvp

_SHORTEST = 2.0**-20
"""Share of a step below which a curve counts as failed."""


@dataclass(frozen=True)
class Found:
    """What became of a batch of curves."""

    path: Tensor
    """(B, steps, d)."""
    iterations: Tensor
    """(B,) int64."""
    converged: Tensor
    """(B,) bool: the gradient fell below the tolerance; the others were stuck or ran out of iterations."""


def georce(
    decoder: Decode, z0: Tensor, z1: Tensor, *, steps: int, tolerance: float = 1e-3, max_iterations: int = 1000
) -> Found:
    """Curves of `steps` nodes between latents (B, d), each pair by itself as in the published code.

    Converged where the norm of the energy's gradient with respect to the nodes, relative to that on the straight line,
    is below `tolerance`.
    """
    pairs = [_solve(decoder, *ends, steps - 1, tolerance, max_iterations) for ends in zip(z0, z1, strict=True)]
    paths, iterations, converged = zip(*pairs, strict=True)
    return Found(torch.stack(paths), torch.tensor(iterations), torch.tensor(converged))


def _solve(
    decoder: Decode, a: Tensor, b: Tensor, segments: int, tolerance: float, max_iterations: int
) -> tuple[Tensor, int, bool]:
    u = ((b - a) / segments).expand(segments, -1)
    energy, metric = _energy(decoder, a, u)
    first: Tensor | None = None
    for iteration in range(max_iterations):
        tail = _tail(decoder, a, u)
        # The costate that u itself would need differs between neighbours by the gradient.
        norm = (2 * (metric @ u[..., None]).squeeze(2) + tail).diff(dim=0).norm()
        first = norm if first is None else first
        if norm <= tolerance * first:
            return _path(a, u), iteration, True
        inverse = torch.linalg.inv_ex(metric)[0]
        mu = -torch.linalg.solve_ex(inverse.sum(0), 2 * (b - a) + (inverse @ tail[..., None]).sum(0).squeeze(1))[0]
        wanted = -0.5 * (inverse @ (mu + tail)[..., None]).squeeze(2)
        share = 1.0
        while True:
            trial = torch.lerp(u, wanted, share)
            trial_energy, trial_metric = _energy(decoder, a, trial)
            if trial_energy < energy:
                break
            share /= 2
            if share < _SHORTEST:
                return _path(a, u), iteration, False
        u, energy, metric = trial, trial_energy, trial_metric
    return _path(a, u), max_iterations, False


def _path(a: Tensor, u: Tensor) -> Tensor:
    return torch.cat([a[None], a + u.cumsum(0)])


def _energy(decoder: Decode, a: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """sum_t u_t^T G_t u_t and the metrics G_t (T, d, d)."""
    with torch.no_grad():
        J = jacobian(decoder, _path(a, u)[:-1])[1]
        metric = J.mT @ J
        return (u[:, None] @ metric @ u[..., None]).sum(), metric


def _tail(decoder: Decode, a: Tensor, u: Tensor) -> Tensor:
    """c_t = sum_{s > t} g_s, (T, d)."""
    z = _path(a, u)[:-1].requires_grad_()
    with torch.enable_grad():
        speed = jvp(decoder, z, u)[1].square().sum()
    (g,) = torch.autograd.grad(speed, z)
    return g.flip(0).cumsum(0).flip(0) - g
