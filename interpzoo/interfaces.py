"""The interfaces of the zoo: what a paper implements, and nothing of any paper.

A component is built from its own validated ``Config`` and the shapes around it; it never draws from the global random
state after construction. Encoder, decoder and prior make the model; the regularizer shapes it in training; the
interpolator walks between its codes; a data set feeds it; a metric scores it, by features of images where pixels say
little.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from interpzoo.config import ComponentConfig, FeatureNetworkConfig, ImageSpec, OptimizerConfig

if TYPE_CHECKING:
    from interpzoo.benchmark.trial import Trial
    from interpzoo.model import InterpolationModel

Batch = Mapping[str, Tensor]
"""``image`` (B, C, H, W) in [0, 1] and whatever else the data set gives, B rows each: ``label``, ``partner``,
``distance``, ``midpoint``, ``angle``, ``parameters``."""

T = TypeVar("T")


class Encoder(nn.Module, ABC):
    """Images to codes."""

    Config: ClassVar[type[ComponentConfig]] = ComponentConfig
    latent_shape: tuple[int, ...]

    def __init__(self, config: ComponentConfig, image: ImageSpec) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] to point codes (B, *latent_shape); a stochastic encoder's mean."""

    def posterior(self, x: Tensor) -> Distribution | None:
        """The posterior over (B, *latent_shape), or ``None`` for a deterministic encoder."""
        return None


class Decoder(nn.Module, ABC):
    """Codes to images."""

    Config: ClassVar[type[ComponentConfig]] = ComponentConfig
    differentiable: ClassVar[bool] = True
    """Whether ``forward`` is a differentiable function of the code (geodesics need it)."""
    noise_shape: tuple[int, ...] | None = None
    """Shape of the noise that ``sample`` takes for one image, where decoding is stochastic."""

    def __init__(self, config: ComponentConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """Codes (B, *latent_shape) to mean images (B, C, H, W), unclamped around [0, 1]."""

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor | None:
        """log p(x | z) in nats, (B,), or ``None`` where the decoder defines no likelihood."""
        return None

    def sample(self, z: Tensor, noise: Tensor) -> Tensor:
        """Images of `z` for a given `noise` (B, *noise_shape): common random numbers keep a path smooth."""
        return self(z)


class Prior(nn.Module, ABC):
    """A density over codes that new ones can be drawn from."""

    Config: ClassVar[type[ComponentConfig]] = ComponentConfig

    def __init__(self, config: ComponentConfig, latent_shape: tuple[int, ...]) -> None:
        super().__init__()

    @abstractmethod
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """`n` codes (n, *latent_shape)."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats, (B,)."""


class Networks(Protocol):
    """What a regularizer sees of a model."""

    @property
    def encoder(self) -> Encoder: ...
    @property
    def decoder(self) -> Decoder: ...
    @property
    def prior(self) -> Prior | None: ...


def _own(value: Tensor) -> Tensor:
    return value


class Step:
    """One training step: the batch, what is computed of it once on demand, and what its losses share.

    All due losses of a step are computed on one `Step` before any optimiser moves.
    """

    def __init__(
        self,
        *,
        batch: Batch,
        model: Networks,
        generator: Generator,
        index: int,
        total: int,
        epoch: int = 0,
        mean: Callable[[Tensor], Tensor] = _own,
    ) -> None:
        self.batch = batch
        self.model = model
        self.generator = generator
        """On the CPU and seeded by run, step and process: draw from it and move the result to the device."""
        self.index = index
        """Number of this step from 0; `total` is the number of steps of the run."""
        self.total = total
        self.epoch = epoch
        self.mean = mean
        """Mean of a tensor over all processes, each of which must ask: for what steers the run, such as a multiplier or
        the end of a phase, which all have to agree on."""
        self.logged: dict[str, Tensor] = {}
        self._shared: dict[str, object] = {}

    @property
    def x(self) -> Tensor:
        """Images (B, C, H, W) in [0, 1]."""
        return self.batch["image"]

    @property
    def posterior(self) -> Distribution | None:
        """The encoder's posterior of the batch; ``None`` for a deterministic encoder."""
        return self.shared("posterior", lambda: self.model.encoder.posterior(self.x))

    @property
    def codes(self) -> Tensor:
        """(B, *latent_shape): the code of each image; a reparameterised sample where the encoder is stochastic."""
        return self.shared("codes", self._codes)

    @property
    def reconstruction(self) -> Tensor:
        """(B, C, H, W): the decoded `codes`."""
        return self.shared("reconstruction", lambda: self.model.decoder(self.codes))

    def shared(self, key: str, make: Callable[[], T]) -> T:
        """What `make` returns, computed once a step for all updates (alphas, interpolants)."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]  # pyright: ignore[reportReturnType]  # what `make` of this key gave

    def uniform(self, *shape: int) -> Tensor:
        """U[0, 1) of `shape` from the step's generator, on the batch's device."""
        return torch.rand(*shape, generator=self.generator).to(self.x.device)

    def normal(self, *shape: int) -> Tensor:
        """N(0, 1) of `shape` from the step's generator, on the batch's device."""
        return torch.randn(*shape, generator=self.generator).to(self.x.device)

    def log(self, name: str, value: Tensor) -> None:
        """Show a scalar beside the losses."""
        self.logged[name] = value.detach()

    def _codes(self) -> Tensor:
        posterior = self.posterior
        if posterior is None:
            return self.model.encoder(self.x)
        mean, deviation = posterior.mean, posterior.stddev
        return mean + deviation * self.normal(*mean.shape)


def _unscaled(step: Step) -> float:
    return 1.0


def _always(step: Step) -> bool:
    return True


@dataclass(frozen=True)
class Update:
    """One optimiser's part of a training step."""

    name: str
    parameters: Sequence[nn.Parameter]
    """All that this update moves; its loss reaches nothing else."""
    optimizer: OptimizerConfig | None = None
    """``None``: the recipe's."""
    every: int = 1
    """Due at steps 0, every, 2 every, ..."""
    learning_rate_scale: Callable[[Step], float] = _unscaled
    """Factor of this step's learning rate; all processes have to find the same, see `Step.mean`."""
    active: Callable[[Step], bool] = _always


class Regularizer(nn.Module, ABC):
    """What a method trains: the whole loss by named terms, and networks of its own (critic, helper, multiplier).

    Its parameters and buffers are checkpointed with the run (keep counters and multipliers in buffers) and never saved
    with the model.
    """

    Config: ClassVar[type[ComponentConfig]] = ComponentConfig
    requires: frozenset[str] = frozenset()
    """Batch fields needed beside ``image``."""
    autocast: bool = True
    """Whether reduced precision is fine; Jacobians and 1 / d^2 need float32."""

    def __init__(self, config: ComponentConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__()

    def setup(self, model: Networks, batch: Batch, generator: Generator) -> None:
        """Called once before the first step, with a batch: scales that depend on the data."""

    @abstractmethod
    def updates(self, model: Networks) -> Sequence[Update]:
        """Who is optimised, how and how often."""

    @abstractmethod
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """The weighted terms of one update's loss, scalars by name; their sum is minimised."""

    def after(self, step: Step) -> None:
        """Called when all optimisers have moved: multipliers, phases."""


class Interpolator(ABC):
    """A path between codes."""

    Config: ClassVar[type[ComponentConfig]] = ComponentConfig
    report: Any = None
    """What the last call has to say of its paths, pair by pair, where the path is searched for."""

    def __init__(self, config: ComponentConfig) -> None:
        super().__init__()

    @abstractmethod
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: InterpolationModel) -> Tensor:
        """Codes at `t` between `z0` and `z1`.

        Args:
            z0: start codes (B, *latent_shape).
            z1: end codes (B, *latent_shape).
            t: positions (T,) or (B, T); 0 is `z0`, 1 is `z1`, values outside extrapolate where the path can.
            model: whose encoder, decoder and training codes the path may use.

        Returns:
            (B, T, *latent_shape); bit for bit `z0` where t = 0 and `z1` where t = 1.

        Raises:
            InputError: the path is not defined at some `t`.
        """


class Mixer(Interpolator):
    """An interpolator that mixes any number of codes."""

    @abstractmethod
    def mix(self, codes: Tensor, weights: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Codes (B, k, *latent_shape) under weights (B, k) on the simplex, mixed to (B, *latent_shape)."""


class DataSet(ABC):
    """Images to train on and to hold out."""

    Config: ClassVar[type[ComponentConfig]] = ComponentConfig
    fields: frozenset[str] = frozenset({"image"})
    """What a batch carries."""
    size: int | None = None
    """Number of training images; ``None`` for an endless stream."""
    licence: str = "apache-2.0"
    """Terms of the data, which models trained on it pass on."""
    hub_id: str | None = None
    """Identifier on the Hub, for the card."""

    def __init__(self, config: ComponentConfig, image: ImageSpec, root: Path | None = None) -> None:
        super().__init__()

    @abstractmethod
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        """Training images `indices` (B,); an endless stream draws B fresh ones from `generator` instead."""

    @abstractmethod
    def test(self, limit: int | None = None) -> Batch:
        """The held-out images, the first `limit` of them, always the same."""


class Truth(ABC):
    """What a data set adds that knows what lies between two of its images.

    Its images are those of points of a manifold, given by parameters (..., P) in float64.
    """

    frames: ClassVar[int] = 9
    """Frames of a path that its pairs are scored on, both ends counted."""
    divisions: ClassVar[int | None] = None
    """The true way is known at 0, 1 / `divisions`, ..., 1 alone; ``None``: anywhere."""

    @abstractmethod
    def pairs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Parameters (n, P) of `n` starts and ends, far enough apart to make a task and with one shortest way."""

    @abstractmethod
    def between(self, starts: Tensor, ends: Tensor, t: Tensor) -> Tensor:
        """Parameters (n, T, P) at `t` (T,) on the true ways from `starts` to `ends`, (n, P) each."""

    @abstractmethod
    def show(self, parameters: Tensor) -> Tensor:
        """The images (N, C, H, W) in [0, 1] of parameters (N, P), without noise."""

    @abstractmethod
    def known(self) -> Tensor:
        """Parameters (M, P) that cover the manifold: what frames are looked up in, at this fineness."""

    @abstractmethod
    def ways(self, p: Tensor, q: Tensor) -> Tensor:
        """From `p` to `q`, (..., P) each, the shorter way round: (..., D), whose norm is the distance."""

    def groups(self, parameters: Tensor) -> Tensor:
        """Which piece of the manifold parameters (N, P) lie on, (N,) int64; frames are looked up in that of their ends.

        One piece, unless a data set says otherwise.
        """
        return torch.zeros(len(parameters), dtype=torch.int64)


Family = Literal["truth", "representation", "reconstruction", "realism", "motion", "geometry"]
"""What a metric holds an interpolation to. None of them can rank alone."""

Need = Literal["truth", "label", "model", "differentiable"]
"""``truth``: the data set is a `Truth`; ``label``: a train set of known size with one class an image; ``model``: there
are codes and a decoder, which controls do not have; ``differentiable``: and gradients of the decoder."""

Control = Literal["truth", "nearest", "jump", "blend"]
"""Paths of no model, which every metric is tested on: the true way, where it is known; the nearest training images to
it (to the blend, where it is not known); one image until the middle and then the other; their fade."""


@dataclass(frozen=True)
class Measured:
    """A figure, and how to have it again of other pairs, for its interval."""

    value: float
    resample: Callable[[Tensor, Generator], float] | None = None
    """The figure of pairs `rows` (n,), int64 and with repetitions; whatever else it is of is drawn again from the
    generator. ``None``: there is no interval, as the figure is not of pairs."""
    n: int = 0
    """Number of pairs."""

    @classmethod
    def mean(cls, values: Tensor) -> Measured:
        """The mean of one value a pair, (n,)."""
        values = values.detach().double().cpu()
        return cls(float(values.mean()), lambda rows, generator: float(values[rows].mean()), len(values))


@dataclass(frozen=True)
class NotApplicable:
    """Why there is no figure: a fact about the data or what is scored, not an error."""

    reason: str


class Metric(ABC):
    """One figure of how good the images between images are, or the codes that they come from.

    It is scored on controls, too, and called unfit on a data set where it does not put them in its own `order`.
    """

    Config: ClassVar[type[ComponentConfig]] = ComponentConfig
    title: ClassVar[str]
    """In tables and on cards."""
    family: ClassVar[Family]
    better: ClassVar[Literal["lower", "higher"]]
    leading: ClassVar[bool] = False
    """Whether it speaks for its family in a summary, where it is fit."""
    needs: ClassVar[frozenset[Need]] = frozenset()
    """What must be there; else it is not applicable, and `measure` is not called."""
    order: ClassVar[tuple[tuple[Control, Control], ...]] = ()
    """Pairs of controls of which it must find the first better."""

    def __init__(self, config: ComponentConfig) -> None:
        super().__init__()

    @abstractmethod
    def measure(self, trial: Trial) -> Measured | NotApplicable:
        """The figure of what is on trial: `trial` has its frames, the data, and the model if it is one.

        What several metrics need is computed once with `trial.shared`. Everything random comes from `trial.generator`.

        Raises:
            InputError: a frame is not finite, or shapes do not fit: a broken model gets no score.
        """


class FeatureNetwork(nn.Module, ABC):
    """Images to the features that metrics compare them by, where a user asks for ``--features COMPONENT:NETWORK``.

    It comes with weights of its own, is put into eval mode, and is neither trained nor saved.
    """

    Config: ClassVar[type[FeatureNetworkConfig]] = FeatureNetworkConfig
    network: str
    """What the features are of, in full: the same text for the same weights and no others. It stands in every record,
    for figures of different features are not compared."""

    def __init__(self, config: FeatureNetworkConfig, image: ImageSpec) -> None:
        super().__init__()
        self.network = config.network

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] to features (B, D); no image knows of the others in its batch."""
