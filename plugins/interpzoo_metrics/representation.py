"""Metrics of what the codes know of classes that they were never told of."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark.metric import Metric
from interpzoo.benchmark.trial import Trial
from interpzoo.metrics.measured import Measured, NotApplicable
from interpzoo.metrics.representation import kmeans_accuracy, linear_probe

_BATCH = 500


class LinearProbe(Metric):
    """Accuracy of a linear classifier on the codes of the whole train set, see `interpzoo.metrics.representation`.

    Berthelot et al. 2019, section 5. It says what codes are good for, not how interpolations look.
    """

    title = "linear probe accuracy"
    family = "representation"
    better = "higher"
    leading = True
    needs = frozenset({"model", "label"})

    @override
    def measure(self, trial: Trial) -> Measured | NotApplicable:
        train, labels, test = codes(trial)
        return Measured(linear_probe(train, labels, test, trial.arena.test["label"]))


class KMeans(Metric):
    """Accuracy of K-means clusters of whitened codes as classes, see `interpzoo.metrics.representation`.

    Berthelot et al. 2019, section 5, with 20 starts.
    """

    title = "K-means accuracy"
    family = "representation"
    better = "higher"
    needs = frozenset({"model", "label"})

    @override
    def measure(self, trial: Trial) -> Measured | NotApplicable:
        train, _, test = codes(trial)
        labels = trial.arena.test["label"]
        classes, seed = int(labels.max()) + 1, trial.arena.protocol.seed
        return Measured(kmeans_accuracy(train, test, labels, clusters=classes, seed=seed))


def codes(trial: Trial) -> tuple[Tensor, Tensor, Tensor]:
    """Codes (n, D) and labels (n,) of the train set, and codes (m, D) of the test set."""
    return trial.shared("codes", lambda: _codes(trial))


def _codes(trial: Trial) -> tuple[Tensor, Tensor, Tensor]:
    data = trial.arena.data
    generator = torch.Generator().manual_seed(trial.arena.protocol.seed)
    found: list[Tensor] = []
    labels: list[Tensor] = []
    for indices in torch.arange(data.size or 0).split(_BATCH):
        batch = data.train(indices, generator)
        found.append(_encode(trial, batch["image"]))
        labels.append(batch["label"])
    test = torch.cat([_encode(trial, x) for x in trial.arena.test["image"].split(_BATCH)])
    return torch.cat(found), torch.cat(labels), test


@torch.no_grad()
def _encode(trial: Trial, images: Tensor) -> Tensor:
    return trial.networks.encode(images).flatten(1).cpu()
