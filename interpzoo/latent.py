"""Networks that learn on the codes of a frozen base model, put together with it: from image to image through both."""

from collections.abc import Iterable
from typing import Any, Final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.distributions import Distribution
from typing_extensions import Self, override

from interpzoo.config import ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Decoder, Encoder

MOST_CHANNELS: Final = 4096
"""Most channels of the codes of a base model."""

_SPREAD: Final = 3.0
"""Standard deviations to each side that become [0, 1]; of TAEF2's codes 0.4 % lie beyond, which costs 0.1 dB."""
_PLACES: Final = {f"{network}.base.": f"{network}." for network in ("encoder", "decoder")}


class CodeSpec(ImageSpec):
    """Shape of codes that networks take in place of images."""

    channels: int = Field(ge=1, le=MOST_CHANNELS)


def code_spec(latent_shape: tuple[int, ...]) -> CodeSpec:
    """What networks see in place of images; raises a `ConfigError` unless the codes are maps (c, h, w)."""
    if len(latent_shape) != 3 or not 1 <= latent_shape[0] <= MOST_CHANNELS:
        raise ConfigError(
            f"the base model's codes have shape {latent_shape}: expected maps (c, h, w) of at most {MOST_CHANNELS:,} "
            "channels. Choose another base model"
        )
    return CodeSpec.of(latent_shape)


def base_names(names: Iterable[str]) -> dict[str, str]:
    """Which of the `names` in the state of a model are its base model's, and what that calls them."""
    return {
        name: name.replace(inner, outer, 1)
        for name in names
        for inner, outer in _PLACES.items()
        if name.startswith(inner)
    }


class Range(nn.Module):
    """Codes (B, c, h, w) of a base model to values in [0, 1], which networks take for images, and back.

    Each channel has a range of its own; codes beyond it are brought to its ends.
    """

    low: Tensor
    high: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(channels, 1, 1))
        self.register_buffer("high", torch.ones(channels, 1, 1))

    def fit(self, mean: Tensor, deviation: Tensor) -> None:
        """Set the range of each channel from mean and standard deviation, (c,) each, of its values."""
        reach = _SPREAD * torch.where(deviation > 0, deviation, 1)
        self.low.copy_((mean - reach).view_as(self.low))
        self.high.copy_((mean + reach).view_as(self.high))

    @override
    def forward(self, codes: Tensor) -> Tensor:
        return ((codes - self.low) / (self.high - self.low)).clamp(0, 1)

    def back(self, values: Tensor) -> Tensor:
        """Values around [0, 1] to codes."""
        return torch.lerp(self.low, self.high, values)


class _OnBase(nn.Module):
    """A network with a frozen one of a base model, which stays in eval mode."""

    base: Any

    @override
    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.base.eval()
        return self


class LatentEncoder(_OnBase, Encoder):
    """The frozen encoder of a base model, and an encoder that learned on its codes."""

    base: Encoder[Any]

    def __init__(self, base: Encoder[Any], inner: Encoder[Any], scale: Range) -> None:
        super().__init__(inner.config, base.image)
        self.base = base.requires_grad_(False)
        self.range = scale
        self.inner = inner
        self.latent_shape = inner.latent_shape
        self.batch_statistics = inner.batch_statistics  # pyright: ignore[reportAttributeAccessIssue]

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.range(self.base(x)))

    @override
    def posterior(self, x: Tensor) -> Distribution | None:
        return self.inner.posterior(self.range(self.base(x)))


class LatentDecoder(_OnBase, Decoder):
    """A decoder that learned to give the codes of a base model, and the base model's frozen decoder."""

    base: Decoder[Any]

    def __init__(self, base: Decoder[Any], inner: Decoder[Any], scale: Range) -> None:
        super().__init__(inner.config, base.image, inner.latent_shape)
        if base.noise_shape is not None:
            raise ConfigError(
                f"the base model's decoder {type(base).__name__!r} takes noise: choose another base model"
            )
        self.inner = inner
        self.range = scale
        self.base = base.requires_grad_(False)
        self.noise_shape = inner.noise_shape
        self.batch_statistics = inner.batch_statistics  # pyright: ignore[reportAttributeAccessIssue]
        differentiable = inner.differentiable and base.differentiable
        self.differentiable = differentiable  # pyright: ignore[reportAttributeAccessIssue]

    @override
    def forward(self, z: Tensor) -> Tensor:
        return self.base(self.range.back(self.inner(z)))

    @override
    def sample(self, z: Tensor, noise: Tensor) -> Tensor:
        return self.base(self.range.back(self.inner.sample(z, noise)))


def latent_networks(encoder: Encoder[Any], decoder: Decoder[Any]) -> tuple[LatentEncoder, LatentDecoder]:
    """The networks of a model with a base; raises a `ConfigError` if it has none."""
    if not isinstance(encoder, LatentEncoder) or not isinstance(decoder, LatentDecoder):
        raise ConfigError(f"{type(encoder).__name__!r} and {type(decoder).__name__!r} are not on top of a base model")
    return encoder, decoder
