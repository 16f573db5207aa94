"""How scores are ranked: towards their target, by paired differences, and not by too few pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from interpzoo.benchmark.metric import Metric
from interpzoo.benchmark.results import Score
from interpzoo.metrics.measured import LEVEL

FEWEST: Final = 30
"""A score of fewer pairs gives no rank."""

_UNRANKED: Final = "no rank"


def words_of(metric: Metric, *, truth: bool) -> str:
    """Which scores are better: ``lower``, ``higher``, ``near 1``, ``near the truth``; or ``no rank``.

    `truth` says whether the ground-truth paths have a score.
    """
    if metric.target == "truth" and truth:
        return "near the truth"
    if metric.target is not None and metric.target != "truth":
        return f"near {metric.target:g}"
    return metric.better if metric.ranked else _UNRANKED


@dataclass(frozen=True)
class Gap:
    """By how much one score is worse than another; negative if it is better."""

    value: float
    low: float
    high: float
    """Ends of the 95 % interval: of the paired differences where both scores are of the same pairs."""


@dataclass(frozen=True)
class Aim:
    """What a metric's scores should be on one task."""

    sign: int
    """1 if a lower score is better, -1 if a higher one is; for scores without a target."""
    target: float | None = None
    truth: Score | None = None
    """The truth's own score, if that is the target."""
    ranked: bool = True
    """Whether models are ranked."""
    words: str = ""
    """See `words_of`."""

    @classmethod
    def of(cls, metric: Metric, truth: Score | None) -> Aim:
        """The aim of a metric where the ground-truth paths have the score `truth`, if they are known."""
        value = None if truth is None else truth.value
        words = words_of(metric, truth=value is not None)
        return cls(
            sign=1 if metric.better == "lower" else -1,
            target=value if metric.target == "truth" else metric.target,
            truth=truth if metric.target == "truth" and value is not None else None,
            ranked=words != _UNRANKED,
            words=words,
        )

    def ranks(self, score: Score | None) -> bool:
        """Whether a score has a rank: it has a value, and enough pairs if it is measured on pairs."""
        return score is not None and score.value is not None and not 0 < score.pairs < FEWEST and self.ranked

    def loss(self, score: Score) -> float:
        """What is lower for better scores; NaN where there is no score."""
        return float(self._loss(np.array(np.nan if score.value is None else score.value), self.target))

    def ends(self, score: Score) -> tuple[float, float]:
        """Ends of the interval of `loss`; the loss itself twice where there is none."""
        if score.low is None or score.high is None:
            return self.loss(score), self.loss(score)
        first, last = (float(self._loss(np.array(end), self.target)) for end in (score.low, score.high))
        crossed = self.target is not None and score.low <= self.target <= score.high
        return (0.0 if crossed else min(first, last)), max(first, last)

    def gap(self, score: Score, than: Score) -> Gap:
        """By how much `score` is worse than another."""
        value = self.loss(score) - self.loss(than)
        worse, better = self._draws(score), self._draws(than)
        if worse is None or better is None or len(worse) != len(better):
            (low, high), (least, most) = self.ends(score), self.ends(than)
            return Gap(value, low - most, high - least)
        differences = worse - better
        differences = differences[~np.isnan(differences)]
        if not len(differences):
            return Gap(value, value, value)
        ends = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - differences.mean() + value
        return Gap(value, float(ends[0]), float(ends[1]))

    def _draws(self, score: Score) -> NDArray[np.float64] | None:
        found, target = score.resampled, self.target
        if found is None:
            return None
        truths = None if self.truth is None or self.truth.pairs != score.pairs else self.truth.resampled
        paired = truths is not None and len(truths) == len(found)
        return self._loss(found, truths if paired else target)

    def _loss(self, values: NDArray[np.float64], target: float | NDArray[np.float64] | None) -> NDArray[np.float64]:
        return self.sign * values if target is None else np.abs(values - target)
