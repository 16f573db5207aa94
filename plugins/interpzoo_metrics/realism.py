"""Metrics of whether the frames between the ends look like the data."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Final

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.metrics import distributions
from interpzoo.metrics.predictability import alpha_predictability
from interpzoo.metrics.sharpness import middle_and_end_gradients

_FEWEST: Final = 7
"""Pairs below which nothing is said of sets of frames."""
_STEPS: Final = 1000
"""Of what learns to tell alpha."""
_UNLIKE: Final = 0.9
"""Share of the pairs, those whose ends differ most."""


class AlphaPredictability(Metric):
    """How well a small network tells from a frame alone how far it is from the ends, in [0, 1]; near 0 is faithful.

    See `interpzoo.metrics.predictability`. The network learns on the candidate's paths between other images, training
    ones where there are such, or on two thirds of the pairs where decoding is slow. The tenth of the pairs whose ends
    are most alike is left out: between them there is nothing to tell. It finds whatever fades, blurs or dims on the
    way, needs no feature network, and does not see a jump from one real image to another, nor frames that are unreal
    in the same way at the ends.
    """

    title = "alpha predictability"
    family = "realism"
    better = "lower"
    leading = True
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        pairs, t = evaluation.pairs, evaluation.task.positions
        if len(pairs) < _FEWEST:
            return NotApplicable(f"{len(pairs)} pairs, of which none can be held out: it takes {_FEWEST}")
        apart = (pairs.first - pairs.last).square().flatten(1).mean(1)
        kept = apart.argsort(descending=True)[: math.ceil(_UNLIKE * len(pairs))]
        frames, generator = evaluation.frames[kept], evaluation.generator("predictability")
        training = evaluation.training_frames
        if len(training) < _FEWEST:
            return alpha_predictability(frames, t, generator=generator)
        return alpha_predictability(training, t, generator=generator, steps=_STEPS, held_out=frames)


class Sharpness(Metric):
    """Mean squared gradient of the middle third of the paths, as a share of that of their ends; 1 is as sharp.

    See `interpzoo.metrics.sharpness`: of all pairs together. It needs no feature network, finds what fades or blurs on
    the way, and takes noise for detail.
    """

    title = "sharpness"
    family = "realism"
    better = "higher"
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        middle, ends = middle_and_end_gradients(evaluation.frames)
        if not bool(ends.sum() > 0):
            return NotApplicable("the ends are of one colour")
        return Measured(
            float(middle.sum() / ends.sum()), lambda rows, _: float(middle[rows].sum() / ends[rows].sum()), len(ends)
        )


class SetMetric(Metric):
    """A comparison of the frames between the ends with held-out images, as sets of features."""

    family = "realism"

    @abstractmethod
    def compare(self, evaluation: Evaluation) -> Measured:
        """The figure, of enough pairs."""

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        if (n := len(evaluation.pairs)) < _FEWEST:
            return NotApplicable(f"{n} pairs are too few to compare with a set of images: it takes {_FEWEST}")
        return self.compare(evaluation)


class FrechetDistance(SetMetric):
    """Frechet distance of the frames between the ends from held-out images, in the data set's features.

    See `interpzoo.metrics.distributions.frechet_distance`: without its bias to first order, so that real frames come
    near 0 and may fall below. It sees means and covariances of features; a jump, whose frames are all real, is ideal.
    """

    title = "Frechet distance"
    better = "lower"
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def compare(self, evaluation: Evaluation) -> Measured:
        generator = evaluation.generator("frechet")
        return distributions.frechet_distance(
            evaluation.between_features, evaluation.task.reference_features, generator=generator
        )


class KernelDistance(SetMetric):
    """Kernel distance of the frames between the ends from held-out images, in the data set's features.

    See `interpzoo.metrics.distributions.kernel_distance`: without bias, so that real frames come near 0 and may fall
    below. It sees the first three moments of features, and a jump as ideal.
    """

    title = "kernel distance"
    better = "lower"
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def compare(self, evaluation: Evaluation) -> Measured:
        return distributions.kernel_distance(evaluation.between_features, evaluation.task.reference_features)


class Density(SetMetric):
    """How densely the frames between the ends lie where held-out images do, in the data set's features; 1 is as dense.

    Naeem et al. 2020 (arXiv 2002.09797), k = 5. Frames that all look like the commonest image score best of all.
    """

    title = "density"
    better = "higher"
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def compare(self, evaluation: Evaluation) -> Measured:
        return distributions.density(evaluation.between_features, evaluation.task.reference_features)


class Coverage(SetMetric):
    """Share of the held-out images with a frame between the ends nearby, in the data set's features.

    Naeem et al. 2020 (arXiv 2002.09797), k = 5. It grows with the number of frames, and a path that jumps has few
    different ones.
    """

    title = "coverage"
    better = "higher"
    order = (("truth", "blend"), ("nearest", "blend"))

    @override
    def compare(self, evaluation: Evaluation) -> Measured:
        return distributions.coverage(evaluation.between_features, evaluation.task.reference_features)


class CycleError(Metric):
    """Mean squared difference of the codes of frames between the ends from the codes that they were decoded from.

    |f(g(z_t)) - z_t|^2 over the variance of all end codes about their mean: the cycle of Oring et al. 2021 (arXiv
    2008.01487), without a scale. A code that comes back says that the encoder knows such images, not that they are
    real: networks that undo each other have 0 everywhere.
    """

    title = "cycle error"
    family = "realism"
    better = "lower"
    needs = frozenset({"model"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        model, (first, last) = evaluation.model, evaluation.end_codes
        codes = torch.cat([first, last]).float()
        variance = float(codes.var(0, correction=0).sum())
        if not variance > 0:
            return NotApplicable("all ends have one code")
        path = model.interpolate_codes(first, last, evaluation.task.positions)[:, 1:-1]
        found = _encode(evaluation, evaluation.frames[:, 1:-1])
        return Measured.mean((found - path.cpu()).flatten(2).square().sum(2).mean(1) / variance)


@torch.no_grad()
def _encode(evaluation: Evaluation, frames: Tensor) -> Tensor:
    flat = frames.clamp(0, 1).flatten(0, 1)
    codes = torch.cat([evaluation.model.encode(part).cpu() for part in flat.split(500)])
    return codes.unflatten(0, frames.shape[:2])
