"""LatentModel that several methods share: the convolutional encoder and decoder of the ACAI paper.

Stride-1 3x3 convolutions with "same" zero padding and biases, average pooling and nearest-neighbour upsampling, leaky
ReLU of slope 0.2, no normalisation (so that pairs never share batch statistics and forward-mode derivatives are exact),
no output non-linearity. Source: official ACAI code, lib/layers.py. The networks work in that code's units, [-1, 1];
the conversion from and to [0, 1] is inside.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal
from torch.nn.functional import binary_cross_entropy_with_logits
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec, Width
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Decoder, Encoder

Activation = Literal["leaky_relu", "elu", "silu"]
"""The paper's, and two smooth ones for methods that differentiate the decoder twice."""

_SLOPE = 0.2
_LOG_VARIANCE_BOUND = 20.0


def signed(x: Tensor) -> Tensor:
    """Images in [0, 1] to the units of the ACAI and AMR papers, [-1, 1]."""
    return 2 * x - 1


def cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Mean binary cross-entropy in nats, a scalar, of a discriminator's logits (...) of being data with one target."""
    logits = logits.float()
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def activation(name: Activation) -> nn.Module:
    """The module of that name; leaky ReLU has the slope 0.2 of TensorFlow, not torch's 0.01."""
    modules = {"leaky_relu": lambda: nn.LeakyReLU(_SLOPE), "elu": nn.ELU, "silu": nn.SiLU}
    return modules[name]()


def he_init(module: nn.Module) -> None:
    """Draw the weights of all linear and convolutional layers from N(0, 1 / ((1 + 0.2^2) fan_in)), biases 0."""
    for layer in module.modules():
        # On the meta device there is nothing to draw, and pretending to takes half the time of a load.
        if isinstance(layer, nn.Conv2d | nn.Linear) and not layer.weight.is_meta:
            # Not torch's kaiming_normal_, whose variance is twice this.
            fan_in = layer.weight[0].numel()
            nn.init.normal_(layer.weight, std=((1 + _SLOPE**2) * fan_in) ** -0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class ConvConfig(ComponentConfig):
    """Sizes of a convolutional encoder or critic."""

    width: Width = 16
    """Channels at full resolution; each halving of the resolution doubles them."""
    scales: int = Field(default=3, ge=0, le=8)
    """Number of halvings: 32 pixels become 32 / 2^scales."""
    latent_channels: Width = 16
    activation: Activation = "leaky_relu"


class ConvEncoderConfig(ConvConfig):
    """A convolutional encoder; ``posterior`` adds the dense mean and log-variance of a variational one."""

    posterior: Literal["none", "gaussian"] = "none"


class ConvDecoderConfig(ComponentConfig):
    """A convolutional decoder; channels and resolution of the code are the encoder's."""

    width: Width = 16
    activation: Activation = "leaky_relu"
    output: Literal["linear", "sigmoid"] = "linear"
    """``sigmoid``: the mean of a Bernoulli likelihood; ``linear``: of a Gaussian one."""


def conv_trunk(config: ConvConfig, image: ImageSpec) -> nn.Sequential:
    """Images (B, C, H, W) in [-1, 1] to maps (B, latent_channels, H / 2^scales, W / 2^scales); also the ACAI critic.

    Raises:
        ConfigError: H or W is not a multiple of 2^scales.
    """
    factor = 2**config.scales
    if image.height % factor or image.width % factor:
        raise ConfigError(
            f"scales = {config.scales} halves {image.height}x{image.width} images that often: "
            f"height and width must be multiples of {factor}"
        )
    channels = config.width
    layers: list[nn.Module] = [nn.Conv2d(image.channels, channels, 1)]
    for scale in range(config.scales):
        wider = config.width * 2**scale
        layers += _double_conv(channels, wider, config.activation)
        layers.append(nn.AvgPool2d(2))
        channels = wider
    deepest = config.width * factor
    layers += [nn.Conv2d(channels, deepest, 3, padding=1), activation(config.activation)]
    layers.append(nn.Conv2d(deepest, config.latent_channels, 3, padding=1))
    trunk = nn.Sequential(*layers)
    he_init(trunk)
    return trunk


def _double_conv(channels: int, wider: int, name: Activation) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, wider, 3, padding=1),
        activation(name),
        nn.Conv2d(wider, wider, 3, padding=1),
        activation(name),
    ]


class ConvEncoder(Encoder[ConvEncoderConfig]):
    """The paper's encoder: images to a map of codes."""

    def __init__(self, config: ConvEncoderConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        factor = 2**config.scales
        self.layers = conv_trunk(config, image)
        self.latent_shape = (config.latent_channels, image.height // factor, image.width // factor)
        size = math.prod(self.latent_shape)
        self.moments = nn.Linear(size, 2 * size) if config.posterior == "gaussian" else None
        """Dense mean and log-variance on the flattened map, as the paper's VAE baseline."""
        if self.moments is not None:
            he_init(self.moments)

    @override
    def forward(self, x: Tensor) -> Tensor:
        if self.moments is None:
            return self.layers(signed(x))
        return self._moments(x)[0]

    def posterior(self, x: Tensor) -> Distribution | None:
        """A diagonal Gaussian over the code, or ``None``."""
        if self.moments is None:
            return None
        mean, log_variance = self._moments(x)
        # Autocast hands over bfloat16, in which exp and the KL divergence lose what matters.
        deviation = (log_variance.float().clamp(-_LOG_VARIANCE_BOUND, _LOG_VARIANCE_BOUND) / 2).exp()
        return Independent(Normal(mean.float(), deviation, validate_args=False), len(self.latent_shape))

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.moments is None:
            raise TypeError("a deterministic encoder has no posterior moments")
        mean, log_variance = self.moments(self.layers(signed(x)).flatten(1)).chunk(2, dim=1)
        return mean.unflatten(1, self.latent_shape), log_variance.unflatten(1, self.latent_shape)


class ConvDecoder(Decoder[ConvDecoderConfig]):
    """The paper's decoder: a map of codes to images."""

    def __init__(self, config: ConvDecoderConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        if len(latent_shape) != 3:
            raise ConfigError(f"the convolutional decoder takes codes (channels, height, width), not {latent_shape}")
        channels, height, width = latent_shape
        scales = max(0, round(math.log2(image.height / height)))
        if (height * 2**scales, width * 2**scales) != (image.height, image.width):
            raise ConfigError(f"codes of {height}x{width} do not double to images of {image.height}x{image.width}")
        self.output = config.output
        layers: list[nn.Module] = []
        for scale in reversed(range(scales)):
            narrower = config.width * 2**scale
            layers += _double_conv(channels, narrower, config.activation)
            layers.append(nn.Upsample(scale_factor=2))
            channels = narrower
        layers += [nn.Conv2d(channels, config.width, 3, padding=1), activation(config.activation)]
        layers.append(nn.Conv2d(config.width, image.channels, 3, padding=1))
        self.layers = nn.Sequential(*layers)
        he_init(self.layers)

    @override
    def forward(self, z: Tensor) -> Tensor:
        y = self.layers(z)
        return torch.sigmoid(y) if self.output == "sigmoid" else (y + 1) / 2

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        """(B,) in nats: Bernoulli on [0, 1] values for a sigmoid output, else a Gaussian of unit variance."""
        y = self.layers(z).float()
        likelihood = Bernoulli(logits=y, validate_args=False) if self.output == "sigmoid" else Normal((y + 1) / 2, 1.0)
        return likelihood.log_prob(x).flatten(1).sum(1)
