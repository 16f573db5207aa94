"""Feature networks: what images are compared by where pixels say little."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import conv2d

from interpzoo.build import build_component
from interpzoo.config import ComponentSpec, ImageSpec
from interpzoo.errors import ConfigError, UnknownNameError, did_you_mean
from interpzoo.interfaces import FeatureNetwork
from interpzoo.plugins import registry
from interpzoo.pretrained.folder import WEIGHTS, read_config, sha256
from interpzoo.pretrained.load import on_device, read_model
from interpzoo.pretrained.locate import is_path, locate
from interpzoo.registry import ClassReference as Registered
from interpzoo.registry import E, Registration, Table

_BATCH: Final = 256
_SEED: Final = 1
_DIGITS: Final = 12
_WIDTHS: Final = (16, 32, 64)


@dataclass(frozen=True)
class Features:
    """Images (B, C, H, W) in [0, 1] to features (B, D)."""

    name: str
    """The pretrained network, or what stands in for one."""
    network: Callable[[Tensor], Tensor]
    device: str | torch.device | None = None
    """Where the network is; on the CPU by default."""

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Features of images, which are clamped: (B, D) in float32, on the CPU."""
        parts = [part.to(self.device).clamp(0, 1) for part in images.split(_BATCH)]
        return torch.cat([self.network(part).float().flatten(1).cpu() for part in parts])


def features_of(dataset: str, image: ImageSpec) -> Features:
    """The features that images of a data set are compared by.

    Those of a pretrained network of kind ``features`` for this data set and shape, if one is registered. Otherwise of
    random convolutions: three layers of stride 2, He weights of a fixed seed, the mean of every channel over the image.
    They see textures and strokes and nothing of what they mean.
    """
    rows = [row for row in registry().models if row.entry.kind == "features" and row.entry.dataset == dataset]
    for row in rows:
        found = load_features(row.qualified)
        if found[1] == image:
            return found[0]
    return Features("random convolutions", _random(image))


def features_named(name: str | Path, image: ImageSpec, *, device: str | torch.device | None = None) -> Features:
    """The features that a user asks for.

    Args:
        name: a pretrained network of kind ``features``, by its name, its folder or its repository as `load` takes them;
            or ``COMPONENT:NETWORK``, a registered component of kind ``features`` and what it is to take, such as
            ``timm:resnet18.a1_in1k``.
        image: what is to be compared.
        device: where to compute; the CPU by default.

    Raises:
        UnknownNameError: it is neither; with the nearest names.
        AmbiguousNameError, PluginError: as `Registry.resolve`.
        ConfigError: the network does not take such images, or it is no network of features.
        WeightsError: its weights are damaged, do not fit the config, or cannot be had.
        InputError: there is no such device here.
    """
    if (row := _component(name)) is not None:
        return _built(row[0], row[1], image, device)
    features, takes = load_features(name, device=device)
    if takes != image:
        raise ConfigError(
            f"features {str(name)!r} are of images of {_size(takes)}, and those to be compared are of {_size(image)}: "
            "expected a network for such images; without a name they are compared by their data set's own"
        )
    return features


def load_features(name: str | Path, *, device: str | torch.device | None = None) -> tuple[Features, ImageSpec]:
    """A pretrained network of kind ``features``, and the images that it takes.

    What is not of the zoo has the first digits of its weights' SHA-256 in its name, as its config could say any name.

    Raises:
        UnknownNameError: no such model.
        ConfigError: its config does not validate, or it is no such network.
        WeightsError: its weights are damaged or do not fit the config.
    """
    source = locate(name)
    config = read_config(source.path)
    if config.kind != "features":
        raise ConfigError(
            f"{str(name)!r} is a model of kind {config.kind!r}, not a network of features: expected one of kind "
            f"'features', such as {' or '.join(map(repr, _pretrained()))}"
        )
    encoder = on_device(read_model(source).encoder, device)
    own = isinstance(name, Path) or "/" in name
    shown = f"{config.name}@{sha256(source.path / WEIGHTS)[:_DIGITS]}" if own else config.name
    return Features(shown, encoder, device), config.image


def _pretrained() -> list[str]:
    models = registry().models
    return sorted(models.shown(row) for row in models if row.entry.kind == "features")


def _component(name: str | Path) -> tuple[Registration[Registered], str] | None:
    """The component that a name begins with, and what follows; ``None``: it is one that `locate` knows of.

    Raises:
        UnknownNameError: it is neither.
        AmbiguousNameError: several plugins have it.
    """
    if isinstance(name, Path) or is_path(name):
        return None
    known = registry()
    if _find(known.models, name) is not None or _find(known.renamed, name) is not None:
        return None
    table, parts = known.components["features"], name.split(":")
    for length in (2, 1):  # 'plugin:component' before 'component': what it is to take may have colons, too
        if (row := _find(table, ":".join(parts[:length]))) is not None:
            return row, ":".join(parts[length:])
    if "/" in name and ":" not in name:
        return None
    component, _, network = name.partition(":")
    meant = [f"{other}:{network}" for other in table.names() if did_you_mean(component, [other])]
    near = did_you_mean(name, [*_pretrained(), *meant])
    there = ", ".join([*_pretrained(), *(f"{other}:NETWORK" for other in table.names())])
    raise UnknownNameError(f"unknown features {name!r}.{near} There are {there}; a folder begins with ./, ../ or /")


def _find(table: Table[E], name: str) -> Registration[E] | None:
    with suppress(UnknownNameError):
        return table.find(name)
    return None


def _built(
    row: Registration[Registered], network: str, image: ImageSpec, device: str | torch.device | None
) -> Features:
    with torch.random.fork_rng(devices=[]):  # weights are drawn before the network's own take their place
        component = ComponentSpec.model_validate({"name": row.qualified, "network": network})
        built = build_component(FeatureNetwork, component, image)
    name = f"{registry().components['features'].shown(row)}:{built.network}"
    return Features(name, on_device(built.eval().requires_grad_(False), device), device)


def _size(image: ImageSpec) -> str:
    return "x".join(map(str, image.shape))


def _random(image: ImageSpec) -> nn.Module:
    generator = Generator().manual_seed(_SEED)
    layers: list[nn.Module] = []
    channels = image.channels
    for width in _WIDTHS:
        weight = torch.randn(width, channels, 3, 3, generator=generator) * math.sqrt(2 / (9 * channels))
        layers += [_Convolution(weight, torch.randn(width, generator=generator) / 4), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class _Convolution(nn.Module):
    """Of stride 2, with given weights: nothing is drawn from the global random state."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight, self.bias, stride=2, padding=1)
