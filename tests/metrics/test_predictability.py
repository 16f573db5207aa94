"""Alpha predictability: what can be told, what cannot, and faults. Lines are in tests/benchmark/test_controls.py."""

from __future__ import annotations

import math

import pytest
import torch
from interpzoo_metrics.realism import alpha_predictability
from torch import Generator, Tensor

from interpzoo.errors import InputError

ALPHAS = torch.linspace(0, 1, 9)


def noise(n: int = 24) -> Tensor:
    """(n, 9, 1, 16, 16): frames that say nothing of where they are."""
    return torch.rand(n, 9, 1, 16, 16, generator=Generator().manual_seed(0))


def measure(frames: Tensor, *, steps: int = 150, seed: int = 0) -> float:
    return alpha_predictability(frames, ALPHAS, generator=Generator().manual_seed(seed), steps=steps).value


def test_a_path_that_dims_is_predictable() -> None:
    dimmed = noise() * (1 - torch.minimum(ALPHAS, 1 - ALPHAS)).view(-1, 1, 1, 1)
    assert measure(dimmed) > 0.9
    assert measure(dimmed) == measure(dimmed)


def test_noise_is_not_predictable() -> None:
    assert measure(noise()) < 0.1


def test_held_out_frames() -> None:
    dim = 1 - torch.minimum(ALPHAS, 1 - ALPHAS).view(-1, 1, 1, 1)
    found = {
        held_out: alpha_predictability(
            noise() * dim, ALPHAS, generator=Generator().manual_seed(0), steps=150, held_out=frames
        )
        for held_out, frames in (("dimmed", noise(5).flip(4) * dim), ("not dimmed", noise(5).flip(4)))
    }
    assert found["dimmed"].value > 0.9
    assert found["not dimmed"].value == 0
    assert found["dimmed"].n == 5


def test_constant_images_are_not_predictable() -> None:
    assert measure(torch.full((9, 9, 1, 16, 16), 0.5), steps=20) < 0.01


def test_large_images_are_shrunk() -> None:
    large = noise(9).repeat_interleave(5, 3).repeat_interleave(5, 4)
    assert 0 <= measure(large, steps=2) <= 1


def test_invalid_frames() -> None:
    with pytest.raises(InputError, match="at least 6 pairs"):
        measure(noise(5))
    broken = noise()
    broken[0, 0, 0, 0, 0] = math.nan
    with pytest.raises(InputError, match="not finite"):
        measure(broken)
    with pytest.raises(InputError, match="T at least 3"):
        alpha_predictability(noise()[:, :2], ALPHAS[:2], generator=Generator())
