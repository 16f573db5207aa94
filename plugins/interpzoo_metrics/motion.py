"""Metrics of how evenly a path moves, in feature space and in small steps."""

from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.metrics.motion import largest_jumps, path_lengths, speed_variation, step_lengths


class PathLength(Metric):
    """Perceptual path length: the mean squared step over the squared step in t, over the whole path.

    Karras et al. 2019 (arXiv 1812.04948), but with steps of 1/64 instead of 1/10,000, so that no jump is missed, and in
    the data set's features. Shorter is smoother; a cross-fade, which is straight, is shorter than any ground-truth
    path.
    """

    title = "path length"
    family = "motion"
    better = "lower"
    order = (("truth", "jump"), ("nearest", "jump"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return Measured.mean(path_lengths(steps(evaluation)))


class SpeedVariation(Metric):
    """Standard deviation over mean of the speed along each path; 0 is even. Paths that stand still are left out."""

    title = "speed variation"
    family = "motion"
    better = "lower"
    order = (("truth", "nearest"), ("truth", "jump"), ("nearest", "jump"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return _moving(speed_variation(steps(evaluation)))


class LargestJump(Metric):
    """Longest step as a share of the whole path; 1 is a single jump, 1/64 an even path of 64 steps.

    Paths that stand still are left out.
    """

    title = "largest jump"
    family = "motion"
    better = "lower"
    leading = True
    order = (("truth", "nearest"), ("truth", "jump"), ("nearest", "jump"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return _moving(largest_jumps(steps(evaluation)))


def steps(evaluation: Evaluation) -> Tensor:
    """(n, F - 1): lengths of the small steps in feature space, where the data has mean variance 1."""
    return evaluation.shared("steps", lambda: step_lengths(evaluation.fine_features))


def _moving(values: Tensor) -> Measured | NotApplicable:
    found = values[~values.isnan()]
    return Measured.mean(found) if len(found) else NotApplicable("no path moves")
