"""The result of a metric: a value with its confidence interval, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Generator, Tensor

from interpzoo.errors import InputError

LEVEL: Final = 0.95
"""Confidence level of an interval."""
_UNBOUNDED: Final = (-math.inf, math.inf)


@dataclass(frozen=True)
class Measured:
    """A metric's value, and how to recompute it on resampled pairs for a confidence interval."""

    value: float
    resample: Callable[[Tensor, Generator], float] | None = None
    """The value for the pairs `rows` (n,), int64 and with repetitions; other samples are drawn from the generator.
    ``None``: there is no interval, as the metric is not per pair."""
    n: int = 0
    """Number of pairs; 0 if the metric is not per pair."""
    bounds: tuple[float, float] = _UNBOUNDED
    """Least and largest value that the metric can have; an interval does not go beyond them."""

    @classmethod
    def mean(cls, values: Tensor) -> Measured:
        """The mean of one value for each pair, (n,); raises an `InputError` if they have another shape."""
        if values.ndim != 1:
            raise InputError(f"values have shape {tuple(values.shape)}, expected (n,): one value for each pair")
        values = values.detach().double().cpu()
        return cls.of_pairs(lambda rows: float(values[rows].mean()), len(values))

    @classmethod
    def of_pairs(
        cls, statistic: Callable[[Tensor], float], n: int, bounds: tuple[float, float] = _UNBOUNDED
    ) -> Measured:
        """What `statistic` gives for the rows of pairs, (n,) int64, where nothing but these is drawn."""
        return cls(statistic(torch.arange(n)), lambda rows, generator: statistic(rows), n, bounds)


@dataclass(frozen=True)
class NotApplicable:
    """The reason why a metric has no value: a property of the data or the candidate, not an error."""

    reason: str


def resampled(measured: Measured, *, draws: int = 200, seed: int = 0) -> Tensor | None:
    """The score of each resample of the pairs, (draws,) in float64, NaN where one has none.

    The pairs of a resample depend on `seed` and on their number only. So the resamples of two candidates on the same
    pairs can be compared one by one.

    Args:
        measured: the score. With fewer than 2 pairs there are no resamples: ``None``.
        draws: number of resamples.
        seed: seed of the resamples.

    Raises:
        InputError: `draws` is less than 2.
    """
    if draws < 2:
        raise InputError(f"draws = {draws}: expected at least 2")
    if measured.resample is None or measured.n < 2:
        return None
    generator = Generator().manual_seed(seed)
    n = measured.n
    values = [measured.resample(torch.randint(n, (n,), generator=generator), generator) for _ in range(draws)]
    return torch.tensor(values, dtype=torch.float64)


def interval(value: float, resamples: Tensor | None) -> tuple[float, float] | None:
    """The 2.5 and 97.5 % quantiles of a score over resampled pairs, drawn with repetition (Efron 1979).

    They are shifted so that the mean of the resampled scores is the score itself: with repetitions, a distance between
    sets is too large and a coverage too small, by about the same amount in every resample.

    Args:
        value: the score.
        resamples: those of `resampled`; with 200 the ends of the interval vary by a tenth of its width from seed to
            seed. With fewer than 2 numbers there is no interval: ``None``.
    """
    found = torch.empty(0) if resamples is None else resamples[~resamples.isnan()]
    if len(found) < 2:
        return None
    ends = found.quantile(torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=found.dtype))
    low, high = (ends - found.mean() + value).tolist()
    return low, high
