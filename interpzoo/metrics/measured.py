"""The result of a metric: a value with its confidence interval, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator, Tensor


@dataclass(frozen=True)
class Measured:
    """A metric's value, and how to recompute it on resampled pairs for a confidence interval."""

    value: float
    resample: Callable[[Tensor, Generator], float] | None = None
    """The value for the pairs `rows` (n,), int64 and with repetitions; other samples are drawn from the generator.
    ``None``: there is no interval, as the metric is not per pair."""
    n: int = 0
    """Number of pairs; 0 if the metric is not per pair."""

    @classmethod
    def mean(cls, values: Tensor) -> Measured:
        """The mean of one value for each pair, (n,)."""
        values = values.detach().double().cpu()
        return cls(float(values.mean()), lambda rows, generator: float(values[rows].mean()), len(values))


@dataclass(frozen=True)
class NotApplicable:
    """The reason why a metric has no value: a property of the data or the candidate, not an error."""

    reason: str
