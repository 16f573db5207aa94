"""Feature networks: what images are compared by where pixels say little."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Generator, Tensor, nn

from interpzoo.arguments import of_type
from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import ConfigError, UnknownNameError, did_you_mean
from interpzoo.interfaces import FeatureNetwork
from interpzoo.plugins import registry
from interpzoo.pretrained.folder import WEIGHTS, file_of
from interpzoo.pretrained.load import on_device, read_model
from interpzoo.pretrained.locate import is_path, locate
from interpzoo.pretrained.reading import sha256
from interpzoo.registry import ClassReference, E, Registration, Table
from interpzoo.tensors import own_randomness
from interpzoo.text import quoted

_BATCH: Final = 256
_SEED: Final = 1
_DIGITS: Final = 12
_WIDTHS: Final = (16, 32, 64)


@dataclass(frozen=True)
class Features:
    """A function from images (B, C, H, W) in [0, 1] to features (B, D)."""

    name: str
    """Name of the network, the same for the same weights only: it is in every record."""
    network: Callable[[Tensor], Tensor]
    device: str | torch.device | None = None
    """Where the network is; the CPU by default."""

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Features of images, which are clamped: (B, D) in float32, on the CPU."""
        parts = [part.to(self.device).clamp(0, 1) for part in images.split(_BATCH)]
        return torch.cat([self.network(part).float().flatten(1).cpu() for part in parts])


def default_features(dataset: str, image: ImageSpec) -> Features:
    """The features that images of a data set are compared by unless a user asks for others.

    These are the features of a registered pretrained network of kind ``features`` for this data set and shape. Without
    one they are random convolutions: three layers of stride 2, He weights of a fixed seed, and the mean of every
    channel over the image. Random convolutions see textures and strokes, but not what these mean.
    """
    for row in registry().models:
        is_own = (row.entry.kind, row.entry.dataset) == ("features", dataset)
        if is_own and locate(row.qualified).config().image == image:
            return _pretrained(row.qualified, image, None)
    return Features("random convolutions", _random(image))


def features_named(name: str | Path, image: ImageSpec, *, device: str | torch.device | None = None) -> Features:
    """The features that a user asks for.

    Args:
        name: a pretrained network of kind ``features``, by its name, folder or repository as in `load`; or
            ``COMPONENT:NETWORK``, a registered component of kind ``features`` and the text that its config takes, such
            as ``timm:resnet18.a1_in1k``.
        image: shape of the images to be compared.
        device: where to compute; the CPU by default.

    Raises:
        UnknownNameError: there is no such network or component; names the nearest.
        AmbiguousNameError, PluginError: as `Registry.resolve`.
        ConfigError: the network does not take such images, or it is not a network of features.
        WeightsError: its weights are damaged, do not match the config, or are not available.
        InputError: the device does not exist.
    """
    of_type("features", name, (str, Path), "the name or the folder of a network of features")
    found = None if isinstance(name, Path) or is_path(name) else _component(name)
    if found is None:
        return _pretrained(name, image, device)
    row, text = found
    with own_randomness():  # random weights are drawn before the network's own replace them
        spec = Component.model_validate({"name": row.qualified, "network": text})
        network = build_component(FeatureNetwork, spec, image).eval().requires_grad_(False)
    shown = registry().components["features"].shown(row)
    return Features(f"{shown}:{network.network}", on_device(network, device), device)


def _pretrained(name: str | Path, image: ImageSpec, device: str | torch.device | None) -> Features:
    source = locate(name)
    config = source.config()
    if config.kind != "features":
        raise ConfigError(
            f"{str(name)!r} is a model of kind {config.kind!r}, not a network of features: expected one of kind "
            f"'features', such as {' or '.join(map(repr, _known_networks()))}"
        )
    if config.image != image:
        raise ConfigError(
            f"features {str(name)!r} are for images of {_size(config.image)}, but the images to be compared are of "
            f"{_size(image)}: expected a network for such images, or no name for the data set's own features"
        )
    # A model from elsewhere may have any name in its config: its weights tell it apart from the zoo's.
    own = isinstance(name, Path) or "/" in name
    shown = f"{config.name}@{sha256(file_of(source.path, WEIGHTS, source.hashes))[:_DIGITS]}" if own else config.name
    return Features(shown, on_device(read_model(source).encoder, device), device)


def _known_networks() -> list[str]:
    models = registry().models
    return sorted(models.shown(row) for row in models if row.entry.kind == "features")


def _component(name: str) -> tuple[Registration[ClassReference], str] | None:
    """The component that a name starts with, and the text after it; ``None`` if `locate` knows the name."""
    known = registry()
    if _find(known.models, name) is not None or _find(known.renamed, name) is not None:
        return None
    table, parts = known.components["features"], name.split(":")
    for length in (2, 1):  # 'plugin:component' before 'component', as the text may have colons too
        if (row := _find(table, ":".join(parts[:length]))) is not None:
            return row, ":".join(parts[length:])
    if "/" in name and ":" not in name:
        return None
    component, _, network = name.partition(":")
    meant = [f"{other}:{network}" for other in table.names() if did_you_mean(component, [other])]
    near = did_you_mean(name, [*_known_networks(), *meant])
    there = ", ".join([*_known_networks(), *(f"{other}:NETWORK" for other in table.names())])
    raise UnknownNameError(
        f"unknown features {quoted(name)}.{near} There are {there}; a folder begins with ./, ../ or /"
    )


def _find(table: Table[E], name: str) -> Registration[E] | None:
    with suppress(UnknownNameError):
        return table.find(name)
    return None


def _size(image: ImageSpec) -> str:
    return "x".join(map(str, image.shape))


def _random(image: ImageSpec) -> nn.Module:
    generator = Generator().manual_seed(_SEED)
    layers: list[nn.Module] = []
    channels = image.channels
    for width in _WIDTHS:
        # On the meta device no weights are drawn from the global random state.
        layer = nn.Conv2d(channels, width, 3, stride=2, padding=1, device="meta").to_empty(device="cpu")
        weight = torch.randn(width, channels, 3, 3, generator=generator) * math.sqrt(2 / (9 * channels))
        layer.load_state_dict({"weight": weight, "bias": torch.randn(width, generator=generator) / 4})
        layers += [layer, nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).requires_grad_(False)
