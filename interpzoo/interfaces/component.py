"""What every component has in common: a config, validated before the component is built."""

from typing import Any, ClassVar, Generic, get_args, get_origin

from typing_extensions import TypeVar

from interpzoo.config import ComponentConfig
from interpzoo.registry import Kind

ConfigT = TypeVar("ConfigT", bound=ComponentConfig, default=ComponentConfig, covariant=True)


class Configured(Generic[ConfigT]):
    """A component with a config, whose class is the type argument, as in ``class Mine(Interpolator[MineConfig])``.

    Without a type argument a component has the config of its parent class, ultimately the empty `ComponentConfig`.
    """

    Config: ClassVar[type[ComponentConfig]] = ComponentConfig
    """What a recipe may set of this component."""

    kind: ClassVar[Kind]
    """The kind under which components of this interface are registered."""

    config: ConfigT

    def __init__(self, config: ConfigT, /, *shapes: Any) -> None:
        """Take the validated config, and what else the constructor of the interface takes."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__dict__.get("__orig_bases__", ()):
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, Configured):
                for argument in get_args(base):
                    config = getattr(argument, "__bound__", argument)  # a type variable has its bound
                    if not (isinstance(config, type) and issubclass(config, ComponentConfig)):
                        raise TypeError(
                            f"the config of {cls.__name__!r} is {config!r}: expected a class that derives from "
                            "interpzoo.config.ComponentConfig"
                        )
                    cls.Config = config
