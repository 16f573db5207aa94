"""Closed-form paths between codes."""

import torch
from torch import Tensor

from interpzoo.tensors import widest

_NEAR = 1e-4
"""Angles (radians) this near to 0 or pi: there the great circle is a line, or not unique."""
_NO_NORM = 1e-12
"""A code whose norm is at most this share of the other one has no direction."""


def lerp(z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
    """(1 - t) z0 + t z1: codes (B, ...) and positions (T,) or (B, T) to (B, T, ...), exact at 0 and 1."""
    return torch.lerp(z0[:, None], z1[:, None], align(t if t.ndim == 2 else t[None], z0[:, None]).to(z0.dtype))


def slerp(z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
    """Along the great circle between the directions of two codes, taken as flat vectors; norms change linearly in t.

    With w the angle between the codes, n0 and n1 their norms, and n(t) = (1 - t) n0 + t n1:

        n(t) [sin((1 - t) w) z0 / n0 + sin(t w) z1 / n1] / sin w

    Shapes are as in `lerp`; it is exact at 0 and 1. Outside [0, 1] the circle and the norm go on, and beyond the t
    where n(t) is 0 a code points the other way. Where no one circle joins the codes, the path is the straight line:
    codes parallel or opposite (to 1e-4 radians), one of them zero, or one 1e12 times as long as the other. Between
    opposite codes it passes through zero.

    Shoemake (1985) has this formula for unit vectors. Often it is applied to the codes themselves (White 2016):
    [sin((1 - t) w) z0 + sin(t w) z1] / sin w. With equal norms that is the same. With others its codes become longer
    than both ends, without bound as the angle nears 180 degrees: norms 1 and 1.5 at 179.9 degrees have a middle of norm
    286. Here no code between the ends is longer than both.
    """
    precise = widest(z0.device)
    flat = [z.flatten(1).to(precise) for z in (z0, z1)]
    n0, n1 = (torch.linalg.vector_norm(z, dim=1, keepdim=True) for z in flat)
    straight = torch.minimum(n0, n1) <= _NO_NORM * torch.maximum(n0, n1)
    n0, n1 = (torch.where(straight, 1.0, n) for n in (n0, n1))
    u, v = flat[0] / n0, flat[1] / n1
    # Kahan's formula: arccos(u.v) loses half the digits of small angles.
    w = 2 * torch.atan2((u - v).norm(dim=1, keepdim=True), (u + v).norm(dim=1, keepdim=True))
    straight = straight | (w < _NEAR) | (w > torch.pi - _NEAR)
    w = torch.where(straight, 1.0, w)
    t = t.to(precise).expand(len(z0), -1) if t.ndim == 1 else t.to(precise)
    norm = (1 - t) * n0 + t * n1
    s0 = torch.where(straight, 1 - t, torch.sin((1 - t) * w) / torch.sin(w) * (norm / n0))
    s1 = torch.where(straight, t, torch.sin(t * w) / torch.sin(w) * (norm / n1))
    # Near 180 degrees the two terms are many times their sum: half precision would leave nothing of it.
    a, b = (z[:, None].to(torch.promote_types(z0.dtype, torch.float32)) for z in (z0, z1))
    return (align(s0, a).to(a.dtype) * a + align(s1, a).to(a.dtype) * b).to(z0.dtype)


def align(weights: Tensor, codes: Tensor) -> Tensor:
    """Append axes of length 1 to `weights` until it has as many axes as `codes`, to broadcast over them."""
    return weights.view(*weights.shape, *(1 for _ in codes.shape[weights.ndim :]))
