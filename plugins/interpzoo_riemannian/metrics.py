"""Metrics that compare straight lines with geodesics."""

from typing import ClassVar, Final

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.geometry import at
from interpzoo.metrics.flatness import length_ratios
from interpzoo_riemannian.interpolators import Shortest
from interpzoo_riemannian.solver import geodesic

_ITERATIONS: Final = 30
_STEPS: Final = 20
_NODES: Final = 37
_PAIRS: Final = 500


class Straightness(Metric):
    """Decoded length of the straight line between two codes over that of the geodesic; 1 where lines are geodesics.

    The geodesic is that of `geodesic` after 30 iterations from the straight line, converged or not. The ratio may be
    too small: it shows how much shorter a path was found. It does not show what the shorter path looks like, and a
    cross-fade has 1: it ranks no model.
    """

    title = "straight over geodesic"
    family = "geometry"
    better = "lower"
    ranked = False
    needs = frozenset({"model", "differentiable"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        model, n = evaluation.model, min(len(evaluation.pairs), evaluation.task.protocol.geometry_pairs)
        first, last = (codes[:n] for codes in evaluation.end_codes)
        apart = (first - last).flatten(1).norm(dim=1) > 0
        if not bool(apart.any()):
            return NotApplicable("all ends have one code")
        found = geodesic(
            model.decoder, first[apart], last[apart], steps=_STEPS, method="quasi-newton", max_iterations=_ITERATIONS
        )
        return Measured.mean(length_ratios(model.decoder, found.path, nodes=_NODES))


class GeodesicShare(Metric):
    """A quantile of the decoded length of the geodesic between two codes over that of the straight line.

    Shao et al. 2018 found the manifolds of their models to be nearly flat: a share near 1. It is for models whose own
    path is the geodesic, over 500 pairs of held-out images that have no image in common.
    """

    family = "geometry"
    better = "higher"
    ranked = False
    needs = frozenset({"model", "differentiable"})
    quantile: ClassVar[float]

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        path = evaluation.model.interpolator
        if not isinstance(path, Shortest):
            return NotApplicable("the model's own path is not the geodesic")
        alone = Shortest(path.config.model_copy(update={"density": 0.0}))
        shares = evaluation.shared("geodesic shares", lambda: _shares(evaluation, alone))
        return Measured.of_pairs(lambda rows: float(shares[rows].quantile(self.quantile)), len(shares))


class MedianGeodesicShare(GeodesicShare):
    """The share that half of the geodesics fall below, see `GeodesicShare`."""

    title = "geodesic over straight, median"
    quantile = 0.5


class LowGeodesicShare(GeodesicShare):
    """The share that one geodesic in twenty falls below, see `GeodesicShare`."""

    title = "geodesic over straight, 5 %"
    quantile = 0.05


class HighGeodesicShare(GeodesicShare):
    """The share that one geodesic in twenty is above, see `GeodesicShare`."""

    title = "geodesic over straight, 95 %"
    quantile = 0.95


def _shares(evaluation: Evaluation, path: Shortest) -> Tensor:
    images, model = evaluation.task.test["image"], evaluation.model
    order = torch.randperm(len(images), generator=evaluation.generator("geodesic shares"))
    first, last = images[order[: 2 * _PAIRS]].tensor_split([min(_PAIRS, len(images) // 2)])
    with torch.no_grad():
        z0, z1 = model.encode(first), model.encode(last[: len(first)])
        curves = path.curves(z0, z1, model).path  # as `interpolate_codes`, without a warning
    nodes = at(curves, torch.linspace(0, 1, _NODES), smooth=True)
    return length_ratios(model.decoder, nodes, nodes=2 * _NODES - 1).reciprocal()
