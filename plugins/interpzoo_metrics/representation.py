"""Metrics of how well codes separate classes that they were trained without."""

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.metrics.representation import kmeans_accuracy, linear_probe

_BATCH = 500


class LinearProbe(Metric):
    """Accuracy of a linear classifier on the codes of the whole train set, see `interpzoo.metrics.representation`.

    Berthelot et al. 2019, section 5. It shows how useful the codes are, not how interpolations look.
    """

    title = "linear probe accuracy"
    family = "representation"
    better = "higher"
    leading = True
    needs = frozenset({"model", "label"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        train, labels, test = codes(evaluation)
        return Measured(linear_probe(train, labels, test, evaluation.task.test["label"]))


class KMeans(Metric):
    """Accuracy of K-means clusters of whitened codes, matched to classes, see `interpzoo.metrics.representation`.

    Berthelot et al. 2019, section 5, with 20 starts.
    """

    title = "K-means accuracy"
    family = "representation"
    better = "higher"
    needs = frozenset({"model", "label"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        train, _, test = codes(evaluation)
        labels = evaluation.task.test["label"]
        classes, seed = int(labels.max()) + 1, evaluation.task.protocol.seed
        return Measured(kmeans_accuracy(train, test, labels, clusters=classes, seed=seed))


def codes(evaluation: Evaluation) -> tuple[Tensor, Tensor, Tensor]:
    """Codes (n, D) and labels (n,) of the train set, and codes (m, D) of the test set."""
    return evaluation.shared("codes", lambda: _codes(evaluation))


def _codes(evaluation: Evaluation) -> tuple[Tensor, Tensor, Tensor]:
    data = evaluation.task.data
    generator = torch.Generator().manual_seed(evaluation.task.protocol.seed)
    found: list[Tensor] = []
    labels: list[Tensor] = []
    for indices in torch.arange(data.size or 0).split(_BATCH):
        batch = data.train(indices, generator)
        found.append(_encode(evaluation, batch["image"]))
        labels.append(batch["label"])
    test = torch.cat([_encode(evaluation, x) for x in evaluation.task.test["image"].split(_BATCH)])
    return torch.cat(found), torch.cat(labels), test


@torch.no_grad()
def _encode(evaluation: Evaluation, images: Tensor) -> Tensor:
    return evaluation.model.encode(images).flatten(1).cpu()
