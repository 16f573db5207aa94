"""Inversion of a decoder: the latent whose image is closest to a given one."""

from collections.abc import Callable

import torch
from torch import Tensor

from interpzoo.arguments import MOST_AT_ONCE, MOST_REFINEMENTS, whole
from interpzoo.errors import InputError
from interpzoo.geometry.decoders import BATCH_SIZE, Decode, flat_decoder, jacobian, jvp, vjp
from interpzoo.tensors import check_floats, widest

MATRIX_FREE = 64
"""Latent dimension above which conjugate gradients are faster than forming the Jacobian."""

_CONJUGATE_GRADIENTS = 12
"""Most inner iterations: beyond them a new linearization lowers the error more than a better step."""

_Solve = Callable[[Decode, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(decoder, z, x, damping) -> a damped Gauss-Newton step (B, d), and the fall of the squared error it promises (B,)."""


@torch.no_grad()
def project(
    decoder: Decode,
    x: Tensor,
    z_init: Tensor,
    *,
    steps: int = 10,
    tolerance: float = 1e-6,
    batch_size: int = BATCH_SIZE,
    onto: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Latents (B, *latent) whose outputs are as close to `x` as Levenberg-Marquardt from `z_init` brings them.

    Minimizes ||g(z) - x||^2, with damping per image. A step is taken only where the output comes closer, so that no
    reconstruction gets worse. Above `MATRIX_FREE` latent dimensions the Jacobian is never formed.

    Args:
        decoder, x: the outputs of the decoder have the shape of `x`, (B, ...).
        z_init: where to start, (B, *latent), the encoder's codes for example.
        steps: steps tried at most, up to 10,000; 0 gives `z_init` back.
        tolerance: an image is done when a step promises to lower its squared error by less than this share.
        batch_size: latents decoded at once.
        onto: brings latents (B, *latent) to valid ones, which each step then ends at. `z_init` should be valid.

    Raises:
        InputError: shapes that do not fit; `x` or an output at `z_init` is NaN or infinite; as `flat_decoder`.
    """
    check_floats("x", x)
    check_floats("z_init", z_init)
    steps, batch_size = whole("steps", steps, 0, MOST_REFINEMENTS), whole("batch_size", batch_size, 1, MOST_AT_ONCE)
    if len(x) != len(z_init):
        raise InputError(f"{len(x)} images x and {len(z_init)} latents z_init, expected the same number of each")
    if not len(x):
        return z_init.clone()
    flat = flat_decoder(decoder, z_init.shape[1:])
    dtype = torch.promote_types(z_init.dtype, torch.float32)
    z, target = z_init.flatten(1).to(dtype), x.flatten(1).to(dtype)
    dimension = z.shape[1]
    solve, in_flight = (_direct, 1 + dimension) if dimension <= MATRIX_FREE else (_matrix_free, 3)
    at_once = max(1, batch_size // in_flight)
    parts = zip(target.split(at_once), z.split(at_once), strict=True)

    def valid(points: Tensor) -> Tensor:
        return points if onto is None else onto(points.view(-1, *z_init.shape[1:])).flatten(1)

    found = torch.cat([_descend(flat, solve, valid, *part, steps, tolerance) for part in parts])
    return found.reshape(z_init.shape).to(z_init.dtype)


def _descend(flat: Decode, solve: _Solve, valid: Decode, x: Tensor, z: Tensor, steps: int, tolerance: float) -> Tensor:
    y = flat(z)
    if y.shape != x.shape:
        raise InputError(
            f"the decoder's outputs hold {y.shape[1]} values and the images x {x.shape[1]}, expected the same number"
        )
    error = _squared(y - x)
    if not bool(error.isfinite().all()):
        raise InputError("x, or the decoder's output at z_init, holds NaN or infinite values")
    z = z.clone()
    damping = torch.full_like(error, 1e-3)
    active = torch.arange(len(z), device=z.device)
    for _ in range(steps):
        step, promised = solve(flat, z[active], x[active], damping[active])
        trial = valid(z[active] + step)
        trial_error = _squared(flat(trial) - x[active])
        gain = error[active] - trial_error
        better = gain > 0
        z[active] = torch.where(better[:, None], trial, z[active])
        error[active] = torch.where(better, trial_error, error[active])
        damping[active] *= torch.where(gain > 0.75 * promised, 0.2, torch.where(better, 1.0, 8.0)).to(damping)
        active = active[(promised > tolerance * error[active]) & (damping[active] < 1e9)]
        if not len(active):
            break
    return z


def _direct(flat: Decode, z: Tensor, x: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
    y, J = jacobian(flat, z)
    precise = widest(z.device)
    slope = (J.mT @ (y - x)[..., None]).to(precise)
    normal = (J.mT @ J).to(precise)
    diagonal = normal.diagonal(dim1=1, dim2=2)
    diagonal += damping[:, None] * diagonal.mean(1, keepdim=True) + torch.finfo(torch.float32).tiny
    step = -torch.cholesky_solve(slope, torch.linalg.cholesky_ex(normal)[0])
    return step.squeeze(2).to(z.dtype), -(slope * step).sum((1, 2))


def _matrix_free(flat: Decode, z: Tensor, x: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
    """Conjugate gradients on (J^T J + ridge) step = -J^T (g(z) - x); an iteration is one jvp and one backward pass."""
    y, pull = vjp(flat, z)
    slope = pull(y - x)
    tiny = torch.finfo(z.dtype).tiny
    # The gradient's own curvature gives the damping its scale.
    ridge = damping.to(z.dtype) * _ratio(_squared(jvp(flat, z, slope)[1]), _squared(slope)).to(z.dtype)
    step, residual, direction = torch.zeros_like(z), -slope, -slope
    squared = start = _squared(residual)
    for _ in range(_CONJUGATE_GRADIENTS):
        pushed = jvp(flat, z, direction)[1]
        curvature = _squared(pushed) + ridge * _squared(direction)
        length = _ratio(squared, curvature).to(z.dtype)[:, None]
        step = step + length * direction
        residual = residual - length * (pull(pushed) + ridge[:, None] * direction)
        previous, squared = squared, _squared(residual)
        if bool((squared <= 1e-4 * start + tiny).all()):
            break
        direction = residual + _ratio(squared, previous).to(z.dtype)[:, None] * direction
    return step, -(slope * step).sum(1, dtype=widest(z.device))


def _squared(v: Tensor) -> Tensor:
    return v.square().sum(1, dtype=widest(v.device))


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where b is 0."""
    return torch.where(b > 0, a / b, 0.0)
