"""The AMR losses: a discriminator separates data from reconstructions and mixes, and the autoencoder misleads it.

Source: arXiv 1903.02709, section 2; official code, models/swapgan.py, twogan.py and kgan.py.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import cached, is_parametrized

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.interfaces import LatentModel, Regularizer, Step, Update, parameters_of
from interpzoo.losses import adversarial_loss
from interpzoo.nets import ConvConfig, conv_trunk, signed
from interpzoo_amr.mixers import Bernoulli, BernoulliConfig, Mixup, TrainingMixer


class AMRConfig(ComponentConfig):
    mixer: Literal["mixup", "bernoulli"] = "mixup"
    k: int = Field(default=2, ge=2, le=16)
    """Number of codes in a mix."""
    lamb: float = Field(default=10.0, ge=0, le=1000)
    """lambda: weight of the reconstruction."""
    beta: float = Field(default=0.0, ge=0, le=1000)
    """Weight of the consistency of codes; 0 in all published runs."""
    generator_every: int = Field(default=5, ge=1, le=1000)
    """The autoencoder moves at one step of this many, the discriminator at every step."""
    discriminator: ConvConfig
    """The discriminator has the encoder's architecture; its logit is the mean over its whole output."""


class AMR(Regularizer[AMRConfig]):
    """Adversarial mixup resynthesis.

    The networks are the core's. The official port adds instance normalization, pads its first convolution to 34x34
    images and has the slope 0.01. The discriminator is the official one except for that padding and slope and for the
    core's initial weights. The official code counts steps from 0 in each epoch; here they are counted through the
    whole run.
    """

    def __init__(self, config: AMRConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        mixup = config.mixer == "mixup"
        self.mixer: TrainingMixer = Mixup(ComponentConfig()) if mixup else Bernoulli(BernoulliConfig())
        self.discriminator = conv_trunk(config.discriminator, image)
        _, *convolutions = (layer for layer in self.discriminator if isinstance(layer, nn.Conv2d))
        for convolution in convolutions:  # all but the first, 1x1
            spectral_norm(convolution)

    def updates(self, model: LatentModel) -> Sequence[Update]:
        return [
            Update("autoencoder", parameters_of(model.encoder, model.decoder), every=self.config.generator_every),
            Update("discriminator", parameters_of(self.discriminator)),
        ]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """Images in [-1, 1]; h = f(x), h_mix a mix of it with k - 1 permutations of the batch; D a probability.

        L_autoencoder   = lambda mean |x - g(h)| + BCE(D(g(h)), 1) + BCE(D(g(h_mix)), 1)
                          + beta mean |f(g(h_mix)) - h_mix|
        L_discriminator = BCE(D(x), 1) + BCE(D(g(h)), 0) + BCE(D(g(h_mix)), 0), g(h) and g(h_mix) detached
        """
        mixed, resynthesis = step.shared("amr", lambda: self._resynthesis(step))
        if update == "autoencoder":
            terms = {
                "reconstruction": self.config.lamb * l1_loss(signed(step.reconstruction.float()), signed(step.x)),
                "realism of reconstructions": adversarial_loss(self.d(step.reconstruction), real=True),
                "realism of mixes": adversarial_loss(self.d(resynthesis), real=True),
            }
            if self.config.beta > 0:
                returned = step.model.encoder(resynthesis)
                terms["consistency"] = self.config.beta * l1_loss(returned.float(), mixed.float())
            return terms
        return {
            "discriminator on data": adversarial_loss(self.d(step.x), real=True),
            "discriminator on reconstructions": adversarial_loss(self.d(step.reconstruction.detach()), real=False),
            "discriminator on mixes": adversarial_loss(self.d(resynthesis.detach()), real=False),
        }

    def d(self, x: Tensor) -> Tensor:
        """The discriminator's logits, (B,), that images (B, C, H, W) in [0, 1] are data."""
        with cached():
            # CUDA's autocast would compute the power iteration in bfloat16 and then fail on mixed types.
            with torch.autocast(x.device.type, enabled=False):
                for layer in self.discriminator:
                    if is_parametrized(layer):
                        _ = layer.weight
            return self.discriminator(signed(x)).float().mean((1, 2, 3))

    def _resynthesis(self, step: Step) -> tuple[Tensor, Tensor]:
        """The mixed codes and their images; gradients reach the encoder through all k codes."""
        h, n = step.codes, len(step.x)
        partners = [h[torch.randperm(n, generator=step.generator).to(h.device)] for _ in range(self.config.k - 1)]
        weights = self.mixer.draw(n, self.config.k, step.generator).to(h.device)
        mixed = self.mixer.mix(torch.stack([h, *partners], 1), weights, model=step.model, generator=step.generator)
        return mixed, step.model.decoder(mixed)
