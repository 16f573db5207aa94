"""Geodesics from a point and a velocity, vectors transported along curves, and analogies built from both."""

from collections.abc import Callable

import torch
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.geometry import Decode, jacobian
from interpzoo_riemannian.checks import (
    check_finite,
    check_latents,
    check_steps,
    checked_decoder,
    differentiable,
    flat_float,
    linearizable_parts,
    numbers,
)
from interpzoo_riemannian.solver import geodesic, warn_unless_converged
from interpzoo_riemannian.tangents import Tangents

_CORRECTIONS = 30
"""Newton steps to a node at most; two or three usually suffice."""
_LOST = 1e-2
"""Share of a chord by which a node may miss; beyond it, the step was too long to be corrected."""


@differentiable
def exponential_map(decoder: Decode, z: Tensor, v: Tensor, *, steps: int = 20, batch_size: int | None = None) -> Tensor:
    """The geodesics that leave `z` with velocity `v`, as nodes (B, steps, *latent); exp_z(v) is the last one.

    Node after node, eq. 5 of Shao et al. 2018 is solved for the next: J_i^T [g(z_{i+1}) - 2 g(z_i) + g(z_{i-1})] = 0,
    which needs no second derivatives and keeps the speed to second order in 1 / steps. Shooting from a latent with
    the velocity of `logarithm_map` gives the curve that `geodesic` finds.

    Args:
        decoder: as in `geodesic`.
        z: the starts, (B, *latent).
        v: velocities (B, *latent); the curve is as long as `v` is by the metric at `z`.
        steps: nodes of a path, `z` included; at least 2.
        batch_size: latents decoded at once; a pair counts as d + 1.

    Raises:
        InputError: as `geodesic`; also where the steps are too long for the manifold's curvature.
    """
    check_latents(z=z, v=v)
    steps = check_steps(steps)
    flat, batch_size = checked_decoder(decoder, z, batch_size)
    paths: list[Tensor] = []
    for start, velocity in linearizable_parts(batch_size, flat_float(z), flat_float(v)):
        paths.append(_shoot(flat, start, velocity, steps, sum(map(len, paths))))
    path = torch.cat(paths).unflatten(2, z.shape[1:]).to(z.dtype)
    path[:, 0] = z
    return path


@differentiable
def logarithm_map(
    decoder: Decode,
    z0: Tensor,
    z1: Tensor,
    *,
    steps: int = 20,
    tolerance: float | None = None,
    batch_size: int | None = None,
) -> Tensor:
    """Velocities (B, *latent) at `z0` of the geodesics that reach `z1` after unit time.

    The inverse of `exponential_map` with as many `steps`, to the `tolerance` of `geodesic`: by default 1e-7, and 1e-10
    in float64. Where several geodesics join two latents, it is the velocity of the one that `geodesic` finds. A warning
    names the pairs that did not converge.

    Raises:
        InputError: as `geodesic`.
    """
    check_latents(z0=z0, z1=z1)
    steps = check_steps(steps)
    if tolerance is None:
        tolerance = _tight(z0)
    # With free nodes, because `exponential_map` shoots those.
    found = geodesic(decoder, z0, z1, steps=steps, tolerance=tolerance, batch_size=batch_size, midpoints=False)
    warn_unless_converged(found)
    flat, batch_size = checked_decoder(decoder, z0, batch_size)
    velocities: list[Tensor] = []
    for start, following in linearizable_parts(batch_size, *(flat_float(found.path[:, i]) for i in (0, 1))):
        here = Tangents.at(flat, start)
        velocities.append(here.pull(here.project(flat(following) - here.output)) * (steps - 1))
    return torch.cat(velocities).reshape(z0.shape).to(z0.dtype)


@differentiable
def parallel_transport(decoder: Decode, path: Tensor, v: Tensor, *, batch_size: int | None = None) -> Tensor:
    """Latent vectors `v` (B, *latent), transported from the first to the last node of paths (B, N, *latent).

    From node to node a vector is turned by the rotation nearest to the projection between the two tangent spaces (the
    polar factor of Q_{i+1}^T Q_i), which keeps lengths and angles exactly and is right to second order in 1 / N. The
    paper's Algorithm 2, the projection with its length restored, is `paper.parallel_translation`.

    Raises:
        InputError: as `geodesic`.
    """
    check_latents(path=path)
    check_steps(path.shape[1])
    return carried_along(_carry, decoder, path, v, batch_size)


@differentiable
def analogy(
    decoder: Decode, a: Tensor, b: Tensor, c: Tensor, *, steps: int = 20, batch_size: int | None = None
) -> Tensor:
    """``a`` is to ``b`` as ``c`` is to the last node of the paths (B, steps, *latent) returned, which start at `c`.

    Shao et al. 2018: the velocity of the geodesic from `a` to `b` is carried along the geodesic from `a` to `c`, and a
    geodesic shot with it from there. Both are found to the tolerance of `logarithm_map`. Latents are (B, *latent); all
    else is as in `exponential_map`.

    Raises:
        InputError: as `exponential_map`.
    """
    check_latents(a=a, b=b, c=c)
    v = logarithm_map(decoder, a, b, steps=steps, batch_size=batch_size)
    found = geodesic(decoder, a, c, steps=steps, tolerance=_tight(a), batch_size=batch_size)
    warn_unless_converged(found)
    carried = parallel_transport(decoder, found.path, v, batch_size=batch_size)
    return exponential_map(decoder, c, carried, steps=steps, batch_size=batch_size)


def _tight(z: Tensor) -> float:
    """A tolerance near the rounding of `z`: errors of directions grow along the path."""
    return 1e-10 if z.dtype == torch.float64 else 1e-7


def carried_along(
    carry: Callable[[Decode, Tensor, Tensor], Tensor], decoder: Decode, path: Tensor, v: Tensor, batch_size: int | None
) -> Tensor:
    """`v` (B, *latent) at the end of paths (B, N, *latent), to which ``carry(decoder, path, v)`` brings flat ones."""
    check_latents(v=v, **{"the path's first node": path[:, 0]})
    check_latents(path=path)
    flat, batch_size = checked_decoder(decoder, path[:, 0], batch_size)
    nodes = flat_float(path.flatten(0, 1)).unflatten(0, path.shape[:2])
    parts = linearizable_parts(batch_size, nodes, flat_float(v))
    carried = torch.cat([carry(flat, curves, vectors) for curves, vectors in parts])
    check_finite(carried)
    return carried.reshape(v.shape).to(v.dtype)


def _shoot(flat: Decode, z: Tensor, v: Tensor, steps: int, first: int) -> Tensor:
    here = Tangents.at(flat, z)
    move = v / (steps - 1)
    ahead = here.embed(here.push(move))
    nodes = [z, _solve(flat, here, ahead, z + move, first)]
    while len(nodes) < steps:
        there = Tangents.at(flat, nodes[-1])
        ahead = there.output - here.output
        nodes.append(_solve(flat, there, ahead, 2 * nodes[-1] - nodes[-2], first))
        here = there
    return torch.stack(nodes, 1)


def _solve(flat: Decode, here: Tangents, ahead: Tensor, guess: Tensor, first: int) -> Tensor:
    """The latents z (B, d) near `guess` with Q^T [g(z) - g(z_i)] = Q^T `ahead`, by Newton steps with backtracking."""
    wanted, length = here.project(ahead), ahead.norm(dim=1)
    precise = 10 * torch.finfo(guess.dtype).eps * length
    z, step = guess, torch.zeros_like(guess)
    least = torch.full_like(length, torch.inf)
    for _ in range(_CORRECTIONS):
        trial = z + step
        y, J = jacobian(flat, trial)
        missing = wanted - here.project(y - here.output)
        miss = missing.norm(dim=1)
        closer = miss < least
        newton = (torch.linalg.pinv((here.basis.mT @ J).nan_to_num()) @ missing.nan_to_num()[..., None]).squeeze(2)
        # A node that no longer improves is exact up to rounding, or lost: the check below distinguishes them.
        done = (least <= _LOST * length) & (miss > 0.5 * least) | (miss <= precise)
        z = torch.where(closer[:, None], trial, z)
        step = torch.where(closer[:, None], newton, step / 4)
        least = torch.where(closer, miss, least)
        if bool(done.all()):
            break
    lost = (~(least <= _LOST * length)).nonzero().squeeze(1) + first
    if len(lost):
        raise InputError(
            f"the geodesic of pair {numbers(lost)} cannot be followed: its steps are too long for the curvature of the "
            "manifold, or the decoder's output there is not finite; use more steps or a shorter velocity"
        )
    return z


def _carry(flat: Decode, path: Tensor, v: Tensor) -> Tensor:
    here = Tangents.at(flat, path[:, 0])
    carried = here.push(v)
    for node in path.unbind(1)[1:]:
        there = Tangents.at(flat, node)
        U, _, Vh = torch.linalg.svd(there.basis.mT @ here.basis)
        carried = (U @ (Vh @ carried[..., None])).squeeze(2)
        here = there
    return here.pull(carried)
