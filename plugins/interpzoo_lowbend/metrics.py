"""What low bending embeddings promise, measured on held-out pairs of any encoder: lengths, bending, straight paths."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.arguments import real
from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.errors import InputError
from interpzoo.model import InterpolationModel
from interpzoo_lowbend.lowbend import first_difference, second_difference
from interpzoo_lowbend.pairs import Pairs


@dataclass(frozen=True, eq=False)
class EmbeddingScores:
    """How the codes of N pairs lie, see `LowBending`."""

    stretch: Tensor
    """(N,): |D1|, 1 where distances are kept."""
    bending: Tensor
    """(N,): |D2|^2."""

    @property
    def mean_stretch(self) -> float:
        return float(self.stretch.mean())

    @property
    def distortion(self) -> float:
        """Largest |D1| to smallest: at least 1, whatever the scale of the codes."""
        return float(self.stretch.max() / self.stretch.min())

    @property
    def scaled_bending(self) -> float:
        """Mean |D2|^2 of the codes scaled to mean |D1| = 1, so that encoders can be compared."""
        return float(self.bending.mean()) / self.mean_stretch**2


@torch.no_grad()
def score_embedding(
    model: InterpolationModel, data: Pairs, *, epsilon: float | None = None, n: int = 1000, seed: int = 1
) -> EmbeddingScores:
    """Measure how the model's codes keep distances and straighten geodesics, on `n` pairs of the data's points.

    Pairs are at most `epsilon` apart, by default the data's own `epsilon`.

    Raises:
        InputError: `n` is less than 1, or `epsilon` is not from 10^-6 to 10^6.
    """
    if n < 1:
        raise InputError(f"n = {n}: expected at least 1 pair")
    apart = data.config.epsilon if epsilon is None else real("epsilon", epsilon, 1e-6, 1e6)
    p, q = data.manifold.pairs(n, apart, Generator().manual_seed(seed))
    d = data.manifold.distance(p, q).float()
    x, y, m = model.encode(data.render(torch.cat([p, q, data.manifold.midpoint(p, q)]))).cpu().chunk(3)
    return EmbeddingScores(
        stretch=torch.linalg.vector_norm(first_difference(x, y, d), dim=1),
        bending=second_difference(x, y, m, d).square().sum(1),
    )


class EmbeddingMetric(Metric):
    """A score of the codes of a data set's pairs, see `EmbeddingScores`."""

    family = "geometry"
    better = "lower"
    needs = frozenset({"model", "truth"})

    @abstractmethod
    def value(self, scores: EmbeddingScores) -> float:
        """The score."""

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        data, seed = evaluation.task.data, evaluation.task.protocol.seed + 1
        if not isinstance(data, Pairs):
            return NotApplicable("the data set has no pairs at known distances with the image halfway")
        scores = evaluation.shared("embedding", lambda: score_embedding(evaluation.model, data, seed=seed))
        return Measured(self.value(scores))


class Distortion(EmbeddingMetric):
    """Ratio of the largest to the smallest stretch |f(x) - f(y)| / d(x, y) of near pairs; 1 preserves all distances."""

    title = "distortion"

    @override
    def value(self, scores: EmbeddingScores) -> float:
        return scores.distortion


class Bending(EmbeddingMetric):
    """Mean squared second difference of codes over near pairs, with codes scaled to a mean stretch of 1.

    0 puts the code of every midpoint halfway between two codes; a curved manifold cannot have it, see the data sets.
    """

    title = "bending"

    @override
    def value(self, scores: EmbeddingScores) -> float:
        return scores.scaled_bending
