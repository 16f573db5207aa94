"""Building components from configs: look up the class, validate its options, create it."""

from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from interpzoo.config import ComponentSpec, MethodConfig, validate
from interpzoo.errors import ConfigError, InterpzooError, PluginError, UnknownNameError
from interpzoo.interfaces import Decoder, Encoder, Interpolator, Prior
from interpzoo.interfaces.component import Configured
from interpzoo.plugins import registry
from interpzoo.registry import Kind
from interpzoo.text import explained

C = TypeVar("C", bound=Configured[Any])


def component_class(interface: type[C], name: str) -> type[C]:
    """The class registered as `name` for an interface, such as `Encoder`.

    Raises:
        UnknownNameError, AmbiguousNameError: as `Table.find`.
        PluginError: the class cannot be imported, or does not implement the interface.
    """
    found = registry().resolve(interface.kind, name)
    if not (isinstance(found, type) and issubclass(found, interface)):
        owner = registry().components[interface.kind].find(name).owner
        raise PluginError(f"{owner}: {interface.kind} {name!r} is {found!r}, expected a class of {interface.__name__}")
    return found


def build_component(interface: type[C], component: ComponentSpec, *shapes: Any) -> C:
    """Build a component of an interface, such as `Encoder`; `shapes` are its arguments after the config.

    Raises:
        UnknownNameError, AmbiguousNameError, PluginError: as `component_class`; a `PluginError` also if it fails.
        ConfigError: an option is invalid; the message names component and field.
    """
    cls, what = component_class(interface, component.name), f"{interface.kind} {component.name!r}"
    config = validate(cls.Config, component.options, what)
    owner = registry().components[interface.kind].find(component.name).owner
    try:
        return cls(config, *shapes)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from error.__cause__
    except InterpzooError:
        raise
    except (Exception, SystemExit) as error:  # a plugin's class may raise anything
        raise PluginError(f"{owner}: {what} cannot be built: {explained(error)}") from error


def fully_named(config: MethodConfig) -> dict[Kind, ComponentSpec]:
    """A model's components by kind, under full names, which other plugins cannot clash with; raises as `Table.find`."""
    kinds: tuple[Kind, ...] = ("encoder", "decoder", "prior", "interpolator")
    components = registry().components
    return {
        kind: component.model_copy(update={"name": components[kind].find(component.name).qualified})
        for kind in kinds
        if (component := getattr(config, kind)) is not None
    }


class Parts(NamedTuple):
    """The components of a model."""

    encoder: Encoder
    decoder: Decoder
    prior: Prior | None
    interpolator: Interpolator


def build_parts(config: MethodConfig) -> Parts:
    """Build a model's components on torch's default device, with weights from torch's random state."""
    encoder = build_component(Encoder, config.encoder, config.image)
    shape = encoder.latent_shape
    return Parts(
        encoder=encoder,
        decoder=build_component(Decoder, config.decoder, config.image, shape),
        prior=None if config.prior is None else build_component(Prior, config.prior, shape),
        interpolator=build_component(Interpolator, config.interpolator),
    )


def check_registered(config: MethodConfig, encoder: Encoder, decoder: Decoder) -> None:
    """Raise a `ConfigError` unless the networks are those that the config names: `load` could not build others."""
    for network, name in ((encoder, config.encoder.name), (decoder, config.decoder.name)):
        same = False
        with suppress(UnknownNameError):
            same = registry().resolve(network.kind, name) is type(network)
        if not same:
            raise ConfigError(
                f"cannot save this model: its {network.kind} {type(network).__name__!r} is not the registered "
                f"component {name!r} and could not be loaded again. Register it in a plugin (see docs/plugins.md)"
            )
