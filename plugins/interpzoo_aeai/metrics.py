"""The paper's alpha prediction as a metric, on every data set that knows the true ways."""

from __future__ import annotations

from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.metrics.between import predict_alpha


class AlphaError(Metric):
    """Mean distance of the alpha of the nearest true image of the same way from a frame's own alpha, in [0, 1].

    Section 4.3 of the paper, which plots quartiles of the predicted alphas: L2, as on the project page. A jump halfway
    has about 1/4. Frames that are unlike any true image are matched, too, and where all around looks alike the
    prediction says nothing.
    """

    title = "alpha error"
    family = "truth"
    better = "lower"
    needs = frozenset({"truth"})
    order = (("truth", "jump"), ("truth", "blend"))

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        found = predict_alpha(evaluation.frames, evaluation.truth_frames)
        return Measured.mean((found - evaluation.task.positions.double()).abs().mean(1))
