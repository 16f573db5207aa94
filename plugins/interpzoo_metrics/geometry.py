"""Metrics of how far a path is from the straight line between the pictures at its ends."""

from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.metrics.along import fade_distances


class FadeDistance(Metric):
    """Mean distance of the frames inside a path from the nearest mix of its ends; 0 is a cross-fade, of any timing.

    In shares of the distance between the ends, see `interpzoo.metrics.along.fade_distances`; it needs no feature
    network. A cut, whose frames are its ends, has 0 too. A large distance says that a path is no fade, not that its
    frames are real: noise is far from any mix. So models are ranked only where the truth's own distance is known, by
    how near they come to it. Paths whose ends are the same image are left out.
    """

    title = "fade distance"
    family = "geometry"
    better = "higher"
    target = "truth"
    ranked = False
    leading = True
    needs = frozenset({"apart"})
    order = (("truth", "blend"), ("truth", "jump"), ("nearest", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        found = fade_distances(evaluation.frames)[:, 1:-1].mean(1)
        found = found[~found.isnan()]
        return Measured.mean(found) if len(found) else NotApplicable("all paths end where they began")
