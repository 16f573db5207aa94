"""Confidence intervals of what the benchmarks measure on pairs or images."""

from typing import Final

import torch
from torch import Generator, Tensor

_DRAWS: Final = 1000


def interval(values: Tensor, digits: int = 3) -> str:
    """The mean of (N,), or the ratio of the means of (N, 2), with its 95 % interval by 1,000 bootstrap draws."""

    def statistic(rows: Tensor) -> Tensor:
        if values.ndim == 1:
            return values[rows].mean(-1)
        first, second = values[rows].mean(-2).unbind(-1)
        return first / second

    n = len(values)
    draws = statistic(torch.randint(n, (_DRAWS, n), generator=Generator().manual_seed(0)))
    low, high = draws.quantile(draws.new_tensor([0.025, 0.975])).tolist()
    return f"{float(statistic(torch.arange(n))):.{digits}g} ({low:.{digits}g} - {high:.{digits}g})"
