"""Isometric regularization: a flat latent space at the cost of two derivatives per point, in any number of dimensions.

Source: Lee, Yoon, Son and Park, ICLR 2022, "Regularized Autoencoders for Isometric Representation Learning"; official
code Gabe-YHLee/IRVAE-public, geometry.py.
"""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.config import ComponentConfig
from interpzoo.geometry import Decode, flat_decoder, jvp, vjp
from interpzoo.interfaces import Batch, LatentModel, Regularizer, Step
from interpzoo.losses import elbo_terms
from interpzoo_fmvae.flatness import mixed_codes, require_derivative


class IsometryConfig(ComponentConfig):
    weight: float = Field(default=30.0, ge=0, le=1e6)
    """Weight of the distortion, in nats; the paper's are for other scales of the loss."""
    margin: float = Field(default=0.2, ge=0, le=10)
    """eta: codes are mixed with alpha ~ U(-eta, 1 + eta)."""
    beta: float = Field(default=1.0, ge=0, le=1000)
    """Weight of the KL divergence."""


class Isometric(Regularizer[IsometryConfig]):
    """Isometrically regularized variational autoencoder (IRVAE).

    What differs from the official code: directions have the same length, sqrt(d), for which the distortion of an
    isometry is exactly 0 in every batch; and the distortion is theirs times d less 1, so that it says the same in any
    number of dimensions.
    """

    autocast = False

    @override
    def setup(self, model: LatentModel, batch: Batch, generator: Generator) -> None:
        """Raise `ConfigError` without a decoder that has a derivative; `elbo_terms` checks the rest."""
        require_derivative("irvae", model)

    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """L = mean_B [ -log p(x | z) + beta KL(q(z | x) || N(0, I)) ] + weight `distortion`, at mixes of the codes."""
        reconstruction, divergence = elbo_terms(step, "irvae")
        bent = self._distortion(step)
        step.log("kl", divergence)
        step.log("flatness", bent)
        return {
            "reconstruction": reconstruction,
            "divergence": self.config.beta * divergence,
            "distortion": self.config.weight * bent,
        }

    def _distortion(self, step: Step) -> Tensor:
        points = mixed_codes(step, self.config.margin)
        decoder = flat_decoder(step.model.decoder, points.shape[1:])
        return distortion(decoder, points.flatten(1), step.normal(*points.flatten(1).shape))


def distortion(decoder: Decode, z: Tensor, directions: Tensor) -> Tensor:
    """d E tr G^2 / (E tr G)^2 - 1 of the metric G = J^T J at flat codes `z` (B, d): 0 where G is c^2 I everywhere.

    It is the relaxed distortion measure, and `flatness` with scale "relative" over d. That takes all d columns of J;
    here both traces are estimated from one direction v (B, d) per point, of any length: tr G = E |J v|^2 and
    tr G^2 = E |J^T J v|^2 for v uniform on the sphere of radius sqrt(d).
    """
    d = z.shape[1]
    v = directions * (d**0.5 / directions.norm(dim=1, keepdim=True))
    pushed = jvp(decoder, z, v)[1]
    pulled = vjp(decoder, z)[1](pushed)
    trace = pushed.square().sum(1).mean()
    floor = torch.finfo(trace.dtype).tiny  # a decoder that ignores its code has no distortion
    return d * pulled.square().sum(1).mean() / trace.square().clamp_min(floor) - 1
