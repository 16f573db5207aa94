"""Metrics of plugins on models with known scores."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import interpzoo
from interpzoo.benchmark import Evaluation
from interpzoo.benchmark.candidates import ControlCandidate, ModelCandidate
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.results import Score
from interpzoo.benchmark.run import measure
from interpzoo.metrics.flatness import metric_tensors
from interpzoo.model import InterpolationModel
from tests.benchmark.conftest import TINY, task_of


class Placed(nn.Module):
    """Codes (B, 2) as the first two pixels of an image, the second stretched."""

    def __init__(self, stretch: float) -> None:
        super().__init__()
        self.stretch = stretch

    def forward(self, z: Tensor) -> Tensor:
        pixels = torch.stack([z[:, 0], self.stretch * z[:, 1]], 1)
        return torch.cat([pixels, z.new_zeros(len(z), 254)], 1).view(-1, 1, 16, 16)


class Centre(nn.Module):
    """Where the light of an image is."""

    def forward(self, x: Tensor) -> Tensor:
        at = torch.linspace(0, 1, 16)
        total = x.sum((1, 2, 3)) + 1e-6
        return torch.stack([(x.sum((1, 2)) * at).sum(1) / total, (x.sum((1, 3)) * at).sum(1) / total], 1)


def flat(stretch: float = 1.0) -> InterpolationModel:
    return interpzoo.wrap(Centre(), Placed(stretch), image=(1, 16, 16)).eval()


def figure(name: str, model: InterpolationModel, data: str = "lines") -> Score:
    (named,) = metrics_named([name])
    return measure(Evaluation(task_of(data, size=16, protocol=TINY), ModelCandidate(model)), named)


def test_the_condition_number_is_that_of_the_decoder() -> None:
    assert figure("condition-number", flat()).value == pytest.approx(1)
    assert figure("condition-number", flat(stretch=3)).value == pytest.approx(9)


def test_an_even_space_has_no_range_of_magnification() -> None:
    assert figure("magnification-range", flat(stretch=3)).value == pytest.approx(0, abs=1e-9)


class Polar(nn.Module):
    """Codes (radius, angle) to two pixels: the decoder's metric is diag(1, r^2)."""

    def forward(self, z: Tensor) -> Tensor:
        r, angle = z.unbind(1)
        return torch.stack([r * angle.cos(), r * angle.sin()], 1)[:, None, None]


def test_flatness_by_hand() -> None:
    """Condition numbers r^2 above 1; magnifications r over their mean, 3."""
    points = torch.tensor([[1.0, 0.2], [2.0, 1.0], [3.0, 0.0], [4.0, 2.0], [5.0, 3.0]])
    evaluation = Evaluation(task_of("lines", size=16, protocol=TINY), ModelCandidate(flat()))
    evaluation.shared("decoder metrics", lambda: metric_tensors(Polar(), points)[:, None].expand(-1, 2, -1, -1))
    for name, expected in (("condition-number", 9), ("magnification-range", (4 - 2) / 3)):
        assert measure(evaluation, metrics_named([name])[0]).value == pytest.approx(expected, rel=1e-5)


def test_straight_lines_are_geodesics_of_a_linear_decoder() -> None:
    assert figure("straightness", flat(stretch=3)).value == pytest.approx(1, rel=1e-5)


def test_distortion_and_bending_need_pairs_at_known_distances() -> None:
    for name in ("distortion", "bending"):
        assert "no pairs at known distances" in figure(name, flat()).reason
        value = figure(name, flat(), "sundial").value
        assert value is not None
        assert value > 0
    assert (figure("distortion", flat(), "sundial").value or 0) >= 1


def test_the_alpha_error_of_a_jump_is_that_of_a_step() -> None:
    (named,) = metrics_named(["alpha-error"])
    task = task_of("lines", size=16, protocol=TINY)
    alphas = task.positions.double()
    step = (alphas >= 0.5).double()
    expected = float((alphas - step).abs().mean())
    assert measure(Evaluation(task, ControlCandidate("jump")), named).value == pytest.approx(expected)
    assert (measure(Evaluation(task, ControlCandidate("truth")), named).value or 0) < 1e-6
