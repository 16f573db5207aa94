"""Levenberg-Marquardt on the chords of many curves at once."""

import torch
from torch import Tensor

from interpzoo_riemannian.blocks import solve_banded
from interpzoo_riemannian.curves import Curves, Linearization
from interpzoo_riemannian.minimum import Minimum

_STUCK = 1e8
"""Damping above which a curve is abandoned."""


def gauss_newton(curves: Curves, nodes: Tensor, tolerance: float, max_iterations: int) -> Minimum:
    """Minimize the energy, which is a nonlinear least-squares problem in the chords.

    The damping is a multiple of the energy of the curve in latent space: it limits how sharply a curve bends, not how
    far it moves, and so works alike for any number of nodes. Each curve has its own damping and acceptance, and leaves
    the batch when it has converged. A trial point is linearized at once, since nearly all are accepted.
    """
    found = Minimum.of(nodes)
    active = torch.arange(len(nodes), device=nodes.device)
    here, stiffness = curves.linearize(nodes), curves.stiffness(nodes.shape[1])
    damping = torch.full_like(here.energy, 1e-2)
    for iteration in range(max_iterations + 1):
        step = _step(here, stiffness, damping)
        promised = -0.5 * (here.gradient * step).sum((1, 2))
        converged = (promised <= tolerance * here.energy) & (damping <= 1)
        stop = converged | (damping > _STUCK) | (iteration == max_iterations)
        if bool(stop.any()):
            found.store(active[stop], nodes[stop], here.energy[stop], here.gradient[stop], converged[stop], iteration)
            go = ~stop
            active, curves, nodes, here = active[go], curves[go], nodes[go], here[go]
            step, promised, damping = step[go], promised[go], damping[go]
        if not len(active):
            break
        trial = nodes + step.to(nodes.dtype)
        there = curves.linearize(trial)
        gain = here.energy - there.energy
        better = gain > 0
        nodes = torch.where(better[:, None, None], trial, nodes)
        here.replace(better, there)
        # Damping follows how much of the promised gain was achieved; without any gain (or with NaN) it rises sharply.
        kept = torch.where(better, gain / promised, 0.0)
        factor = torch.where(kept > 0.75, 0.2, torch.where(kept > 0.25, 1.0, torch.where(better, 2.0, 8.0)))
        damping = (damping * factor).clamp_min(1e-6)
    return found


def _step(here: Linearization, stiffness: tuple[Tensor, ...], damping: Tensor) -> Tensor:
    size = here.size.clamp_min(torch.finfo(torch.float32).tiny)
    eye = torch.eye(here.gradient.shape[2], dtype=size.dtype, device=size.device)
    ridge = (damping * size)[:, None, None, None] * eye
    bands = [band + stiff * ridge for band, stiff in zip(here.bands, stiffness, strict=True)]
    return -solve_banded(bands, here.gradient)
