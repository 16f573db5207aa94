"""Components of a plugin to try the kit on: sound ones, from which the faulty ones of `tests.kit.faults` derive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.geometry import lerp
from interpzoo.interfaces import (
    Batch,
    CodeSpace,
    DataSet,
    Decoder,
    Encoder,
    Interpolator,
    LatentModel,
    Prior,
    Regularizer,
    Step,
    Update,
    parameters_of,
)

LENGTH = 3
"""Numbers in a code."""


class Coding(Encoder):
    """Images to codes by one convolution and one layer."""

    def __init__(self, config: Any, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.latent_shape = (LENGTH,)
        self.maps = nn.Conv2d(image.channels, 2, 3, padding=1)
        self.head = nn.Linear(2 * image.height * image.width, LENGTH)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.maps(x).flatten(1))


class Decoding(Decoder):
    """Codes to images by two layers."""

    def __init__(self, config: Any, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.body = nn.Linear(LENGTH, 8)
        self.head = nn.Linear(8, image.channels * image.height * image.width)

    def pixels(self, z: Tensor) -> Tensor:
        return self.head(torch.tanh(self.body(z.flatten(1)))).unflatten(1, self.image.shape)

    @override
    def forward(self, z: Tensor) -> Tensor:
        return self.pixels(z) + 0.5


class Standard(Prior):
    """Standard normal codes."""

    @override
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        return torch.randn(n, *self.latent_shape, generator=generator)

    @override
    def log_prob(self, z: Tensor) -> Tensor:
        return -z.square().flatten(1).sum(1) / 2


class CodebookConfig(ComponentConfig):
    """Settings of a codebook."""

    size: int = Field(default=8, ge=1, le=65536)
    """Codes in it."""


class Codebook(CodeSpace[CodebookConfig]):
    """A vector at each place of a code is one of a table's (van den Oord et al. 2017, eq. 2)."""

    def __init__(self, config: CodebookConfig, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, latent_shape)
        self.table = nn.Parameter(torch.randn(config.size, latent_shape[0]))

    @override
    def project(self, z: Tensor) -> Tensor:
        rows = z.movedim(1, -1)
        nearest = torch.cdist(rows.reshape(-1, rows.shape[-1]).float(), self.table.float()).argmin(1)
        return self.table[nearest].view(rows.shape).movedim(-1, 1).to(z)


class Plain(Regularizer):
    """The squared error."""

    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        return {"reconstruction": mse_loss(step.reconstruction.float(), step.x)}


class Critical(Plain):
    """The squared error, and a critic of the codes' length that is trained beside it."""

    def __init__(self, config: Any, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.critic = nn.Linear(LENGTH, 1)

    @override
    def updates(self, model: LatentModel) -> list[Update]:
        return [*super().updates(model), Update("critic", parameters_of(self.critic))]

    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        z = step.codes.flatten(1)
        if update == "critic":
            length = z.detach().float().norm(dim=1, keepdim=True)
            return {"critic": (self.critic(z.detach()).float() - length).square().mean()}
        return {**super().loss(step, update), "critic's": self.critic(z).float().square().mean()}


class Quantizing(Plain):
    """VQ-VAE (van den Oord et al. 2017, eq. 3): networks and codebook together, straight through the rounding."""

    @override
    @torch.no_grad()
    def setup(self, model: LatentModel, batch: Batch, generator: Generator) -> None:
        if isinstance(model.space, Codebook):
            rows = model.encoder(batch["image"]).movedim(1, -1).flatten(0, -2)
            table = model.space.table
            table.copy_(rows[torch.randint(len(rows), (len(table),), generator=generator)])

    @override
    def updates(self, model: LatentModel) -> list[Update]:
        networks = (model.encoder, model.decoder, model.space)
        return [Update("autoencoder", parameters_of(*(part for part in networks if part is not None)))]

    @override
    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        space = step.model.space
        assert space is not None
        z = step.codes
        valid = space.project(z)
        images = step.model.decoder(z + (valid - z).detach())
        return {
            "reconstruction": mse_loss(images.float(), step.x),
            "codebook": mse_loss(valid.float(), z.detach().float()),
            "commitment": 0.25 * mse_loss(z.float(), valid.detach().float()),
        }


class Straight(Interpolator):
    """The straight line."""

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return lerp(z0, z1, t)


class Greys(DataSet):
    """40 smooth images, of which the last eight are held out."""

    size: int | None = 32

    def __init__(self, config: Any, image: ImageSpec, root: Path | None = None) -> None:
        super().__init__(config, image, root)
        self.everything = torch.rand(40, *image.shape, generator=Generator().manual_seed(5))

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return {"image": self.everything[indices]}

    @override
    def test(self, limit: int | None = None) -> Batch:
        return {"image": self.everything[32:][:limit]}


class Brightness(Metric):
    """How bright the frames are."""

    title = "brightness"
    family = "realism"
    better = "higher"

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return Measured.mean(evaluation.frames.flatten(1).mean(1))
