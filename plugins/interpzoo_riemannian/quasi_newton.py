"""Limited-memory BFGS on the nodes of many curves at once, preconditioned by the metric."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from interpzoo.geometry import jacobian, resample
from interpzoo_riemannian.blocks import BlockTridiagonal
from interpzoo_riemannian.curves import Curves
from interpzoo_riemannian.minimum import Minimum

_MEMORY = 10
"""Number of steps that are remembered."""
_SAMPLES = 3
"""Nodes of a curve where the metric is computed: more would cost more than the iterations they save."""


def quasi_newton(curves: Curves, nodes: Tensor, tolerance: float, max_iterations: int) -> Minimum:
    """Minimize the energy from its gradients, one backward pass per node, where Jacobians at all nodes cost too much.

    The initial curvature is that of the chain sum_i (u_{i+1} - u_i)^T G (u_{i+1} - u_i) / 2 dt, with the metric G
    computed at a few nodes and interpolated between them; BFGS learns the rest. Each curve has its own step lengths and
    acceptance, and leaves the batch when it has converged.
    """
    found = Minimum.of(nodes)
    active = torch.arange(len(nodes), device=nodes.device)
    chain = _chain(curves, nodes)
    energy, gradient = curves.energy(nodes)
    length = torch.ones_like(energy)
    memory: list[_Secant] = []
    for iteration in range(max_iterations + 1):
        direction = -_inverse_times(gradient, chain, memory)
        slope = (direction * gradient).sum((1, 2))
        converged = -0.5 * slope <= tolerance * energy
        stop = converged | (length < 1e-8) | ~slope.isfinite() | (iteration == max_iterations)
        if bool(stop.any()):
            found.store(active[stop], nodes[stop], energy[stop], gradient[stop], converged[stop], iteration)
            go = ~stop
            active, curves, nodes, chain = active[go], curves[go], nodes[go], chain[go]
            energy, gradient, length = energy[go], gradient[go], length[go]
            direction, slope = direction[go], slope[go]
            memory = [secant[go] for secant in memory]
        if not len(active):
            break
        trial = nodes + (length[:, None, None] * direction).to(nodes.dtype)
        trial_energy, trial_gradient = curves.energy(trial)
        better = trial_energy <= energy + 1e-4 * length * slope
        secant = _Secant.between((trial - nodes).double(), trial_gradient - gradient, better)
        memory = [*memory[1 - _MEMORY :], secant]
        # After a rejection: the minimum of the parabola through both energies and the slope.
        bend = 2 * (trial_energy - energy - length * slope)
        shorter = (-slope * length.square() / bend).nan_to_num(0.0).clamp(0.1 * length, 0.5 * length)
        length = torch.where(better, 1.0, shorter)
        nodes = torch.where(better[:, None, None], trial, nodes)
        energy = torch.where(better, trial_energy, energy)
        gradient = torch.where(better[:, None, None], trial_gradient, gradient)
    return found


@dataclass(frozen=True)
class _Secant:
    """A step (B, n, d), the change of the gradient along it, and 1 / <step, change>, or 0 where it is of no use."""

    step: Tensor
    change: Tensor
    inverse: Tensor

    @classmethod
    def between(cls, step: Tensor, change: Tensor, taken: Tensor) -> _Secant:
        product = (step * change).sum((1, 2))
        size = step.flatten(1).norm(dim=1) * change.flatten(1).norm(dim=1)
        useful = taken & (product > 1e-10 * size)
        # Zeros, not only a zero weight: the change of a rejected trial may be NaN.
        change = torch.where(useful[:, None, None], change, 0.0)
        return cls(step, change, torch.where(useful, 1 / product, 0.0))

    def __getitem__(self, rows: Tensor) -> _Secant:
        return _Secant(self.step[rows], self.change[rows], self.inverse[rows])


def _inverse_times(gradient: Tensor, chain: BlockTridiagonal, memory: list[_Secant]) -> Tensor:
    """The two loops of L-BFGS (Nocedal 1980), with the chain as the matrix to start from."""
    q = gradient
    weights: list[Tensor] = []
    for secant in reversed(memory):
        weight = secant.inverse * (secant.step * q).sum((1, 2))
        q = q - weight[:, None, None] * secant.change
        weights.append(weight)
    r = chain.solve(q)
    for secant, weight in zip(memory, reversed(weights), strict=True):
        r = r + (weight - secant.inverse * (secant.change * r).sum((1, 2)))[:, None, None] * secant.step
    return r


def _chain(curves: Curves, nodes: Tensor) -> BlockTridiagonal:
    samples = resample(curves.path(nodes), _SAMPLES).flatten(0, 1)
    at_once = max(1, curves.batch_size // (1 + nodes.shape[2]))
    metrics = [J.mT @ J for _, J in (jacobian(curves.decoder, part) for part in samples.split(at_once))]
    metric = torch.cat(metrics).double().unflatten(0, (len(nodes), _SAMPLES))
    # A share of its mean keeps the metric definite where the decoder ignores a dimension.
    diagonal = metric.diagonal(dim1=2, dim2=3)
    diagonal += 1e-4 * diagonal.mean((1, 2), keepdim=True) + torch.finfo(torch.float32).tiny
    segments = nodes.shape[1] + 1
    middles = (resample(metric, 2 * segments + 1)[:, 1::2]) * segments
    return BlockTridiagonal.factor(middles[:, :-1] + middles[:, 1:], -middles[:, 1:-1])
