"""Metrics that compare with the ground-truth path, on data sets that know it."""

from typing import Final

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.interfaces import GroundTruth
from interpzoo.metrics.between import between_errors, path_deviation
from interpzoo.metrics.templates import Templates, step_smoothness

_STILL: Final = 1e-4
"""Share of the mean ground-truth length that a path must cover to have a smoothness; on `lines` nearly the official
1e-4."""


class MeanDistance(Metric):
    """Cosine distance of frames from the nearest image that the data can have: are the frames real?

    Berthelot et al. 2019, section 4, and lib/eval.py. On `lines` exactly their measure: 256 pairs of 16 frames each,
    ends included, compared with 10,000 lines. Elsewhere frames are compared with the reference grid of the data set,
    whose resolution limits it. It does not notice a real image in the wrong place, and pixel noise alone makes a
    distance.
    """

    title = "Mean Distance"
    family = "truth"
    better = "lower"
    needs = frozenset({"truth"})
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        distances, _ = matches(evaluation)
        return Measured.mean(distances.mean(1))


class MeanSmoothness(Metric):
    """Longest step of the matched parameters over the length of their path, less that of an even step: are steps even?

    Berthelot et al. 2019, section 4, and lib/eval.py, as for `MeanDistance`. 0 is ideal, a jump has 1 - 1 / (T - 1).
    Paths that end where they began count as 0, as in the official code. The long way round is not penalized, and where
    frames look like nothing in the data the match is arbitrary.
    """

    title = "Mean Smoothness"
    family = "truth"
    better = "lower"
    needs = frozenset({"truth"})
    order = (("truth", "blend"), ("truth", "jump"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        _, parameters = matches(evaluation)
        manifold, pairs = evaluation.task.truth.manifold, evaluation.task.pairs
        length = float(manifold.distance(pairs.starts, pairs.ends).mean())
        steps = manifold.displacement(parameters[:, :-1], parameters[:, 1:])
        values = step_smoothness(steps, still=_STILL * length)
        if bool(values.isnan().all()):
            return NotApplicable("no path ends elsewhere than it began")
        return Measured.mean(values.nan_to_num(0))


class ParameterDeviation(Metric):
    """How far the matched parameters deviate from an even path, as a share of its length.

    Oring et al. 2021 (arXiv 2008.01487), section 4.2, which plots the distances to both ends without a number for them;
    see `interpzoo.metrics.between.path_deviation`. 0 is ideal, a jump halfway has nearly 1/4. The resolution of the
    reference grid limits it, and where frames look like nothing in the data it is arbitrary.
    """

    title = "parameter deviation"
    family = "truth"
    better = "lower"
    needs = frozenset({"truth"})
    order = (("truth", "jump"), ("truth", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        _, parameters = matches(evaluation)
        manifold, pairs = evaluation.task.truth.manifold, evaluation.pairs
        found = path_deviation(
            from_start=manifold.distance(pairs.starts[:, None], parameters),
            from_end=manifold.distance(pairs.ends[:, None], parameters),
            length=manifold.distance(pairs.starts, pairs.ends),
            positions=evaluation.task.positions.double(),
        )
        return Measured.mean(found)


class InBetweenError(Metric):
    """Mean squared error of the frames between the ends and the ground-truth images there, in [0, 1] units.

    Oring et al. 2021 (arXiv 2008.01487), section 4.3. It combines look, place and pace: a path that is right but
    uneven, or goes the long way round, loses as much as one that is wrong.
    """

    title = "in-between MSE"
    family = "truth"
    better = "lower"
    leading = True
    needs = frozenset({"truth"})
    order = (("truth", "nearest"), ("truth", "jump"), ("truth", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return Measured.mean(between_errors(evaluation.frames[:, 1:-1], evaluation.truth_frames[:, 1:-1]).mean(1))


def matches(evaluation: Evaluation) -> tuple[Tensor, Tensor]:
    """Distances (N, T) of the frames from the nearest reference images, and the parameters (N, T, P) of these images.

    Frames are looked up among the reference images in the group of their start, see `GroundTruth.groups`.
    """
    return evaluation.shared("matches", lambda: _matches(evaluation))


def _matches(evaluation: Evaluation) -> tuple[Tensor, Tensor]:
    task = evaluation.task
    references = task.shared("references", lambda: _references(task.truth))
    frames, starts = evaluation.frames, evaluation.pairs.starts
    n, t = frames.shape[:2]
    distances = torch.empty(n, t, dtype=torch.float64)
    parameters = torch.empty(n, t, starts.shape[1], dtype=torch.float64)
    groups = task.truth.groups(starts)
    for group in groups.unique().tolist():
        rows = (groups == group).nonzero().flatten()
        templates, grid = references[group]
        near, nearest = templates.nearest(frames[rows].flatten(0, 1))
        distances[rows], parameters[rows] = near.view(-1, t), grid[nearest].unflatten(0, (-1, t))
    return distances, parameters


def _references(truth: GroundTruth) -> dict[int, tuple[Templates, Tensor]]:
    """The images and the parameters of the reference grid, by group."""
    grid = truth.reference_grid()
    groups = truth.groups(grid)
    parts = {group: grid[groups == group] for group in groups.unique().tolist()}
    return {group: (Templates(truth.render(part)), part) for group, part in parts.items()}
