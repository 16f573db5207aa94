"""Tangent spaces of the decoded manifold, and the metric in latent coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from interpzoo.geometry import Decode, jacobian
from interpzoo_riemannian.checks import (
    check_finite,
    check_latents,
    checked_decoder,
    flat_float,
    linearizable_parts,
)


@dataclass(frozen=True)
class Tangents:
    """Orthonormal bases Q of the tangent spaces at B decoded latents: J = Q R."""

    output: Tensor
    """g(z), (B, D)."""
    basis: Tensor
    """Q, (B, D, d)."""
    scale: Tensor
    """R, (B, d, d)."""

    @classmethod
    def at(cls, decoder: Decode, z: Tensor) -> Tangents:
        """At flat latents (B, d)."""
        y, J = jacobian(decoder, z)
        return cls(y, *torch.linalg.qr(J))

    def push(self, v: Tensor) -> Tensor:
        """Coordinates in Q, (B, d), of latent directions `v` (B, d)."""
        return (self.scale @ v[..., None]).squeeze(2)

    def pull(self, coordinates: Tensor) -> Tensor:
        """Latent directions (B, d) of coordinates in Q; the shortest where the decoder ignores some direction."""
        return (torch.linalg.pinv(self.scale) @ coordinates[..., None]).squeeze(2)

    def project(self, u: Tensor) -> Tensor:
        """Coordinates in Q, (B, d), of output vectors `u` (B, D) projected on the tangent spaces."""
        return (self.basis.mT @ u[..., None]).squeeze(2)

    def embed(self, coordinates: Tensor) -> Tensor:
        """Output vectors (B, D) of coordinates in Q."""
        return (self.basis @ coordinates[..., None]).squeeze(2)


def metric(decoder: Decode, z: Tensor, *, batch_size: int | None = None) -> Tensor:
    """The metric G = J^T J (B, d, d) that `decoder` pulls back to latents `z` (B, *latent), d numbers each.

    `decoder` and `batch_size` are as in `geodesic`; a metric counts as d + 1 latents. It tracks gradients only if `z`
    requires them, and the transforms of `torch.func` differentiate it.

    Raises:
        InputError: as `geodesic`.

    Example:
        >>> import interpzoo
        >>> from interpzoo_riemannian import metric
        >>> model = interpzoo.load("fmvae-pendulum")
        >>> metric(model.decoder, model.examples).shape
        torch.Size([8, 2, 2])
    """
    check_latents(z=z)
    tracked = torch.is_grad_enabled() and z.requires_grad
    with torch.inference_mode(False), torch.set_grad_enabled(tracked):
        flat, batch_size = checked_decoder(decoder, z, batch_size)
        G = metrics(flat, flat_float(z), batch_size)
    check_finite(G)
    return G.to(z.dtype)


def metrics(decoder: Decode, z: Tensor, batch_size: int) -> Tensor:
    """J^T J (B, d, d) at flat latents (B, d)."""
    jacobians = (jacobian(decoder, part)[1] for (part,) in linearizable_parts(batch_size, z))
    return torch.cat([J.mT @ J for J in jacobians])
