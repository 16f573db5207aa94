"""From configs to components: names are resolved, options validated, classes built."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from interpzoo.config import ComponentSpec, MethodConfig, validate
from interpzoo.errors import PluginError
from interpzoo.interfaces import Decoder, Encoder, Interpolator, Prior
from interpzoo.interfaces.component import Configured
from interpzoo.plugins import registry
from interpzoo.registry import Kind

C = TypeVar("C", bound=Configured[Any])


def component_class(interface: type[C], name: str) -> type[C]:
    """The class that is registered as `name` for an interface, such as `Encoder`.

    Raises:
        UnknownNameError, AmbiguousNameError: as `Table.find`.
        PluginError: it cannot be imported, or does not implement the interface.
    """
    found = registry().resolve(interface.kind, name)
    if not (isinstance(found, type) and issubclass(found, interface)):
        owner = registry().components[interface.kind].find(name).owner
        raise PluginError(f"{owner}: {interface.kind} {name!r} is {found!r}, expected a class of {interface.__name__}")
    return found


def build_component(interface: type[C], component: ComponentSpec, *shapes: Any) -> C:
    """The component of an interface that `component` names, built from its validated options and `shapes`.

    Args:
        interface: what to build, such as `Encoder`.
        component: its name and options.
        shapes: what the interface's constructor takes after the config.

    Raises:
        UnknownNameError, AmbiguousNameError, PluginError: as `component_class`.
        ConfigError: an option does not validate; the message names component and field.
    """
    cls = component_class(interface, component.name)
    return cls(validate(cls.Config, component.options, f"{interface.kind} {component.name!r}"), *shapes)


def fully_named(config: MethodConfig) -> dict[Kind, ComponentSpec]:
    """The components of a model, by kind, under full names, which hold when a second plugin has the same bare name.

    Raises:
        UnknownNameError, AmbiguousNameError: as `Table.find`.
    """
    named: dict[Kind, ComponentSpec | None] = {
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


class Parts(NamedTuple):
    """The components of a model."""

    encoder: Encoder
    decoder: Decoder
    prior: Prior | None
    interpolator: Interpolator


def build_parts(config: MethodConfig) -> Parts:
    """Build a model's components in torch's current default device and random state."""
    encoder = build_component(Encoder, config.encoder, config.image)
    shape = encoder.latent_shape
    return Parts(
        encoder=encoder,
        decoder=build_component(Decoder, config.decoder, config.image, shape),
        prior=None if config.prior is None else build_component(Prior, config.prior, shape),
        interpolator=build_component(Interpolator, config.interpolator),
    )
