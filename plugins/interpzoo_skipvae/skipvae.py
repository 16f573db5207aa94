"""The loss of Skip-VAE: the evidence lower bound alone, since what the paper changes is the decoder.

Source: Dieng et al., arXiv 1807.04863; official code, train_img_skip.py.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor

from interpzoo.config import ComponentConfig
from interpzoo.interfaces import Regularizer, Step
from interpzoo.losses import elbo_terms

_FIRST_BETA = 0.1


class SkipVAEConfig(ComponentConfig):
    warmup_steps: int = Field(default=0, ge=0, le=100_000_000)
    """W: beta grows from 0.1 to 1 by 1 / W per step. 0 means beta = 1 from the start, as the paper does for images."""


class SkipVAE(Regularizer[SkipVAEConfig]):
    """Variational autoencoder of binary images; the baseline without skips has the same loss."""

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """L = mean_B [ -log p(x | z) + beta KL(q(z | x) || N(0, I)) ], x ~ Bernoulli(image), z ~ q(z | x).

        In nats, summed over pixels and latent dimensions. The binary image x is drawn in each step, and the encoder
        sees it as well.

        Raises:
            ConfigError: the encoder has no posterior or the decoder no likelihood.
        """
        reconstruction, kl = elbo_terms(_binarize(step), "skipvae")
        step.log("kl", kl)
        step.log("elbo", -reconstruction - kl)
        return {"reconstruction": reconstruction, "divergence": self.beta(step.index) * kl}

    def beta(self, index: int) -> float:
        """Weight of the divergence at step `index`; the first step is already one increment above 0.1."""
        steps = self.config.warmup_steps
        return min(1.0, _FIRST_BETA + (index + 1) / steps) if steps else 1.0


def _binarize(step: Step) -> Step:
    """The same step on binary images, drawn with the gray values of its own as probabilities."""
    x = step.x
    binary = torch.bernoulli(x.cpu().clamp(0, 1), generator=step.generator).to(x)
    return replace(step, batch={**step.batch, "image": binary})
