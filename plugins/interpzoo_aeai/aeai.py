"""The AEAI losses: interpolants look real, encode to the code that they were decoded from, and change evenly.

Source: arXiv 2008.01487, section 2, in the text of its ICLR submission (eq. 1). There is no official code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import mse_loss

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.geometry import align, jvp
from interpzoo.interfaces import LatentModel, Regularizer, Step, Update, parameters_of
from interpzoo.losses import adversarial_loss
from interpzoo.nets import ConvConfig, conv_trunk, signed


class AEAIConfig(ComponentConfig):
    adversarial_weight: float = Field(default=1e-2, ge=0, le=1000)
    """lambda_1: weight of the realism of interpolants."""
    cycle_weight: float = Field(default=1e-2, ge=0, le=1000)
    """lambda_2: weight of the distance between a code and the code of its decoded image."""
    smoothness_weight: float = Field(default=1e-1, ge=0, le=1000)
    """lambda_3: weight of the speed along a path."""
    discriminator_every: int = Field(default=1, ge=1, le=100_000)
    """The discriminator moves at one step of this many, the autoencoder at every step."""
    partner: Literal["any", "same-label"] = "any"
    """``same-label``: both ends of a path have the same ``label``, as views of one object do; the data must give it."""
    discriminator: ConvConfig
    """The discriminator has the encoder's architecture; its logit is the mean over its whole output."""


@dataclass(frozen=True)
class Interpolants:
    """The points at alpha on the path from each image to its partner."""

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
      the batch. The paper does not say; with its weights, this choice brings the gradients of the four terms closest to
      each other. If the norms of images were sums as well, the smoothness term would grow with the number of pixels and
      the adversarial term would not, and the smoothest path of all is the blend. Still, the paper's weights do not fit
      the data of this zoo: either the discriminator wins or the blend does. Lower weights of both terms are better
      (benchmarks/studies: aeai-coil20, aeai-pole-shadow, from-ae-lines), and the recipes have those.
    - Images are in [0, 1], and l is the squared error (the paper: "L2 or perceptual").
    - An image's partner comes from the reversed batch, whatever it shows: the paper's data sets show one object each.
      For data sets of several objects, ``partner = "same-label"`` takes the next image with the same label in the
      batch, in a circle; an image whose label is unique is its own partner. Each pair has one alpha ~ U[0, 1] per step,
      as in the paper's section on implementation; its equation sums over a grid of M + 1 with M not given.
    - The discriminator moves at every step and compares the data with interpolants only. "After each epoch we update
      the discriminator" may mean one update per epoch: `discriminator_every` set to the number of steps of an epoch.
    - Nothing is detached in the autoencoder's loss: the cycle reaches the encoder through z^(alpha) and through
      z(alpha).
    - The smoothness is the exact derivative, in forward mode.
    - The networks are the core's, without the paper's batch normalization: images and interpolants share no
      statistics, and the derivative along a path depends on that path alone.
    """

    autocast = False

    def __init__(self, config: AEAIConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        if config.partner == "same-label":
            self.requires = frozenset({"label"})
        self.discriminator = conv_trunk(config.discriminator, image)

    def updates(self, model: LatentModel) -> Sequence[Update]:
        discriminator = parameters_of(self.discriminator)
        every = self.config.discriminator_every
        return [*super().updates(model), Update("discriminator", discriminator, every=every)]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """Images in [0, 1]; D a probability; sum_d over the dimensions of a code, means over everything else.

        L_autoencoder   = mean (x_i - g(z_i))^2 + mean (x_j - g(z_j))^2 + lambda_1 BCE(D(x^(alpha)), 1)
                          + lambda_2 mean sum_d (z(alpha) - f(x^(alpha)))^2 + lambda_3 mean (d x^(alpha) / d alpha)^2
        L_discriminator = BCE(D(x), 1) + BCE(D(x^(alpha)), 0), x^(alpha) detached
        """
        config = self.config
        between = step.shared("aeai", lambda: self._interpolate(step))
        if update == "autoencoder":
            astray = step.model.encoder(between.images) - between.codes
            return {
                # Each image is an x_i and an x_j.
                "reconstruction": 2 * mse_loss(step.reconstruction, step.x),
                "realism": config.adversarial_weight * adversarial_loss(self.d(between.images), real=True),
                "cycle": config.cycle_weight * astray.square().flatten(1).sum(1).mean(),
                "smoothness": config.smoothness_weight * between.velocities.square().mean(),
            }
        return {
            "discriminator on data": adversarial_loss(self.d(step.x), real=True),
            "discriminator on interpolants": adversarial_loss(self.d(between.images.detach()), real=False),
        }

    def d(self, x: Tensor) -> Tensor:
        """The discriminator's logits, (B,), that images (B, C, H, W) in [0, 1] are data."""
        return self.discriminator(signed(x)).mean((1, 2, 3))

    def _interpolate(self, step: Step) -> Interpolants:
        z = step.codes
        same_label = self.config.partner == "same-label"
        displacement = (z[next_of_group(step.batch["label"])] if same_label else z.flip(0)) - z
        codes = z + align(step.uniform(len(z)), z) * displacement
        return Interpolants(codes, *jvp(step.model.decoder, codes, displacement))


def next_of_group(labels: Tensor) -> Tensor:
    """For each of labels (B,), the index of the next equal one, and of the first after the last: (B,)."""
    order = labels.argsort(stable=True)
    ordered = labels[order]
    following = torch.arange(1, len(labels) + 1, device=labels.device) % len(labels)
    is_last = ordered != ordered[following]
    following = torch.where(is_last, torch.searchsorted(ordered, ordered), following)
    return torch.empty_like(order).scatter_(0, order, order[following])
