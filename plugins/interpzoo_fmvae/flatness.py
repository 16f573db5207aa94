"""How far a decoder is from flat: G = J^T J against c^2 I, between and beyond the codes.

Source: Chen et al., arXiv 2002.04881, eq. 7; there is no official code. The entries' squares are summed and c^2 is the
batch's, as in FlatVI (theislab/FlatVI, geometric_vae.py), a descendant.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from interpzoo.geometry import Decode

Scale = Literal["batch", "detached", "relative"]
"""What G is compared with, see `flatness`."""

_SMALLEST_STEP = 0.1


def mix(z: Tensor, partners: Tensor, alpha: Tensor) -> Tensor:
    """g(z_i, z_j) = (1 - alpha) z_i + alpha z_j of codes and partners (B, *latent_shape); alpha (B,), any."""
    return torch.lerp(z, partners, alpha.view(-1, *(1 for _ in z.shape[1:])))


def flatness(G: Tensor, scale: Scale) -> Tensor:
    """mean_B ||G - c^2 I||^2, the squares of all entries summed, with c^2 = mean_B tr G / d.

    - "batch", the paper's term. It grows with the fourth power of the data's scale, and falls when all of G shrinks,
      that is when codes spread out, which the hierarchical prior lets them do for nothing: it may be met by a larger
      latent space instead of a flatter one. A detached c^2 would not help: c^2 is where the term is least, so that
      nothing of the gradient comes through it.
    - "detached": mean_B ||G / c^2 - I||^2 with c^2 a constant to the gradient, which is the paper's over c^4: the
      data's scale is no matter, the codes' spread still is.
    - "relative": the same with c^2 a function of G: neither matters.

    Args:
        G: metric tensors (B, d, d).
        scale: which of the three.

    Returns:
        A scalar; 0 where G is the same multiple of I everywhere.
    """
    c2 = G.diagonal(dim1=1, dim2=2).mean()
    identity = torch.eye(G.shape[1], dtype=G.dtype, device=G.device)
    if scale == "batch":
        return (G - c2 * identity).square().sum((1, 2)).mean()
    unit = G / (c2.detach() if scale == "detached" else c2)
    return (unit - identity).square().sum((1, 2)).mean()


def finite_differences(decoder: Decode, z: Tensor, steps: Tensor) -> Tensor:
    """J (B, D, d) with columns (f(z + epsilon_t e_t) - f(z)) / epsilon_t, for flat codes and steps epsilon (B, d)."""
    moved = z[:, None] + torch.diag_embed(steps)
    y = decoder(torch.cat([z[:, None], moved], 1).flatten(0, 1)).unflatten(0, (len(z), -1))
    return ((y[:, 1:] - y[:, :1]) / steps[:, :, None]).mT


def away_from_zero(noise: Tensor, sigma: float) -> Tensor:
    """Steps of N(0, sigma^2) from `noise` of N(0, 1), but at least sigma / 10, below which float32 loses digits."""
    return sigma * noise.abs().clamp_min(_SMALLEST_STEP).copysign(noise)
