"""Metrics of how evenly a path moves, in feature space and in small steps."""

from abc import abstractmethod

from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.metrics.along import step_lengths


class Motion(Metric):
    """A metric of the lengths of the steps of each path, in feature space, where the data has mean variance 1."""

    family = "motion"

    @staticmethod
    @abstractmethod
    def values(steps: Tensor) -> Tensor:
        """The value of each path, (N,), from the lengths of its T - 1 steps, (N, T - 1); NaN where it has none."""

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        values = self.values(evaluation.shared("steps", lambda: step_lengths(evaluation.fine_features)))
        found = values[~values.isnan()]
        return Measured.mean(found) if len(found) else NotApplicable("no path moves")


class PathLength(Motion):
    """Perceptual path length: the mean squared step over the squared step in t, over the whole path.

    Karras et al. 2019 (arXiv 1812.04948), but with steps of 1/64 instead of 1/10,000, so that no jump is missed, and in
    the data set's features. Shorter is smoother; a cross-fade, which is straight, is shorter than any ground-truth
    path.
    """

    title = "path length"
    better = "lower"
    target = "truth"
    ranked = False
    needs = frozenset({"apart"})
    order = (("truth", "jump"), ("nearest", "jump"))

    @staticmethod
    @override
    def values(steps: Tensor) -> Tensor:
        """The squared length of the path if the speed is constant, and up to T - 1 times as much if not."""
        return steps.square().mean(1) * steps.shape[1] ** 2


class SpeedVariation(Motion):
    """Standard deviation over mean of the speed along each path; 0 is even. Paths that stand still are left out."""

    title = "speed variation"
    better = "lower"
    target = "truth"
    order = (("truth", "nearest"), ("truth", "jump"), ("nearest", "jump"))

    @staticmethod
    @override
    def values(steps: Tensor) -> Tensor:
        """A constant speed has 0, a single jump (T - 2)^1/2."""
        return steps.std(1, correction=0) / steps.mean(1)


class LargestJump(Motion):
    """Longest step as a share of the whole path; 1 is a single jump, 1/64 an even path of 64 steps.

    Paths that stand still are left out.
    """

    title = "largest jump"
    better = "lower"
    target = "truth"
    leading = True
    order = (("truth", "nearest"), ("truth", "jump"), ("nearest", "jump"))

    @staticmethod
    @override
    def values(steps: Tensor) -> Tensor:
        return steps.amax(1) / steps.sum(1)
