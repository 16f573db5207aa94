"""Fitting a template to images in one step: registration to a common mean, then principal components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from pydantic import Field
from torch import Generator, Tensor
from torch.nn import functional
from typing_extensions import override

from interpzoo.config import ComponentConfig
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Batch, LatentModel, Regularizer, Step, Update
from interpzoo_metamorphosis.averaging import centered, matched
from interpzoo_metamorphosis.fields import exponential, resample, warp
from interpzoo_metamorphosis.morphing import AT_ONCE, structure_of, unfolded
from interpzoo_metamorphosis.template import TemplateDecoder, TemplateEncoder

_LONGEST = 128
"""Pixels along the longer side at which images are registered."""
_MARGIN = 0.125
"""Share of the image's side over which motion through the border fades to none: what is outside of it is not known."""


class FitConfig(ComponentConfig):
    """How the template is found."""

    rounds: int = Field(default=3, ge=1, le=20)
    """How often all images are registered: first to one of them, then to their mean."""
    mirror: bool = False
    """Whether the mirror image of each image belongs to the class: twice as many images, and a symmetric mean."""


class Fit(Regularizer[FitConfig]):
    """Fits the networks to all training images at once, 500 at most; no step changes them after that.

    If the data set has no end, it takes the first batch.

    Velocities are the stationary ones of Arsigny et al. (2006), whose mean and components may be taken as those of
    vectors; the mean image is that of Guimond, Meunier and Thirion (2000).
    """

    autocast = False
    setup_images = 500  # of 256x256 they take some 3 GB

    @override
    def setup(self, model: LatentModel, batch: Batch, generator: Generator) -> None:
        encoder, decoder = model.encoder, model.decoder
        if not (isinstance(encoder, TemplateEncoder) and isinstance(decoder, TemplateDecoder)):
            raise ConfigError(
                "regularizer 'template' fits the encoder and decoder 'template', and the recipe has others"
            )
        if encoder.config.shapes != decoder.config.shapes:
            raise ConfigError(
                f"decoder.shapes = {decoder.config.shapes}, expected {encoder.config.shapes}, which is encoder.shapes"
            )
        mean, shapes, looks = fitted(batch["image"], self.config, encoder.config.shapes, encoder.config.looks)
        for network in (encoder, decoder):
            network.template.fill(mean, shapes, looks)

    @override
    def updates(self, model: LatentModel) -> Sequence[Update]:
        return []

    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        return {}


def fitted(images: Tensor, config: FitConfig, shapes: int, looks: int) -> tuple[Tensor, Tensor, Tensor]:
    """The mean (C, H, W) of `images` (n, C, H, W), and components of shape (k, 2, h, w) and appearance (k, C, H, W).

    Components are one standard deviation long; there may be fewer than asked for.
    """
    velocity = _registered(images, config)
    appearances = _at_mean(images, velocity)
    if config.mirror:
        velocity = torch.cat([velocity, _mirrored(velocity)])
        appearances = torch.cat([appearances, appearances.flip(-1)])
    # The velocities' own mean is not subtracted: they are centered, except for what the border takes.
    return appearances.mean(0), _components(velocity, shapes, about_mean=False), _components(appearances, looks)


def _registered(images: Tensor, config: FitConfig) -> Tensor:
    """Velocities (n, 2, h, w) whose flows take pixels of the common mean to those of each image."""
    maps = torch.cat([_structure(part) for part in images.split(AT_ONCE)])
    hub = int((maps - maps.mean(0)).square().mean((1, 2, 3)).argmin())
    reference, velocity = maps[hub : hub + 1], images.new_zeros(())
    for number in range(config.rounds):
        velocity = matched(maps, reference)
        # The first image may look anywhere; from then on the mean is its own mirror image.
        about = torch.cat([velocity, _mirrored(velocity)]) if config.mirror and number else velocity
        velocity = unfolded(_kept_inside(centered(velocity, about)))
        mean = _at_mean(images, velocity).mean(0, keepdim=True)
        reference = _structure((mean + mean.flip(-1)) / 2 if config.mirror else mean)
    return velocity


def _structure(images: Tensor) -> Tensor:
    """What images are registered by: larger than for fields of 32 cells, it takes longer and gives no more."""
    longer = max(images.shape[-2:])
    size = [max(1, round(side * min(1.0, _LONGEST / longer))) for side in images.shape[-2:]]
    return structure_of(functional.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False))


def _at_mean(images: Tensor, velocity: Tensor) -> Tensor:
    """`images` moved to the mean shape."""
    parts = zip(images.split(AT_ONCE), velocity.split(AT_ONCE), strict=True)
    return torch.cat([warp(part, resample(exponential(v), *part.shape[-2:]), "bicubic") for part, v in parts])


def _mirrored(velocity: Tensor) -> Tensor:
    return velocity.flip(-1) * velocity.new_tensor([-1.0, 1.0]).view(2, 1, 1)


def _kept_inside(velocity: Tensor) -> Tensor:
    """The velocity without what flows through the border."""
    height, width = velocity.shape[-2:]
    across, down = _inside(width, velocity), _inside(height, velocity)[:, None]
    return torch.stack([velocity[:, 0] * across, velocity[:, 1] * down], 1)


def _inside(n: int, like: Tensor) -> Tensor:
    at = (torch.arange(n, dtype=like.dtype, device=like.device) + 0.5) / n
    share = (torch.minimum(at, 1 - at) / _MARGIN).clamp(max=1)
    return share.square() * (3 - 2 * share)


def _components(values: Tensor, count: int, *, about_mean: bool = True) -> Tensor:
    """At most `count` principal components of `values` (n, ...), (k, ...), one standard deviation long each."""
    flat = values.flatten(1)
    flat = flat - flat.mean(0) if about_mean else flat
    # By the small matrix of all products: there are fewer images than pixels.
    lengths, ways = torch.linalg.eigh((flat @ flat.T).double())
    lengths, ways = lengths.flip(0), ways.flip(1)
    kept = int((lengths[:count] > 1e-6 * lengths[0]).sum())
    found = (ways[:, :kept].T.to(flat) @ flat) / len(flat) ** 0.5
    largest = found.gather(1, found.abs().argmax(1, keepdim=True))
    return (found * largest.sign()).unflatten(1, values.shape[1:])
