"""The paper's measures of flatness as metrics for any model with a differentiable decoder."""

import math
from typing import Final

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.metrics.flatness import condition_numbers, magnification, metric_tensors

_POINTS: Final = (0.0, 0.5)
"""Positions on each path where the decoder's metric is computed: at a code, and halfway between two."""

_MOST: Final = 8
"""Largest number of dimensions in which volumes are compared."""


class ConditionNumber(Metric):
    """Median ratio of largest to smallest eigenvalue of the decoder's metric, at codes and halfway between them.

    Chen et al. 2020 (arXiv 2002.04881), section 4. 1 is isotropic: straight lines have the same speed in every
    direction. A large code has many directions that the decoder ignores; they make it huge whatever paths look
    like.
    """

    title = "condition number"
    family = "geometry"
    better = "lower"
    ranked = False
    needs = frozenset({"model", "differentiable"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        values = condition_numbers(metrics_at(evaluation).flatten(0, 1)).view(-1, len(_POINTS))
        if not bool(values.isfinite().any()):
            return NotApplicable("the decoder ignores a direction at every code: its metric is singular")
        return Measured.of_pairs(lambda rows: float(values[rows].median()), len(values))


class MagnificationRange(Metric):
    """Interquartile range of the decoder's relative volume element, at codes and halfway between them.

    Chen et al. 2020 (arXiv 2002.04881), section 4. 0 is an even space. It is not applicable with more than 8
    dimensions, where one volume dominates all others.
    """

    title = "magnification range"
    family = "geometry"
    better = "lower"
    ranked = False
    needs = frozenset({"model", "differentiable"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        dimension = math.prod(evaluation.model.latent_shape)
        if dimension > _MOST:
            return NotApplicable(f"with codes of {dimension} dimensions one volume dominates all others")
        tensors = metrics_at(evaluation)

        def spread(rows: Tensor) -> float:
            low, high = magnification(tensors[rows].flatten(0, 1)).quantile(torch.tensor([0.25, 0.75]).double())
            return float(high - low)

        return Measured.of_pairs(spread, len(tensors))


def metrics_at(evaluation: Evaluation) -> Tensor:
    """The decoder's metric (n, P, d, d) at P points on each of the first n paths."""
    return evaluation.shared("decoder metrics", lambda: _metrics_at(evaluation))


def _metrics_at(evaluation: Evaluation) -> Tensor:
    n = min(len(evaluation.pairs), evaluation.task.protocol.geometry_pairs)
    first, last = (codes[:n] for codes in evaluation.end_codes)
    points = evaluation.model.interpolate_codes(first, last, _POINTS)
    found = metric_tensors(evaluation.model.decoder, points.flatten(0, 1)).cpu()
    return found.unflatten(0, (n, len(_POINTS)))
