"""Whether an ensemble keeps geodesics on the data: ``python -m benchmarks.ensemble MODEL``.

Small decoders are trained on the codes of the model's own encoder, which stays as it is. Geodesics are those of the
model's decoder, of one of the new decoders, of their mean image, and of all of them (the expected metric), without any
term of the codes. All are drawn between the same pairs of held-out images and measured as in ``paths.py``, in frames of
the decoder itself or, for the new ones, of their mean.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from interpzoo_riemannian import NotConvergedWarning
from interpzoo_riemannian.ensemble import Ensemble, EnsembleConfig
from interpzoo_riemannian.interpolators import Shortest, ShortestConfig
from torch import Generator, Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR
from typing_extensions import override

from benchmarks.paths import Judge, measure
from interpzoo.benchmark import Task
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.build import build_component
from interpzoo.config import Component, ComponentConfig
from interpzoo.interfaces import Decoder, Interpolator, LatentModel
from interpzoo.markdown import markdown_table
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate

_BATCH = 64
_LABELED = 4000


class Mean(Decoder):
    """The mean image of an ensemble, as a decoder of its own."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__(ComponentConfig(), ensemble.image, ensemble.latent_shape)
        self.ensemble = ensemble

    @override
    def forward(self, z: Tensor) -> Tensor:
        return self.ensemble(z)


class Of(Interpolator):
    """The geodesic of a decoder that need not be the model's."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__(ComponentConfig())
        self.decoder = decoder

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        assert isinstance(model, InterpolationModel)
        own, model.decoder = model.decoder, self.decoder
        try:
            return Shortest(ShortestConfig())(z0, z1, t, model=model)
        finally:
            model.decoder = own


def trained(model: InterpolationModel, task: Task, members: int, images: int, steps: int) -> Ensemble:
    """Decoders of half the width, trained on posterior samples of the codes of `images` training images."""
    width = int(model.config.decoder.options["width"]) // 2
    torch.manual_seed(0)
    config = EnsembleConfig(width=width, activation="elu", output="sigmoid", members=members)
    ensemble = Ensemble(config, model.config.image, model.latent_shape)
    draw = Generator().manual_seed(1)
    x = task.data.train(torch.arange(images), draw)["image"]
    with torch.no_grad():
        posteriors = [model.encoder.posterior(part) for part in x.split(500)]
    mean = torch.cat([posterior.mean for posterior in posteriors if posterior is not None])
    deviation = torch.cat([posterior.stddev for posterior in posteriors if posterior is not None])
    optimizer = Adam(ensemble.parameters(), 3e-3)
    schedule = CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(images, (_BATCH,), generator=draw)
        z = mean[rows] + deviation[rows] * torch.randn(mean[rows].shape, generator=draw)
        optimizer.zero_grad()
        (-ensemble.log_prob(x[rows], z).mean() * members).backward()
        optimizer.step()
        schedule.step()
    return ensemble.eval().requires_grad_(False)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Whether an ensemble keeps geodesics on the data.")
    parser.add_argument("model")
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--pairs", type=int, default=48)
    parser.add_argument("--features", default="features-mnist")
    parser.add_argument("--data-root", type=Path)
    given = parser.parse_args(arguments)
    model = read_model(locate(given.model)).requires_grad_(False)
    if model.config.trained is None:
        sys.exit(f"{given.model} does not say on which data it was trained")
    task = Task(model.config.trained.data, model.config.image, EvaluationProtocol(pairs=given.pairs), given.data_root)
    judge = Judge(given.features, task, _LABELED)
    own = model.decoder
    ensemble = trained(model, task, given.members, given.images, given.steps)
    line = build_component(Interpolator, Component(name="linear"))
    member = ensemble.members[0]
    assert isinstance(member, Decoder)
    rows: list[tuple[str, ...]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        for name, path, decoder in (
            ("the model's: straight line", line, own),
            ("the model's: geodesic", Of(own), own),
            ("new: straight line", line, ensemble),
            ("new: geodesic of one", Of(member), ensemble),
            ("new: geodesic of the mean", Of(Mean(ensemble)), ensemble),
            ("new: geodesic of all", Of(ensemble), ensemble),
        ):
            model.decoder = decoder
            rows.append((name, *measure(model, path, task, judge)))
    header = ("decoder and path", "beyond the 99 % quantile", "cycle error", "sharpness", "length", "confidence")
    sys.stdout.write(f"`python -m benchmarks.ensemble {' '.join(arguments)}`\n\n{markdown_table(header, rows)}")


if __name__ == "__main__":
    main(sys.argv[1:])
