"""The AMR losses: a discriminator tells data from reconstructions and from mixes, the autoencoder makes it fail.

Source: arXiv 1903.02709, section 2; official code, models/swapgan.py, twogan.py and kgan.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import cached, is_parametrized

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.interfaces import LatentModel, Regularizer, Step, Update
from interpzoo.nets import ConvConfig, conv_trunk, cross_entropy, signed
from interpzoo_amr.mixers import Bernoulli, BernoulliConfig, Mixup, TrainingMixer


class AMRConfig(ComponentConfig):
    """Settings of AMR."""

    mixer: Literal["mixup", "bernoulli"] = "mixup"
    k: int = Field(default=2, ge=2, le=16)
    """Codes in a mix."""
    lamb: float = Field(default=10.0, ge=0, le=1000)
    """lambda: weight of the reconstruction."""
    beta: float = Field(default=0.0, ge=0, le=1000)
    """Weight of the consistency of codes, which no published run uses."""
    generator_every: int = Field(default=5, ge=1, le=1000)
    """The autoencoder moves at every so many steps, the discriminator at each."""
    discriminator: ConvConfig
    """The discriminator has the encoder's architecture; its logit is the mean over its whole output."""


class AMR(Regularizer[AMRConfig]):
    """Adversarial mixup resynthesis.

    The networks are the core's and not the official port of them, which adds instance normalisation, pads its first
    convolution to 34x34 images and leaks 0.01; the discriminator is theirs but for that padding and slope, and for the
    initial weights, which are the core's where theirs are torch's. The official count of steps begins anew at every
    epoch, this one goes through the whole run.
    """

    def __init__(self, config: AMRConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.k, self.lamb, self.beta = config.k, config.lamb, config.beta
        self.generator_every = config.generator_every
        mixup = config.mixer == "mixup"
        self.mixer: TrainingMixer = Mixup(ComponentConfig()) if mixup else Bernoulli(BernoulliConfig())
        self.discriminator = conv_trunk(config.discriminator, image)
        _, *convolutions = (layer for layer in self.discriminator if isinstance(layer, nn.Conv2d))
        for convolution in convolutions:  # all but the first, 1x1
            spectral_norm(convolution)

    def updates(self, model: LatentModel) -> Sequence[Update]:
        """The autoencoder at steps 0, `generator_every`, ..., the discriminator at each."""
        autoencoder = [*model.encoder.parameters(), *model.decoder.parameters()]
        return [
            Update("autoencoder", autoencoder, every=self.generator_every),
            Update("discriminator", [*self.discriminator.parameters()]),
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
                "reconstruction": self.lamb * l1_loss(signed(step.reconstruction.float()), signed(step.x)),
                "realism of reconstructions": self._cross_entropy(step.reconstruction, 1.0),
                "realism of mixes": self._cross_entropy(resynthesis, 1.0),
            }
            if self.beta > 0:
                returned = step.model.encoder(resynthesis)
                terms["consistency"] = self.beta * l1_loss(returned.float(), mixed.float())
            return terms
        return {
            "discriminator on data": self._cross_entropy(step.x, 1.0),
            "discriminator on reconstructions": self._cross_entropy(step.reconstruction.detach(), 0.0),
            "discriminator on mixes": self._cross_entropy(resynthesis.detach(), 0.0),
        }

    def d(self, x: Tensor) -> Tensor:
        """The logit of being data, (B,), of images (B, C, H, W) in [0, 1]."""
        with cached():
            # CUDA's autocast would take the power iteration's products in bfloat16, and then fail on mixed types.
            with torch.autocast(x.device.type, enabled=False):
                for layer in self.discriminator:
                    if is_parametrized(layer):
                        _ = layer.weight
            return self.discriminator(signed(x)).float().mean((1, 2, 3))

    def _cross_entropy(self, x: Tensor, target: float) -> Tensor:
        return cross_entropy(self.d(x), target)

    def _resynthesis(self, step: Step) -> tuple[Tensor, Tensor]:
        """The mixed codes and their images; gradients reach the encoder through all k codes."""
        h, n = step.codes, len(step.x)
        partners = [h[torch.randperm(n, generator=step.generator).to(h.device)] for _ in range(self.k - 1)]
        weights = self.mixer.draw(n, self.k, step.generator).to(h.device)
        mixed = self.mixer.mix(torch.stack([h, *partners], 1), weights, generator=step.generator)
        return mixed, step.model.decoder(mixed)
