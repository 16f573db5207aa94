"""How well codes separate classes that they were trained without: the two probes of the ACAI paper.

Source: Berthelot et al. 2019, section 5, and the official code (lib/classifiers.py, train.py, cluster.py). Needs the
`train` extra.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from interpzoo.arguments import seed_of, whole
from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.errors import InputError, MissingDependencyError, how_to_install

_BATCH = 500
_EPSILON = 1e-5
_MAX_ITERATIONS = 1000
_ONE_CLASS = "the images are all of one class"


class LinearProbe(Metric):
    """Accuracy of a linear classifier on the codes of the whole train set, see `linear_probe`.

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
        if len(labels.unique()) < 2:
            return NotApplicable(_ONE_CLASS)
        return Measured(linear_probe(train, labels, test, evaluation.task.test["label"]))


class KMeans(Metric):
    """Accuracy of K-means clusters of whitened codes, matched to classes, see `kmeans_accuracy`.

    Berthelot et al. 2019, section 5, with 20 starts.
    """

    title = "K-means accuracy"
    family = "representation"
    better = "higher"
    needs = frozenset({"model", "label"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        train, train_labels, test = codes(evaluation)
        labels, seed = evaluation.task.test["label"], evaluation.task.protocol.seed
        classes = len(torch.cat([train_labels, labels]).unique())
        if classes < 2:
            return NotApplicable(_ONE_CLASS)
        if len(train.unique(dim=0)) < classes:
            return NotApplicable(f"there are fewer different codes than the {classes} classes")
        return Measured(kmeans_accuracy(train, test, labels, clusters=classes, seed=seed))


def codes(evaluation: Evaluation) -> tuple[Tensor, Tensor, Tensor]:
    """Codes (n, D) and labels (n,) of the train set, and codes (m, D) of the test set."""
    return evaluation.shared("codes", lambda: _encode_all(evaluation))


def _encode_all(evaluation: Evaluation) -> tuple[Tensor, Tensor, Tensor]:
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


def linear_probe(train_codes: Tensor, train_labels: Tensor, test_codes: Tensor, test_labels: Tensor) -> float:
    """Accuracy in [0, 1] of a linear classifier on frozen codes.

    Multinomial logistic regression with scikit-learn's default penalty (C = 1), fitted to convergence on codes that are
    standardized by the training codes. The numbers are not the paper's: it trains a dense layer along with the
    autoencoder, by Adam without a penalty, and reports the median of the last 20 evaluations.

    Args:
        train_codes: (N, *latent_shape), flattened here.
        train_labels: (N,) whole numbers.
        test_codes: (M, *latent_shape).
        test_labels: (M,).

    Raises:
        InputError: the shapes do not match, a code is not finite, or there is only one class.
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError:
        raise MissingDependencyError(f"probes need scikit-learn: {how_to_install('train')}") from None
    x, y = _codes("train", train_codes), _labels("train", train_labels, len(train_codes))
    x_test, y_test = _codes("test", test_codes, x.shape[1]), _labels("test", test_labels, len(test_codes))
    if len(np.unique(y)) < 2:
        raise InputError(f"train_labels are all {y[0]}: expected at least 2 classes")
    probe: Any = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_MAX_ITERATIONS))
    return float(probe.fit(x, y).score(x_test, y_test))


def kmeans_accuracy(
    train_codes: Tensor, test_codes: Tensor, test_labels: Tensor, *, clusters: int = 10, n_init: int = 20, seed: int = 0
) -> float:
    """Accuracy in [0, 1] of K-means clusters as classes, under the best assignment of one to the other.

    As the paper: codes are whitened (see `whiten`), K-means from random starts is fitted to the training codes and
    predicts the test codes, and the Hungarian algorithm matches clusters and classes on the test codes' confusion
    matrix. The paper takes the best of `n_init` = 1000 starts; 20 cost a fiftieth and may end in a worse optimum.

    Args:
        train_codes: (N, *latent_shape), flattened here; the paper takes the first 60,000 of the data set.
        test_codes: (M, *latent_shape).
        test_labels: (M,) whole numbers.
        clusters: number of clusters, the paper's number of classes.
        n_init: random starts; the one with the lowest inertia counts.
        seed: seed of the starts, 0 to 2^32 - 1.

    Raises:
        InputError: the shapes do not match, a code is not finite, or there are fewer codes than clusters.
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment
        from sklearn.cluster import KMeans
    except ImportError:
        raise MissingDependencyError(f"probes need scikit-learn: {how_to_install('train')}") from None
    x = _codes("train", train_codes)
    x_test, y_test = _codes("test", test_codes, x.shape[1]), _labels("test", test_labels, len(test_codes))
    clusters = whole("clusters", clusters, 1, len(x))
    n_init, seed = whole("n_init", n_init, 1, 10_000), seed_of(seed)
    x, x_test = whiten(x, x_test)
    settings: dict[str, Any] = {"init": "random", "n_init": n_init, "max_iter": _MAX_ITERATIONS, "random_state": seed}
    kmeans: Any = KMeans(clusters, **settings)
    predicted = kmeans.fit(x).predict(x_test)
    classes, y_test = np.unique(y_test, return_inverse=True)
    confusion = np.zeros((clusters, len(classes)), dtype=np.int64)
    np.add.at(confusion, (predicted, y_test), 1)
    matched: Any = linear_sum_assignment(confusion, maximize=True)
    return float(confusion[matched].sum() / len(y_test))


def whiten(train: NDArray[np.float64], test: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Decorrelate codes (N, d) and (M, d): centered by the training mean, projected on V and divided by s + 1e-5.

    V and s are of the centered training codes' SVD, U diag(s) V^T, as in the official cluster.py. Columns have unit
    norm, not unit variance, which K-means does not mind, and 1e-5 quiets only directions that are all but dead.
    """
    mean = train.mean(0)
    # U is not needed, and the triangle has the same s and V as the tall matrix.
    _, s, vt = np.linalg.svd(np.linalg.qr(train - mean, mode="r"), full_matrices=False)
    basis: NDArray[np.float64] = np.transpose(vt) / (s + _EPSILON)
    return (train - mean) @ basis, (test - mean) @ basis


def _codes(name: str, codes: Tensor, width: int | None = None) -> NDArray[np.float64]:
    if codes.ndim < 2 or not codes.numel():
        raise InputError(f"{name}_codes of shape {tuple(codes.shape)}: expected (N, *latent_shape), N at least 1")
    x = codes.detach().flatten(1).double().cpu()
    if not x.isfinite().all():
        raise InputError(f"{name}_codes hold values that are not finite")
    if width is not None and x.shape[1] != width:
        raise InputError(f"{name}_codes have {x.shape[1]} dimensions, the training codes {width}")
    return x.numpy()


def _labels(name: str, labels: Tensor, n: int) -> NDArray[np.int64]:
    if labels.shape != (n,) or labels.is_floating_point():
        raise InputError(f"{name}_labels are {labels.dtype} of shape {tuple(labels.shape)}: expected integers ({n},)")
    return labels.cpu().long().numpy()
