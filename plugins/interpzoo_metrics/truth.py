"""Metrics against the true way, on data sets that know it."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.interfaces import GroundTruth
from interpzoo.metrics.between import ParameterPaths, between_errors
from interpzoo.metrics.lines import Templates, step_smoothness

_STILL: Final = 1e-4
"""Share of the mean true way that a path must go to have a smoothness; on `lines` nearly the official 1e-4."""


class MeanDistance(Metric):
    """Cosine distance of frames from the nearest image that the data can have: are they real?

    Berthelot et al. 2019, section 4, and lib/eval.py: on `lines` exactly theirs, 256 pairs x 16 frames with the ends,
    against 10,000 lines. Elsewhere against the images of `GroundTruth.reference_grid`, whose spacing limits what it can
    see. A real image in the wrong place costs nothing, and pixel noise alone makes a distance.
    """

    title = "Mean Distance"
    family = "truth"
    better = "lower"
    needs = frozenset({"truth"})
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        distances, _ = evaluation.shared("matches", lambda: matches(evaluation))
        return Measured.mean(distances.mean(1))


class MeanSmoothness(Metric):
    """Longest step of the matched parameters over their whole way, less that of an even step: do they move evenly?

    Berthelot et al. 2019, section 4, and lib/eval.py, as for `MeanDistance`; 0 is ideal, a jump has 1 - 1 / (T - 1).
    Paths that end where they began count as 0, as in the official code. The long way round costs nothing, and where
    frames look like nothing the match is arbitrary.
    """

    title = "Mean Smoothness"
    family = "truth"
    better = "lower"
    needs = frozenset({"truth"})
    order = (("truth", "blend"), ("truth", "jump"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        values = evaluation.shared("smoothness", lambda: _smoothness(evaluation))
        if bool(values.isnan().all()):
            return NotApplicable("no path ends elsewhere than it began")
        return Measured.mean(values.nan_to_num(0))


class ParameterDeviation(Metric):
    """How far the matched parameters stray from an even walk, by their distances to both ends, as a share of the way.

    Oring et al. 2021 (arXiv 2008.01487), section 4.2, whose curves have no figure: see
    `interpzoo.metrics.between.ParameterPaths.deviation`. 0 is ideal, a jump halfway has nearly 1/4. No finer than the
    images of `GroundTruth.reference_grid` are, and arbitrary where frames look like none of them.
    """

    title = "parameter deviation"
    family = "truth"
    better = "lower"
    needs = frozenset({"truth"})
    order = (("truth", "jump"), ("truth", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        _, parameters = evaluation.shared("matches", lambda: matches(evaluation))
        truth, pairs = evaluation.task.truth, evaluation.pairs
        paths = ParameterPaths(
            from_start=torch.linalg.vector_norm(truth.manifold.displacement(pairs.starts[:, None], parameters), dim=2),
            from_end=torch.linalg.vector_norm(truth.manifold.displacement(pairs.ends[:, None], parameters), dim=2),
            alpha=evaluation.task.positions.double(),
            length=torch.linalg.vector_norm(truth.manifold.displacement(pairs.starts, pairs.ends), dim=1),
        )
        return Measured.mean(paths.deviation)


class InBetweenError(Metric):
    """Mean squared error of the frames between the ends against the true images at their places, in [0, 1] units.

    Oring et al. 2021 (arXiv 2008.01487), section 4.3. It has everything in it: look, place and pace; a path that is
    right but uneven, or goes the long way round, loses as much as one that is wrong.
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
    """Distances (N, T) of the frames from the nearest known images, and the parameters (N, T, P) of these.

    Frames are looked up among the images of the group of their start.
    """
    task = evaluation.task
    templates = task.shared("templates", lambda: _templates(task.truth))
    frames, starts = evaluation.frames, evaluation.pairs.starts
    n, t = frames.shape[:2]
    distances = torch.empty(n, t, dtype=torch.float64)
    parameters = torch.empty(n, t, starts.shape[1], dtype=torch.float64)
    groups = task.truth.groups(starts)
    for group in groups.unique().tolist():
        rows = (groups == group).nonzero().flatten()
        images, known = templates[group]
        near, nearest = images.nearest(frames[rows].flatten(0, 1))
        distances[rows], parameters[rows] = near.view(-1, t), known[nearest].unflatten(0, (-1, t))
    return distances, parameters


def _templates(truth: GroundTruth) -> dict[int, tuple[Templates, Tensor]]:
    """By group: its known images, numbered, and their parameters."""
    known = truth.reference_grid()
    groups = truth.groups(known)
    pieces = {group: known[groups == group] for group in groups.unique().tolist()}
    return {
        group: (Templates(truth.render(piece), torch.arange(len(piece)).double()), piece)
        for group, piece in pieces.items()
    }


def _smoothness(evaluation: Evaluation) -> Tensor:
    _, parameters = evaluation.shared("matches", lambda: matches(evaluation))
    truth, pairs = evaluation.task.truth, evaluation.task.pairs
    lengths = torch.linalg.vector_norm(truth.manifold.displacement(pairs.starts, pairs.ends), dim=1)
    steps = truth.manifold.displacement(parameters[:, :-1], parameters[:, 1:])
    return step_smoothness(steps, still=_STILL * float(lengths.mean()))
