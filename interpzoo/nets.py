"""Networks that several methods share: the convolutional encoder and decoder of the ACAI paper.

Stride-1 3x3 convolutions with "same" zero padding and biases, average pooling and nearest-neighbor upsampling, leaky
ReLU of slope 0.2, no normalization (so that pairs never share batch statistics and forward-mode derivatives are exact),
no output non-linearity. Source: official ACAI code, lib/layers.py. The networks work in that code's units, [-1, 1];
the conversion from and to [0, 1] is inside.
"""

import math
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal
from torch.nn.functional import conv2d, interpolate
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec, Width
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Decoder, Encoder
from interpzoo.layers import DoublingConv2d, NarrowConv2d

Activation = Literal["leaky_relu", "elu", "silu"]
"""The paper's, and two smooth ones for methods that differentiate the decoder twice."""

_SLOPE = 0.2
_LOG_VARIANCE_BOUND = 20.0
_STANDARD = 64  # images or codes that weights are drawn for


def signed(x: Tensor) -> Tensor:
    """Images in [0, 1] to [-1, 1], the units of the ACAI and AMR papers."""
    return 2 * x - 1


def activation(name: Activation) -> nn.Module:
    """The module of that name; leaky ReLU has the slope 0.2 of TensorFlow, not torch's 0.01.

    It overwrites its input, which has to be what a layer has just computed; derivatives stay what they are.
    """
    modules = {"leaky_relu": partial(nn.LeakyReLU, _SLOPE), "elu": nn.ELU, "silu": nn.SiLU}
    return modules[name](inplace=True)


def official_init(module: nn.Module) -> None:
    """Draw the weights of all linear and convolutional layers from N(0, 1 / ((1 + 0.2^2) fan_in)), biases 0.

    The official code's initialization, which made the ACAI paper's tables. It has half of the variance that leaky ReLU
    needs (He et al. 2015), so that each layer halves the mean square of a signal.
    """
    for layer in module.modules():
        # On the meta device there is nothing to draw, and the calls would take half the time of a load.
        if isinstance(layer, nn.Conv2d | nn.Linear) and not layer.weight.is_meta:
            _draw(layer, 1 + _SLOPE**2)


def spread_init(network: nn.Module, inputs: Tensor) -> None:
    """Draw the weights so that over `inputs` every output of every layer has mean 0 and variance 1.

    Each linear or convolutional layer is drawn from N(0, 1 / fan_in) and then scaled and shifted, channel by channel,
    in the order in which the layers run (Salimans and Kingma 2016, section 3). A signal thus passes any number of
    layers, whatever activations, padding and pooling take from it. He's gain makes up for activations alone: after four
    halvings of narrow networks the spread of codes is then anything from 0.03 to 0.7.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    if any(layer.weight.is_meta for layer in layers):
        return
    for layer in layers:
        _draw(layer, 1)
    hooks = [layer.register_forward_hook(_normalize) for layer in layers]
    with torch.no_grad():
        network(inputs.to(layers[0].weight))
    for hook in hooks:
        hook.remove()


def standard_images(image: ImageSpec, seed: int = 0) -> Tensor:
    """Images (64, C, H, W) of 4 by 4 patches whose gray values are N(0, 1) in [-1, 1], the networks' units.

    Patches and not single pixels, since neighbors in images are alike.
    """
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randn(_STANDARD, image.channels, 4, 4, generator=generator, device="cpu")
    return (interpolate(patches, (image.height, image.width)) + 1) / 2


def standard_codes(shape: tuple[int, ...]) -> Tensor:
    """Codes (64, *shape) from N(0, 1), always the same."""
    return torch.randn(_STANDARD, *shape, generator=torch.Generator().manual_seed(0), device="cpu")


def _draw(layer: nn.Conv2d | nn.Linear, divisor: float) -> None:
    nn.init.normal_(layer.weight, std=(divisor * layer.weight[0].numel()) ** -0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _normalize(layer: nn.Conv2d | nn.Linear, _: object, output: Tensor) -> Tensor:
    """A forward hook: change the layer so that its output has mean 0 and variance 1, and return that output."""
    deviation, mean = torch.std_mean(output.transpose(0, 1).flatten(1), dim=1)
    deviation = torch.where(deviation > 0, deviation, 1)
    layer.weight.div_(deviation.view(-1, *[1] * (layer.weight.ndim - 1)))
    shape = (-1, *[1] * (output.ndim - 2))
    if layer.bias is None:
        return output / deviation.view(shape)
    layer.bias.copy_((layer.bias - mean) / deviation)
    return (output - mean.view(shape)) / deviation.view(shape)


class ConvConfig(ComponentConfig):
    """Sizes of a convolutional encoder or critic."""

    width: Width = 16
    """Channels at full resolution; each halving of the resolution doubles them."""
    scales: int = Field(default=3, ge=0, le=8)
    """How often the resolution is halved: 32 pixels become 32 / 2^scales."""
    latent_channels: Width = 16
    activation: Activation = "leaky_relu"


class ConvEncoderConfig(ConvConfig):
    """Sizes of a convolutional encoder, and whether it is variational."""

    posterior: Literal["none", "gaussian"] = "none"
    """``gaussian``: the last convolution gives mean and log-variance of the code."""
    heads: Literal["features", "code"] = "features"
    """``code`` is for old models: there the last convolution gives the maps of a code, and mean and log-variance are
    linear in these, so that one is an affine function of the other."""


class ConvDecoderConfig(ComponentConfig):
    """Sizes of a convolutional decoder; the code's channels and resolution come from the encoder."""

    width: Width = 16
    activation: Activation = "leaky_relu"
    output: Literal["linear", "sigmoid"] = "linear"
    """``sigmoid`` gives the mean of a Bernoulli likelihood, ``linear`` that of a Gaussian."""


def conv_trunk(config: ConvConfig, image: ImageSpec) -> nn.Sequential:
    """Images (B, C, H, W) in [-1, 1] to maps (B, latent_channels, H / 2^scales, W / 2^scales); also the ACAI critic.

    Raises:
        ConfigError: H or W is not a multiple of 2^scales.
    """
    trunk = _trunk(config, image, config.latent_channels)
    official_init(trunk)
    return trunk


def _halvings(size: int) -> int:
    return (size & -size).bit_length() - 1


def _trunk(config: ConvConfig, image: ImageSpec, outputs: int) -> nn.Sequential:
    factor = 2**config.scales
    if image.height % factor or image.width % factor:
        raise ConfigError(
            f"scales = {config.scales} halvings of {image.height}x{image.width} images are not possible: "
            f"take at most {_halvings(math.gcd(image.height, image.width))}, or multiples of {factor} as image.height "
            "and image.width"
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
    layers.append(nn.Conv2d(deepest, outputs, 3, padding=1))
    return _Trunk(*layers)


class _Trunk(nn.Sequential):
    """Layers of which the first two are convolutions, of 1x1 and 3x3, with no activation between them.

    Together they are one convolution of the image, with fewer channels to go through. A further channel of ones takes
    the first one's biases up to the border, where the second one sees zeros. Hooks still see each of the two.
    """

    @override
    def forward(self, input: Tensor) -> Tensor:
        first, second = _parameters(self[0], 1), _parameters(self[1], 3)
        if first is None or second is None:
            return super().forward(input)
        pixelwise = torch.cat([first[0].flatten(1), first[1][:, None]], dim=1)
        kernel = torch.einsum("omij,mc->ocij", second[0], pixelwise)
        x = conv2d(torch.cat([input, torch.ones_like(input[:, :1])], dim=1), kernel, second[1], padding=1)
        for layer in [*self][2:]:
            x = layer(x)
        return x


def _parameters(layer: nn.Module, kernel: int) -> tuple[Tensor, Tensor] | None:
    """Weights and biases of a convolution; ``None`` if another layer was put in its place, or somebody watches it."""
    if type(layer) is not nn.Conv2d or layer.kernel_size != (kernel, kernel) or layer.bias is None:
        return None
    hooks = layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks  # pyright: ignore[reportPrivateUsage]
    return None if hooks else (layer.weight, layer.bias)


def _double_conv(channels: int, wider: int, name: Activation) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, wider, 3, padding=1),
        activation(name),
        nn.Conv2d(wider, wider, 3, padding=1),
        activation(name),
    ]


class ConvEncoder(Encoder[ConvEncoderConfig]):
    """The paper's encoder: images to a map of codes.

    With leaky ReLU and no posterior it is the official network and keeps its initialization, see `official_init`.
    """

    def __init__(self, config: ConvEncoderConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        factor = 2**config.scales
        self.latent_shape = (config.latent_channels, image.height // factor, image.width // factor)
        self.is_variational = config.posterior == "gaussian"
        dense = self.is_variational and config.heads == "code"
        both = self.is_variational and not dense
        self.layers = _trunk(config, image, (1 + both) * config.latent_channels)
        size = math.prod(self.latent_shape)
        self.moments = nn.Linear(size, 2 * size) if dense else None
        if dense or (config.activation == "leaky_relu" and not self.is_variational):
            official_init(self)
        else:
            spread_init(self, standard_images(image))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self._moments(x)[0] if self.is_variational else self.layers(signed(x))

    @override
    def posterior(self, x: Tensor) -> Distribution | None:
        if not self.is_variational:
            return None
        mean, log_variance = self._moments(x)
        # Autocast gives bfloat16, in which exp and the KL divergence lose too many digits.
        deviation = (log_variance.float().clamp(-_LOG_VARIANCE_BOUND, _LOG_VARIANCE_BOUND) / 2).exp()
        return Independent(Normal(mean.float(), deviation, validate_args=False), len(self.latent_shape))

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.layers(signed(x))
        if self.moments is not None:
            y = self.moments(y.flatten(1)).unflatten(1, (2 * self.latent_shape[0], *self.latent_shape[1:]))
        mean, log_variance = y.chunk(2, dim=1)
        return mean, log_variance


class ConvDecoder(Decoder[ConvDecoderConfig]):
    """The paper's decoder: a map of codes to images.

    With leaky ReLU and a linear output it is the official network and keeps its initialization, see `official_init`.
    """

    def __init__(self, config: ConvDecoderConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        if len(latent_shape) != 3:
            raise ConfigError(
                f"the convolutional decoder takes codes (channels, height, width), not {latent_shape}: choose an "
                "encoder that gives such codes, such as 'conv'"
            )
        channels, height, width = latent_shape
        scales = max(0, round(math.log2(image.height / height)))
        if (height * 2**scales, width * 2**scales) != (image.height, image.width):
            raise ConfigError(
                f"codes of {height}x{width} do not double to images of {image.height}x{image.width}: change "
                "image.height and image.width, or the encoder's scales"
            )
        layers: list[nn.Module] = []
        for scale in reversed(range(scales + 1)):
            narrower = config.width * 2 ** max(scale - 1, 0)
            first = nn.Conv2d if scale == scales else DoublingConv2d
            layers += [first(channels, narrower, 3, padding=1), activation(config.activation)]
            if scale > 0:
                layers += [nn.Conv2d(narrower, narrower, 3, padding=1), activation(config.activation)]
                layers.append(nn.Identity())  # saved weights are named after the numbers of the layers
            channels = narrower
        layers.append(NarrowConv2d(config.width, image.channels, 3, padding=1))
        self.layers = nn.Sequential(*layers)
        if config.activation == "leaky_relu" and config.output == "linear":
            official_init(self.layers)
        else:
            spread_init(self.layers, standard_codes(latent_shape))

    @override
    def forward(self, z: Tensor) -> Tensor:
        y = self.layers(z)
        return torch.sigmoid(y) if self.config.output == "sigmoid" else (y + 1) / 2

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) in nats, (B,): Bernoulli for a sigmoid output, else a Gaussian of unit variance."""
        y = self.layers(z).float()
        if self.config.output == "sigmoid":
            return bernoulli_log_prob(x, y)
        return Normal((y + 1) / 2, 1.0).log_prob(x).flatten(1).sum(1)


def bernoulli_log_prob(x: Tensor, logits: Tensor) -> Tensor:
    """log p(x) in nats, (B,): images (B, C, H, W) under pixelwise Bernoulli distributions of `logits`, (B, C, H, W).

    Gray values count as well: the result is then the expectation over binary images drawn from them.
    """
    return Bernoulli(logits=logits.float(), validate_args=False).log_prob(x).flatten(1).sum(1)
