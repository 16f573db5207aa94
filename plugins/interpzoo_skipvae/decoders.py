"""Decoders to a mean image that take the code at every layer and at the output.

Source: Dieng et al., arXiv 1807.04863: h_1 = f_1(z), h_{l+1} = g_l(h_l, z), and the natural parameters come from
h_L and z again. Without the skips only h_1 depends on z: the baseline of the same depth and width.
"""

import math

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec, Width
from interpzoo.errors import ConfigError
from interpzoo.interfaces import ConfigT, Decoder
from interpzoo.nets import Activation, activation, bernoulli_log_prob, spread_init, standard_codes


class CodeMap(nn.Module):
    """A code as one more channel of a layer: linear, with a weight for each pixel and latent dimension.

    Source: official code, models_img_skip.py, which draws linear layers from N(0, 2 / fan_in).
    """

    def __init__(self, size: int, height: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(size, height * width)
        self.shape = (1, height, width)
        # On the meta device there is nothing to draw.
        if not self.linear.weight.is_meta:
            nn.init.normal_(self.linear.weight, std=math.sqrt(2 / size))

    def forward(self, z: Tensor) -> Tensor:
        """Codes (B, *latent_shape) to maps (B, 1, height, width)."""
        return self.linear(z.flatten(1)).unflatten(1, self.shape)


class BernoulliDecoder(Decoder[ConfigT]):
    """A decoder to logits: the mean image is their sigmoid, the likelihood is Bernoulli in each pixel.

    The official code clips probabilities to [1e-5, 1 - 1e-5]; with logits nothing needs to be clipped.
    """

    def logits(self, z: Tensor) -> Tensor:
        """Codes (B, *latent_shape) to (B, C, H, W)."""
        raise NotImplementedError

    @override
    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(z))

    @override
    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        return bernoulli_log_prob(x, self.logits(z))


class SkipMLPConfig(ComponentConfig):
    width: Width = 1024
    layers: int = Field(default=3, ge=1, le=64)
    """Number of hidden layers, not counting the output."""
    skip: bool = True
    """Whether the code goes into every layer or, for the baseline, only into the first."""
    activation: Activation = "leaky_relu"


class SkipMLP(BernoulliDecoder[SkipMLPConfig]):
    """h_1 = a(V_1 z), h_{l+1} = a(W_l h_l + V_{l+1} z), logits W_L h_L + V z.

    Source: MLPVAE of the official code, models_img_skip.py, which leaves z out of the output, unlike the paper.
    """

    def __init__(self, config: SkipMLPConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        size, pixels = math.prod(latent_shape), math.prod(image.shape)
        self.activation = activation(config.activation)
        widths = [config.width] * (config.layers - 1) + [pixels]
        self.first = nn.Linear(size, config.width)
        self.layers = nn.ModuleList(nn.Linear(config.width, width) for width in widths)
        self.skips = nn.ModuleList(nn.Linear(size, width, bias=False) for width in widths if config.skip)
        spread_init(self, standard_codes(latent_shape))

    @override
    def logits(self, z: Tensor) -> Tensor:
        z = z.flatten(1)
        h = self.first(z)
        for i, layer in enumerate(self.layers):
            h = layer(self.activation(h))
            if self.skips:
                h = h + self.skips[i](z)
        return h.unflatten(1, self.image.shape)


class SkipConvConfig(ComponentConfig):
    width: Width = 16
    """Channels at full resolution; each halving of the resolution doubles them."""
    scales: int = Field(default=3, ge=0, le=8)
    """Number of doublings: the first map has height / 2^scales rows."""
    skip: bool = True
    """Whether the code goes into every layer or, for the baseline, only into the first."""
    activation: Activation = "leaky_relu"


class SkipConv(BernoulliDecoder[SkipConvConfig]):
    """A dense layer, two convolutions per scale with nearest-neighbor upsampling between, one more, and the output.

    With three scales these are nine layers, like the paper's deepest network. It is the core's ``conv`` on a
    dense layer. The paper's only convolutional decoder is the PixelCNN; as there, the code is one more channel of every
    layer.
    """

    def __init__(self, config: SkipConvConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        factor = 2**config.scales
        if image.height % factor or image.width % factor:
            raise ConfigError(
                f"scales = {config.scales} doublings cannot end at images of {image.height}x{image.width}: "
                f"height and width must be multiples of {factor}"
            )
        size = math.prod(latent_shape)
        self.activation = activation(config.activation)
        channels = [config.width * 2**scale for scale in reversed(range(config.scales)) for _ in range(2)]
        divisors = [2 * 2**scale for scale in reversed(range(config.scales)) for _ in range(2)]
        ends = [*channels, config.width, image.channels]
        starts = [ends[0], *ends[:-1]]
        self.start = (starts[0], image.height // factor, image.width // factor)
        self.first = nn.Linear(size, math.prod(self.start))
        self.layers = nn.ModuleList(
            _Layer(start, end, size if config.skip else None, (image.height // divisor, image.width // divisor))
            for start, end, divisor in zip(starts, ends, [*divisors, 1, 1], strict=True)
        )
        spread_init(self, standard_codes(latent_shape))

    @override
    def logits(self, z: Tensor) -> Tensor:
        h = self.first(z.flatten(1)).unflatten(1, self.start)
        for layer in self.layers:
            h = layer(self.activation(h), z)
        return h


class _Layer(nn.Module):
    """A 3x3 convolution of its input, resized to the layer's resolution, and of the code's map."""

    def __init__(self, channels: int, wider: int, size: int | None, resolution: tuple[int, int]) -> None:
        super().__init__()
        self.resolution = resolution
        self.code_map = None if size is None else CodeMap(size, *resolution)
        self.conv = nn.Conv2d(channels + (size is not None), wider, 3, padding=1)

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        if h.shape[2:] != self.resolution:
            h = interpolate(h, self.resolution)
        return self.conv(h if self.code_map is None else torch.cat([h, self.code_map(z)], 1))
