"""Any encoder and decoder as networks of a model, and in what units they take and give images."""

import math
from collections.abc import Callable
from types import MethodType
from typing import Any

from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import InputError
from interpzoo.interfaces import Decoder, Encoder
from interpzoo.nets import bernoulli_log_prob
from interpzoo.returned import codes_of, images_of, posterior_of
from interpzoo.text import quoted

Values = tuple[float, float]
"""What black and white are to a network."""


class Method(nn.Module):
    """A method of a module, such as ``vae.encode``, as a module of its own. It shares all weights of that module."""

    def __init__(self, owner: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.owner = owner
        self.function = function

    @override
    def forward(self, values: Tensor) -> Any:
        return self.function(self.owner, values)


def as_module(what: str, given: nn.Module | Callable[[Tensor], Any]) -> nn.Module:
    """A module, or the method of one, as a module; raises an `InputError` for anything else."""
    if isinstance(given, nn.Module):
        return given
    if isinstance(given, MethodType) and isinstance(given.__self__, nn.Module):
        return Method(given.__self__, given.__func__)
    raise InputError(f"{what} = {quoted(given)}: expected a torch.nn.Module, or a method of one such as vae.encode")


class WrappedEncoder(Encoder):
    """Any module from images (B, C, H, W) in `values` to codes (B, *latent_shape)."""

    def __init__(
        self,
        module: nn.Module,
        image: ImageSpec,
        latent_shape: tuple[int, ...],
        size_multiple: int | None = None,
        *,
        values: Values = (0.0, 1.0),
        is_variational: bool = False,
    ) -> None:
        super().__init__(ComponentConfig(), image)
        self.module = module
        self.latent_shape = latent_shape
        self.size_multiple = size_multiple
        self.values = values
        self.is_variational = is_variational

    @override
    def forward(self, x: Tensor) -> Tensor:
        codes = codes_of(self.module(in_units(x, self.values)))
        if codes is None:
            raise InputError(f"the encoder {type(self.module).__name__!r} does not return codes for these images")
        return codes

    @override
    def posterior(self, x: Tensor) -> Distribution | None:
        # Asked first: running the module to see that there is none would train running statistics twice.
        return posterior_of(self.module(in_units(x, self.values))) if self.is_variational else None


class WrappedDecoder(Decoder):
    """Any module from codes (B, *latent_shape) to images (B, C, H, W) in `values`."""

    def __init__(
        self,
        module: nn.Module,
        image: ImageSpec,
        latent_shape: tuple[int, ...],
        size_multiple: int | None = None,
        *,
        values: Values = (0.0, 1.0),
        has_likelihood: bool = False,
    ) -> None:
        super().__init__(ComponentConfig(), image, latent_shape)
        self.module = module
        self.size_multiple = size_multiple
        self.values = values
        self.has_likelihood = has_likelihood

    @override
    def forward(self, z: Tensor) -> Tensor:
        images = images_of(self.module(z))
        if images is None:
            raise InputError(f"the decoder {type(self.module).__name__!r} does not return images for these codes")
        black, white = self.values
        return images if (black, white) == (0, 1) else (images - black) / (white - black)

    @override
    def log_prob(self, x: Tensor, z: Tensor) -> Tensor | None:
        if not self.has_likelihood:
            return None
        found = log_prob_of(self.module(z), in_units(x, self.values))
        black, white = self.values
        # The density of an image in [0, 1]: one value of it is as wide as white - black of the module's.
        return None if found is None else found + x[0].numel() * math.log(abs(white - black))


def in_units(x: Tensor, values: Values) -> Tensor:
    """Images in [0, 1] in the units of a network for which black and white are `values`."""
    black, white = values
    return x if (black, white) == (0, 1) else black + (white - black) * x


def log_prob_of(found: Any, x: Tensor) -> Tensor | None:
    """log p(x) in nats, (B,), of images (B, C, H, W) by what a decoder returns; ``None`` if that is no distribution."""
    match found:
        case (inner,):
            return log_prob_of(inner, x)
        case Independent():
            return log_prob_of(found.base_dist, x)
        case Bernoulli():
            return bernoulli_log_prob(x, found.logits)
        case Distribution():
            values = found.log_prob(x)
            return values.flatten(1).sum(1) if values.ndim > 1 else values
        case _:
            return None
