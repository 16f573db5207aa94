"""Whether paths stay on the data: ``python benchmarks/paths.py MODEL [--path geodesic:density=1] ...``.

The model's own path, its straight line and every ``--path`` are drawn between the same pairs of held-out images, and
measured by what does not favor short paths:

- beyond: share of the middle codes (a third of the path) with a norm above 99 % of those of held-out images;
- cycle error: as the metric of that name, the middle codes' distance from those of their own images;
- sharpness: as the metric of that name, of the frames in the middle;
- length: of the decoded path, over that of the straight line, all pairs together;
- confidence: of a logistic regression on the codes of ``--features``, fitted to the labels of training images, in the
  frames in the middle: the mean of the largest probability.

Brackets are 95 % intervals over pairs, by 1,000 bootstrap draws.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression
from torch import Generator, Tensor

from interpzoo.benchmark import Task
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.build import build_component
from interpzoo.config import Component
from interpzoo.geometry import lerp
from interpzoo.interfaces import Interpolator
from interpzoo.markdown import markdown_table
from interpzoo.metrics.along import squared_gradient, step_lengths
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate

_FRAMES = 13
_MIDDLE = slice(4, 9)
_BATCH = 500
_DRAWS = 1000
_HELD_OUT = 2000
_LABELED = 4000


class Judge:
    """Labels of training images, read from the codes of a network of features."""

    def __init__(self, features: str, task: Task, images: int) -> None:
        self.model = read_model(locate(features))
        generator = Generator().manual_seed(0)
        batches = [task.data.train(rows, generator) for rows in torch.arange(images).split(_BATCH)]
        codes = self.codes(torch.cat([batch["image"] for batch in batches]))
        labels = torch.cat([batch["label"] for batch in batches])
        self.regression = LogisticRegression(max_iter=1000).fit(codes.numpy(), labels.numpy())

    def codes(self, images: Tensor) -> Tensor:
        return encode(self.model, images).flatten(1)

    def confidence(self, frames: Tensor) -> Tensor:
        """Largest probability (N, T) in frames (N, T, C, H, W)."""
        probabilities = self.regression.predict_proba(self.codes(frames.flatten(0, 1)).numpy())
        return torch.from_numpy(probabilities).amax(1).unflatten(0, frames.shape[:2])


@torch.no_grad()
def encode(model: InterpolationModel, images: Tensor) -> Tensor:
    return torch.cat([model.encode(part) for part in images.clamp(0, 1).split(_BATCH)])


@torch.no_grad()
def measure(model: InterpolationModel, path: Interpolator, task: Task, judge: Judge) -> list[str]:
    """One row of the table."""
    pairs, t = task.pairs, torch.linspace(0, 1, _FRAMES)
    ends = encode(model, torch.cat([pairs.first, pairs.last]))
    z0, z1 = ends.chunk(2)
    codes = path(z0, z1, t, model=model)
    frames = model.decode(codes.flatten(0, 1)).unflatten(0, codes.shape[:2]).clamp(0, 1)
    middle, images = codes[:, _MIDDLE].flatten(2), frames[:, _MIDDLE]
    limit = encode(model, task.test["image"][:_HELD_OUT]).flatten(1).norm(dim=1).quantile(0.99)
    again = encode(model, images.flatten(0, 1)).flatten(1).unflatten(0, images.shape[:2])
    cycle = (again - middle).square().sum(2).mean(1) / ends.flatten(1).var(0, correction=0).sum()
    straight = model.decode(lerp(z0, z1, t).flatten(0, 1)).unflatten(0, codes.shape[:2])
    lengths = torch.stack([step_lengths(part).sum(1).float() for part in (frames, straight.clamp(0, 1))], 1)
    detail = squared_gradient(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
    ratio = torch.stack([detail[:, _MIDDLE].mean(1), detail[:, [0, -1]].mean(1)], 1)
    return [
        interval((middle.norm(dim=2) > limit).float().mean(1, keepdim=True)),
        interval(cycle[:, None]),
        interval(ratio),
        interval(lengths),
        interval(judge.confidence(images).float().mean(1, keepdim=True)),
    ]


def interval(values: Tensor) -> str:
    """The mean of (N, 1), or the ratio of the means of (N, 2), with its interval over the N pairs."""

    def statistic(rows: Tensor) -> Tensor:
        means = values[rows].mean(-2)
        return means[..., 0] if values.shape[1] == 1 else means[..., 0] / means[..., 1]

    n = len(values)
    draws = statistic(torch.randint(n, (_DRAWS, n), generator=Generator().manual_seed(0)))
    low, high = draws.quantile(torch.tensor([0.025, 0.975], dtype=draws.dtype)).tolist()
    return f"{float(statistic(torch.arange(n))):.3g} ({low:.3g} - {high:.3g})"


def path_of(text: str) -> Interpolator:
    """``NAME:OPTION=NUMBER`` as an interpolator."""
    name, _, options = text.partition(":")
    pairs = (option.split("=") for option in options.split(",") if option)
    return build_component(Interpolator, Component(name=name, **{key: float(value) for key, value in pairs}))


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Whether paths stay on the data.")
    parser.add_argument("model")
    parser.add_argument("--path", action="append", default=[], metavar="NAME:OPTION=NUMBER")
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--features", default="features-mnist")
    parser.add_argument("--data-root", type=Path)
    given = parser.parse_args(arguments)
    model = read_model(locate(given.model))
    trained = model.config.trained
    if trained is None:
        sys.exit(f"{given.model} does not say on which data it was trained")
    task = Task(trained.data, model.config.image, EvaluationProtocol(pairs=given.pairs), given.data_root)
    judge = Judge(given.features, task, _LABELED)
    paths = {"its own": model.interpolator} | {text: path_of(text) for text in ["linear", *given.path]}
    rows = [(name, *measure(model, path, task, judge)) for name, path in paths.items()]
    header = ("path", "beyond the 99 % quantile", "cycle error", "sharpness", "length", "confidence")
    sys.stdout.write(f"`python benchmarks/paths.py {' '.join(arguments)}`\n\n{markdown_table(header, rows)}")


if __name__ == "__main__":
    main(sys.argv[1:])
