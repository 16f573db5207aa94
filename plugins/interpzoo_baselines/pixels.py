"""The identity: codes are the images themselves, of any size. Every path becomes a path between pictures."""

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Decoder, Encoder


class PixelEncoder(Encoder):
    """Images as their own codes."""

    size_multiple = 1

    def __init__(self, config: ComponentConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.latent_shape = image.shape
        # It says on which device and in which type a model without weights computes.
        self.register_buffer("place", torch.zeros(()))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x


class PixelDecoder(Decoder):
    """Codes as images."""

    size_multiple = 1

    def __init__(self, config: ComponentConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        if latent_shape != image.shape:
            raise ConfigError(f"codes of shape {latent_shape} are not images of shape {image.shape}")

    @override
    def forward(self, z: Tensor) -> Tensor:
        return z
