"""Faulty components, one fault each, with what the kit says of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, NotApplicable
from interpzoo.config import ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.geometry import lerp
from interpzoo.interfaces import Batch, FeatureNetwork, Interpolator, LatentModel, Step, Update, parameters_of
from tests.kit.cases import faulty
from tests.kit.plugin import (
    LENGTH,
    Brightness,
    Codebook,
    Coding,
    Critical,
    Decoding,
    Greys,
    Plain,
    Standard,
    Straight,
)

ALL: Final = ("encoder", "decoder", "prior", "regularizer", "interpolator", "dataset", "metric")
"""Kinds to leave out where nothing but the component itself is tried."""

# Encoders and decoders whose result depends on the batch.


@faulty("the encoder's result for one row depends on the others of its batch in eval mode")
class CentredEncoder(Coding):
    @override
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0))


@faulty("depends on the others of its batch in train mode, by up to")
class BatchNormEncoder(Coding):
    def __init__(self, config: Any, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.norm = nn.BatchNorm1d(LENGTH)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(super().forward(x))


@faulty("depends on the others of its batch in eval mode, by up to")
class AlwaysTrainingEncoder(BatchNormEncoder):
    @override
    def train(self, mode: bool = True) -> AlwaysTrainingEncoder:
        return super().train()


@faulty("the decoder's result for one row depends on the others of its batch in eval mode")
class BatchScaledDecoder(Decoding):
    @override
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z / z.std().clamp(min=1e-6))


@faulty("normalize each image by itself (GroupNorm, LayerNorm), or, if the network is meant to")
class BatchNormDecoder(Decoding):
    def __init__(self, config: Any, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.norm = nn.BatchNorm1d(LENGTH)

    @override
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(self.norm(z))


@faulty("the decoder in train mode draws from the global random state of torch: use the generator")
class DropoutDecoder(Decoding):
    def __init__(self, config: Any, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.drop = nn.Dropout(0.5)

    @override
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(self.drop(z))


# Values, types, inputs and derivatives.


@faulty("the decoder clamps its images")
class ClampedDecoder(Decoding):
    @override
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z).clamp(0, 1)


@faulty("the decoder clamps its images")
class RectifiedDecoder(Decoding):
    @override
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z).relu()


@faulty("the code is in torch.float64, expected torch.float32: convert it by .float()")
class DoubleEncoder(Coding):
    @override
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).double()


@faulty("the decoded image is in torch.float16")
class HalfDecoder(Decoding):
    @override
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z).half()


@faulty("the encoder writes into its input 'x': make a new tensor")
class WritingEncoder(Coding):
    @override
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(2).sub_(1))


@faulty("the decoder writes into its input 'z'")
class WritingDecoder(Decoding):
    @override
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z.clamp_(-0.1, 0.1))


@faulty("the derivative of the decoder is 0 everywhere, although it says that it is differentiable")
class RoundingDecoder(Decoding):
    @override
    def forward(self, z: Tensor) -> Tensor:
        return torch.round(1000 * super().forward(z)) / 1000


@faulty("the derivative of the decoder is not that of its images")
class DetachingDecoder(Decoding):
    @override
    def forward(self, z: Tensor) -> Tensor:
        y = super().forward(z)
        return y + 2 * y.detach()


@faulty("use reshape or flatten instead of view")
class ViewingEncoder(Coding):
    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.maps(x).view(len(x), -1))


@faulty("the encoder in bfloat16 raises RuntimeError")
class TableEncoder(Coding):
    @override
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) @ torch.eye(LENGTH)


@faulty("raises RuntimeError: mat1 and mat2 shapes cannot be multiplied")
class FixedSizeEncoder(Coding):
    def __init__(self, config: Any, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.head = nn.Linear(128, LENGTH)


# State outside parameters and buffers.


@faulty("its encoder gives other values, because it was changed or keeps state outside of parameters")
class RememberingEncoder(Coding):
    shift: float | Tensor = 0.0

    @override
    def forward(self, x: Tensor) -> Tensor:
        z = super().forward(x)
        if self.training:
            self.shift = self.shift + 0.1 * z.detach().mean(0)
        return z + self.shift


@faulty("'encoder.table' is a plain attribute")
class PlainTableEncoder(Coding):
    def __init__(self, config: Any, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.table = torch.randn(LENGTH)

    @override
    def forward(self, x: Tensor) -> Tensor:
        z = super().forward(x)
        return z + self.table.to(z)


@faulty("buffers must be persistent to be loaded")
class PassingTableDecoder(Decoding):
    table: Tensor

    def __init__(self, config: Any, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.register_buffer("table", torch.randn(image.width), persistent=False)

    @override
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z) + self.table


@faulty("is not a buffer, so that a resumed run and a saved model forget it: keep it with register_buffer('seen'")
class CountingDecoder(Decoding):
    seen = 0

    def __init__(self, config: Any, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.seen = 0

    @override
    def forward(self, z: Tensor) -> Tensor:
        self.seen += self.training
        return super().forward(z)


@faulty("the state of 'encoder' has '_extra_state' of type 'dict': files hold tensors alone")
class ExtraStateEncoder(Coding):
    def get_extra_state(self) -> dict[str, int]:
        return {"version": 1}

    def set_extra_state(self, state: dict[str, int]) -> None:
        assert state


# Regularizers: side effects, updates, counters.


@faulty("the loss of update 'autoencoder' at step 0 leaves a gradient at 'encoder.")
class BackwardLoss(Plain):
    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        step.codes.mean().backward(retain_graph=True)
        return super().loss(step, update)


@faulty("the loss of update 'autoencoder' at step 25 leaves a gradient at 'regularizer.critic.weight'")
class LateLeak(Critical):
    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        if update == "autoencoder" and 4 * step.index >= step.total:
            self.critic(step.codes.detach()).sum().backward()
        return super().loss(step, update)


@faulty("the loss of update 'autoencoder' at step 1 moves 'regularizer.critic.weight': a loss changes no weights")
class MovingLoss(Critical):
    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        if update == "autoencoder" and step.index:
            self.critic.weight.data.mul_(0.9)
        return super().loss(step, update)


@faulty("updates 'autoencoder' and 'critic' both move 'decoder.body.weight' at step 0")
class GreedyCritic(Critical):
    @override
    def updates(self, model: LatentModel) -> list[Update]:
        default, _ = super().updates(model)
        return [default, Update("critic", parameters_of(self.critic, model.decoder))]


@faulty("updates 'autoencoder' and 'critic' both move 'decoder.body.weight' at step 50")
class LateGreedyCritic(Critical):
    @override
    def updates(self, model: LatentModel) -> list[Update]:
        late = Update("critic", parameters_of(self.critic, model.decoder), active=lambda s: 2 * s.index >= s.total)
        return [super().updates(model)[0], late]


@faulty("the loss of update 'autoencoder' never reaches ['decoder.")
class DetachedLoss(Plain):
    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        return {"a": step.codes.square().mean(), "b": mse_loss(step.reconstruction.detach(), step.x)}


@faulty("no update trains ['decoder.")
class ForgottenDecoder(Plain):
    @override
    def updates(self, model: LatentModel) -> list[Update]:
        return [Update("autoencoder", parameters_of(model.encoder))]


@faulty("term 'reconstruction' of update 'autoencoder' at step 0 has values that are not finite")
class NaNLoss(Plain):
    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        return {"reconstruction": super().loss(step, update)["reconstruction"] * float("nan")}


@faulty("the gradient of update 'autoencoder' is 0 everywhere")
class FlatLoss(Plain):
    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        return {"reconstruction": 0 * super().loss(step, update)["reconstruction"]}


@faulty("field 'image' of the batch before and after the loss of update 'autoencoder'")
class WritingLoss(Plain):
    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        terms = super().loss(step, update)
        step.x.mul_(0.5)
        return terms


@faulty("draws from the global random state of torch: a resumed run would draw other numbers")
class GlobalDraws(Plain):
    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        return {"noise": (step.reconstruction - step.x - torch.randn_like(step.x)).square().mean()}


@faulty("'regularizer.steps' changed from 0 to")
class CountingLoss(Plain):
    def __init__(self, config: Any, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.steps = 0

    @override
    def after(self, step: Step) -> None:
        self.steps += 1


@faulty("'regularizer.ticks' changed from count(0) to count(")
class TickingLoss(Plain):
    def __init__(self, config: Any, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.ticks = itertools.count()

    @override
    def after(self, step: Step) -> None:
        next(self.ticks)


@faulty("differs between a resumed run and one without the interruption: keep all that changes in buffers")
class AnnealingLoss(Plain):
    """A weight that falls."""

    weight = None

    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        weight = 1.0 if self.weight is None else self.weight
        terms = super().loss(step, update)
        return {"reconstruction": weight * terms["reconstruction"], "z": step.codes.square().mean()}

    @override
    def after(self, step: Step) -> None:
        AnnealingLoss.weight = 3.0 if self.weight is None else 0.7 * self.weight


@faulty("a step of method 'tried' in bfloat16 raises RuntimeError")
class Float32OnlyLoss(Plain):
    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        return {**super().loss(step, update), "volume": torch.linalg.slogdet(step.codes.mT @ step.codes)[1]}


@faulty("the loss of update 'autoencoder' at step 0 raises KeyError: 'mask' (faults.py, line")
class UnnamedField(Plain):
    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        return {"masked": (step.reconstruction * step.batch["mask"]).mean()}


@faulty("requires ['mask'] in every batch, and data set 'tried-dataset' has the fields ['image']")
class MissingField(UnnamedField):
    requires = frozenset({"mask"})


# Priors and paths.


@faulty("it ignores its generator")
class CarelessPrior(Standard):
    @override
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        return torch.randn(n, *self.latent_shape)


@faulty("the prior's samples are the same for every generator: it ignores its generator")
class FixedPrior(Standard):
    @override
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        return torch.randn(n, *self.latent_shape, generator=Generator().manual_seed(0))


@faulty("the prior's mean is not that of its samples")
class ShiftedPrior(Standard):
    @property
    @override
    def mean(self) -> Tensor:
        return torch.full(self.latent_shape, 0.5)


@faulty("the path 'tried:tried-interpolator' keeps tensors in 'bend': a path is built from its config")
class LearnedPath(Straight):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.bend = torch.zeros(LENGTH)

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        positions = t.expand(len(z0), -1)[..., None]
        return lerp(z0, z1, t) + positions * (1 - positions) * self.bend


@faulty("keeps tensors in 'table'")
class TabledPath(nn.Module, Interpolator):
    """A path with weights, which are saved, and a table, which is not."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.net = nn.Linear(1, 1)
        self.register_buffer("table", torch.ones(2), persistent=False)

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return lerp(z0, z1, t)


@faulty("at 1 and its end: expected to be equal bit for bit: return z0 itself where t = 0 and z1 where t = 1")
class InexactPath(Straight):
    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return lerp(z0, z1, t) + 1e-6 * t.reshape(1, -1, *[1] * (z0.ndim - 1))


@faulty("the path 'tried:tried-interpolator' writes into its input 'z1'")
class WritingPath(Straight):
    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        z1 += 1
        return lerp(z0, z1, t)


# Data sets.


@faulty("held-out images of data set 'tried:tried-dataset' are among 32 training images")
class OverlappingData(Greys):
    @override
    def test(self, limit: int | None = None) -> Batch:
        return {"image": self.everything[28:36][:limit]}


@faulty("has field 'caption' of type 'list': batches hold only tensors: turn words into numbers")
class CaptionedData(Greys):
    fields = frozenset({"image", "caption"})

    @override
    def train(self, indices: Tensor, generator: Generator) -> Any:
        return {**super().train(indices, generator), "caption": ["a photo"] * len(indices)}


@faulty("data set 'tried:tried-dataset' has field 'image' in torch.float64")
class DoubleData(Greys):
    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return {"image": self.everything[indices].double()}


@faulty("has field 'image' in [0.7")
class ByteData(Greys):
    @override
    def test(self, limit: int | None = None) -> Batch:
        return {"image": 255 * super().test(limit)["image"]}


@faulty("ignores its generator: a stream without a size draws new images from it")
class FrozenStream(Greys):
    size = None

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return {"image": torch.rand(len(indices), *self.image.shape, generator=Generator().manual_seed(9))}


@faulty("what it gives depends on the indices and the generator alone")
class DriftingData(Greys):
    calls = 0

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        self.calls += 1
        return {"image": self.everything[indices] / self.calls}


@faulty(
    "refuses recipe 'second', whose images are 1x8x12: dataset 'tried-dataset': images must be square",
    second={"image": {"channels": 1, "height": 8, "width": 12}},
)
class SquareData(Greys):
    def __init__(self, config: Any, image: ImageSpec, root: Path | None = None) -> None:
        if image.height != image.width:
            raise ConfigError("images must be square")
        super().__init__(config, image, root)


# Metrics.


@faulty("draws from the global random state of torch: draw from evaluation.generator(...)")
class RandomMetric(Brightness):
    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return Measured(float(torch.rand(())))


@faulty("is nan: leave out what cannot be divided, or return NotApplicable with the reason")
class NaNMetric(Brightness):
    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return Measured(float("nan"))


@faulty("measuring metric 'tried:tried-metric' of 'plain' raises IndexError")
class RaisingMetric(Brightness):
    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return Measured(float(evaluation.frames[10**6].mean()))


@faulty("writes into its input 'frames'")
class WritingMetric(Brightness):
    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return Measured(float(evaluation.frames.clamp_(0.2, 0.8).mean()))


@faulty("has better = 'more', expected one of lower, higher")
class MisnamedMetric(Brightness):
    better: ClassVar[Any] = "more"


# Spaces of codes.


@faulty("the space's projection moves codes that it has given itself", without=("regularizer", "dataset", "metric"))
class ShrinkingSpace(Codebook):
    @override
    def project(self, z: Tensor) -> Tensor:
        return 0.9 * z


@faulty("the space's projection of a code depends on the others of its batch", without=("regularizer",))
class CentringSpace(Codebook):
    @override
    def project(self, z: Tensor) -> Tensor:
        return z - z.mean(0)


@faulty("the space's projection writes into its input 'z'", without=("regularizer",))
class WritingSpace(Codebook):
    @override
    def project(self, z: Tensor) -> Tensor:
        return z.clamp_(-0.1, 0.1)


@faulty("method 'tried' does not train the space 'tried-space', whose weights would stay random")
class UntrainedSpace(Codebook):
    pass


# Feature networks.


class Means(FeatureNetwork):
    """The mean of each channel."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


@faulty("the feature network's result for one row depends on the others of its batch in eval mode", without=ALL)
class CentredFeatures(Means):
    @override
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0))


@faulty("the feature network gives a tensor of shape (4, 1, 1, 1), expected (B, D)", without=ALL)
class MapFeatures(Means):
    @override
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[..., None, None]


# Without a recipe: networks and pretrained models alone.


@faulty("depends on the others of its batch in eval mode", without=("regularizer", "dataset", "metric"))
class InferenceOnlyCentred(CentredEncoder):
    pass
