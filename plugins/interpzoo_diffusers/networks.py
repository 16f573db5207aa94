"""The autoencoders of diffusers as encoder and decoder, each with its half of the network.

Images are in [0, 1]; diffusers' are in [-1, 1]. Codes are on the scale that the diffusion model sees, as its pipelines
compute it from the network's settings: scaling and shift factors, or means and deviations of the channels.
"""

from typing import Any, ClassVar, Final

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Decoder, Encoder
from interpzoo.returned import codes_of
from interpzoo_diffusers.library import Network, build, factor_of, settings_of

TILED_SIDE: Final = 1024
"""Images with a longer side are encoded and decoded in overlapping tiles of this size, where diffusers can: attention
over larger ones takes gigabytes."""

_MOST_NUMBER: Final = 4096
_MOST_LAYERS: Final = 32
_MOST_LEVELS: Final = 8
_MOST_LENGTH: Final = 256
_MOST_DEPTH: Final = 3


class DiffusersConfig(ComponentConfig):
    """A class of diffusers and its settings."""

    network: Network = "AutoencoderTiny"
    settings: dict[str, Any] = Field(default_factory=dict, max_length=64)
    """As in the ``config.json`` of diffusers, without names that start with ``_``."""

    @field_validator("settings")
    @classmethod
    def _bounded(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, setting in value.items():
            _check(name, setting, 0)
        return value


def _check(name: str, value: Any, depth: int) -> None:
    """Refuse settings of networks that are too large to be built, before they are."""
    most = _MOST_LAYERS if "layers" in name or ("num_" in name and "blocks" in name) else _MOST_NUMBER
    if isinstance(value, list | tuple):
        length = _MOST_LEVELS if "channels" in name else _MOST_LENGTH
        if len(value) > length or depth == _MOST_DEPTH:
            raise ValueError(f"{name} has {len(value)} values: expected at most {length}")
        for item in value:
            _check(name, item, depth + 1)
    elif isinstance(value, str):
        if len(value) > _MOST_LENGTH:
            raise ValueError(f"{name} is a text of {len(value)} characters: expected at most {_MOST_LENGTH}")
    elif isinstance(value, int | float):
        if not abs(value) <= most:
            raise ValueError(f"{name} = {value}: expected at most {most}")
    elif value is not None:
        raise ValueError(f"{name} is a {type(value).__name__}: expected numbers, texts and lists of them")


class _Scale:
    """Codes as the network has them to codes as the diffusion model sees them, and back.

    As in the pipelines of diffusers: factors in those of Stable Diffusion 1 to 3 and FLUX.1, means and deviations in
    that of SDXL.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.scale = float(settings.get("scaling_factor") or 1.0)
        self.shift = float(settings.get("shift_factor") or 0.0)
        self.mean: list[float] | None = settings.get("latents_mean")
        self.deviation: list[float] | None = settings.get("latents_std")

    def to_model(self, z: Tensor) -> Tensor:
        if self.mean is not None and self.deviation is not None:
            return (z - _channels(self.mean, z)) * self.scale / _channels(self.deviation, z)
        return (z - self.shift) * self.scale

    def to_network(self, z: Tensor) -> Tensor:
        if self.mean is not None and self.deviation is not None:
            return z * _channels(self.deviation, z) / self.scale + _channels(self.mean, z)
        return z / self.scale + self.shift


def _channels(values: list[float], z: Tensor) -> Tensor:
    return torch.tensor(values, dtype=z.dtype, device=z.device).view(1, -1, 1, 1)


class DiffusersEncoder(Encoder[DiffusersConfig]):
    """The encoder of an autoencoder of diffusers; the code is the mean of its posterior.

    Raises:
        MissingDependencyError: diffusers is not installed, or too old.
        ConfigError: the settings do not make a network for such images.
    """

    def __init__(self, config: DiffusersConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        settings = settings_of(config.network, config.settings)
        takes, gives = settings["in_channels"], settings.get("out_channels", image.channels)
        if {takes, gives} != {image.channels}:
            raise ConfigError(
                f"{config.network} takes {takes} channels and gives {gives}: expected {image.channels}, as images have"
            )
        factor = factor_of(config.network, config.settings)
        if image.height % factor or image.width % factor:
            raise ConfigError(f"image = {image.height}x{image.width}: expected multiples of {factor}")
        self.network = _half(config, ("decoder", "post_quant_conv", "quantize"), factor)
        self.size_multiple = factor
        self._scale = _Scale(settings)
        self._patched = config.network == "AutoencoderKLFlux2"
        channels = settings["vq_embed_dim"] if config.network == "VQModel" else None
        self.latent_shape = (
            (channels or settings["latent_channels"]) * (4 if self._patched else 1),
            image.height // factor,
            image.width // factor,
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        network: Any = self.network
        z: Any = codes_of(network.encode(2 * x - 1))
        if self._patched:
            mean, deviation = _normalization(network)
            return (_patches(z) - mean) / deviation
        return self._scale.to_model(z)


class DiffusersDecoder(Decoder[DiffusersConfig]):
    """The decoder of an autoencoder of diffusers; raises as `DiffusersEncoder`."""

    def __init__(self, config: DiffusersConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        factor = factor_of(config.network, config.settings)
        if latent_shape[1:] != (image.height / factor, image.width / factor):
            raise ConfigError(f"codes of shape {latent_shape}: expected (c, H / {factor}, W / {factor})")
        if (config.network == "VQModel") == self.differentiable:
            raise ConfigError(f"{config.network} needs the decoder 'quantized', and no other network does")
        self.network = _half(config, ("encoder", "quant_conv"), factor)
        self.size_multiple = factor
        self._scale = _Scale(settings_of(config.network, config.settings))
        self._patched = config.network == "AutoencoderKLFlux2"

    @override
    def forward(self, z: Tensor) -> Tensor:
        network: Any = self.network
        if self._patched:
            mean, deviation = _normalization(network)
            z = _pixels(z * deviation + mean)
        else:
            z = self._scale.to_network(z)
        return (network.decode(z).sample + 1) / 2


class QuantizedDecoder(DiffusersDecoder):
    """The decoder of a `VQModel`, which first replaces each vector of a code by the nearest of its codebook."""

    differentiable: ClassVar[bool] = False


def _half(config: DiffusersConfig, without: tuple[str, ...], factor: int) -> nn.Module:
    """The network without the layers of its other half."""
    network: Any = build(config.network, config.settings)
    for name in without:
        if isinstance(getattr(network, name, None), nn.Module):
            setattr(network, name, None)
    if config.network in ("AutoencoderKL", "AutoencoderKLFlux2"):
        network.enable_tiling()
        network.tile_sample_min_size = TILED_SIDE
        network.tile_latent_min_size = TILED_SIDE // factor * (2 if config.network == "AutoencoderKLFlux2" else 1)
    return network


def _normalization(network: Any) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the patches that FLUX.2's diffusion model sees."""
    mean, variance = (value.view(1, -1, 1, 1) for value in (network.bn.running_mean, network.bn.running_var))
    return mean, torch.sqrt(variance + network.config.batch_norm_eps)


def _patches(z: Tensor) -> Tensor:
    """(B, c, 2 h, 2 w) to (B, 4 c, h, w)."""
    b, c, h, w = z.shape
    return z.view(b, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(b, 4 * c, h // 2, w // 2)


def _pixels(z: Tensor) -> Tensor:
    """(B, 4 c, h, w) to (B, c, 2 h, 2 w)."""
    b, c, h, w = z.shape
    return z.reshape(b, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(b, c // 4, 2 * h, 2 * w)
