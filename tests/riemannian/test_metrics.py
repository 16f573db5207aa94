"""Geodesics over straight lines, where both are known."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch
from interpzoo_riemannian.interpolators import Shortest, ShortestConfig
from interpzoo_riemannian.metrics import HighGeodesicShare, LowGeodesicShare, MedianGeodesicShare, Straightness
from torch import Generator, Tensor, nn

import interpzoo
from interpzoo.benchmark import Evaluation
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.config import ComponentConfig
from interpzoo.metrics.measured import Measured, NotApplicable
from interpzoo.model import InterpolationModel


class ToPolar(nn.Module):
    """Points of the plane, as images of two pixels, to radius and angle."""

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.flatten(1).unbind(1)
        return torch.stack([torch.hypot(a, b), torch.atan2(b, a)], 1)


class FromPolar(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        radius, angle = z.unbind(1)
        return torch.stack([radius * angle.cos(), radius * angle.sin()], 1).view(-1, 1, 1, 2)


class Tried:
    """What these metrics use of an evaluation."""

    def __init__(self, model: InterpolationModel, images: Tensor) -> None:
        self.model = model
        self.end_codes = model.encode(images[::2]), model.encode(images[1::2])
        self.pairs = images[::2]
        self.protocol = EvaluationProtocol()
        self.task = self
        self.test = {"image": images}

    def generator(self, *purpose: str) -> Generator:
        return Generator().manual_seed(0)

    def shared(self, key: str, make: Any) -> Any:
        return make()


def polar(angles: Tensor, *, geodesic: bool = True) -> Evaluation:
    model = interpzoo.wrap(ToPolar(), FromPolar(), image=(1, 1, 2))
    if geodesic:
        model.interpolator = Shortest(ShortestConfig())
    images = torch.stack([angles.cos(), angles.sin()], 1).view(-1, 1, 1, 2)
    return cast(Evaluation, Tried(model, images))


def test_in_polar_coordinates_a_geodesic_is_the_chord_and_a_straight_line_the_arc() -> None:
    found = MedianGeodesicShare(ComponentConfig()).measure(polar(torch.tensor([0.1, 1.5])))
    assert isinstance(found, Measured)
    assert found.value == pytest.approx(2 * math.sin(0.7) / 1.4, rel=1e-3)
    assert found.n == 1


def test_in_polar_coordinates_a_straight_line_is_an_arc_and_longer_than_the_chord() -> None:
    found = Straightness(ComponentConfig()).measure(polar(torch.tensor([0.1, 1.5]), geodesic=False))
    assert isinstance(found, Measured)
    assert found.value == pytest.approx(1.4 / (2 * math.sin(0.7)), rel=1e-3)


def test_quantiles_are_in_order_and_of_disjoint_pairs() -> None:
    evaluation = polar(torch.rand(81, generator=Generator().manual_seed(1)) * 1.5)
    found = [
        kind(ComponentConfig()).measure(evaluation)
        for kind in (LowGeodesicShare, MedianGeodesicShare, HighGeodesicShare)
    ]
    low, median, high = (part for part in found if isinstance(part, Measured))
    assert low.value < median.value < high.value <= 1 + 1e-4
    assert low.n == median.n == high.n == 40
    assert low.resample is not None
    assert low.resample(torch.arange(40), Generator()) == low.value


def test_a_model_of_another_path_has_none() -> None:
    found = MedianGeodesicShare(ComponentConfig()).measure(polar(torch.tensor([0.1, 1.5]), geodesic=False))
    assert isinstance(found, NotApplicable)
