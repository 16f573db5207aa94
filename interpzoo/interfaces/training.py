"""Training: one step, the updates that it makes, and the regularizer that gives their losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from interpzoo.config import ImageSpec, OptimizerConfig
from interpzoo.interfaces.component import ConfigT, Configured
from interpzoo.interfaces.data import Batch
from interpzoo.interfaces.networks import LatentModel
from interpzoo.registry import Kind
from interpzoo.shared import Shared


@dataclass(kw_only=True, eq=False)
class Step(Shared):
    """One training step: its batch, and what its losses share, computed once on demand.

    All due losses of a step are computed from one `Step` before any optimizer moves.
    """

    batch: Batch
    model: LatentModel
    generator: Generator
    """On the CPU and seeded by run, step and process: draw from it and move the result to the device."""
    index: int
    """Number of this step from 0; `total` is the number of steps of the run."""
    total: int
    epoch: int = 0
    mean: Callable[[Tensor], Tensor] = lambda value: value
    """Mean of a tensor over all processes, each of which must call it. Use it for what steers the run, such as a
    multiplier or the end of a phase: all processes have to agree on it."""
    logged: dict[str, Tensor] = field(default_factory=dict[str, Tensor], init=False)

    def __post_init__(self) -> None:
        super().__init__()

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

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1) of `shape` from the step's generator, on the batch's device."""
        return torch.rand(*shape, generator=self.generator).to(self.x.device)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers of `shape` from the step's generator, on the batch's device."""
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


@dataclass(frozen=True)
class Update:
    """One optimizer's part of a training step."""

    name: str
    parameters: Sequence[nn.Parameter]
    """The weights that this update moves; its gradient reaches no others. See `parameters_of`."""
    optimizer: OptimizerConfig | None = None
    """``None``: the recipe's."""
    every: int = 1
    """The update is due at steps 0, every, 2 every, ..."""
    learning_rate_scale: Callable[[Step], float] = lambda step: 1.0
    """Factor of this step's learning rate. All processes must compute the same one, see `Step.mean`."""
    active: Callable[[Step], bool] = lambda step: True
    """Whether the update takes part in this step, for methods with phases."""


def parameters_of(*modules: nn.Module) -> list[nn.Parameter]:
    """All parameters of some networks, as an `Update` takes them."""
    return [parameter for module in modules for parameter in module.parameters()]


class Regularizer(nn.Module, Configured[ConfigT], ABC):
    """What a method trains: the whole loss as named terms, and networks of its own (critic, multiplier).

    Its parameters and buffers are checkpointed with the run (keep counters and multipliers in buffers) and never saved
    with the model.
    """

    kind: ClassVar[Kind] = "regularizer"

    requires: frozenset[str] = frozenset()
    """Batch fields that the loss needs besides ``image``."""
    autocast: bool = True
    """Whether the loss may run in reduced precision. Jacobians and 1 / d^2 need float32."""
    setup_images: int = 0
    """If above 0, `setup` gets all training images, each once, and more than this are an error. A data set without an
    end still gives the first batch."""

    def __init__(self, config: ConfigT, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.image = image
        self.latent_shape = latent_shape

    def setup(self, model: LatentModel, batch: Batch, generator: Generator) -> None:
        """Called once before the first step, to check the networks or to set scales and codebooks from the data.

        Every process gets the same `batch`, the first one of the run as one process would see it (or all images, see
        `setup_images`), and the same `generator`. Then parameters and buffers of model and regularizer get the values
        of the main process.
        """

    def updates(self, model: LatentModel) -> Sequence[Update]:
        """What is optimized, how and how often: by default encoder and decoder together, once a step."""
        return [Update("autoencoder", parameters_of(model.encoder, model.decoder))]

    @abstractmethod
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        """The weighted terms of one update's loss, scalars by name; their sum is minimized."""

    def after(self, step: Step) -> None:
        """Called after all optimizers have moved, to update multipliers and phases."""
