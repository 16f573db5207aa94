"""The networks of TAESD, TAESD3, TAEF1, TAEF2 and their like, by Ollin Boer Bohan.

Layers have the names of the official code (madebyollin/taesd, taesd.py), so that its files fill them as they are.
Images are in [0, 1], codes are on the scale that the diffusion model sees.
"""

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec, Width
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Decoder, Encoder

FACTOR = 8
"""Height and width of an image over those of its code."""
_GROUPS = 4
_BOUND = 3.0


class TaeEncoderConfig(ComponentConfig):
    """Sizes of the encoder."""

    latent_channels: int = Field(default=32, ge=1, le=256)
    """4 in TAESD, 16 in TAESD3 and TAEF1, 32 in TAEF2."""
    width: Width = 64
    pooled: bool = True
    """Whether the blocks at the lowest resolution have a second branch, with group normalization: TAEF2 has it."""


class TaeDecoderConfig(ComponentConfig):
    """Sizes of the decoder; that of its codes is given."""

    width: Width = 64
    pooled: bool = True
    """As `TaeEncoderConfig.pooled`."""


class TaeEncoder(Encoder[TaeEncoderConfig]):
    """3x3 convolutions with three halvings of the resolution."""

    size_multiple = FACTOR

    def __init__(self, config: TaeEncoderConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        if image.height % FACTOR or image.width % FACTOR:
            raise ConfigError(f"image = {image.height}x{image.width}: expected multiples of {FACTOR}")
        self.latent_shape = (config.latent_channels, image.height // FACTOR, image.width // FACTOR)
        width = config.width
        layers: list[nn.Module] = [_conv(image.channels, width), Block(width)]
        for pooled in (False, False, config.pooled):
            layers += [_conv(width, width, stride=2, bias=False), *(Block(width, pooled=pooled) for _ in range(3))]
        self.layers = nn.Sequential(*layers, _conv(width, config.latent_channels))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class TaeDecoder(Decoder[TaeDecoderConfig]):
    """3x3 convolutions with three doublings of the resolution."""

    size_multiple = FACTOR

    def __init__(self, config: TaeDecoderConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        if latent_shape[1:] != (image.height / FACTOR, image.width / FACTOR):
            raise ConfigError(f"codes of shape {latent_shape}: expected (c, H / {FACTOR}, W / {FACTOR})")
        width = config.width
        layers: list[nn.Module] = [Clamp(), _conv(latent_shape[0], width), nn.ReLU()]
        for pooled in (config.pooled, False, False):
            blocks = [Block(width, pooled=pooled) for _ in range(3)]
            layers += [*blocks, nn.Upsample(scale_factor=2), _conv(width, width, bias=False)]
        self.layers = nn.Sequential(*layers, Block(width), _conv(width, image.channels))

    @override
    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Clamp(nn.Module):
    """Values far from 0 are bent to at most 3: 3 tanh(x / 3)."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / _BOUND) * _BOUND


class Block(nn.Module):
    """Three convolutions, added to their input; a pooled block first adds a wider branch of single pixels to it."""

    def __init__(self, width: int, *, pooled: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(_conv(width, width), nn.ReLU(), _conv(width, width), nn.ReLU(), _conv(width, width))
        self.pool: nn.Module | None = None
        if pooled:
            wide = _GROUPS * width
            self.pool = nn.Sequential(
                nn.Conv2d(width, wide, 1, bias=False),
                nn.GroupNorm(_GROUPS, wide),
                nn.ReLU(),
                nn.Conv2d(wide, width, 1, bias=False),
            )

    @override
    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


def _conv(channels: int, width: int, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, padding=1, stride=stride, bias=bias)
