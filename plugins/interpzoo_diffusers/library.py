"""diffusers itself: imported on demand, with its errors mapped to the zoo's, and its autoencoders that are used."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Literal

from torch import nn

from interpzoo.errors import ConfigError, MissingDependencyError, how_to_install

Network = Literal[
    "AutoencoderKL", "AutoencoderTiny", "AutoencoderDC", "AsymmetricAutoencoderKL", "AutoencoderKLFlux2", "VQModel"
]
"""The autoencoders whose codes are one tensor (c, H / f, W / f)."""

_LEVELS: Final[Mapping[str, str]] = {
    "AutoencoderKL": "block_out_channels",
    "AutoencoderTiny": "encoder_block_out_channels",
    "AutoencoderDC": "encoder_block_out_channels",
    "AsymmetricAutoencoderKL": "down_block_out_channels",
    "AutoencoderKLFlux2": "block_out_channels",
    "VQModel": "block_out_channels",
}
"""The setting with a number of channels for each resolution, each a half of the one before."""


def check_installed() -> None:
    """Raise a `MissingDependencyError` if diffusers is not installed; it is not imported, which takes seconds."""
    if find_spec("diffusers") is None:
        raise MissingDependencyError(f"models of diffusers need diffusers: {how_to_install('diffusers')}")


def network_class(name: Network) -> Any:
    """The class of this name.

    Raises:
        MissingDependencyError: diffusers is not installed, cannot be imported or is too old for it.
    """
    check_installed()
    try:
        library: Any = import_module("diffusers")
        return getattr(library, name)
    # torchvision for another torch, which diffusers imports if it is there, can raise any of these.
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        line = str(error).strip().partition("\n")[0]
        raise MissingDependencyError(
            f"{name} cannot be imported from diffusers ({line}): expected diffusers 0.32 or newer, and a torchvision "
            "that fits torch or none"
        ) from error


def settings_of(network: Network, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a network, those left out too.

    Raises:
        MissingDependencyError: as `network_class`.
        ConfigError: the network does not have a setting.
    """
    import inspect

    parameters = inspect.signature(network_class(network).__init__).parameters
    known = {name: found.default for name, found in parameters.items() if name != "self"}
    if unknown := [name for name in settings if name not in known]:
        raise ConfigError(
            f"{network} of this diffusers has no setting {unknown[0]!r}: expected some of {', '.join(known)}. A newer "
            "diffusers may have it"
        )
    return {**known, **settings}


def build(network: Network, settings: Mapping[str, Any]) -> nn.Module:
    """The network on torch's default device; raises as `settings_of`, and a `ConfigError` if they do not fit."""
    known, cls = settings_of(network, settings), network_class(network)
    tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
    try:
        return cls(**tuples)
    except Exception as error:  # each block of diffusers refuses in its own way
        line = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ConfigError(f"diffusers cannot build {network}: {line}") from error


def factor_of(network: Network, settings: Mapping[str, Any]) -> int:
    """Height and width of an image over those of its code."""
    levels = settings_of(network, settings)[_LEVELS[network]]
    patches = 2 if network == "AutoencoderKLFlux2" else 1
    return patches * 2 ** (len(levels) - 1)
