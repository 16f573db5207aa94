"""The paper's measures as metrics for models that are trained by its loss."""

from typing import ClassVar, Final

from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo_skipvae.evaluation import InformationScores, binarize, score_information

_METHOD: Final = "skipvae"


class Information(Metric):
    """One of the values of `InformationScores`. Intervals are over held-out images."""

    better = "higher"
    needs = frozenset({"model"})

    score: ClassVar[str]
    """Attribute of the scores."""

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        scores = scored(evaluation)
        if isinstance(scores, NotApplicable):
            return scores
        value: Tensor | int = getattr(scores, self.score)
        return Measured.mean(value) if isinstance(value, Tensor) else Measured(value)


class Bound(Information):
    """The evidence lower bound of all held-out images, binarized once, with one code for each image."""

    title = "ELBO (nats)"
    family = "reconstruction"
    score = "bounds"


class Divergence(Information):
    """Mean KL divergence of the posteriors of all held-out images, binarized once, from N(0, I).

    0 is a code that is not used. It is not a goal in itself; but if two models have the same bound, the one with the
    larger divergence has more informative codes.
    """

    title = "KL (nats)"
    family = "representation"
    ranked = False
    score = "divergences"


class MutualInformation(Information):
    """Information about an image in its code, estimated with the aggregate posterior of all N held-out images.

    It is at most log N, 9.21 for 10,000 images: near that it shows only that all images have distinguishable codes.
    The interval takes the aggregate posterior as given.
    """

    title = "mutual information (nats)"
    family = "representation"
    score = "information"


class ActiveUnits(Information):
    """Latent dimensions whose posterior mean has a variance above 0.02 over all held-out images, binarized once."""

    title = "active units"
    family = "representation"
    score = "active_units"


def scored(evaluation: Evaluation) -> InformationScores | NotApplicable:
    """The scores of the model, if it was trained on binary images."""
    trained = evaluation.model.config.trained
    method = "none" if trained is None else trained.regularizer.name
    if method not in (_METHOD, f"skipvae:{_METHOD}"):  # not one of another plugin
        return NotApplicable(f"it is for models of binary images, trained with regularizer {_METHOD!r}, not {method!r}")
    return evaluation.shared("information", lambda: _scored(evaluation))


def _scored(evaluation: Evaluation) -> InformationScores:
    seed = evaluation.task.protocol.seed
    # Another seed than that of the codes, which would be drawn from the same numbers.
    return score_information(evaluation.model, binarize(evaluation.task.test["image"], seed=seed), seed=seed + 1)
