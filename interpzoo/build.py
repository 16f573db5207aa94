"""Building components from configs: look up the class, validate its options, create it."""

from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar

from torch import nn

from interpzoo.config import Component, ComponentConfig, ImageSpec, MethodConfig, ModelConfig, validate
from interpzoo.errors import ConfigError, InputError, InterpzooError, PluginError, UnknownNameError
from interpzoo.interfaces import CodeSpace, Decoder, Encoder, Interpolator, Prior
from interpzoo.interfaces.component import Configured
from interpzoo.latent import LatentDecoder, LatentEncoder, Range, code_spec, latent_networks
from interpzoo.plugins import registry
from interpzoo.registry import Kind
from interpzoo.text import explained, quoted

MethodConfigT = TypeVar("MethodConfigT", bound=MethodConfig)
C = TypeVar("C", bound=Configured[Any])

INTERFACES: Final = {interface.kind: interface for interface in (Encoder, Decoder, Prior, Interpolator, CodeSpace)}
"""The components of a model by kind, the fields of `Parts`."""


def component_class(interface: type[C], name: str) -> type[C]:
    """The class registered as `name` for an interface, such as `Encoder`.

    Raises:
        UnknownNameError, AmbiguousNameError: as `Table.find`.
        PluginError: the class cannot be imported, or does not implement the interface.
    """
    found = registry().resolve(interface.kind, name)
    if not (isinstance(found, type) and issubclass(found, interface)):
        raise PluginError(f"{attributed(interface.kind, name)} is {found!r}, expected a class of {interface.__name__}")
    return found


def attributed(kind: Kind, name: str) -> str:
    """A component for messages, with the plugin that it comes from if it has one."""
    what = f"{kind} {name!r}"
    with suppress(UnknownNameError):  # of networks that were wrapped
        return f"{registry().components[kind].find(name).owner}: {what}"
    return what


def build_component(interface: type[C], component: Component, *shapes: Any) -> C:
    """Build a component of an interface, such as `Encoder`; `shapes` are its arguments after the config.

    Raises:
        UnknownNameError, AmbiguousNameError, PluginError: as `component_class`; a `PluginError` also if it fails.
        ConfigError: an option is invalid; the message names component and field.
    """
    cls = component_class(interface, component.name)
    config = validated_options(interface, component)
    try:
        built = cls(config, *shapes)
    except ConfigError as error:
        raise ConfigError(f"{interface.kind} {component.name!r}: {error}") from error.__cause__
    except InterpzooError:
        raise
    except (Exception, SystemExit) as error:  # a plugin's class may raise anything
        what = attributed(interface.kind, component.name)
        raise PluginError(f"{what} cannot be built: {explained(error)}") from error
    if not hasattr(built, "config"):
        what = attributed(interface.kind, component.name)
        raise PluginError(f"{what} has no config after it was built: begin its __init__ with super().__init__(...)")
    return built


def build_path(component: Component, own: Interpolator | None = None) -> Interpolator:
    """Build an interpolator that was asked for by name; `own` is that of the model that it is for.

    Raises:
        UnknownNameError, AmbiguousNameError, PluginError, ConfigError: as `build_component`.
        InputError: it has weights, which only a model that was saved with it has.
    """
    path = build_component(Interpolator, component)
    if isinstance(path, nn.Module) and path.state_dict():
        if own is None or type(path) is not type(own) or path.config != own.config:
            raise InputError(
                f"the path {component.name!r} has weights, which a name does not have: load a model that was saved "
                "with it, with these options, and leave 'interpolator' out"
            )
        return own
    return path


def validated_options(interface: type[Configured[Any]], component: Component) -> ComponentConfig:
    """All options of a component, defaults too; raises as `build_component`."""
    schema = component_class(interface, component.name).Config
    return validate(schema, component.options, f"{interface.kind} {component.name!r}")


class Parts(NamedTuple):
    """The components of a model."""

    encoder: Encoder
    decoder: Decoder
    prior: Prior | None
    interpolator: Interpolator
    space: CodeSpace | None = None


def build_parts(config: MethodConfig) -> Parts:
    """Build a model's components on torch's default device, with weights from torch's random state."""
    base = config.base if isinstance(config, ModelConfig) else None
    if base is None:
        return _parts(config, config.image)
    below = build_component(Encoder, base.encoder, config.image)
    above = build_component(Decoder, base.decoder, config.image, below.latent_shape)
    spec = code_spec(below.latent_shape)
    parts, scale = _parts(config, spec), Range(spec.channels)
    return parts._replace(
        encoder=LatentEncoder(below, parts.encoder, scale), decoder=LatentDecoder(above, parts.decoder, scale)
    )


def _parts(config: MethodConfig, image: ImageSpec) -> Parts:
    encoder = build_component(Encoder, config.encoder, image)
    shape: Any = getattr(encoder, "latent_shape", None)
    if not (isinstance(shape, tuple) and shape and all(isinstance(n, int) and n > 0 for n in shape)):
        what = attributed("encoder", config.encoder.name)
        raise PluginError(f"{what} has latent_shape = {quoted(shape)}, expected a tuple of sizes: set it in __init__")
    return Parts(
        encoder=encoder,
        decoder=build_component(Decoder, config.decoder, image, shape),
        prior=None if config.prior is None else build_component(Prior, config.prior, shape),
        interpolator=build_component(Interpolator, config.interpolator),
        space=None if config.space is None else build_component(CodeSpace, config.space, shape),
    )


def resolved(config: MethodConfigT) -> MethodConfigT:
    """`config` with all options of its components and their full names, and with the plugins that these come from.

    Then neither another default, nor another plugin with the same name, changes what the config describes.

    Raises:
        UnknownNameError, AmbiguousNameError, PluginError, ConfigError: as `build_component`.
    """
    plugins: dict[str, str] = {}
    known = registry()

    def whole(interface: type[Configured[Any]], component: Component) -> Component:
        row = known.components[interface.kind].find(component.name)
        plugins[row.owner.plugin] = f"{row.owner.distribution} {row.owner.version}"
        options = validated_options(interface, component).model_dump(mode="json")
        return Component.model_validate({"name": row.qualified, **options})

    named = {kind: getattr(config, kind) for kind in INTERFACES}
    changes: dict[str, Any] = {kind: whole(INTERFACES[kind], part) for kind, part in named.items() if part is not None}
    if isinstance(config, ModelConfig):
        if config.base is not None:
            ends = {"encoder": whole(Encoder, config.base.encoder), "decoder": whole(Decoder, config.base.decoder)}
            changes["base"] = config.base.model_copy(update=ends)
        owner = known.methods.find(config.method, prefer=config.plugins or plugins).owner
        plugins[owner.plugin] = f"{owner.distribution} {owner.version}"
        changes["plugins"] = {**plugins, **config.plugins}
    return config.model_copy(update=changes)


def check_registered(config: MethodConfig, parts: Parts) -> None:
    """Raise a `ConfigError` unless these are the components that the config names: `load` could not build others."""
    rows: list[tuple[str, Component | None, Any]] = [
        (kind, getattr(config, kind), part) for kind, part in parts._asdict().items()
    ]
    base = config.base if isinstance(config, ModelConfig) else None
    if base is not None:
        encoder, decoder = latent_networks(parts.encoder, parts.decoder)
        inner = {"encoder": encoder.inner, "decoder": decoder.inner}
        rows = [(kind, component, inner.get(kind, part)) for kind, component, part in rows]
        rows += [("encoder", base.encoder, encoder.base), ("decoder", base.decoder, decoder.base)]
    for kind, component, part in rows:
        same = part is None and component is None
        if part is not None and component is not None:
            interface = INTERFACES[kind]
            with suppress(UnknownNameError):
                same = component_class(interface, component.name) is type(part)
                same = same and validated_options(interface, component) == part.config
        if not same:
            name = None if component is None else component.name
            raise ConfigError(
                f"cannot save this model: its {kind} {type(part).__name__!r} is not the registered component {name!r} "
                "with the options in the model's config, and could not be loaded again. Register it in a plugin (see "
                "docs/plugins.md)"
            )
