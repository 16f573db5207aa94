"""The paper's evaluation with models whose interpolations are known: the blend of two images, and the truth itself."""

from __future__ import annotations

import math

import pytest
import torch
from interpzoo_aeai.evaluation import INTERVALS, light_pairs, score_poles, score_turns
from interpzoo_aeai.pole_shadow import PoleShadow, draw_pole_shadows
from torch import Tensor, nn

from interpzoo import wrap
from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import InputError
from interpzoo.model import InterpolationModel

GREY16 = ImageSpec(channels=1, height=16, width=16)


class Same(nn.Module):
    """y -> y, with a weight, as every decoder has."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, y: Tensor) -> Tensor:
        return y


def blending(height: int) -> InterpolationModel:
    """z = x: its interpolations are blends."""
    return wrap(nn.Identity(), Same(), (1, height, height))


class TestTurns:
    @pytest.fixture
    def ramp(self) -> Tensor:
        """Two objects whose views are one pixel of grey: (view / 100) and its half. Blends of them are true."""
        views = torch.arange(72) / 100
        return torch.stack([views, views / 2])[..., None, None, None]

    def test_all_of_the_papers_intervals(self, ramp: Tensor) -> None:
        assert INTERVALS == (15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80)
        scores = score_turns(blending(1), ramp, 80)
        assert scores.errors.shape == scores.held_out.shape == scores.alphas.shape == (2 * 72, 17)
        assert score_turns(blending(1), ramp, 15).errors.shape == (2 * 72, 4)

    def test_a_path_through_the_truth(self, ramp: Tensor) -> None:
        scores = score_turns(blending(1), ramp, 30)
        for object_ in (scores.errors[:66], scores.errors[72 : 72 + 66]):
            assert object_.max() < 1e-12
        alphas = torch.linspace(0, 1, 7, dtype=torch.float64)
        torch.testing.assert_close(scores.alphas[:66], alphas.expand(66, -1))
        torch.testing.assert_close(scores.alpha_quartiles, alphas.expand(3, -1))

    def test_errors_of_a_path_across_the_seam_by_hand(self, ramp: Tensor) -> None:
        """From view 71 on to view 1: halfway is .36, true is 0; from view 70 on to view 0, .35 and .71."""
        scores = score_turns(blending(1), ramp, 10)
        assert scores.errors[71].tolist() == pytest.approx([0, 0.36**2, 0], abs=1e-7)
        assert scores.errors[70].tolist() == pytest.approx([0, 0.36**2, 0], abs=1e-7)
        assert scores.errors[72 + 71, 1].item() == pytest.approx(0.18**2)
        assert scores.mean == pytest.approx(2 * (0.36**2 + 0.18**2) / 144)

    def test_views_that_were_not_trained_on(self, ramp: Tensor) -> None:
        """Views 3, 7, ... are; of the two intervals across the seam only that from 70 on has one of them between."""
        scores = score_turns(blending(1), ramp, 10)
        assert scores.held_out[:6].int().tolist() == [
            [0, 0, 0],
            [0, 0, 1],
            [0, 1, 0],
            [1, 0, 0],
            [0, 0, 0],
            [0, 0, 1],
        ]
        assert scores.mean_held_out == pytest.approx((0.36**2 + 0.18**2) / 36)

    @pytest.mark.parametrize("degrees", [5, 12, 360])
    def test_intervals_that_are_none(self, degrees: int, ramp: Tensor) -> None:
        with pytest.raises(InputError, match=rf"degrees = {degrees} on turns of shape \(2, 72, 1, 1, 1\)"):
            score_turns(blending(1), ramp, degrees)

    def test_turns_of_other_views(self, ramp: Tensor) -> None:
        with pytest.raises(InputError, match=r"turns of shape \(2, 36, 1, 1, 1\)"):
            score_turns(blending(1), ramp[:, ::2], 20)


class Lights(nn.Module):
    """Poles of the data to their lights, (B, 2)."""

    def __init__(self, data: PoleShadow) -> None:
        super().__init__()
        self.data = data

    def forward(self, x: Tensor) -> Tensor:
        nearest = torch.cdist(x.flatten(1), self.data.images.flatten(1)).argmin(1)
        return self.data.parameters[nearest].float()


class Drawing(Same):
    """Lights to poles."""

    def forward(self, y: Tensor) -> Tensor:
        return draw_pole_shadows(y, GREY16.height)


class TestPoles:
    PAIRS = 24

    def data(self) -> PoleShadow:
        return PoleShadow(ComponentConfig(), GREY16)

    def test_pairs_are_15_to_80_degrees_apart_either_way(self) -> None:
        data = self.data()
        starts, ends = light_pairs(data, 2000, 0)
        known = {tuple(row) for row in data.parameters.tolist()}
        assert {tuple(row) for row in [*starts.tolist(), *ends.tolist()]} <= known
        way = torch.rad2deg((ends - starts)[:, 0]).round()
        way = torch.remainder(way + 180, 360) - 180
        expected = {5.0 * step for step in range(3, 17)}
        assert set(way.tolist()) == expected | {-step for step in expected}
        assert torch.rad2deg(starts[:, 1]).unique().numel() == torch.rad2deg(ends[:, 1]).unique().numel() == 8
        again, other = light_pairs(data, 2000, 0), light_pairs(data, 2000, 1)
        assert torch.equal(again[0], starts)
        assert torch.equal(again[1], ends)
        assert not torch.equal(other[0], starts)
        with pytest.raises(InputError, match="n = 0"):
            light_pairs(data, 0, 0)

    def test_the_truth_is_even_and_without_error(self) -> None:
        """But for pairs across 0 degrees, where codes that are azimuths themselves go the long way."""
        data = self.data()
        starts, ends = light_pairs(data, self.PAIRS, 3)
        straight = (ends - starts)[:, 0].abs() < math.pi
        assert 0 < int((~straight).sum()) < self.PAIRS / 2
        scores = score_poles(wrap(Lights(data), Drawing(), GREY16.shape), data, n=self.PAIRS, seed=3)
        assert scores.errors[straight].max() < 1e-9
        assert scores.errors[~straight].mean() > 1e-3
        # What is left is the grid of 5 degrees that lights are read off.
        assert scores.paths.deviation[straight].max() < 0.1
        assert scores.paths.deviation[straight].mean() < 0.04
        assert scores.paths.deviation[~straight].min() > 0.5
        torch.testing.assert_close(scores.paths.from_start[:, -1], scores.paths.length)
        torch.testing.assert_close(scores.paths.from_end[:, 0], scores.paths.length)

    def test_a_blend_is_neither(self) -> None:
        data = self.data()
        scores = score_poles(blending(16), data, n=self.PAIRS, seed=3)
        assert scores.errors[:, [0, -1]].max() < 1e-12
        assert scores.mean > 1e-3
        assert scores.mean == pytest.approx(scores.errors[:, 1:-1].mean().item())
        assert 0.1 < scores.paths.deviation.mean().item() < 0.3
        assert not scores.paths.from_start[:, 0].any()
        assert not scores.paths.from_end[:, -1].any()
