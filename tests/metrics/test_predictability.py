"""Alpha predictability: what can be told, what cannot, and faults. Lines are in tests/benchmark/test_controls.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from interpzoo_metrics import probes
from interpzoo_metrics.predictability import alpha_predictability
from interpzoo_metrics.statistics import statistics
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d

from interpzoo.errors import InputError
from interpzoo.metrics.measured import Measured, resampled

ALPHAS = torch.linspace(0, 1, 9)


def noise(n: int = 24) -> Tensor:
    """(n, 9, 1, 8, 8): frames that say nothing of where they are."""
    return torch.rand(n, 9, 1, 8, 8, generator=Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_STEPS", 60)
    monkeypatch.setattr(probes, "_TREES", 20)


def folded() -> Tensor:
    return torch.minimum(ALPHAS, 1 - ALPHAS).view(-1, 1, 1, 1)


def measure(frames: Tensor, *, seed: int = 0, held_out: Tensor | None = None, **settings: Any) -> Measured:
    generator = Generator().manual_seed(seed)
    return alpha_predictability(frames, ALPHAS, generator=generator, held_out=held_out, **settings)


@pytest.mark.parametrize("probe", probes.PROBES)
def test_each_probe_sees_that_a_path_dims(probe: probes.Probe) -> None:
    dimmed = noise(48) * (1 - folded())
    found = [measure(dimmed, probes=[probe], runs=1).value for _ in range(2)]
    assert found[0] == found[1] > 0.8


def test_noise_is_not_predictable() -> None:
    found = measure(noise())
    assert found.value < 0.05
    assert found.bounds == (0, 1)


def test_one_probe_that_sees_is_enough() -> None:
    """The second knows all, as it is told; the others guess the mean."""

    def blind(x: Tensor, y: Tensor, unseen: Tensor, seeds: Sequence[int]) -> Tensor:
        return torch.zeros(len(seeds), len(unseen))

    def knowing(x: Tensor, y: Tensor, unseen: Tensor, seeds: Sequence[int]) -> Tensor:
        return y[: len(unseen)].expand(len(seeds), -1)

    assert measure(noise(), probes=[blind, knowing, blind]).value == pytest.approx(1)
    assert measure(noise(), probes=[blind]).value == pytest.approx(0, abs=1e-6)


def test_the_interval_covers_the_runs_of_a_probe() -> None:
    """One run knows all and the other nothing: a resample has either, or the mean of both."""

    def moody(x: Tensor, y: Tensor, unseen: Tensor, seeds: Sequence[int]) -> Tensor:
        return torch.stack([y[: len(unseen)] * (run % 2) for run in range(len(seeds))])

    found = measure(noise(), probes=[moody])
    draws = resampled(found)
    assert found.value == pytest.approx(0.5)
    assert draws is not None
    assert sorted({round(draw, 3) for draw in draws.tolist()}) == [0, 0.5, 1]


def test_held_out_frames() -> None:
    dim = 1 - folded()
    seen, unseen = (measure(noise() * dim, held_out=frames) for frames in (noise(5).flip(4) * dim, noise(5).flip(4)))
    assert seen.value > 0.8
    assert unseen.value == 0
    assert seen.n == 5


def test_constant_images_are_not_predictable() -> None:
    assert measure(torch.full((9, 9, 1, 8, 8), 0.5)).value < 0.01


def test_large_images_are_shrunk() -> None:
    large = noise(9).repeat_interleave(10, 3).repeat_interleave(10, 4)
    found = {most: probes.small(large.flatten(0, 1), most).shape for most in (32, 64, 80)}
    assert found == {most: (81, 1, side, side) for most, side in ((32, 20), (64, 40), (80, 80))}


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 16, 16), (1, 5, 7), (3, 2, 3)])
def test_figures_of_images_of_any_size_are_finite(shape: tuple[int, ...]) -> None:
    images = torch.rand(4, *shape, generator=Generator().manual_seed(0))
    for x in (images, torch.zeros_like(images)):
        assert bool(statistics(x).isfinite().all())


def test_figures_tell_noise_from_its_mean() -> None:
    images = noise().flatten(0, 1)
    assert bool((statistics(images) != statistics(avg_pool2d(images, 3, 1, 1))).any(0).float().mean() > 0.9)


def test_invalid_frames() -> None:
    with pytest.raises(InputError, match="at least 6 pairs"):
        measure(noise(5))
    broken = noise()
    broken[0, 0, 0, 0, 0] = math.nan
    with pytest.raises(InputError, match="not finite"):
        measure(broken)
    with pytest.raises(InputError, match="T at least 3"):
        alpha_predictability(noise()[:, :2], ALPHAS[:2], generator=Generator())
