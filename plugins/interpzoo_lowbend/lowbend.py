"""The loss of low bending and low distortion embeddings: distances are preserved, and geodesics become straight.

Source: arXiv 2104.13189 and its theory, arXiv 2208.10193. There is no official code.
"""

from collections.abc import Mapping, Sequence

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import mse_loss

from interpzoo.config import ComponentConfig
from interpzoo.interfaces import LatentModel, Regularizer, Step, Update, parameters_of


class LowBendingConfig(ComponentConfig):
    """Settings of low bending embeddings."""

    weight: float = Field(default=0.1, ge=0, le=1000)
    """kappa: weight of distortion and bending together."""
    bending_weight: float = Field(default=0.1, ge=0, le=1000)
    """lambda: weight of bending relative to distortion; 0: distortion only."""
    softening: float = Field(default=0.1, ge=0, le=10)
    """c: bounds the distortion as |D1| goes to 0; with c = 0 it grows without bound."""
    encoder_fraction: float | None = Field(default=None, gt=0, le=1)
    """Fraction of the run in which the encoder is trained alone; then it is frozen and the decoder is trained. 1 trains
    the encoder only, ``None`` trains both together."""


class LowBending(Regularizer[LowBendingConfig]):
    """Low bending and low distortion autoencoder.

    What the papers leave open, and what is done here:

    - gamma is the theory paper's with our own c; at c = 0 it is s^2 + s^-2 - 2.
    - kappa, lambda and c are not given. A circle, and any manifold of curvature 1 in all directions, has the least loss
      at |D1| = (1 + lambda)^(-1/4): with lambda = 0.1, lengths are 2.4 % too short.
    - The reconstruction is the mean squared error over pixels in [0, 1], of the first image of each pair.
    - The code of a stochastic encoder is its mean.
    - Nothing is detached: the gradient goes through the codes of both images and of their midpoint.
    - A decoder that is trained after the encoder continues with the learning rate of the run at that point.
    """

    requires = frozenset({"partner", "distance", "midpoint"})
    autocast = False

    def updates(self, model: LatentModel) -> Sequence[Update]:
        fraction = self.config.encoder_fraction
        if fraction is None:
            return super().updates(model)
        return [
            Update("encoder", parameters_of(model.encoder), active=lambda step: step.index < fraction * step.total),
            Update("decoder", parameters_of(model.decoder), active=lambda step: step.index >= fraction * step.total),
        ]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """Images in [0, 1], distances in the units of the data set; f the encoder, g the decoder.

        L_encoder     = kappa (mean gamma(|D1(x, y)|) + lambda mean |D2(x, y)|^2)
        L_decoder     = mean (x - g(f(x)))^2, f constant
        L_autoencoder = mean (x - g(f(x)))^2 + kappa (mean gamma(|D1(x, y)|) + lambda mean |D2(x, y)|^2)
        """
        if update == "decoder":
            with torch.no_grad():
                code = step.model.encoder(step.x)
            return self._reconstruction(step, code)
        # No layer of the zoo mixes the images of a batch, and one call is faster than three.
        images = torch.cat([step.x, step.batch["partner"], step.batch["midpoint"]])
        x, y, m = step.model.encoder(images).chunk(3)
        d = step.batch["distance"]
        stretch = torch.linalg.vector_norm(first_difference(x, y, d), dim=1)
        bending = second_difference(x, y, m, d).square().sum(1).mean()
        step.log("mean |D1|", stretch.mean())
        step.log("mean |D2|^2", bending)
        embedding = {
            "distortion": self.config.weight * gamma(stretch, self.config.softening).mean(),
            "bending": self.config.weight * self.config.bending_weight * bending,
        }
        return embedding if update == "encoder" else self._reconstruction(step, x) | embedding

    def _reconstruction(self, step: Step, code: Tensor) -> dict[str, Tensor]:
        return {"reconstruction": mse_loss(step.model.decoder(code), step.x)}


def first_difference(x: Tensor, y: Tensor, d: Tensor) -> Tensor:
    """D1 = (f(y) - f(x)) / d of codes (B, ...) at distances (B,), flat: (B, D)."""
    return (y - x).flatten(1) / d[:, None]


def second_difference(x: Tensor, y: Tensor, m: Tensor, d: Tensor) -> Tensor:
    """D2 = 8 ((f(x) + f(y)) / 2 - f(m)) / d^2 of codes (B, ...) at distances (B,) and of their midpoints, flat: (B, D).

    With the factor 8 it tends to the second derivative along the unit-speed geodesic from x to y.
    """
    return 8 * ((x + y) / 2 - m).flatten(1) / d.square()[:, None]


def gamma(s: Tensor, c: float) -> Tensor:
    """Penalty of lengths s that should be 1: s^2 + (1 + c^2)^2 / (s^2 + c^2) - 2 - c^2, which is 0 at 1 only."""
    return s.square() + (1 + c**2) ** 2 / (s.square() + c**2) - 2 - c**2
