"""Sound components of unusual kinds, which the kit must let pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrizations
from typing_extensions import override

from interpzoo.config import ImageSpec
from interpzoo.errors import ConfigError, DataError, WeightsError
from interpzoo.geometry import lerp
from interpzoo.interfaces import Batch, Interpolator, LatentModel, Step, Update, parameters_of
from tests.kit.cases import sound
from tests.kit.plugin import (
    LENGTH,
    Brightness,
    Codebook,
    Coding,
    Critical,
    Decoding,
    Greys,
    Plain,
    Quantizing,
    Straight,
)


@sound()
class AllSound(Brightness):
    """Nothing but sound components."""


@sound()
class DrawnRegularizer(Critical):
    """A critic, and numbers from the step's generator."""

    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        terms = super().loss(step, update)
        return {**terms, "noise": (step.codes * step.normal(LENGTH)).sum() * 1e-3} if update != "critic" else terms


@sound(recipe={"training": {"samples": 64 * 5000, "batch_size": 64, "ema_decay": 0.9}})
class LateUpdate(Critical):
    """Its critic is trained from step 1000 on."""

    @override
    def updates(self, model: LatentModel) -> list[Update]:
        first, _ = super().updates(model)
        return [first, Update("critic", parameters_of(self.critic), active=lambda step: step.index >= 1000)]


@sound()
class AlternatingUpdates(Critical):
    """Two updates of the decoder that are never due in the same step."""

    @override
    def updates(self, model: LatentModel) -> list[Update]:
        _, critic = super().updates(model)
        encoder, decoder = parameters_of(model.encoder), parameters_of(model.decoder)
        return [
            Update("encoder", [*encoder, *decoder], active=lambda step: step.index % 2 == 0),
            Update("decoder", decoder, active=lambda step: step.index % 2 == 1),
            critic,
        ]


@sound()
class FrozenEncoder(Coding):
    """Its first layer keeps its random weights."""

    def __init__(self, config: Any, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.maps.requires_grad_(False)


@sound()
class Teacher(Plain):
    """A frozen average of a network, which `after` moves."""

    def __init__(self, config: Any, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.teacher = nn.Linear(LENGTH, LENGTH).requires_grad_(False)
        self.register_buffer("steps", torch.tensor(0))

    steps: Tensor

    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        target = self.teacher(step.codes.detach()).float()
        return {**super().loss(step, update), "teacher": (step.codes.float() - target).square().mean()}

    @override
    @torch.no_grad()
    def after(self, step: Step) -> None:
        self.steps += 1
        self.teacher.weight.mul_(0.9)


@sound()
class MaskedData(Greys):
    """Gives a field that only a method of its own plugin could ask for."""

    fields = frozenset({"image", "mask"})

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        batch = super().train(indices, generator)
        return {**batch, "mask": (batch["image"] > 0.5).float()}


@sound(beside=(MaskedData,))
class MaskedLoss(Plain):
    """Requires a field that its own data set gives."""

    requires = frozenset({"mask"})

    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        return {"masked": ((step.reconstruction - step.x) * step.batch["mask"]).square().mean()}


@sound()
class DuplicateFreeStream(Greys):
    """Endless noise with eight held-out images of a seed of their own."""

    size = None

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return {"image": torch.rand(len(indices), *self.image.shape, generator=generator)}


@sound()
class TiedDecoder(Decoding):
    """Two layers with the same weights."""

    def __init__(self, config: Any, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.first, self.again = nn.Linear(LENGTH, LENGTH), nn.Linear(LENGTH, LENGTH)
        self.again.weight = self.first.weight

    @override
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(self.again(torch.tanh(self.first(z))))


@sound()
class SpectralDecoder(Decoding):
    """A layer whose norm is bounded."""

    def __init__(self, config: Any, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        parametrizations.spectral_norm(self.body)


@sound()
class SigmoidDecoder(Decoding):
    """Images that come close to 0 and 1."""

    @override
    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(30 * self.pixels(z))


@sound()
class BentPath(nn.Module, Interpolator):
    """A path with weights, which are saved with its model."""

    bend: Tensor

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("bend", torch.randn(LENGTH))

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        positions = t.expand(len(z0), -1)[..., None]
        return lerp(z0, z1, t) + positions * (1 - positions) * self.bend


@sound(beside=(Codebook,))
class VectorQuantized(Quantizing):
    """A codebook that the model carries, and a method that trains it."""


@sound(without=("regularizer", "dataset", "metric"))
class CodebookAlone(Codebook):
    """A space without a recipe."""


@sound(without=("regularizer", "prior", "interpolator", "metric"))
class BinaryDecoder(Decoding):
    """Black or white pixels, and it says so."""

    differentiable: ClassVar[bool] = False

    @override
    def forward(self, z: Tensor) -> Tensor:
        return (self.pixels(z) > 0).to(z)


@sound()
class DeclaredBatchNormEncoder(Coding):
    """Normalizes batches while it is trained, and says so."""

    batch_statistics: ClassVar[bool] = True

    def __init__(self, config: Any, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.norm = nn.BatchNorm1d(LENGTH)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(super().forward(x))


@sound()
class GroupNormEncoder(Coding):
    """Normalizes each image by itself."""

    def __init__(self, config: Any, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.norm = nn.GroupNorm(1, 2)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.maps(x)).flatten(1))


@sound()
class FetchingEncoder(Coding):
    """Starts from weights that it reads, as from a download."""

    def __init__(self, config: Any, image: ImageSpec) -> None:
        super().__init__(config, image)
        own = self.state_dict().items()
        self.load_state_dict({name: torch.full(tuple(t.shape), 0.01, device="cpu") for name, t in own})


@sound()
class UnreachableEncoder(Coding):
    """Its weights cannot be fetched here."""

    def __init__(self, config: Any, image: ImageSpec) -> None:
        super().__init__(config, image)
        raise WeightsError("weights cannot be fetched: the network is down")


@sound()
class OneSizeEncoder(Coding):
    """Takes images of one size, and says so."""

    def __init__(self, config: Any, image: ImageSpec) -> None:
        super().__init__(config, image)
        if image.shape != (1, 8, 8):
            raise ConfigError(f"images of {image.shape}: expected (1, 8, 8)")


@sound()
class OwnEncoderPath(Straight):
    """A path that asks the encoder for something of its own."""

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        if not isinstance(model.encoder, Coding):
            raise AttributeError(f"{type(model.encoder).__name__} has no period")
        return lerp(z0, z1, t)


@sound(without=("regularizer", "dataset", "metric", "interpolator"))
class InferenceOnly(Coding):
    """Networks without a recipe."""


@sound(without=("regularizer", "encoder", "decoder", "prior", "interpolator", "metric"))
class DataAlone(Greys):
    """A data set without a recipe."""


@sound(without=("regularizer",))
class MissingFiles(Greys):
    """Its files are not here."""

    def __init__(self, config: Any, image: ImageSpec, root: Path | None = None) -> None:
        raise DataError("the folder 'mine' does not exist: set INTERPZOO_DATA")
