"""The baselines of the ACAI paper, on the same networks (official: autoencoder.py, denoising.py, vae.py, aae.py)."""

import math
from collections.abc import Mapping, Sequence

from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec, Width
from interpzoo.interfaces import LatentModel, Regularizer, Step, Update, parameters_of
from interpzoo.losses import adversarial_loss, elbo_terms, signed_mse
from interpzoo.nets import official_init


class Autoencoder(Regularizer):
    """Reconstruction alone."""

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """L = mean (x - g(f(x)))^2."""
        return {"reconstruction": signed_mse(step.reconstruction, step.x)}


class DenoisingConfig(ComponentConfig):
    noise: float = Field(default=1.0, gt=0, le=10)
    """Standard deviation of the Gaussian noise on the input, in [-1, 1] units."""


class Denoising(Regularizer[DenoisingConfig]):
    """Reconstruction of the clean image from a noisy one."""

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """L = mean (x - g(f(x + noise)))^2, noise ~ N(0, sigma^2) on [-1, 1], so sigma / 2 on [0, 1]."""
        noisy = step.x + self.config.noise / 2 * step.normal(*step.x.shape)
        return {"reconstruction": signed_mse(step.model.decoder(step.model.encoder(noisy)), step.x)}


class VariationalConfig(ComponentConfig):
    beta: float = Field(default=1.0, ge=0, le=1000)
    """Weight of the KL divergence (1: the evidence lower bound; above: beta-VAE)."""


class Variational(Regularizer[VariationalConfig]):
    """The negative evidence lower bound with prior N(0, I) (Kingma and Welling 2014; beta: Higgins et al. 2017)."""

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """L = mean_B [ -log p(x | z) + beta KL(q(z | x) || N(0, I)) ], sums over pixels and latent dimensions, in nats.

        Raises:
            ConfigError: the encoder has no posterior or the decoder no likelihood.
        """
        reconstruction, divergence = elbo_terms(step, "vae")
        step.log("kl", divergence)
        return {"reconstruction": reconstruction, "divergence": self.config.beta * divergence}


class AdversarialConfig(ComponentConfig):
    width: Width = 100
    """Units of each of the two hidden layers of the discriminator."""
    weight: float = Field(default=1.0, ge=0, le=1000)
    """Weight of the adversarial term."""


class Adversarial(Regularizer[AdversarialConfig]):
    """A discriminator pulls the codes' distribution to the standard normal (Makhzani et al. 2016)."""

    def __init__(self, config: AdversarialConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.discriminator = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(latent_shape), config.width),
            nn.LeakyReLU(0.2),
            nn.Linear(config.width, config.width),
            nn.LeakyReLU(0.2),
            nn.Linear(config.width, 1),
        )
        official_init(self.discriminator)

    @override
    def updates(self, model: LatentModel) -> Sequence[Update]:
        return [*super().updates(model), Update("discriminator", parameters_of(self.discriminator))]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """Autoencoder: mean (x - g(z))^2 + w BCE(d(z), 1); discriminator: BCE(d(z), 0) + BCE(d(p), 1), p ~ N(0, I)."""
        if update == "autoencoder":
            return {
                "reconstruction": signed_mse(step.reconstruction, step.x),
                "adversarial": self.config.weight * adversarial_loss(self.discriminator(step.codes), real=True),
            }
        encoded, drawn = self.discriminator(step.codes.detach()), self.discriminator(step.normal(*step.codes.shape))
        return {"discriminator": adversarial_loss(encoded, real=False) + adversarial_loss(drawn, real=True)}
