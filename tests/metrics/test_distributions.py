"""Distances of two sets: analytic values, zero between halves of one set, growth with noise, faults."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from interpzoo_metrics.sets import Coverage, Density, FrechetDistance, KernelDistance, SetMetric, gaussian_distance
from torch import Generator, Tensor

from interpzoo.errors import InputError
from interpzoo.metrics.measured import Measured, interval, resampled

Distance = Callable[[Tensor, Tensor], Measured]


def samples(n: int, dimension: int = 8, seed: int = 0) -> Tensor:
    """Correlated and skewed, as features are."""
    x = torch.randn(n, dimension, generator=Generator().manual_seed(seed), dtype=torch.float64)
    return x.cumsum(1) / 2 + x.relu()


def halves(noise: float = 0.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """One set in two, the first as 150 pairs of 4 frames, with noise on it."""
    x = samples(1200, seed=seed)
    first = x[:600] + noise * torch.randn(600, 8, generator=Generator().manual_seed(99), dtype=torch.float64)
    return first.view(150, 4, 8), x[600:]


def seeded(metric: type[SetMetric]) -> Distance:
    return lambda frames, real: metric.compare(frames, real, Generator().manual_seed(0))


frechet, kernel_distance, density, coverage = map(seeded, (FrechetDistance, KernelDistance, Density, Coverage))


def test_gaussians_whose_distance_is_known() -> None:
    zero, one = torch.zeros(2).double(), torch.eye(2).double()
    assert gaussian_distance((zero, zero + 3), (one, one)) == pytest.approx(18)
    # (sqrt(4) - sqrt(1))^2 + (sqrt(9) - sqrt(1))^2, also of axes that are turned
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]]).double()
    scaled = torch.diag(torch.tensor([4.0, 9.0]).double())
    assert gaussian_distance((zero, zero), (scaled, one)) == pytest.approx(5)
    assert gaussian_distance((zero, zero), (turn @ scaled @ turn.T, one)) == pytest.approx(5)
    singular = torch.diag(torch.tensor([4.0, 0.0]).double())
    assert gaussian_distance((zero, zero), (singular, one)) == pytest.approx(1 + 1)


def test_the_kernel_distance_is_the_definition() -> None:
    x, y = samples(12, 3, 1), samples(7, 3, 2)

    def kernel(a: Tensor, b: Tensor) -> float:
        return float((a @ b / 3 + 1) ** 3)

    within = [kernel(x[i], x[j]) for i in range(12) for j in range(12) if i != j]
    reals = [kernel(y[i], y[j]) for i in range(7) for j in range(7) if i != j]
    across = [kernel(a, b) for a in x for b in y]
    expected = sum(within) / len(within) + sum(reals) / len(reals) - 2 * sum(across) / len(across)
    assert kernel_distance(x[:, None], y).value == pytest.approx(expected)


@pytest.mark.parametrize("distance", [frechet, kernel_distance])
def test_halves_of_one_set_are_at_zero_within_the_interval(distance: Distance) -> None:
    held = 0
    for seed in range(10):
        measured = distance(*halves(seed=seed))
        ends = interval(measured.value, resampled(measured, draws=60))
        assert ends is not None
        held += ends[0] <= 0 <= ends[1]
    assert held >= 8  # of 10 intervals at 95 %


@pytest.mark.parametrize("distance", [frechet, kernel_distance])
def test_it_grows_with_noise(distance: Distance) -> None:
    values = [distance(*halves(noise)).value for noise in (0, 1, 2, 4)]
    assert values == sorted(values)
    measured = distance(*halves(2))
    ends = interval(measured.value, resampled(measured, draws=60))
    assert ends is not None
    assert ends[0] > 0


def test_the_frechet_distance_of_few_samples_is_not_too_large_in_the_mean() -> None:
    values = torch.tensor(
        [frechet(samples(60, seed=s).view(30, 2, 8), samples(80, seed=100 + s)).value for s in range(40)]
    )
    plain = []
    for s in range(40):
        x, y = samples(60, seed=s), samples(80, seed=100 + s)
        plain.append(gaussian_distance((x.mean(0), y.mean(0)), (torch.cov(x.T), torch.cov(y.T))))
    assert abs(float(values.mean())) < sum(plain) / len(plain) / 3


def test_density_and_coverage_of_points_on_a_line() -> None:
    real = torch.arange(12.0)[:, None]  # radius of the 5th neighbour: 5 at an end, 3 inside
    inside = torch.tensor([[[5.5]]] * 6)
    # 5.5 lies within 3 of 3, 4, ..., 8; within 4 of 2 and 9 whose radius is 3; ends have 5 and 4
    near = [r for r in range(12) if abs(r - 5.5) <= sorted(abs(r - s) for s in range(12))[5]]
    assert density(inside, real).value == pytest.approx(len(near) / 5)
    assert coverage(inside, real).value == pytest.approx(len(near) / 12)
    far = torch.full((6, 1, 1), 100.0)
    assert (density(far, real).value, coverage(far, real).value) == (0, 0)


@pytest.mark.parametrize("distance", [frechet, kernel_distance, density, coverage])
def test_faults_are_told(distance: Distance) -> None:
    frames, real = halves()
    broken = frames.clone()
    broken[3, 1, 2] = math.nan
    for x, y, message in (
        (broken, real, "features of frames are not finite"),
        (frames, real * math.inf, "features of real images are not finite"),
        (frames[:1], real, "1 pairs and 600 real images"),
        (frames[..., :3], real, "expected (N, T, D) of frames and (M, D)"),
    ):
        with pytest.raises(InputError) as raised:
            distance(x, y)
        assert message in str(raised.value)


def test_constant_images_have_a_distance() -> None:
    frames, real = halves()
    still = frames[:1, :1].expand(150, 4, 8)
    measured = frechet(still, real)
    assert measured.value == pytest.approx(
        float((still[0, 0] - real.mean(0)).square().sum() + torch.cov(real.T).trace()), rel=0.1
    )
    assert math.isfinite(kernel_distance(still, real).value)
