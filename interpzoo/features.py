"""Feature networks: what images are compared by where pixels say little."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import conv2d

from interpzoo import folder as pretrained
from interpzoo.config import ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.hub import locate
from interpzoo.loading import read_model
from interpzoo.plugins import registry

_BATCH: Final = 256
_SEED: Final = 1
_WIDTHS: Final = (16, 32, 64)


@dataclass(frozen=True)
class Features:
    """Images (B, C, H, W) in [0, 1] to features (B, D)."""

    name: str
    """The pretrained network, or what stands in for one."""
    network: Callable[[Tensor], Tensor]

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Features of images, which are clamped: (B, D) in float32, on the CPU."""
        parts = [self.network(part.clamp(0, 1)).float().flatten(1) for part in images.split(_BATCH)]
        return torch.cat(parts)


def features_of(dataset: str, image: ImageSpec) -> Features:
    """The features that images of a data set are compared by.

    Those of a pretrained network of kind ``features`` for this data set and shape, if one is registered. Otherwise of
    random convolutions: three layers of stride 2, He weights of a fixed seed, the mean of every channel over the image.
    They see textures and strokes and nothing of what they mean.
    """
    rows = [row for row in registry().models if row.entry.kind == "features" and row.entry.dataset == dataset]
    for row in rows:
        found = load_features(row.qualified)
        if found[1] == image:
            return found[0]
    return Features("random convolutions", _random(image))


def load_features(name: str | Path) -> tuple[Features, ImageSpec]:
    """A pretrained network of kind ``features``, and the images that it takes.

    Raises:
        UnknownNameError: no such model.
        ConfigError: its config does not validate, or it is no such network.
        WeightsError: its weights are damaged or do not fit the config.
    """
    source = locate(name)
    config = pretrained.read_config(source.path)
    if config.kind != "features":
        raise ConfigError(f"{str(name)!r} is a model of kind {config.kind!r}, not a network of features")
    return Features(config.name, read_model(source).encoder), config.image


def _random(image: ImageSpec) -> nn.Module:
    generator = Generator().manual_seed(_SEED)
    layers: list[nn.Module] = []
    channels = image.channels
    for width in _WIDTHS:
        weight = torch.randn(width, channels, 3, 3, generator=generator) * math.sqrt(2 / (9 * channels))
        layers += [_Convolution(weight, torch.randn(width, generator=generator) / 4), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class _Convolution(nn.Module):
    """Of stride 2, with given weights: nothing is drawn from the global random state."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight, self.bias, stride=2, padding=1)
