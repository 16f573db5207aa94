"""Flatness of whole models: one whose geometry is known, and the pairs and mixes it is measured at."""

from __future__ import annotations

import math

import pytest
import torch
from interpzoo_fmvae.evaluation import mixed, near_pairs, score_flatness, straightness
from torch import Generator, Tensor, nn

from interpzoo import wrap
from interpzoo.errors import InputError
from interpzoo.model import InterpolationModel


class Polar(nn.Module):
    """Codes (radius, angle) to two pixels: G = diag(1, r^2)."""

    def forward(self, z: Tensor) -> Tensor:
        r, angle = z.unbind(1)
        return torch.stack([r * angle.cos(), r * angle.sin()], 1)[:, None, None]


@pytest.fixture
def polar() -> InterpolationModel:
    return wrap(nn.Flatten(), Polar(), image=(1, 1, 2)).eval()


def test_scores_by_hand(polar: InterpolationModel) -> None:
    """Condition numbers r^2 above 1; magnifications r over their mean, 3."""
    points = torch.tensor([[1.0, 0.2], [2.0, 1.0], [3.0, 0.0], [4.0, 2.0], [5.0, 3.0]])
    scores = score_flatness(polar, points)
    assert scores.median_condition == pytest.approx(9, rel=1e-5)
    assert scores.magnification_range == pytest.approx((4 - 2) / 3, rel=1e-5)


def test_straight_lines_against_geodesics(polar: InterpolationModel) -> None:
    """The straight line in polar coordinates is an arc, the geodesic its chord."""
    starts, ends = torch.tensor([[1.0, 0.0], [1.0, 0.5]]), torch.tensor([[1.0, math.pi / 2], [3.0, 0.5]])
    assert straightness(polar, starts, ends).tolist() == pytest.approx([math.pi / 2 / math.sqrt(2), 1], rel=1e-3)
    assert straightness(polar, starts, ends, path="linear").tolist() == pytest.approx([1, 1])


def test_mixes_lie_between_codes() -> None:
    codes = torch.rand(500, 2, 1, 1, generator=Generator().manual_seed(0))
    points = mixed(codes)
    assert points.shape == codes.shape
    assert bool(((points >= 0) & (points <= 1)).all())
    assert torch.equal(points, mixed(codes))
    assert not torch.equal(points, mixed(codes, seed=1))
    assert not bool(((mixed(codes, margin=1.0) >= 0) & (mixed(codes, margin=1.0) <= 1)).all())


def test_pairs_are_near_across_the_turn_and_never_of_one_image() -> None:
    angles = torch.tensor([0.1, 2 * math.pi - 0.1, 1.5, 3.0])
    first, second = near_pairs(angles, 20)
    assert {*zip(first.tolist(), second.tolist(), strict=True)} == {(0, 1)}
    first, second = near_pairs(angles, 200, farthest=1.55)
    assert {*zip(first.tolist(), second.tolist(), strict=True)} == {(0, 1), (0, 2), (2, 3)}
    with pytest.raises(InputError, match=r"none of 4 angles is within 0\.01 radians"):
        near_pairs(angles, 5, farthest=0.01)
