"""Metrics that compare with the ground-truth path, on data sets that know it."""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import normalize
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.errors import InputError
from interpzoo.interfaces import GroundTruth
from interpzoo_metrics.reconstruction import ReconstructionError

_STILL: Final = 1e-4
"""Share of the mean ground-truth length that a path must cover to have a smoothness; on `lines` nearly the official
1e-4."""
_TIE = 1e-12
"""Templates whose distances differ by less are equally near: the rounding of a matrix product, which depends on the
machine and the batch size, must not choose between mirror images."""
_CHUNK = 2**22
"""Number of similarities held at a time: 32 MiB."""


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
        return Measured.mean(matches(evaluation)[0].mean(1))


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
    see `path_deviation`. 0 is ideal, a jump halfway has nearly 1/4. The resolution of the
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


class Templates:
    """Images that the data can have, among which the nearest to a frame is looked up.

    Args:
        images: (n, C, H, W) in [0, 1], kept and compared in float64 on their own device; 80 MB for 10,000 lines.

    Raises:
        InputError: the shape is another one, there is no image, or a value is not finite.
    """

    def __init__(self, images: Tensor) -> None:
        if images.ndim != 4 or not len(images):
            raise InputError(f"templates of shape {tuple(images.shape)}: expected (n, C, H, W), n at least 1")
        _check_finite("templates", images)
        self.image_shape = tuple(images.shape[1:])
        self._directions = _directions(images)

    def nearest(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Find the nearest template of each image (B, C, H, W) in [0, 1], unclamped.

        The distance is the cosine distance of the flattened pixels in the paper's units, [-1, 1], neither centered nor
        clamped. If templates are equally near, to 1e-12, the last is taken. An image that is mid-grey everywhere
        has no direction; its distance to every template is 1.

        Returns:
            (B,) distances, float64, and (B,) rows of the nearest templates, both on the CPU.

        Raises:
            InputError: the images do not have the shape of the templates, or a pixel is not finite.
        """
        if images.shape[1:] != self.image_shape:
            raise InputError(f"images of shape {tuple(images.shape)}: templates are of shape {self.image_shape}")
        _check_finite("images", images)
        distances: list[Tensor] = []
        nearest: list[Tensor] = []
        n = len(self._directions)
        for chunk in torch.split(images.detach(), max(1, _CHUNK // n)):
            similarity = _directions(chunk.to(self._directions.device)) @ self._directions.T
            best = similarity.amax(1, keepdim=True)
            distances.append(1 - best.flatten().cpu())
            nearest.append(n - 1 - (similarity >= best - _TIE).flip(1).byte().argmax(1).cpu())
        return torch.cat(distances), torch.cat(nearest)


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


def between_errors(frames: Tensor, truths: Tensor) -> Tensor:
    """Mean squared error of each frame (N, T, C, H, W), unclamped, and the ground-truth image at its position: (N, T).

    Raises:
        InputError: the shapes differ.
    """
    return ReconstructionError.values(truths.flatten(0, 1), frames.flatten(0, 1)).unflatten(0, frames.shape[:2])


def path_deviation(from_start: Tensor, from_end: Tensor, length: Tensor, positions: Tensor) -> Tensor:
    """How far paths deviate from an even one, by their distances to both ends: (N,), as a share of the length.

    An even path is t times `length` away from its start and 1 - t times from its end. The paper plots both curves;
    their mean absolute difference from these straight lines is ours. 0 is ideal, a jump halfway has nearly 1 / 4.

    Args:
        from_start: (N, T) float64: distance of each frame's parameters to those of the start.
        from_end: (N, T) float64: distance to those of the end.
        length: (N,) float64: distance from start to end.
        positions: (T,) float64: position t of each frame.
    """
    start = (from_start / length[:, None] - positions).abs()
    end = (from_end / length[:, None] - (1 - positions)).abs()
    return ((start + end) / 2).mean(1)


def step_smoothness(steps: Tensor, *, still: float) -> Tensor:
    """Longest step over the length of the whole path, less the share of an even step: (N,), 0 is ideal.

    Args:
        steps: (N, T - 1, D) displacements in parameter space, the shorter way round each.
        still: paths whose displacements add up to less have no smoothness: NaN.
    """
    length = torch.linalg.vector_norm(steps.sum(1), dim=1)
    smoothness = torch.linalg.vector_norm(steps, dim=2).amax(1) / length - 1 / steps.shape[1]
    smoothness[length < still] = math.nan
    return smoothness


def _directions(images: Tensor) -> Tensor:
    return normalize((2 * images.double() - 1).flatten(1), dim=1)


def _check_finite(name: str, values: Tensor) -> None:
    finite = values.isfinite()
    if not finite.all():
        raise InputError(f"{name}[{int((~finite).nonzero()[0, 0])}] is not finite: expected values without NaN or inf")
