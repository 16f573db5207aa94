"""What a metric gives: a value with its interval, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator, Tensor


@dataclass(frozen=True)
class Measured:
    """A figure, and how to have it again of other pairs, for its interval."""

    value: float
    resample: Callable[[Tensor, Generator], float] | None = None
    """The figure of pairs `rows` (n,), int64 and with repetitions; whatever else it is of is drawn again from the
    generator. ``None``: there is no interval, as the figure is not of pairs."""
    n: int = 0
    """Number of pairs."""

    @classmethod
    def mean(cls, values: Tensor) -> Measured:
        """The mean of one value a pair, (n,)."""
        values = values.detach().double().cpu()
        return cls(float(values.mean()), lambda rows, generator: float(values[rows].mean()), len(values))


@dataclass(frozen=True)
class NotApplicable:
    """Why there is no figure: a fact about the data or what is scored, not an error."""

    reason: str
