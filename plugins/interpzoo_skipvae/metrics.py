"""What the paper holds a model to, as metrics of those that are trained by its loss."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo_skipvae.evaluation import InformationScores, binarised, score_information

_METHOD: Final = "skipvae"


class Information(Metric):
    """One of the figures of `InformationScores`."""

    better = "higher"
    needs = frozenset({"model"})

    @abstractmethod
    def figure(self, scores: InformationScores) -> float:
        """Which of them."""

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        scores = scored(evaluation)
        return scores if isinstance(scores, NotApplicable) else Measured(self.figure(scores))


class Bound(Information):
    """The evidence lower bound of all held-out images, binarised once, of one code an image."""

    title = "ELBO (nats)"
    family = "reconstruction"

    @override
    def figure(self, scores: InformationScores) -> float:
        return scores.elbo


class Divergence(Information):
    """Mean divergence of the posteriors of all held-out images, binarised once, from N(0, I).

    0 is a code that is not used. It is no end in itself: at one bound, more of it is more that the code tells.
    """

    title = "KL (nats)"
    family = "representation"

    @override
    def figure(self, scores: InformationScores) -> float:
        return scores.kl


class MutualInformation(Information):
    """What a code tells of its image, estimated with the aggregate posterior of all N held-out images.

    At most log N, 9.21 of 10,000: near that it says no more than that the images are told apart.
    """

    title = "mutual information (nats)"
    family = "representation"

    @override
    def figure(self, scores: InformationScores) -> float:
        return scores.mutual_information


class ActiveUnits(Information):
    """Latent dimensions whose posterior mean has a variance above 0.02 over all held-out images, binarised once."""

    title = "active units"
    family = "representation"

    @override
    def figure(self, scores: InformationScores) -> float:
        return scores.active_units


def scored(evaluation: Evaluation) -> InformationScores | NotApplicable:
    """The scores of the model on evaluation; not those of a model that has never seen a binary image."""
    trained = evaluation.model.config.trained
    method = "none" if trained is None else trained.regularizer.name
    if method.rpartition(":")[2] != _METHOD:
        return NotApplicable(f"it is of binary images, which the regularizer {_METHOD!r} trains on, not {method!r}")
    return evaluation.shared("information", lambda: _scored(evaluation))


def _scored(evaluation: Evaluation) -> InformationScores:
    seed = evaluation.task.protocol.seed
    # Of another seed than the codes, which would be of the same numbers.
    return score_information(evaluation.model, binarised(evaluation.task.test["image"], seed=seed), seed=seed + 1)
