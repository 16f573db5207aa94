"""The minimizers of the energy of many curves at once: Levenberg-Marquardt, and preconditioned limited-memory BFGS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from interpzoo.geometry import jvp, resample
from interpzoo.tensors import widest
from interpzoo_riemannian.blocks import solve_banded
from interpzoo_riemannian.curves import ENERGY, Curves, Linearization
from interpzoo_riemannian.tangents import metrics

_STUCK = 1e8
"""Damping above which a curve is abandoned."""
_MEMORY = 10
"""Number of steps that a minimizer remembers."""
_SAMPLES = 3
"""Nodes of a curve where the metric is computed: more would cost more than the iterations they save."""
_FIRST_RIDGE, _LEAST_RIDGE, _MOST_RIDGE = 0.1, 1e-4, 10.0
"""Share of the metric's mean that a chain adds to it: at first, at least, at most."""
_FALL = 0.01
"""Factor on the ridge of a curve that seems to have converged."""
MOST_MATRIX = 2048
"""Most numbers in a code for which matrices of as many rows are made: 32 MiB each."""


@dataclass(frozen=True)
class Minimum:
    """The result of a minimizer for B curves; each is stored when its minimization ends."""

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
    remaining: Tensor
    """(B,) in float64: share of the energy that another full step promised to save, 1 where nothing is known."""

    @classmethod
    def of(cls, nodes: Tensor) -> Minimum:
        """Curves through `nodes`, not minimized yet."""
        zeros = torch.zeros(len(nodes), dtype=widest(nodes.device), device=nodes.device)
        return cls(nodes.clone(), zeros.clone(), zeros, zeros.bool(), zeros.long(), zeros + 1)

    @classmethod
    def still(cls, curves: Curves, nodes: Tensor) -> Minimum:
        """Curves through `nodes` that there was no time to minimize."""
        energy, gradient = curves.energy(nodes)
        return replace(cls.of(nodes), energy=energy, gradient_norm=gradient.flatten(1).norm(dim=1))

    def store(
        self,
        rows: Tensor,
        nodes: Tensor,
        energy: Tensor,
        gradient: Tensor,
        converged: Tensor,
        iterations: int,
        promised: Tensor | None = None,
    ) -> None:
        self.nodes[rows], self.energy[rows], self.gradient_norm[rows] = nodes, energy, gradient.flatten(1).norm(dim=1)
        self.converged[rows], self.iterations[rows] = converged, iterations
        if promised is not None:
            share = torch.where(promised > 0, promised / energy, 0.0)
            self.remaining[rows] = torch.where(promised.isfinite(), share.nan_to_num(1.0).clamp(max=1), 1.0)

    def continue_with(self, rows: Tensor, other: Minimum) -> None:
        """Replace the curves `rows` by those of `other`, which started from them."""
        self.nodes[rows] = other.nodes
        self.energy[rows] = other.energy
        self.gradient_norm[rows] = other.gradient_norm
        self.converged[rows] = other.converged
        self.iterations[rows] += other.iterations
        self.remaining[rows] = other.remaining


def gauss_newton(curves: Curves, nodes: Tensor, tolerance: float, max_iterations: int) -> Minimum:
    """Minimize the energy, a nonlinear least-squares problem in the chords, by Levenberg-Marquardt.

    The damping is a multiple of the curve's energy in latent space: it limits how sharply a curve bends, not how far it
    moves, and so suits any number of nodes. Each curve has its own damping, and leaves the batch when it has converged.
    Its matrix is kept, and BFGS learns from the steps what it leaves out: the curvature of the manifold, and how the
    curve has moved. New Jacobians cost as much as (1 + d) / 2 steps. So they are computed where a step failed, or after
    twice as many steps as soon as one promises no less than the one before. When there is no time for another
    iteration, all end where they are.
    """
    passes, patience = ENERGY + 1 + nodes.shape[2], 1 + nodes.shape[2]
    if not curves.affords(nodes, passes):
        return Minimum.still(curves, nodes)
    found = Minimum.of(nodes)
    active = torch.arange(len(nodes), device=nodes.device)
    here, stiffness = curves.linearize(nodes), curves.stiffness(nodes.shape[1])
    segments = curves.chain(nodes).shape[1] - 1
    damping, before = torch.full_like(here.energy, 1e-2), torch.full_like(here.energy, torch.inf)
    age = torch.zeros_like(active)  # steps since the Jacobians were computed
    memory: list[_Secant] = []
    for iteration in range(max_iterations + 1):
        step, promised = _step(here, stiffness, damping, memory)
        anew = (age >= patience) & (promised > tolerance * here.energy) & ~(promised < before)
        if bool(anew.any()):
            here.replace(anew, curves[anew].linearize(nodes[anew]))
            memory = [secant.without(anew) for secant in memory]
            step[anew], promised[anew] = _step(here[anew], stiffness, damping[anew], [])
            age[anew] = 0
        converged = (promised <= tolerance * here.energy) & (damping <= 1) | (here.energy <= curves.noise(segments))
        ended = iteration == max_iterations or not curves.affords(nodes, passes)
        stop = converged | (damping > _STUCK) | ended
        if bool(stop.any()):
            known = torch.where(damping <= 1, promised, torch.inf)[stop]  # a damped step promises too little
            at = here[stop]
            found.store(active[stop], nodes[stop], at.energy, at.gradient, converged[stop], iteration, known)
            go = ~stop
            active, curves, nodes, here, age = active[go], curves[go], nodes[go], here[go], age[go]
            step, promised, damping = step[go], promised[go], damping[go]
            memory = [secant[go] for secant in memory]
        if not len(active):
            break
        trial = nodes + step.to(nodes.dtype)
        energy, gradient = curves.energy(trial)
        gain = here.energy - energy
        better = gain > 0
        secant = _Secant.between((trial - nodes).to(energy.dtype), gradient - here.gradient, better)
        memory = [*memory[1 - _MEMORY :], secant]
        nodes = torch.where(better[:, None, None], trial, nodes)
        here.energy[better], here.gradient[better] = energy[better], gradient[better]
        before = torch.where(better, promised, 0.0)
        age = torch.where(better, age + 1, torch.where(age > 0, patience, 0))  # a former matrix that misled is not kept
        # Damping follows how much of the promised gain was achieved; without any gain (or with NaN) it rises sharply.
        kept = torch.where(better, gain / promised, 0.0)
        factor = torch.where(kept > 0.75, 0.2, torch.where(kept > 0.25, 1.0, torch.where(better, 2.0, 8.0)))
        damping = (damping * factor).clamp_min(1e-6)
    return found


def _step(
    here: Linearization, stiffness: tuple[Tensor, ...], damping: Tensor, memory: list[_Secant]
) -> tuple[Tensor, Tensor]:
    """The damped steps (B, n, d), and the fall of the energy that they promise (B,)."""
    size = here.size.clamp_min(torch.finfo(torch.float32).tiny)
    eye = torch.eye(here.gradient.shape[2], dtype=size.dtype, device=size.device)
    ridge = (damping * size)[:, None, None, None] * eye
    bands = [band + stiff * ridge for band, stiff in zip(here.bands, stiffness, strict=True)]
    step = -_inverse_times(here.gradient, lambda b: solve_banded(bands, b), memory)
    return step, -0.5 * (here.gradient * step).sum((1, 2))


def quasi_newton(curves: Curves, nodes: Tensor, tolerance: float, max_iterations: int) -> Minimum:
    """Minimize the energy by limited-memory BFGS, for codes where Jacobians at all nodes cost too much.

    The initial curvature is that of a `_Chain`; BFGS learns the rest. Each curve has its own ridge on its metric. Where
    the decoder has kinks, the metric of a few nodes promises gains along dimensions that hardly matter there, and steps
    towards them are cut short: the ridge rises with each step that failed, and falls where steps do as they promise.
    A curve has converged when it stays so with a hundredth of its ridge, and leaves the batch then. When there is no
    time for another iteration, all end where they are.
    """
    if not curves.affords(nodes, ENERGY, once=_SAMPLES * _metric_passes(nodes.shape[2])):
        return Minimum.still(curves, nodes)
    found = Minimum.of(nodes)
    active = torch.arange(len(nodes), device=nodes.device)
    chain = _Chain.around(curves, nodes)
    fallen = torch.full_like(chain.ridge, torch.inf)  # the ridge at which a curve last seemed to have converged
    energy, gradient = curves.energy(nodes)
    length = torch.ones_like(energy)
    segments = curves.chain(nodes).shape[1] - 1
    memory: list[_Secant] = []
    for iteration in range(max_iterations + 1):
        direction, slope = _descent(gradient, chain, memory)
        seems = (-0.5 * slope <= tolerance * energy) & (chain.ridge < fallen) & (chain.ridge > _LEAST_RIDGE)
        if bool(seems.any()):
            fallen = torch.where(seems, chain.ridge, fallen)
            chain = chain.with_ridge(torch.where(seems, _FALL * chain.ridge, chain.ridge))
            direction, slope = _descent(gradient, chain, memory)
        converged = (-0.5 * slope <= tolerance * energy) | (energy <= curves.noise(segments))
        ended = iteration == max_iterations or not curves.affords(nodes, ENERGY)
        stop = converged | (length < 1e-8) | ~slope.isfinite() | ended
        if bool(stop.any()):
            e, g, promised = energy[stop], gradient[stop], -0.5 * slope[stop]
            found.store(active[stop], nodes[stop], e, g, converged[stop], iteration, promised)
            go = ~stop
            active, curves, nodes, chain = active[go], curves[go], nodes[go], chain[go]
            energy, gradient, length, fallen = energy[go], gradient[go], length[go], fallen[go]
            direction, slope = direction[go], slope[go]
            memory = [secant[go] for secant in memory]
        if not len(active):
            break
        trial = nodes + (length[:, None, None] * direction).to(nodes.dtype)
        trial_energy, trial_gradient = curves.energy(trial)
        better = trial_energy <= energy + 1e-4 * length * slope
        secant = _Secant.between((trial - nodes).to(energy.dtype), trial_gradient - gradient, better)
        memory = [*memory[1 - _MEMORY :], secant]
        kept = better & (length == 1) & (energy - trial_energy > -0.5 * slope)
        chain = chain.with_ridge(chain.ridge * torch.where(kept, 0.5, torch.where(better, 1.0, 4.0)))
        # After a rejection: the minimum of the parabola through both energies and the slope.
        bend = 2 * (trial_energy - energy - length * slope)
        shorter = (-slope * length.square() / bend).nan_to_num(0.0).clamp(0.1 * length, 0.5 * length)
        length = torch.where(better, 1.0, shorter)
        nodes = torch.where(better[:, None, None], trial, nodes)
        energy = torch.where(better, trial_energy, energy)
        gradient = torch.where(better[:, None, None], trial_gradient, gradient)
    return found


def _descent(gradient: Tensor, chain: _Chain, memory: list[_Secant]) -> tuple[Tensor, Tensor]:
    """The directions of BFGS (B, n, d), and the slope of the energy along them (B,)."""
    direction = -_inverse_times(gradient, chain.solve, memory)
    return direction, (direction * gradient).sum((1, 2))


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

    def without(self, rows: Tensor) -> _Secant:
        """The same, without effect where the mask `rows` (B,) is true."""
        return replace(self, inverse=torch.where(rows, 0.0, self.inverse))


def _inverse_times(gradient: Tensor, solve: Callable[[Tensor], Tensor], memory: list[_Secant]) -> Tensor:
    """The two loops of L-BFGS (Nocedal 1980); `solve` divides by the matrix to start from."""
    q = gradient
    weights: list[Tensor] = []
    for secant in reversed(memory):
        weight = secant.inverse * (secant.step * q).sum((1, 2))
        q = q - weight[:, None, None] * secant.change
        weights.append(weight)
    r = solve(q)
    for secant, weight in zip(memory, reversed(weights), strict=True):
        r = r + (weight - secant.inverse * (secant.change * r).sum((1, 2)))[:, None, None] * secant.step
    return r


@dataclass(frozen=True)
class _Chain:
    """The curvature of sum_i (u_{i+1} - u_i)^T (G + r I) (u_{i+1} - u_i) / 2 dt, with one metric G for a whole curve.

    G is the mean over a few nodes or, for codes of more than 2,048 numbers, over random directions, times the identity.
    """

    metric: Tensor
    """(B, d) or (B, 1): eigenvalues of G."""
    axes: Tensor | None
    """(B, d, d): eigenvectors of G, in columns; None where it is a multiple of the identity."""
    ridge: Tensor
    """(B,): r as a share of the mean eigenvalue."""
    inverse: Tensor
    """(n, n): the inverse of the matrix of the chain with a metric of one."""

    @classmethod
    def around(cls, curves: Curves, nodes: Tensor) -> _Chain:
        """Chains with the metric along curves through `nodes` (B, n, d)."""
        pairs, n, d = nodes.shape
        dtype = widest(nodes.device)
        samples = resample(curves.path(nodes), _SAMPLES).flatten(0, 1)
        axes = None
        if d > MOST_MATRIX:
            metric = _mean_metric(curves, samples).to(dtype).view(pairs, _SAMPLES).mean(1, keepdim=True)
        else:
            # Where derivatives are not finite the curve's energy is not, either, which is reported; eigh would fail.
            matrices = metrics(curves.decoder, samples, curves.batch_size).to(dtype).nan_to_num(0, 0, 0)
            metric, axes = torch.linalg.eigh(matrices.unflatten(0, (pairs, _SAMPLES)).mean(1))
        metric = metric.clamp_min(torch.finfo(torch.float32).tiny)  # of rounding, eigenvalues may be below zero
        steps = torch.eye(n + 2, n + 1, dtype=dtype, device=nodes.device)[:, 1:].diff(dim=0)
        inverse = torch.linalg.inv((n + 1) * steps.mT @ steps)
        return cls(metric, axes, torch.full_like(metric[:, 0], _FIRST_RIDGE), inverse)

    def __getitem__(self, rows: Tensor) -> _Chain:
        axes = None if self.axes is None else self.axes[rows]
        return _Chain(self.metric[rows], axes, self.ridge[rows], self.inverse)

    def with_ridge(self, ridge: Tensor) -> _Chain:
        """The chains with other ridges (B,), as far as they are allowed."""
        return replace(self, ridge=ridge.clamp(_LEAST_RIDGE, _MOST_RIDGE))

    def solve(self, b: Tensor) -> Tensor:
        """The solutions (B, n, d) for right-hand sides `b` (B, n, d)."""
        metric = self.metric + (self.ridge * self.metric.mean(1))[:, None]
        along = b if self.axes is None else b @ self.axes
        solved = self.inverse @ (along / metric[:, None])
        return solved if self.axes is None else solved @ self.axes.mT


def _metric_passes(dimensions: int) -> int:
    """Passes through the decoder that the metric at a node takes."""
    return 1 + dimensions if dimensions <= MOST_MATRIX else 2


def _mean_metric(curves: Curves, z: Tensor) -> Tensor:
    """(B,): |J v|^2 / |v|^2 at flat latents (B, d), of one random direction v each.

    It stands for the mean over all directions: of so many dimensions, they hardly differ.
    """
    v = torch.randn(z.shape, generator=torch.Generator().manual_seed(0)).to(z)
    v = torch.nn.functional.normalize(v, dim=1)
    parts = zip(z.split(curves.batch_size), v.split(curves.batch_size), strict=True)
    return torch.cat([jvp(curves.decoder, *part)[1].square().sum(1) for part in parts])
