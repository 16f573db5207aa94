"""Distortion and bending of any encoder, on the data sets of pairs at known distances."""

from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo_lowbend.evaluation import EmbeddingScores, score_embedding
from interpzoo_lowbend.pairs import Pairs


class Distortion(Metric):
    """Ratio of the largest to the smallest stretch |f(x) - f(y)| / d(x, y) of near pairs; 1 preserves all distances."""

    title = "distortion"
    family = "geometry"
    better = "lower"
    needs = frozenset({"model", "truth"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        scores = _scores(evaluation)
        return scores if isinstance(scores, NotApplicable) else Measured(scores.distortion)


class Bending(Metric):
    """Mean squared second difference of codes over near pairs, with codes scaled to a mean stretch of 1.

    0 puts the code of every midpoint halfway between two codes; a curved manifold cannot have it, see the data sets.
    """

    title = "bending"
    family = "geometry"
    better = "lower"
    needs = frozenset({"model", "truth"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        scores = _scores(evaluation)
        return scores if isinstance(scores, NotApplicable) else Measured(scores.scaled_bending)


def _scores(evaluation: Evaluation) -> EmbeddingScores | NotApplicable:
    data = evaluation.task.data
    if not isinstance(data, Pairs):
        return NotApplicable("the data set has no pairs at known distances with the image halfway")
    seed = evaluation.task.protocol.seed + 1
    return evaluation.shared("embedding", lambda: score_embedding(evaluation.model, data, seed=seed))
