"""The paper's alpha prediction as a metric, on every data set with ground-truth paths."""

from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.metrics.between import predict_alpha


class AlphaError(Metric):
    """Mean difference between a frame's alpha and that of the nearest ground-truth image on the same path, in [0, 1].

    Oring et al. 2021 (arXiv 2008.01487), section 4.3, which plots quartiles of the predicted alphas; distances are L2,
    as on the project page. A jump halfway has about 1/4. Frames that resemble no ground-truth image are matched as
    well, and where an object looks the same all around the prediction is arbitrary.
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
