"""Intervals against what the normal distribution says, and their documented edges."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from interpzoo.errors import InputError
from interpzoo.metrics.measured import Measured, interval, resampled


def ends_of(measured: Measured, *, draws: int = 2000, seed: int = 0) -> tuple[float, float] | None:
    return interval(measured.value, resampled(measured, draws=draws, seed=seed))


def test_a_mean_has_the_interval_of_its_standard_error() -> None:
    values = torch.randn(400, generator=Generator().manual_seed(0))
    measured = Measured.mean(values)
    ends = ends_of(measured)
    assert ends is not None
    error = float(values.std()) / 20
    assert measured.value == pytest.approx(float(values.mean()))
    assert ends[0] == pytest.approx(measured.value - 1.96 * error, abs=0.2 * error)
    assert ends[1] == pytest.approx(measured.value + 1.96 * error, abs=0.2 * error)
    assert ends_of(measured) == ends
    assert ends_of(measured, seed=1) != ends


def test_a_score_that_repetitions_lower_stays_inside_its_interval() -> None:
    """How many different pairs there are: all of 100, and about 63 of those that are drawn with repetition."""
    measured = Measured(100.0, lambda rows, generator: float(len(rows.unique())), 100)
    ends = ends_of(measured, draws=200)
    assert ends is not None
    assert ends[0] < 100 < ends[1]
    assert ends[1] - ends[0] < 20


def test_scores_without_an_interval() -> None:
    assert ends_of(Measured.mean(torch.tensor([1.0]))) is None
    assert ends_of(Measured(1.0)) is None
    assert ends_of(Measured(1.0, lambda rows, generator: math.nan, 5)) is None


def test_too_few_draws() -> None:
    with pytest.raises(InputError, match="draws = 1"):
        resampled(Measured(1.0), draws=1)
