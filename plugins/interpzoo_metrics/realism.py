"""Metrics of whether the frames between the ends look like the data."""

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
"""With fewer pairs, sets of frames are not compared."""
_STEPS: Final = 1000
"""Training steps of the network that predicts alpha."""
_UNLIKE: Final = 0.9
"""Share of the pairs that is used: those whose ends differ most."""


class AlphaPredictability(Metric):
    """How well a small network predicts from a single frame how far it is from the ends, in [0, 1]; near 0 is faithful.

    See `interpzoo.metrics.predictability`. The network is trained on paths of the same model between training images,
    or on two thirds of the pairs where decoding is slow. The tenth of the pairs whose ends are most alike is left out,
    as there is nothing to see between them. It notices whatever fades, blurs or dims along a path, and needs no feature
    network. It does not notice a jump from one real image to another, nor frames that are as unreal as the ends.
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
    """Mean squared gradient of the middle third of the paths over that of their ends; 1 is as sharp.

    See `interpzoo.metrics.sharpness`; all pairs are taken together. It notices whatever fades or blurs along a path,
    and needs no feature network. It takes noise for detail.
    """

    title = "sharpness"
    family = "realism"
    better = "higher"
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        middle, ends = middle_and_end_gradients(evaluation.frames)
        if not bool(ends.sum() > 0):
            return NotApplicable("the ends are of one color")
        return Measured(
            float(middle.sum() / ends.sum()), lambda rows, _: float(middle[rows].sum() / ends[rows].sum()), len(ends)
        )


class SetMetric(Metric):
    """A metric that compares the frames between the ends with held-out images, as sets of features."""

    family = "realism"

    @abstractmethod
    def compare(self, evaluation: Evaluation) -> Measured:
        """The score, given enough pairs."""

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        if (n := len(evaluation.pairs)) < _FEWEST:
            return NotApplicable(f"{n} pairs are too few to compare with a set of images: it takes {_FEWEST}")
        return self.compare(evaluation)


class FrechetDistance(SetMetric):
    """Frechet distance between the frames inside the paths and held-out images, in the data set's features.

    See `interpzoo.metrics.distributions.frechet_distance`: it is corrected for its bias, so that real frames come near
    0 and may be negative. It compares means and covariances of features. A jump, whose frames are all real, is ideal.
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
    """Kernel distance between the frames inside the paths and held-out images, in the data set's features.

    See `interpzoo.metrics.distributions.kernel_distance`: it is unbiased, so that real frames come near 0 and may be
    negative. It compares the first three moments of features. A jump, whose frames are all real, is ideal.
    """

    title = "kernel distance"
    better = "lower"
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def compare(self, evaluation: Evaluation) -> Measured:
        return distributions.kernel_distance(evaluation.between_features, evaluation.task.reference_features)


class Density(SetMetric):
    """How dense the frames inside the paths are where held-out images are, in the data set's features; 1 is as dense.

    Naeem et al. 2020 (arXiv 2002.09797), k = 5. Frames that all look like the most common image score best of all.
    """

    title = "density"
    better = "higher"
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def compare(self, evaluation: Evaluation) -> Measured:
        return distributions.density(evaluation.between_features, evaluation.task.reference_features)


class Coverage(SetMetric):
    """Share of the held-out images that have a frame of the inside of a path nearby, in the data set's features.

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
    """Mean squared difference between the codes of the frames inside a path and the codes that these were decoded from.

    |f(g(z_t)) - z_t|^2 over the variance of all end codes: the cycle of Oring et al. 2021 (arXiv 2008.01487), without
    its scale. A code that is recovered shows that the encoder knows such images, not that they are real: networks that
    are inverse to each other have 0 everywhere.
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
