"""The GAIA losses: an interpolant looks real if a second autoencoder can reconstruct it.

Source: arXiv 1807.06650; official code of the paper (timsainb/GAIA, network.py, TensorFlow 1), which is followed. The
same author's later notebook has other losses and calls itself an experiment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn.functional import l1_loss

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError, InputError
from interpzoo.geometry import align
from interpzoo.interfaces import Batch, LatentModel, Regularizer, Step, Update, parameters_of
from interpzoo.nets import ConvConfig, ConvDecoder, ConvDecoderConfig, ConvEncoder, ConvEncoderConfig

_SLOPE: Final = 20.0
_LARGEST_SHARE: Final = 0.9
"""Largest weight of the error on fakes in the discriminator's loss."""


class GAIAConfig(ComponentConfig):
    deviation: float = Field(default=0.25, ge=0, le=10)
    """Standard deviation of the Gaussian mixing weights around 1/2; 4.6 % of them extrapolate."""
    distance_weight: float = Field(default=5e-5, ge=0, le=1000)
    """w_z: weight of the pairwise distances; official: half of the learning rate of 1e-4."""
    discriminator: ConvConfig
    """Sizes of the discriminator, an autoencoder of its own; its code has `latent_channels` channels."""
    discriminator_start: Literal["random", "autoencoder"] = "random"
    """``autoencoder``: the discriminator starts with the weights of the model, which has the same networks and is
    trained already (``--from``). Officially both start at random."""


@dataclass(frozen=True)
class Errors:
    """The discriminator's mean absolute errors, scalars, images in [0, 1]."""

    real: Tensor
    """r = mean |x - D(x)|"""
    reconstructed: Tensor
    """f_r = mean |x - D(G(x))|: against the data, not against G(x)"""
    mixed: Tensor
    """f_s = mean |x_i - D(x_i)|"""

    @property
    def fake(self) -> Tensor:
        """f = (f_r + f_s) / 2"""
        return (self.reconstructed + self.mixed) / 2


class GAIA(Regularizer[GAIAConfig]):
    """Generative adversarial interpolative autoencoding.

    What the paper does not settle for networks of this size, or what differs from it:

    - The official networks (128x128 images, content and style codes, AdaIN; 283 million parameters, and 3.7 million of
      the discriminator) are not built. Generator and discriminator are the core's convolutional autoencoder. The one
      code is mixed and its distances are preserved, where officially both codes are mixed and the content code's
      distances preserved.
    - The discriminator's output is linear. The official sigmoid, tried on `lines`, saturates at black within 50 steps:
      black is the median of such images, so the best constant under L1, and there all gradients vanish.
    - There is no reconstruction term: the generator learns to reconstruct through the discriminator alone. Nothing is
      detached, the losses' own weights p_D and p_G included.
    - The learning rate that is balanced is the recipe's, with its schedule; officially it is 1e-4 throughout.
    - `distance_weight` is a number of its own and does not follow the learning rate.
    - A batch of equal images, whose mean distance is 0, counts as at no distance.
    """

    def __init__(self, config: GAIAConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        sizes = config.discriminator
        encoder = ConvEncoder(ConvEncoderConfig(**sizes.model_dump()), image)
        outward = ConvDecoderConfig(width=sizes.width, activation=sizes.activation)
        self.discriminator = nn.Sequential(encoder, ConvDecoder(outward, image, encoder.latent_shape))

    def setup(self, model: LatentModel, batch: Batch, generator: Generator) -> None:
        """Copy the model's weights to the discriminator if asked to; `ConfigError` if their networks differ."""
        if self.config.discriminator_start == "random":
            return
        for own, given in zip(self.discriminator, (model.encoder, model.decoder), strict=True):
            try:
                own.load_state_dict(given.state_dict())
            except RuntimeError as error:
                raise ConfigError(
                    "regularizer.discriminator_start = 'autoencoder': regularizer.discriminator must have the sizes "
                    f"of the model's networks: {' '.join(str(error).split())}"
                ) from None
        x = batch["image"]
        if not torch.allclose(self.discriminator(x), model.decoder(model.encoder(x)), atol=1e-4):
            raise ConfigError(
                "regularizer.discriminator_start = 'autoencoder': with the model's weights the discriminator gives "
                "other images than the model: give it the activation of encoder and decoder, and make the decoder's "
                "output linear"
            )

    def updates(self, model: LatentModel) -> Sequence[Update]:
        """Both at every step: the discriminator at sig(r - f) times the learning rate, the autoencoder at the rest.

        The discriminator thus slows down when it reconstructs fakes worse than data.
        """
        autoencoder = parameters_of(model.encoder, model.decoder)
        return [
            Update("autoencoder", autoencoder, learning_rate_scale=lambda step: 1 - self._balance(step)),
            Update("discriminator", parameters_of(self.discriminator), learning_rate_scale=self._balance),
        ]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """Images in [0, 1]; sig(u) = 1 / (1 + exp(-20 u)); r, f_r, f_s and f as in `Errors`.

        L_discriminator = clip(r - p_D f, -1, 1),                            p_D = clip(sig(f_s / 2 - r), 0, 0.9)
        L_autoencoder   = clip(p_G f_s + (1 - p_G) f_r + w_z L_dist, -1, 1), p_G = sig(f_s - f_r)

        Raises:
            InputError: the batch has an odd number of images.
        """
        e = self._errors(step)
        if update == "autoencoder":
            distance = distance_loss(step.x, step.codes)
            p = _sig(e.mixed - e.reconstructed)
            loss = p * e.mixed + (1 - p) * e.reconstructed + self.config.distance_weight * distance
            step.log("distance", distance)
        else:
            p = _sig(0.5 * e.mixed - e.real).clamp(0, _LARGEST_SHARE)
            loss = e.real - p * e.fake
            step.log("error of data", e.real)
            step.log("error of reconstructions", e.reconstructed)
            step.log("error of mixes", e.mixed)
        return {update: loss.clamp(-1, 1)}

    def _errors(self, step: Step) -> Errors:
        return step.shared("gaia", lambda: self._compare(step))

    def _compare(self, step: Step) -> Errors:
        x, d = step.x, self.discriminator
        mixed = step.model.decoder(self._mix(step))
        return Errors(
            real=l1_loss(d(x).float(), x),
            reconstructed=l1_loss(d(step.reconstruction).float(), x),
            mixed=l1_loss(d(mixed).float(), mixed.float()),
        )

    def _mix(self, step: Step) -> Tensor:
        """u A + (1 - u) C and v reversed(A) + (1 - v) C of the batch's halves A and C; u, v ~ N(1/2, deviation^2)."""
        n = len(step.x)
        if n % 2:
            raise InputError(
                f"method 'gaia' pairs the halves of a batch: it needs an even number of images per process, got {n}"
            )
        a, c = step.codes.chunk(2)
        u, v = (align(weights, a) for weights in 0.5 + self.config.deviation * step.normal(2, n // 2))
        return torch.cat([u * a + (1 - u) * c, v * a.flip(0) + (1 - v) * c])

    def _balance(self, step: Step) -> float:
        """sig(r - f) of the whole batch, over all processes."""
        return step.shared("gaia balance", lambda: self._compared(step))

    def _compared(self, step: Step) -> float:
        e = self._errors(step)
        return float(_sig(step.mean((e.real - e.fake).detach())))


def distance_loss(x: Tensor, z: Tensor) -> Tensor:
    """How far the distances of codes (B, ...) are from those of images (B, ...), each relative to their mean.

    mean_ab (ln(1 + dx_ab / mean dx) - ln(1 + dz_ab / mean dz))^2, where d_ab is the mean squared difference of the
    images or codes a and b. All B^2 pairs count, also those of an image with itself.
    """
    return (_log_distances(x) - _log_distances(z)).square().mean()


def _log_distances(values: Tensor) -> Tensor:
    flat = values.flatten(1).float()
    # Matrix products would lose small distances between large codes.
    distances = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist").square()
    return torch.log1p(distances / distances.mean().clamp_min(torch.finfo(distances.dtype).tiny))


def _sig(u: Tensor) -> Tensor:
    return torch.sigmoid(_SLOPE * u)
