"""Metrics of how evenly a path moves, in the data set's features and in small steps."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.metrics.motion import largest_jumps, path_lengths, speed_variation, step_lengths


class PathLength(Metric):
    """Perceptual path length: the mean squared step over the squared step in t, over the whole path.

    Karras et al. 2019 (arXiv 1812.04948) with steps of 1/64 instead of 1/10,000, between which no jump can hide, and in
    the data set's features. The shorter, the smoother; a fade, which is straight, is shorter than any true way.
    """

    title = "path length"
    family = "motion"
    better = "lower"
    order = (("truth", "jump"), ("nearest", "jump"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return Measured.mean(path_lengths(steps(evaluation)))


class SpeedVariation(Metric):
    """Standard deviation over mean of the speed along each path; 0 is even."""

    title = "speed variation"
    family = "motion"
    better = "lower"
    order = (("truth", "nearest"), ("truth", "jump"), ("nearest", "jump"))

    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        """See `Metric.measure`; paths that stand still have no speed to vary and are left out."""
        return _moving(speed_variation(steps(evaluation)))


class LargestJump(Metric):
    """Longest step as a share of the whole path; 1 is nothing but a jump, 1/64 an even walk of 64 steps."""

    title = "largest jump"
    family = "motion"
    better = "lower"
    leading = True
    order = (("truth", "nearest"), ("truth", "jump"), ("nearest", "jump"))

    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        """See `Metric.measure`; paths that stand still have no longest step and are left out."""
        return _moving(largest_jumps(steps(evaluation)))


def steps(evaluation: Evaluation) -> Tensor:
    """(n, F - 1): lengths of the small steps in features, whose standard deviations over the data are 1."""
    return evaluation.shared("steps", lambda: step_lengths(evaluation.fine_features))


def _moving(values: Tensor) -> Measured | NotApplicable:
    found = values[~values.isnan()]
    return Measured.mean(found) if len(found) else NotApplicable("no path moves")
