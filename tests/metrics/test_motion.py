"""Motion of paths whose steps are known."""

from __future__ import annotations

import math

import pytest
import torch
from interpzoo_metrics.motion import LargestJump, PathLength, SpeedVariation
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.metrics.along import step_lengths


def path(positions: Tensor, way: Tensor) -> Tensor:
    """(1, T, D): points at `positions` (T,) of a straight way (D,)."""
    return (positions[:, None] * way)[None]


EVEN = torch.linspace(0, 1, 65)
JUMP = (EVEN >= 0.5).float()


def test_a_straight_path_in_an_isometric_space_has_the_squared_length_of_its_way() -> None:
    """An isometric decoder: pixels are the code's coordinates, turned. |z1 - z0|^2 per pixel, whatever the steps."""
    turn = torch.linalg.qr(torch.randn(12, 12, dtype=torch.float64)).Q
    z0, z1 = torch.randn(2, 5, 12, dtype=torch.float64)
    for divisions in (1, 3, 64):
        t = torch.linspace(0, 1, divisions + 1, dtype=torch.float64).view(1, -1, 1)
        frames = torch.lerp(z0[:, None], z1[:, None], t) @ turn
        torch.testing.assert_close(PathLength.values(step_lengths(frames)), (z1 - z0).square().mean(1))


def test_a_jump_is_as_long_as_the_steps_are_many() -> None:
    way = torch.tensor([3.0, 4.0])  # root mean square sqrt(12.5)
    steps = step_lengths(path(JUMP, way))
    assert PathLength.values(steps).item() == pytest.approx(12.5 * 64)
    assert SpeedVariation.values(steps).item() == pytest.approx(math.sqrt(63))
    assert LargestJump.values(steps).item() == 1
    even = step_lengths(path(EVEN, way))
    assert PathLength.values(even).item() == pytest.approx(12.5)
    assert SpeedVariation.values(even).item() == pytest.approx(0, abs=1e-5)
    assert LargestJump.values(even).item() == pytest.approx(1 / 64, rel=1e-5)


def test_a_path_that_stands_still_has_a_length_and_no_speed() -> None:
    steps = step_lengths(torch.ones(2, 5, 3))
    assert PathLength.values(steps).tolist() == [0, 0]
    assert SpeedVariation.values(steps).isnan().all()
    assert LargestJump.values(steps).isnan().all()


def test_faults_are_told() -> None:
    with pytest.raises(InputError, match="T at least 2"):
        step_lengths(torch.ones(2, 1, 3))
    with pytest.raises(InputError, match="not finite"):
        step_lengths(torch.full((2, 3, 3), math.nan))
