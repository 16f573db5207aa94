"""Straight lines against geodesics as a metric."""

from __future__ import annotations

import warnings
from typing import Final

from interpzoo.benchmark.trial import Trial
from interpzoo.interfaces import Measured, Metric, NotApplicable
from interpzoo.metrics.flatness import length_ratios
from interpzoo_riemannian.report import NotConvergedWarning
from interpzoo_riemannian.solver import geodesic

_ITERATIONS: Final = 30
_STEPS: Final = 10
_NODES: Final = 37


class Straightness(Metric):
    """Decoded length of the straight line between two codes, over that of the geodesic; 1 where lines are geodesics.

    The geodesic is that of `geodesic` after 30 iterations from the straight line, converged or not, so that the ratio
    may be too small: it says how much shorter a way was found. What the shorter way looks like it does not say.
    """

    title = "straight over geodesic"
    family = "geometry"
    better = "lower"
    leading = True
    needs = frozenset({"model", "differentiable"})

    def measure(self, trial: Trial) -> Measured | NotApplicable:
        """See `Metric.measure`."""
        model, n = trial.networks, min(trial.pairs, trial.arena.protocol.geometry_pairs)
        first, last = (codes[:n] for codes in trial.end_codes)
        apart = (first - last).flatten(1).norm(dim=1) > 0
        if not bool(apart.any()):
            return NotApplicable("all ends have one code")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConvergedWarning)
            found = geodesic(
                model.decoder,
                first[apart],
                last[apart],
                steps=_STEPS,
                method="quasi-newton",
                max_iterations=_ITERATIONS,
            )
        return Measured.mean(length_ratios(model.decoder, found.path, nodes=_NODES))
