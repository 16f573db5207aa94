"""Schemas of recipes, of `config.json` and of their parts.

Unknown fields are errors and sizes are bounded, so that a config from an untrusted source can neither smuggle in an
import path nor ask for a module that fills the memory. No torch is imported here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar, cast, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import Self

from interpzoo.arguments import MOST_SEED, MOST_SIDE, parsed
from interpzoo.errors import ConfigError, did_you_mean
from interpzoo.text import quoted

FORMAT_VERSION = 1
"""Version of `config.json`; a reader refuses a later one."""

_WORD, _PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}", r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}"  # a part is of a path

Name = Annotated[str, Field(pattern=rf"^{_WORD}$")]
"""Name of a model, recipe, method or component: letters, digits, ``.``, ``_`` and ``-``."""

ComponentName = Annotated[str, Field(pattern=rf"^({_WORD}:)?{_WORD}$")]
"""Name of a component or method, bare or as ``plugin:name``."""

Distribution = Annotated[str, Field(pattern=rf"^{_WORD}( [A-Za-z0-9?][A-Za-z0-9._+!-]{{0,63}})?$")]
"""A distribution and its version, in a form that is safe to print in a ``pip install`` hint."""

Width = Annotated[int, Field(ge=1, le=4096)]
"""A number of channels or hidden units."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1."""

UNKNOWN_LICENSE: Final = "unknown"
"""The license of images of a user's own, and of a model that was trained on them."""

MOST_DEPTH: Final = 32
"""Largest depth of tables and lists in each other, in a recipe or a config."""

_WHOLE: Final = range(-(2**63), 2**63)  # the whole numbers of TOML, which every reader of JSON takes too
_MOST_ERRORS = 5  # reported in one message


class Schema(BaseModel):
    """Base of every schema: frozen, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


SchemaT = TypeVar("SchemaT", bound=BaseModel)


class ImageSpec(Schema):
    """Shape of a model's input and output images; values are in [0, 1].

    If the model takes any size, this is the default size: that of its examples and samples.
    """

    channels: int = Field(ge=1, le=16)
    height: int = Field(ge=1, le=MOST_SIDE)
    width: int = Field(ge=1, le=MOST_SIDE)

    @classmethod
    def of(cls, shape: Sequence[int]) -> Self:
        """The spec of images of a shape (..., C, H, W)."""
        channels, height, width = shape[-3:]
        return cls(channels=channels, height=height, width=width)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.channels, self.height, self.width


Point = tuple[Share, Share]
"""x and y in an image, as shares of its width and height."""


class Framing(Schema):
    """How the images that a model was trained on were framed."""

    border: int = Field(default=0, ge=0, le=MOST_SIDE // 2 - 1)
    """Pixels of black around each image: 2 around digits of 28x28 pixels in images of 32x32."""
    eyes: tuple[Point, Point] | None = None
    """Where the eyes of each face are, first the one on the left."""
    ink: bool = False
    """Whether the images are bright strokes on black, which ink on paper can be turned into."""


class ComponentConfig(Schema):
    """Base of the options of a component: each component class has its own subclass."""

    model_config = ConfigDict(validate_default=True)  # a default out of its own bounds is an error, not a wrong model


class FeatureNetworkConfig(ComponentConfig):
    """Options of a network that computes features of images."""

    network: str = Field(default="", max_length=256)
    """The text after the colon in ``--features COMPONENT:NETWORK``, or an empty string."""


class Component(BaseModel):
    """A component's registered name and its options, which the component's own config class validates."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: ComponentName

    @property
    def options(self) -> dict[str, Any]:
        """All fields but the name."""
        return dict(self.model_extra or {})


class OptimizerConfig(Schema):
    """Adam or AdamW, the schedule of its learning rate and the clipping of its gradients."""

    name: Literal["adam", "adamw"] = "adam"
    learning_rate: float = Field(default=4e-4, gt=0, le=1)
    betas: tuple[Share, Share] = (0.9, 0.999)
    epsilon: float = Field(default=1e-8, gt=0, le=1)
    weight_decay: float = Field(default=0.0, ge=0, le=1)
    schedule: Literal["constant", "cosine"] = "cosine"
    final_fraction: Share = 0.0
    """Final value of the cosine schedule, as a fraction of the learning rate."""
    warmup_steps: int = Field(default=0, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    """Largest norm of this optimizer's whole gradient; ``None``: gradients are not clipped."""


class TrainingConfig(Schema):
    """Length, batch size, optimizer and precision of a training run."""

    samples: int = Field(default=1_000_000, ge=1)
    """Training images seen by each update that runs at every step, rounded up to whole batches."""
    batch_size: int = Field(default=64, ge=2, le=65_536)
    """Images per step, over all processes together."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    optimizer: OptimizerConfig = OptimizerConfig()
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """``auto``: bfloat16 autocast where the hardware supports it, unless the regularizer needs float32."""
    channels_last: bool = True
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """Decay per step of an exponential average of the weights, which is saved in their place; ``None``: no average.
    It is reached by a warm-up, (1 + step) / (10 + step), so that short runs do not save their first weights."""
    checkpoint_steps: int = Field(default=2000, ge=1)
    codes: int = Field(default=0, ge=0, le=2000)
    """Number of training images whose codes are saved with the model, for paths that stay near the data."""


class MethodConfig(Schema):
    """Image shape and components of a model: the common part of recipes and `config.json`."""

    kind: Literal["interpolator", "features"] = "interpolator"
    """``features``: a network whose features metrics compare; `load` refuses it."""
    image: ImageSpec
    encoder: Component
    decoder: Component
    prior: Component | None = None
    space: Component | None = None
    """What the model knows of its codes beside its networks, such as a codebook; ``None``: nothing."""
    interpolator: Component = Component(name="linear")

    def networks(self) -> dict[str, Any]:
        """Shape and components as JSON, for hashes of what a model's frames depend on."""
        # A hash of a model without a space is the same as before there were any.
        absent = {"space"} if self.space is None else set[str]()
        return self.model_dump(mode="json", include={*MethodConfig.model_fields} - absent)


class Recipe(MethodConfig):
    """A method, a data set and every hyperparameter; the input of ``interpzoo train``."""

    name: Name
    method: ComponentName
    summary: str = Field(default="", max_length=400)
    limitations: str = Field(default="", max_length=2000)
    """Known weaknesses of the trained model; printed on its card."""
    license: str = Field(default="apache-2.0", max_length=64)
    """License of the weights; a data set with its own terms passes them on."""
    regularizer: Component
    data: Component
    training: TrainingConfig = TrainingConfig()
    start_from: str | None = Field(default=None, max_length=256)
    """Pretrained model with the same networks whose weights training starts from; ``None``: random weights."""
    base: str | None = Field(default=None, max_length=4096)
    """Pretrained model that stays as it is: the networks learn on its codes in place of images. ``None``: on images.
    ``image`` is the shape of the base model's images."""


class TrainedWith(Schema):
    """How the weights beside a `config.json` were trained."""

    recipe: Name
    regularizer: Component
    data: Component
    training: TrainingConfig
    samples_seen: int = Field(ge=0)
    started_from: str | None = Field(default=None, max_length=256)
    versions: dict[str, str] = Field(default_factory=dict, max_length=64)


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]


class Origin(Schema):
    """The files in another author's repository that the weights of a model are read from, each time it is loaded."""

    source: ComponentName
    """The registered source that reads them, see `interpzoo.interfaces.Source`."""
    repository: str = Field(pattern=rf"^{_PART}/{_PART}$")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    """Full hash of the commit."""
    folder: str = Field(default="", pattern=rf"^({_PART}(/{_PART}){{0,7}})?$")
    """The sub-folder with the files; empty for the repository's own."""
    files: dict[FileName, Sha256] = Field(min_length=1, max_length=64)
    """SHA-256 of each file."""


class Base(Schema):
    """The frozen model on whose codes the networks of another one were trained."""

    name: str = Field(max_length=256)
    """What training was told to load: a registered name, a repository, ``SCHEME:user/repo`` or a folder's last name."""
    encoder: Component
    decoder: Component
    origin: Origin | None = None
    """Where its weights are; ``None``: in the folder's own file, with those of the other networks."""


class ModelConfig(MethodConfig):
    """The `config.json` of a pretrained folder, and the prose of its card."""

    format: int = Field(default=FORMAT_VERSION, ge=1, le=FORMAT_VERSION)
    name: Name
    method: ComponentName
    summary: str = Field(default="", max_length=400, exclude=True)
    limitations: str = Field(default="", max_length=2000, exclude=True)
    """Both texts are stored on the card only, so that editing prose changes no hashed file."""
    license: str = Field(default="apache-2.0", max_length=64)
    plugins: dict[Name, Distribution] = Field(default_factory=dict, max_length=64)
    """Distribution and version of each plugin that the components come from."""
    origin: Origin | None = None
    """Where the weights are; ``None``: in the folder's own file."""
    base: Base | None = None
    """The model on whose codes the networks were trained; ``None``: they take images."""
    framing: Framing | None = None
    """How the training images were framed; ``None``: nothing is known about it."""
    trained: TrainedWith | None = None

    @property
    def pointer(self) -> Origin | None:
        """Where weights are that the folder does not have: all of them, or those of the base model."""
        return self.origin if self.base is None else self.base.origin

    def without_pointer(self) -> "ModelConfig":
        """The config of the same model whose folder has all weights."""
        base = None if self.base is None else self.base.model_copy(update={"origin": None})
        return self.model_copy(update={"origin": None, "base": base})

    def to_json(self) -> str:
        """The text of a `config.json`."""
        # Older versions, which do not know these fields, read the config of a model that does not need them.
        absent = {name for name in ("origin", "base", "space") if getattr(self, name) is None}
        return self.model_dump_json(indent=2, exclude=absent) + "\n"


def validate(schema: type[SchemaT], value: Mapping[str, Any], where: str) -> SchemaT:
    """`value` as a `schema`; raises a `ConfigError` of one line that begins with `where` and names each wrong field."""
    _check_plain(value, where)
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error, schema)}") from None


def _check_plain(value: object, where: str, depth: int = 0) -> None:
    """Refuse values that can be read, but neither shown nor written again."""
    if isinstance(value, int) and value not in _WHOLE:
        raise ConfigError(f"{where}: {quoted(value)} is too large: expected whole numbers below 2^63")
    if isinstance(value, Mapping | list | tuple):
        if depth == MOST_DEPTH:
            raise ConfigError(f"{where}: {quoted(value)} is too deep: expected at most {MOST_DEPTH} levels")
        items = cast(Mapping[str, object], value).values() if isinstance(value, Mapping) else value
        for item in cast(Iterable[object], items):
            _check_plain(item, where, depth + 1)


def named(text: str, what: str) -> Component:
    """The component of a text such as ``geodesic`` or ``geodesic nodes=40``; other options have their defaults.

    Raises:
        ConfigError: it is not a name and options; the message begins with `what`.
    """
    name, *options = text.split() or [text] if isinstance(text, str) else [text]  # pyright: ignore[reportUnnecessaryIsInstance]
    value: dict[str, Any] = {"name": name}
    for option in options:
        key, equals, number = option.partition("=")
        if not equals or not key or key in value:
            raise ConfigError(
                f"{what} = {quoted(text)}: cannot understand {quoted(option)}: expected a name and options, each once, "
                "such as 'geodesic nodes=40'"
            )
        value[key] = parsed(number)
    return validate(Component, value, what)


def _explain(error: ValidationError, schema: type[BaseModel]) -> str:
    lines: list[str] = []
    for item in error.errors(include_url=False)[:_MOST_ERRORS]:
        name = ".".join(map(str, item["loc"]))
        field = (name if len(name) <= 60 else f"{name[:57]}...") or "value"
        if item["type"] == "extra_forbidden":
            lines.append(f"unknown field {field!r}{_hint(name, [*_fields(schema)])}")
        elif item["type"] == "missing":
            lines.append(f"field {field!r} is missing")
        else:
            lines.append(f"{field} = {quoted(item['input'])}: {item['msg']}")
    if (more := error.error_count() - len(lines)) > 0:
        lines.append(f"and {more} more")
    return "; ".join(lines)


def _fields(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The dotted names of all fields of a schema and of those inside it."""
    for name, field in schema.model_fields.items():
        yield f"{prefix}{name}"
        kind = field.annotation
        # In Python 3.10 `dict[str, str]` is taken for a class.
        if isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, Schema):
            yield from _fields(kind, f"{prefix}{name}.")


def _hint(name: str, fields: Sequence[str]) -> str:
    """The fields in the same table, and those anywhere that may be meant."""
    table = name.rpartition(".")[0]
    known = [field for field in fields if field.rpartition(".")[0] == table]
    return (f" (known: {', '.join(known)})." if known else "") + did_you_mean(name, [*known, *fields])
