"""The measures of the paper on poles, with models whose interpolations are known: lights, and blends of images."""

from __future__ import annotations

import math

import pytest
import torch
from interpzoo_aeai.pole_shadow import PoleShadow, draw_pole_shadows
from torch import Generator, Tensor, nn

from interpzoo import wrap
from interpzoo.benchmark import Evaluation, Measured, Task
from interpzoo.benchmark.candidates import ModelCandidate
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.config import Component, ImageSpec
from interpzoo.model import InterpolationModel

GREY16 = ImageSpec(channels=1, height=16, width=16)


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(Component(name="pole-shadow"), GREY16, EvaluationProtocol(pairs=24, seed=3))


def poles(task: Task) -> PoleShadow:
    assert isinstance(task.data, PoleShadow)
    return task.data


class Lights(nn.Module):
    """Images of the data to their lights, (B, 2)."""

    def __init__(self, data: PoleShadow) -> None:
        super().__init__()
        self.data = data

    def forward(self, x: Tensor) -> Tensor:
        nearest = torch.cdist(x.flatten(1), self.data.images.flatten(1)).argmin(1)
        return self.data.parameters[nearest].float()


class Same(nn.Module):
    """Codes as images, with a weight, as every decoder has."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, y: Tensor) -> Tensor:
        return y


class Drawing(Same):
    """Lights to images."""

    def forward(self, y: Tensor) -> Tensor:
        return draw_pole_shadows(y, GREY16.height)


def measured(task: Task, model: InterpolationModel, name: str, rows: Tensor | None = None) -> float:
    """The score of the pairs `rows`, of all without it."""
    found = metrics_named([name])[0].metric.measure(Evaluation(task, ModelCandidate(model)))
    assert isinstance(found, Measured)
    assert found.resample is not None
    return found.value if rows is None else found.resample(rows.nonzero().flatten(), Generator())


def test_pairs_are_15_to_80_degrees_apart_either_way(task: Task) -> None:
    data = poles(task)
    starts, ends = data.pairs(2000, Generator().manual_seed(0))
    known = {tuple(row) for row in data.parameters.tolist()}
    assert {tuple(row) for row in [*starts.tolist(), *ends.tolist()]} <= known
    turn = torch.rad2deg((ends - starts)[:, 0]).round()
    turn = torch.remainder(turn + 180, 360) - 180
    expected = {5.0 * step for step in range(3, 17)}
    assert set(turn.tolist()) == expected | {-step for step in expected}
    assert torch.rad2deg(starts[:, 1]).unique().numel() == torch.rad2deg(ends[:, 1]).unique().numel() == 8
    again, other = (data.pairs(2000, Generator().manual_seed(seed)) for seed in (0, 1))
    assert torch.equal(again[0], starts)
    assert torch.equal(again[1], ends)
    assert not torch.equal(other[0], starts)


def test_codes_that_are_lights_give_the_ground_truth(task: Task) -> None:
    """But for pairs across 0 degrees, where codes that are azimuths themselves go the long way."""
    straight = (task.pairs.ends - task.pairs.starts)[:, 0].abs() < math.pi
    assert 0 < int((~straight).sum()) < len(straight) / 2
    model = wrap(Lights(poles(task)), Drawing(), GREY16.shape)
    assert measured(task, model, "in-between-mse", straight) < 1e-9
    assert measured(task, model, "in-between-mse", ~straight) > 1e-3
    # What is left is the grid of 5 degrees that lights are looked up in.
    assert measured(task, model, "parameter-deviation", straight) < 0.04
    assert measured(task, model, "parameter-deviation", ~straight) > 0.5


def test_a_blend_is_neither_even_nor_true(task: Task) -> None:
    model = wrap(nn.Identity(), Same(), GREY16.shape)
    assert measured(task, model, "in-between-mse") > 1e-3
    assert 0.1 < measured(task, model, "parameter-deviation") < 0.3
