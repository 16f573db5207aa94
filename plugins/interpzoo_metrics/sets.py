"""Metrics that compare the frames between the ends with held-out images, as two sets in a feature space.

Sources: Heusel et al. 2017 (arXiv 1706.08500); Chong and Forsyth 2020 (arXiv 1911.07023) for its bias; Binkowski et al.
2018 (arXiv 1801.01401); Naeem et al. 2020 (arXiv 2002.09797). Existing libraries are made for Inception features and
give no interval over pairs of images, whose frames are not independent samples.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Final

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.errors import InputError

FEWEST: Final = 7
"""With fewer pairs, sets of frames are not compared."""
NEIGHBORS: Final = 5
"""k of density and coverage, as in the paper."""
_DEGREE: Final = 3


class SetMetric(Metric):
    """A metric that compares the frames between the ends with held-out images, as sets of features."""

    family = "realism"
    needs = frozenset({"data"})

    @staticmethod
    @abstractmethod
    def compare(frames: Tensor, real: Tensor, generator: Generator) -> Measured:
        """The score of features (N, T, D), of T frames of each pair, beside those of real images, (M, D).

        Raises:
            InputError: the shapes do not match, there are too few of either, or a value is not finite.
        """

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        if (n := len(evaluation.pairs)) < FEWEST:
            return NotApplicable(f"{n} pairs are too few to compare with a set of images: it takes {FEWEST}")
        features, real = evaluation.between_features, evaluation.task.reference_features
        return self.compare(features, real, evaluation.generator("frechet"))


class FrechetDistance(SetMetric):
    """Frechet distance between the frames inside the paths and held-out images, in the data set's features.

    It is corrected for its bias, so that real frames come near 0 and may be negative. It compares means and covariances
    of features. A jump, whose frames are all real, is ideal.
    """

    title = "Frechet distance"
    better = "lower"
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @staticmethod
    @override
    def compare(frames: Tensor, real: Tensor, generator: Generator) -> Measured:
        """The distance without its bias to first order; N and M at least 4.

        The distance F(n) of n samples is too large by about c / n. It is computed for all pairs and images and,
        averaged, for two halves of both: 2 F(n) - F(n / 2) is 0 on average where frames are real, and may be negative.
        """
        _check(frames, real, least=4)
        # Centered, so that sums of squares keep their digits.
        x, y = (features.double() - real.double().mean(0) for features in (frames, real))

        def corrected(rows: Tensor, images: Tensor, generator: Generator) -> float:
            # The moments of a whole are those of its halves, added.
            a = [_Moments.of(x[half].flatten(0, 1)) for half in _halves(rows, generator)]
            b = [_Moments.of(y[half]) for half in _halves(images, generator)]
            halves = [first.distance(second) for first, second in zip(a, b, strict=True)]
            return 2 * (a[0] + a[1]).distance(b[0] + b[1]) - sum(halves) / len(halves)

        def resample(rows: Tensor, generator: Generator) -> float:
            return corrected(rows, torch.randint(len(y), (len(y),), generator=generator), generator)

        return Measured(corrected(torch.arange(len(x)), torch.arange(len(y)), generator), resample, len(x))


class KernelDistance(SetMetric):
    """Kernel distance between the frames inside the paths and held-out images, in the data set's features.

    It is unbiased, so that real frames come near 0 and may be negative. It compares the first three moments of
    features. A jump, whose frames are all real, is ideal.
    """

    title = "kernel distance"
    better = "lower"
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @staticmethod
    @override
    def compare(frames: Tensor, real: Tensor, generator: Generator) -> Measured:
        """Squared maximum mean discrepancy under the kernel (x y / D + 1)^3: unbiased, so that it may be negative.

        N and M are at least 2. Frames of one pair are not compared with each other.
        """
        _check(frames, real, least=2)
        x, y = frames.double(), real.double()
        n, m = len(x), len(y)
        flat = x.flatten(0, 1)
        # Summed by pairs, so that resampling pairs needs no new kernel.
        within = _kernel(flat, flat).view(n, x.shape[1], n, x.shape[1]).mean((1, 3)).fill_diagonal_(0)
        across = _kernel(flat, y).view(n, x.shape[1], m).mean(1)
        reals = _kernel(y, y).fill_diagonal_(0)

        def statistic(rows: Tensor, images: Tensor) -> float:
            a = rows.bincount(minlength=n).double()
            b = images.bincount(minlength=m).double()
            # A sample that is drawn twice does not make a pair of samples.
            first = a @ within @ a / (a.sum().square() - a.square().sum())
            second = b @ reals @ b / (b.sum().square() - b.square().sum())
            return float(first + second - 2 * (a @ across @ b) / (a.sum() * b.sum()))

        def resample(rows: Tensor, generator: Generator) -> float:
            return statistic(rows, torch.randint(m, (m,), generator=generator))

        return Measured(statistic(torch.arange(n), torch.arange(m)), resample, n)


class Density(SetMetric):
    """How dense the frames inside the paths are where held-out images are, in the data set's features; 1 is as dense.

    Naeem et al. 2020 (arXiv 2002.09797), k = 5. Frames that all look like the most common image score
    best of all, so models are ranked only where the truth's own density is known, by how near they come to it.
    """

    title = "density"
    better = "higher"
    target = "truth"
    ranked = False
    order = (("truth", "blend"), ("nearest", "blend"), ("jump", "blend"))

    @staticmethod
    @override
    def compare(frames: Tensor, real: Tensor, generator: Generator) -> Measured:
        """Number of real images whose neighborhood a frame is in, over k: about 1 where frames are as dense as images.

        The neighborhood of a real image reaches to its 5th nearest neighbor; M is more than 5.
        """
        _check(frames, real, least=NEIGHBORS + 1)
        return Measured.mean(_inside(frames, real).double().sum(2).mean(1) / NEIGHBORS)


class Coverage(SetMetric):
    """Share of the held-out images that have a frame of the inside of a path nearby, in the data set's features.

    Naeem et al. 2020 (arXiv 2002.09797), k = 5. It grows with the number of frames, so that only equal numbers can be
    compared, and a path that jumps has few different ones.
    """

    title = "coverage"
    better = "higher"
    order = (("truth", "blend"), ("nearest", "blend"))

    @staticmethod
    @override
    def compare(frames: Tensor, real: Tensor, generator: Generator) -> Measured:
        """Share of the real images that have a frame in their neighborhood, in [0, 1]; see `Density`."""
        _check(frames, real, least=NEIGHBORS + 1)
        hit = _inside(frames, real).any(1)
        return Measured.of_pairs(lambda rows: float(hit[rows].any(0).double().mean()), len(frames), bounds=(0.0, 1.0))


def gaussian_distance(means: tuple[Tensor, Tensor], covariances: tuple[Tensor, Tensor]) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2), the squared Frechet distance of two Gaussians.

    All are float64: means (D,), and covariances (D, D), symmetric without negative eigenvalues.
    """
    first, second = covariances
    # Any R with R R^T = C1 gives the eigenvalues of C1 C2; the triangular one is found fastest, where there is one.
    root, singular = torch.linalg.cholesky_ex(first)
    if singular:
        values, vectors = torch.linalg.eigh(first)
        root = vectors * values.clamp(min=0).sqrt()
    cross = torch.linalg.eigvalsh(root.T @ second @ root).clamp(min=0).sqrt().sum()
    gap = (means[0] - means[1]).square().sum()
    return float(gap + first.trace() + second.trace() - 2 * cross)


@dataclass(frozen=True)
class _Moments:
    """Number, sum and sum of squares of features, which add up over parts."""

    n: int
    first: Tensor
    second: Tensor

    @classmethod
    def of(cls, features: Tensor) -> _Moments:
        return cls(len(features), features.sum(0), features.T @ features)

    def __add__(self, other: _Moments) -> _Moments:
        return _Moments(self.n + other.n, self.first + other.first, self.second + other.second)

    def distance(self, other: _Moments) -> float:
        return gaussian_distance((self.mean, other.mean), (self.covariance, other.covariance))

    @property
    def mean(self) -> Tensor:
        return self.first / self.n

    @property
    def covariance(self) -> Tensor:
        return (self.second - torch.outer(self.first, self.mean)) / (self.n - 1)


def _inside(frames: Tensor, real: Tensor) -> Tensor:
    """Whether each frame is in the neighborhood of each real image, (N, T, M) bool."""
    apart = torch.cdist(real.double(), real.double())
    radius = apart.kthvalue(NEIGHBORS + 1, dim=1).values  # the first is the image itself
    return (torch.cdist(frames.double().flatten(0, 1), real.double()) <= radius).unflatten(0, frames.shape[:2])


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** _DEGREE


def _halves(rows: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    order = rows[torch.randperm(len(rows), generator=generator)]
    return order[: len(rows) // 2], order[len(rows) // 2 :]


def _check(frames: Tensor, real: Tensor, least: int) -> None:
    if frames.ndim != 3 or real.ndim != 2 or frames.shape[2] != real.shape[1] or not frames.shape[1]:
        raise InputError(
            f"features of shape {tuple(frames.shape)} and {tuple(real.shape)}: expected (N, T, D) of frames and (M, D) "
            "of real images"
        )
    if len(frames) < min(least, 4) or len(real) < least:
        raise InputError(
            f"{len(frames)} pairs and {len(real)} real images: expected at least {min(least, 4)} and {least}, to say "
            "how alike two sets are"
        )
    for name, values in (("frames", frames), ("real images", real)):
        if not bool(values.isfinite().all()):
            raise InputError(f"features of {name} are not finite: expected values without NaN or inf")
