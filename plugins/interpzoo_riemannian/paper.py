"""The algorithms as the paper states them: the reference that the faster ones of this package are checked against.

Shao, Kumar, Fletcher 2018. There is no official code. Where the paper is silent, all nodes move at once (Jacobi, not
Gauss-Seidel), and the docstrings state the step lengths and thresholds.
"""

import torch
from torch import Tensor

from interpzoo.arguments import whole
from interpzoo.geometry import Decode, decode, flat_decoder, jvp, resample
from interpzoo.tensors import widest
from interpzoo_riemannian.checks import (
    MOST_ITERATIONS,
    check_finite,
    check_latents,
    check_steps,
    checked_decoder,
    differentiable,
    flat_float,
    linearizable_parts,
)
from interpzoo_riemannian.curves import Curves
from interpzoo_riemannian.ensemble import single
from interpzoo_riemannian.minimizers import Minimum
from interpzoo_riemannian.shooting import carried_along
from interpzoo_riemannian.solver import Geodesic, checked_against_line, curves_between
from interpzoo_riemannian.tangents import Tangents, metrics

_THRESHOLD = 1e-6
"""Default threshold, in energies per largest stable step: about 1e-4 of the energy is then left to gain."""


@differentiable
def geodesic_path(
    decoder: Decode,
    z0: Tensor,
    z1: Tensor,
    *,
    encoder: Decode | None = None,
    steps: int = 20,
    step_size: float | None = None,
    threshold: float | None = None,
    max_iterations: int = 1000,
    batch_size: int | None = None,
) -> Geodesic:
    """Algorithm 1: z_i <- z_i - alpha eta_i from the straight line, until sum_i ||dE/dz_i||^2 is at most eps.

    eta_i is the gradient -(1/dt) J_g(z_i)^T [g(z_{i+1}) - 2 g(z_i) + g(z_{i-1})] (eq. 5) or, with an `encoder` h, the
    same with J_h(g(z_i)) in place of J_g^T. Where h inverts g, that is a Gauss-Newton step for each node by itself. The
    threshold is on the gradient in both cases, so that ``converged`` does not depend on the encoder.

    Args:
        decoder, z0, z1, steps, max_iterations, batch_size: as in `geodesic`, with at least 3 steps.
        encoder: a differentiable map from the decoder's outputs to latents.
        step_size: alpha; half of the largest stable one by default: dt / (4 lambda) with the largest eigenvalue lambda
            of the metric on the straight line, and dt / 4 with an encoder.
        threshold: eps; by default 1e-6 E / (dt / 4 lambda), with the energy E of the straight line.

    Raises:
        InputError: as `geodesic`.
    """
    check_latents(z0=z0, z1=z1)
    steps, max_iterations = check_steps(steps, least=3), whole("max_iterations", max_iterations, 0, MOST_ITERATIONS)
    flat, batch_size = checked_decoder(single(decoder), torch.stack([z0[0], z1[0]]), batch_size)
    ends = torch.stack([flat_float(z0), flat_float(z1)], 1)
    curves = all_curves = curves_between(flat, ends, batch_size)
    h = None if encoder is None else flat_decoder(encoder, decoder(z0[:1]).shape[1:])
    nodes = resample(ends, steps)[:, 1:-1]
    G = metrics(flat, nodes.flatten(0, 1), batch_size).to(widest(nodes.device)).nan_to_num()
    largest = torch.linalg.eigvalsh(G)[:, -1].unflatten(0, nodes.shape[:2]).amax(1)
    stable = 1 / (4 * (steps - 1) * largest.clamp_min(torch.finfo(torch.float32).tiny))
    alpha = stable if h is None else torch.full_like(stable, 0.25 / (steps - 1))
    if step_size is not None:
        alpha = torch.full_like(stable, step_size)
    eps = _THRESHOLD * curves.energy(nodes)[0] / stable if threshold is None else torch.full_like(stable, threshold)
    found = Minimum.of(nodes)
    active = torch.arange(len(nodes), device=nodes.device)
    for iteration in range(max_iterations + 1):
        energy, gradient = curves.energy(nodes)
        converged = gradient.square().sum((1, 2)) <= eps
        stop = converged | (iteration == max_iterations)
        if bool(stop.any()):
            found.store(active[stop], nodes[stop], energy[stop], gradient[stop], converged[stop], iteration)
            go = ~stop
            active, curves, nodes, gradient = active[go], curves[go], nodes[go], gradient[go]
            alpha, eps = alpha[go], eps[go]
        if not len(active):
            break
        eta = gradient if h is None else _through_encoder(curves, h, nodes)
        nodes = nodes - (alpha[:, None, None] * eta).to(nodes.dtype)
    return checked_against_line(all_curves, found, z0)


@differentiable
def parallel_translation(
    decoder: Decode, path: Tensor, v: Tensor, *, encoder: Decode | None = None, batch_size: int | None = None
) -> Tensor:
    """Algorithm 2: `v` (B, *latent) pushed to the outputs, projected from tangent space to tangent space, pulled back.

    u_0 = J_g(z_0) v; u_{i+1} = U U^T u_i with the left singular vectors U of J_g(z_{i+1}), at the length of u_i; the
    result is J_h(g(z_T)) u_T with an `encoder` h and J_g(z_T)^+ u_T without. Right to first order in the number of
    nodes.

    Raises:
        InputError: as `geodesic`.
    """

    def carry(flat: Decode, nodes: Tensor, v: Tensor) -> Tensor:
        here = Tangents.at(flat, nodes[:, 0])
        u = here.embed(here.push(v))
        for node in nodes.unbind(1)[1:]:
            here = Tangents.at(flat, node)
            u = _projected(here, u)
        if encoder is None:
            return here.pull(here.project(u))
        return jvp(flat_decoder(encoder, decoder(path[:1, 0]).shape[1:]), here.output, u)[1]

    return carried_along(carry, single(decoder), path, v, batch_size)


@differentiable
def geodesic_shooting(
    decoder: Decode, encoder: Decode, z: Tensor, v: Tensor, *, steps: int = 20, batch_size: int | None = None
) -> Tensor:
    """Algorithm 3: nodes (B, steps, *latent) from `z` with velocity `v`; the encoder leads back to the manifold.

    x = g(z_i) + dt u_i; z_{i+1} = h(x); u_{i+1} = U U^T u_i at the length of u_i, as in `parallel_translation`. It is
    as good as the encoder: if it does not invert the decoder, the path jumps at its first step.

    Raises:
        InputError: as `geodesic`.
    """
    check_latents(z=z, v=v)
    steps = check_steps(steps)
    flat, batch_size = checked_decoder(single(decoder), z, batch_size)
    h = flat_decoder(encoder, decoder(z[:1]).shape[1:])
    paths: list[Tensor] = []
    for node, vector in linearizable_parts(batch_size, flat_float(z), flat_float(v)):
        here = Tangents.at(flat, node)
        u = here.embed(here.push(vector))
        nodes = [node]
        while len(nodes) < steps:
            nodes.append(h(here.output + u / (steps - 1)))
            here = Tangents.at(flat, nodes[-1])
            u = _projected(here, u)
        paths.append(torch.stack(nodes, 1))
    path = torch.cat(paths)
    check_finite(path)
    return path.unflatten(2, z.shape[1:]).to(z.dtype)


def _projected(tangents: Tangents, u: Tensor) -> Tensor:
    """U U^T u, as long as u."""
    projected = tangents.embed(tangents.project(u))
    # A vector at a right angle to the tangent space has no direction there: it stays zero.
    length = projected.norm(dim=1, keepdim=True).clamp_min(torch.finfo(u.dtype).tiny)
    return projected * (u.norm(dim=1, keepdim=True) / length)


def _through_encoder(curves: Curves, h: Decode, nodes: Tensor) -> Tensor:
    """eta (B, n, d) = -(1/dt) J_h(g(z_i)) [g(z_{i+1}) - 2 g(z_i) + g(z_{i-1})], in float64."""
    eta: list[Tensor] = []
    for z, ends in zip(nodes.split(1), curves.decoded_ends.split(1), strict=True):
        y = torch.cat([ends[0, :1], decode(curves.decoder, z[0], batch_size=curves.batch_size), ends[0, 1:]])
        bend = y[2:] - 2 * y[1:-1] + y[:-2]
        eta.append(-(nodes.shape[1] + 1) * jvp(h, y[1:-1], bend)[1].to(widest(y.device)))
    return torch.stack(eta)
