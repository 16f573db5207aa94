"""How far a decoder is from flat: its metric G = J^T J compared with c^2 I, between and beyond the codes.

Source: Chen et al., arXiv 2002.04881, eq. 7; there is no official code. The squares of the entries are summed and c^2
comes from the batch, as in its successor FlatVI (theislab/FlatVI, geometric_vae.py).
"""

from typing import Literal

import torch
from torch import Tensor

from interpzoo.errors import ConfigError
from interpzoo.geometry import Decode, align
from interpzoo.interfaces import LatentModel, Step

Scale = Literal["batch", "detached", "relative"]
"""What G is compared with, see `flatness`."""

_SMALLEST_STEP = 0.1


def require_derivative(method: str, model: LatentModel) -> None:
    """Raise `ConfigError` if the decoder has no derivative for `method` to use."""
    if not model.decoder.differentiable:
        raise ConfigError(
            f"method {method!r} needs the Jacobian of the decoder, and {type(model.decoder).__name__} has none: "
            "choose one that is differentiable, such as 'conv'"
        )


def mix(z: Tensor, partners: Tensor, alpha: Tensor) -> Tensor:
    """g(z_i, z_j) = (1 - alpha) z_i + alpha z_j of codes and partners (B, *latent_shape); alpha (B,), any."""
    return torch.lerp(z, partners, align(alpha, z))


def mixed_codes(step: Step, margin: float, points: int | None = None) -> Tensor:
    """`mix` of a batch's codes with others of it, alpha ~ U(-margin, 1 + margin): (B, *latent), or so many `points`."""
    order = torch.randperm(len(step.x), generator=step.generator)[:points].to(step.x.device)
    alpha = (1 + 2 * margin) * step.uniform(len(order)) - margin
    return mix(step.codes[: len(order)], step.codes[order], alpha)


def flatness(G: Tensor, scale: Scale) -> Tensor:
    """mean_B ||G - c^2 I||^2 of metric tensors G (B, d, d), the squares of all entries summed, c^2 = mean_B tr G / d.

    It is a scalar, 0 where G is the same multiple of I everywhere. `scale` is one of:

    - "batch", the paper's term. It grows with the fourth power of the data's scale. It also falls when G shrinks
      because codes spread out, which costs nothing under the hierarchical prior: a larger latent space lowers the term
      as a flatter one does. Detaching c^2 would not help: the term is least at this c^2, so it passes no gradient.
    - "detached": mean_B ||G / c^2 - I||^2 with c^2 constant to the gradient, the paper's term over c^4. It does not
      depend on the scale of the data, but still on the spread of the codes.
    - "relative": the same with c^2 a function of G. It depends on neither.
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
