"""Closed-form paths between codes."""

import torch
from torch import Tensor

from interpzoo.tensors import widest

_NEAR = 1e-4
"""Angles (radians) this near to 0 or pi: there the great circle is a line, or not unique."""


def lerp(z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
    """(1 - t) z0 + t z1: codes (B, ...) and positions (T,) or (B, T) to (B, T, ...), exact at 0 and 1."""
    return torch.lerp(z0[:, None], z1[:, None], align(t if t.ndim == 2 else t[None], z0[:, None]).to(z0.dtype))


def slerp(z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
    """Along the great circle through both codes, taken as flat vectors; norms go from one to the other (Shoemake 1985).

    [sin((1 - t) w) z0 + sin(t w) z1] / sin w, with w the angle between the codes: shapes as in `lerp`, exact at 0 and
    1. Where the codes are nearly parallel, opposite or zero this is the straight line.

    Equal norms stay as they are, and nearly equal ones, as of an autoencoder's codes of thousands of numbers, change
    almost linearly. Only where norms differ much at more than 120 degrees is the middle longer than both ends.
    """
    precise = widest(z0.device)
    u, v = (torch.nn.functional.normalize(z.flatten(1).to(precise), dim=1) for z in (z0, z1))
    # Kahan's formula: arccos(u.v) loses half the digits of small angles.
    w = 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))
    straight = (w < _NEAR) | (w > torch.pi - _NEAR) | (u.norm(dim=1) == 0) | (v.norm(dim=1) == 0)
    w = torch.where(straight, 1.0, w)[:, None]
    t = t.to(precise).expand(len(z0), -1) if t.ndim == 1 else t.to(precise)
    straight = straight[:, None]
    s0 = torch.where(straight, 1 - t, torch.sin((1 - t) * w) / torch.sin(w))
    s1 = torch.where(straight, t, torch.sin(t * w) / torch.sin(w))
    z0, z1 = z0[:, None], z1[:, None]
    return align(s0, z0).to(z0.dtype) * z0 + align(s1, z0).to(z0.dtype) * z1


def align(weights: Tensor, codes: Tensor) -> Tensor:
    """Append axes of length 1 to `weights` until it has as many axes as `codes`, to broadcast over them."""
    return weights.view(*weights.shape, *(1 for _ in codes.shape[weights.ndim :]))
