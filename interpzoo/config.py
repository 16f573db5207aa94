"""Schemas of everything that is written down: components, recipes, data, training and `config.json`.

Unknown fields are errors and sizes are bounded, so that a config from elsewhere can neither smuggle in an import path
nor ask for a module that fills the memory. No torch is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interpzoo.errors import ConfigError

FORMAT_VERSION = 1
"""Version of `config.json`; a reader refuses a later one."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")]
"""A zoo model, recipe, method or component: letters, digits, ``.``, ``_`` and ``-``."""

ComponentName = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,95}:)?[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")]
"""The bare name of a component or method, or ``plugin:name``."""

Distribution = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}( [A-Za-z0-9?][A-Za-z0-9._+!-]{0,63})?$")]
"""A distribution and its version, in a form that is safe to show as something to install."""

Width = Annotated[int, Field(ge=1, le=4096)]
"""A number of channels or hidden units."""

Unit = Annotated[float, Field(ge=0, le=1)]
"""A fraction."""


_MOST_ERRORS = 5
"""Of one value that are told at once."""


class Schema(BaseModel):
    """Base of every schema: frozen, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


SchemaT = TypeVar("SchemaT", bound=BaseModel)


class ImageSpec(Schema):
    """Shape of the images that a model takes and gives, values in [0, 1]."""

    channels: int = Field(ge=1, le=16)
    height: int = Field(ge=1, le=2048)
    width: int = Field(ge=1, le=2048)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.channels, self.height, self.width


class ComponentConfig(Schema):
    """Base of the config class that each component brings along (its ``Config``)."""


class FeatureNetworkConfig(ComponentConfig):
    """What a user writes to have a network of features."""

    network: str = Field(default="", max_length=256)
    """What follows the colon in ``--features COMPONENT:NETWORK``; empty where nothing does."""


class Component(BaseModel):
    """A component by its registered name; the other fields are validated by that component's own ``Config``."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: ComponentName

    @property
    def options(self) -> dict[str, Any]:
        """The fields that belong to the component itself."""
        return dict(self.model_extra or {})


class OptimizerConfig(Schema):
    """Adam or AdamW, its rate over the run and the clipping of its gradients."""

    name: Literal["adam", "adamw"] = "adam"
    learning_rate: float = Field(default=4e-4, gt=0, le=1)
    betas: tuple[Unit, Unit] = (0.9, 0.999)
    epsilon: float = Field(default=1e-8, gt=0, le=1)
    weight_decay: float = Field(default=0.0, ge=0, le=1)
    schedule: Literal["constant", "cosine"] = "cosine"
    final_fraction: Unit = 0.0
    """What the cosine schedule ends at, as a fraction of the learning rate."""
    warmup_steps: int = Field(default=0, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    """Largest norm of this optimiser's whole gradient; ``None`` leaves it alone."""


class TrainingConfig(Schema):
    """How long, how fast and in which precision a recipe is trained."""

    samples: int = Field(default=1_000_000, ge=1)
    """Images seen by every update that is due at each step; the last step completes the last batch."""
    batch_size: int = Field(default=64, ge=2, le=65_536)
    """Images a step over all processes together."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    optimizer: OptimizerConfig = OptimizerConfig()
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """``auto``: bfloat16 autocast where CPU or GPU have instructions for it; regularizers that need float32 opt out."""
    channels_last: bool = True
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """Decay a step of an exponential average of the weights, which is then what is saved; ``None``: no average."""
    checkpoint_steps: int = Field(default=2000, ge=1)
    codes: int = Field(default=0, ge=0, le=2000)
    """Training images whose codes go with the model, for paths that keep to the data."""


class MethodConfig(Schema):
    """What a paper gives a model: used by recipes and by `config.json` alike."""

    kind: Literal["interpolator", "features"] = "interpolator"
    """``features``: a network that metrics compare images by, which `load` refuses."""
    image: ImageSpec
    encoder: Component
    decoder: Component
    prior: Component | None = None
    interpolator: Component = Component(name="linear")


class Recipe(MethodConfig):
    """A method on a data set with every hyperparameter written down; what ``interpzoo train`` runs."""

    name: Name
    method: ComponentName
    summary: str = Field(default="", max_length=400)
    limitations: str = Field(default="", max_length=2000)
    """What the trained model is not good for; printed on its card."""
    license: str = Field(default="apache-2.0", max_length=64)
    """License of the weights; data sets with terms of their own pass them on."""
    regularizer: Component
    data: Component
    training: TrainingConfig = TrainingConfig()
    start_from: str | None = Field(default=None, max_length=256)
    """The pretrained model, of the same networks, whose weights training begins with; ``None``: random ones."""


class TrainedWith(Schema):
    """How the weights beside a `config.json` came about."""

    recipe: Name
    regularizer: Component
    data: Component
    training: TrainingConfig
    samples_seen: int = Field(ge=0)
    started_from: str | None = Field(default=None, max_length=256)
    versions: dict[str, str] = Field(default_factory=dict, max_length=64)


class ModelConfig(MethodConfig):
    """The `config.json` of a pretrained folder, and the prose of its card."""

    format: int = Field(default=FORMAT_VERSION, ge=1, le=FORMAT_VERSION)
    name: Name
    method: ComponentName
    summary: str = Field(default="", max_length=400, exclude=True)
    limitations: str = Field(default="", max_length=2000, exclude=True)
    """Both are written on the card alone, so that prose changes no file that is hashed."""
    license: str = Field(default="apache-2.0", max_length=64)
    plugins: dict[Name, Distribution] = Field(default_factory=dict, max_length=64)
    """Which distribution and version supplied each plugin that the components come from."""
    trained: TrainedWith | None = None


def validate(schema: type[SchemaT], value: Mapping[str, Any], where: str) -> SchemaT:
    """`value` as a `schema`, or a `ConfigError` of one line a field that begins with `where`."""
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error, schema)}") from None


def named(name: str, what: str) -> Component:
    """The component `name` with its defaults, or a `ConfigError` that begins with `what` where it is no name."""
    return validate(Component, {"name": name}, what)


def _explain(error: ValidationError, schema: type[BaseModel]) -> str:
    lines: list[str] = []
    for item in error.errors(include_url=False)[:_MOST_ERRORS]:
        field = _cut(".".join(str(part) for part in item["loc"]) or "value")
        if item["type"] == "extra_forbidden":
            known = ", ".join(schema.model_fields) if len(item["loc"]) == 1 else ""
            lines.append(f"unknown field {field!r}" + (f" (known: {known})" if known else ""))
        elif item["type"] == "missing":
            lines.append(f"field {field!r} is missing")
        else:
            lines.append(f"{field} = {_cut(repr(item['input']))}: {item['msg']}")
    if (more := error.error_count() - len(lines)) > 0:
        lines.append(f"and {more} more")
    return "; ".join(lines)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
