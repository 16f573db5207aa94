"""The ACAI losses: a critic estimates the mixing coefficient of an interpolant, the autoencoder drives it to 0.

Source: arXiv 1807.07543, eqs. 1 and 2; official code acai.py, which decides where the two differ.
"""

from collections.abc import Mapping, Sequence

from pydantic import Field
from torch import Tensor

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.geometry import align
from interpzoo.interfaces import LatentModel, Regularizer, Step, Update, parameters_of
from interpzoo.losses import signed_mse
from interpzoo.nets import ConvConfig, conv_trunk, signed


class ACAIConfig(ComponentConfig):
    weight: float = Field(default=0.5, ge=0, le=1000)
    """lambda: weight of the critic's estimate in the autoencoder's loss."""
    gamma: float = Field(default=0.2, ge=0, le=1)
    """Weight of the data in the images of the second critic term; 1 - gamma is the weight of the reconstruction."""
    critic: ConvConfig
    """The critic has the encoder's architecture; its estimate is the mean over its whole output."""


class ACAI(Regularizer[ACAIConfig]):
    """Adversarially constrained autoencoder interpolation."""

    def __init__(self, config: ACAIConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.critic = conv_trunk(config.critic, image)

    def updates(self, model: LatentModel) -> Sequence[Update]:
        return [*super().updates(model), Update("critic", parameters_of(self.critic))]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """Images in [-1, 1]; alpha ~ U(0, 1/2); an image's partner comes from the reversed batch.

        L_autoencoder = mean (x - g(f(x)))^2 + lambda mean_B d(x_alpha)^2
        L_critic      = mean_B (d(x_alpha) - alpha)^2 + mean_B d(gamma x + (1 - gamma) g(f(x)))^2
        """
        alpha, estimate = step.shared("acai", lambda: self._estimate(step))
        if update == "autoencoder":
            return {
                "reconstruction": signed_mse(step.reconstruction, step.x),
                "interpolation": self.config.weight * estimate.square().mean(),
            }
        gamma = self.config.gamma
        # This update moves the critic alone; detaching only saves the backward pass through the decoder.
        blend = (gamma * step.x + (1 - gamma) * step.reconstruction.float()).detach()
        return {
            "critic": (estimate - alpha).square().mean(),
            "critic on data": self.d(blend).square().mean(),
        }

    def d(self, x: Tensor) -> Tensor:
        """The critic's estimate of alpha, (B,), for images (B, C, H, W) in [0, 1]: a mean without a sigmoid."""
        return self.critic(signed(x)).float().mean((1, 2, 3))

    def _estimate(self, step: Step) -> tuple[Tensor, Tensor]:
        alpha = step.uniform(len(step.x))
        alpha = 0.5 - (alpha - 0.5).abs()
        weight = align(alpha, step.codes)
        mixed = weight * step.codes + (1 - weight) * step.codes.flip(0)
        return alpha, self.d(step.model.decoder(mixed))
