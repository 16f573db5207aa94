"""From configs to components: names are resolved, options validated, classes built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from interpzoo.config import Component, MethodConfig, validate
from interpzoo.interfaces import Decoder, Encoder, Interpolator, Prior
from interpzoo.plugins import registry
from interpzoo.registry import Kind


def build_component(kind: Kind, component: Component, *shapes: Any) -> Any:
    """The component that `component` names, built from its validated options and the `shapes` its kind takes.

    Raises:
        UnknownNameError, AmbiguousNameError, PluginError: as `Registry.resolve`.
        ConfigError: an option does not validate; the message names component and field.
    """
    cls = registry().resolve(kind, component.name)
    return cls(validate(cls.Config, component.options, f"{kind} {component.name!r}"), *shapes)


@dataclass(frozen=True)
class Parts:
    """The components of a model."""

    encoder: Encoder
    decoder: Decoder
    prior: Prior | None
    interpolator: Interpolator


def build_parts(config: MethodConfig) -> Parts:
    """Build a model's components in torch's current default device and random state."""
    encoder: Encoder = build_component("encoder", config.encoder, config.image)
    shape = encoder.latent_shape
    return Parts(
        encoder=encoder,
        decoder=build_component("decoder", config.decoder, config.image, shape),
        prior=None if config.prior is None else build_component("prior", config.prior, shape),
        interpolator=build_component("interpolator", config.interpolator),
    )
