"""The AEAI losses: interpolants look real, encode to where they were decoded from, and change evenly along the way.

Source: arXiv 2008.01487, section 2, in the text of its ICLR submission (eq. 1). There is no official code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import mse_loss

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.geometry import jvp
from interpzoo.interfaces import LatentModel, Regularizer, Step, Update
from interpzoo.nets import ConvConfig, conv_trunk, cross_entropy, signed


class AEAIConfig(ComponentConfig):
    """Settings of AEAI."""

    adversarial_weight: float = Field(default=1e-2, ge=0, le=1000)
    """lambda_1"""
    cycle_weight: float = Field(default=1e-2, ge=0, le=1000)
    """lambda_2"""
    smoothness_weight: float = Field(default=1e-1, ge=0, le=1000)
    """lambda_3"""
    discriminator_every: int = Field(default=1, ge=1, le=100_000)
    """The discriminator moves at every so many steps, the autoencoder at each."""
    partner: Literal["any", "same-label"] = "any"
    """``same-label``: both ends of a path have one ``label``, which the data set has to give: views of one object."""
    discriminator: ConvConfig
    """The discriminator has the encoder's architecture; its logit is the mean over its whole output."""


@dataclass(frozen=True)
class Interpolants:
    """The points at alpha on the way from each image to its partner."""

    codes: Tensor
    """z(alpha) = (1 - alpha) z_i + alpha z_j: (B, *latent_shape)"""
    images: Tensor
    """x^(alpha) = g(z(alpha)): (B, C, H, W)"""
    velocities: Tensor
    """d x^(alpha) / d alpha = J_g(z(alpha)) (z_j - z_i): (B, C, H, W)"""


class AEAI(Regularizer[AEAIConfig]):
    """Autoencoder image interpolation by shaping the latent space.

    What the paper leaves open, and what is done here:

    - Norms of images are means over pixels, the norm of a code is the sum over its dimensions; both are averaged over
      the batch. The paper does not say; with its weights the gradients of the four terms are so the nearest to each
      other. Were the images' norms sums, too, the smoothness would gain on the adversarial term, which does not grow
      with the image, by the number of pixels, and the smoothest path of all is the blend. That is not to say that the
      paper's weights do: on the data of this zoo the discriminator wins, or the blend, and less of both terms is better
      (benchmarks/studies: aeai-coil20, aeai-pole-shadow, from-ae-lines), which is what the recipes have.
    - Images are in [0, 1], and l is the squared error (the paper: "L2 or perceptual").
    - The partner of an image is the batch reversed, whatever it shows: the paper has sets of one object. Of several,
      `partner` keeps a path to one: the partner is then the next image of that label in the batch, in a circle, and an
      image that is alone with its label is its own. Each pair has one alpha ~ U[0, 1] a step, as in the paper's section
      on implementation; its equation sums over a grid of M + 1, with M not given.
    - The discriminator moves at every step and holds the data against interpolants alone. "After each epoch we update
      the discriminator" may mean one update an epoch: `discriminator_every` of as many steps as an epoch has.
    - Nothing is detached in the autoencoder's loss: the cycle reaches the encoder through z^(alpha) and through
      z(alpha).
    - The smoothness is the exact derivative, in forward mode.
    - The networks are the core's, without the paper's batch normalisation: images and interpolants share no
      statistics, and the derivative along a path depends on that path alone.
    """

    autocast = False

    def __init__(self, config: AEAIConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.adversarial_weight = config.adversarial_weight
        self.cycle_weight = config.cycle_weight
        self.smoothness_weight = config.smoothness_weight
        self.discriminator_every = config.discriminator_every
        self.same_label = config.partner == "same-label"
        if self.same_label:
            self.requires = frozenset({"label"})
        self.discriminator = conv_trunk(config.discriminator, image)

    def updates(self, model: LatentModel) -> Sequence[Update]:
        """The autoencoder at each step, the discriminator at steps 0, `discriminator_every`, ..."""
        return [
            Update("autoencoder", [*model.encoder.parameters(), *model.decoder.parameters()]),
            Update("discriminator", [*self.discriminator.parameters()], every=self.discriminator_every),
        ]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """Images in [0, 1]; D a probability; sum_d over the dimensions of a code, means over all that is left.

        L_autoencoder   = mean (x_i - g(z_i))^2 + mean (x_j - g(z_j))^2 + lambda_1 BCE(D(x^(alpha)), 1)
                          + lambda_2 mean sum_d (z(alpha) - f(x^(alpha)))^2 + lambda_3 mean (d x^(alpha) / d alpha)^2
        L_discriminator = BCE(D(x), 1) + BCE(D(x^(alpha)), 0), x^(alpha) detached
        """
        between = step.shared("aeai", lambda: self._interpolate(step))
        if update == "autoencoder":
            astray = step.model.encoder(between.images) - between.codes
            return {
                # Each image is an x_i and an x_j.
                "reconstruction": 2 * mse_loss(step.reconstruction, step.x),
                "realism": self.adversarial_weight * self._cross_entropy(between.images, 1.0),
                "cycle": self.cycle_weight * astray.square().flatten(1).sum(1).mean(),
                "smoothness": self.smoothness_weight * between.velocities.square().mean(),
            }
        return {
            "discriminator on data": self._cross_entropy(step.x, 1.0),
            "discriminator on interpolants": self._cross_entropy(between.images.detach(), 0.0),
        }

    def d(self, x: Tensor) -> Tensor:
        """The logit of being data, (B,), of images (B, C, H, W) in [0, 1]."""
        return self.discriminator(signed(x)).mean((1, 2, 3))

    def _cross_entropy(self, x: Tensor, target: float) -> Tensor:
        return cross_entropy(self.d(x), target)

    def _interpolate(self, step: Step) -> Interpolants:
        z = step.codes
        way = (z[next_of_group(step.batch["label"])] if self.same_label else z.flip(0)) - z
        alpha = step.uniform(len(z)).view(-1, *(1 for _ in z.shape[1:]))
        codes = z + alpha * way
        return Interpolants(codes, *jvp(step.model.decoder, codes, way))


def next_of_group(labels: Tensor) -> Tensor:
    """Where the next element with the same label is, after the last one the first: indices (B,) of labels (B,)."""
    order = labels.argsort(stable=True)
    ordered = labels[order]
    following = torch.arange(1, len(labels) + 1, device=labels.device) % len(labels)
    is_last = ordered != ordered[following]
    following = torch.where(is_last, torch.searchsorted(ordered, ordered), following)
    return torch.empty_like(order).scatter_(0, order, order[following])
