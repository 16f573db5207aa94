"""From configs to components: names are resolved, options validated, classes built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from interpzoo.config import Component, MethodConfig, ModelConfig, validate
from interpzoo.errors import PluginError
from interpzoo.interfaces import Decoder, Encoder, Interpolator, Prior
from interpzoo.plugins import method_of, registry, zoo
from interpzoo.registry import Kind


def build_component(kind: Kind, component: Component, *shapes: Any) -> Any:
    """The component that `component` names, built from its validated options and the `shapes` its kind takes.

    Raises:
        UnknownNameError, AmbiguousNameError, PluginError: as `Registry.resolve`.
        ConfigError: an option does not validate; the message names component and field.
    """
    cls = registry().resolve(kind, component.name)
    return cls(validate(cls.Config, component.options, f"{kind} {component.name!r}"), *shapes)


def check_plugins(config: ModelConfig) -> None:
    """Refuse a model of plugins that are not here, before any of its names is looked up.

    Raises:
        PluginError: a plugin is missing, with the distribution and version that the model was made with, or not loaded.
        UnknownNameError: its plugins have no method of its name.
    """
    found = {plugin.owner.plugin: plugin for plugin in zoo().plugins}
    for name, distribution in config.plugins.items():
        plugin = found.get(name)
        if plugin is None:
            raise PluginError(
                f"{config.name!r} (method {config.method!r}) was made with plugin {name!r} of {distribution}, which is "
                f"not installed: if you trust it, 'pip install {distribution.partition(' ')[0]}'"
            )
        if plugin.status != "loaded":
            raise PluginError(f"{config.name!r} needs {plugin.owner}, which is {plugin.status}: {plugin.reason}")
    method_of(config)


def fully_named(config: MethodConfig) -> dict[Kind, Component]:
    """The components of a model, by kind, under full names, which hold when a second plugin has the same bare name.

    Raises:
        UnknownNameError, AmbiguousNameError: as `Registry.find`.
    """
    named: dict[Kind, Component | None] = {
        "encoder": config.encoder,
        "decoder": config.decoder,
        "prior": config.prior,
        "interpolator": config.interpolator,
    }
    components = registry().components
    return {
        kind: component.model_copy(update={"name": components[kind].find(component.name).qualified})
        for kind, component in named.items()
        if component is not None
    }


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
