"""Metrics of reconstructions of held-out images, which are the ends of every path."""

from abc import abstractmethod
from typing import ClassVar, Final

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.errors import InputError
from interpzoo.tensors import spread
from interpzoo.text import sized

_BATCH: Final = 500
_WINDOW: Final = 11
_CHUNK: Final = 256
_C1, _C2 = 0.01**2, 0.03**2


class Reconstruction(Metric):
    """A metric of single reconstructions, averaged over all held-out images; over fewer where decoding is slow."""

    family = "reconstruction"
    needs = frozenset({"model"})
    smallest: ClassVar[int] = 1
    """Least height and width of images that have a value."""

    @staticmethod
    @abstractmethod
    def values(images: Tensor, reconstructions: Tensor) -> Tensor:
        """(B,) float32: the values of images (B, C, H, W) in [0, 1] and their reconstructions, unclamped as decoded.

        Raises:
            InputError: the shapes differ.
        """

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        image = evaluation.task.image
        if min(image.height, image.width) < self.smallest:
            return NotApplicable(
                f"images of {sized(image.height, image.width)} are smaller than {self.smallest} pixels"
            )
        values = self.values(*evaluation.shared("reconstructed", lambda: _reconstructed(evaluation)))
        mean = Measured.mean(values)
        # In float32, as the values on the cards.
        return Measured(float(values.mean()), mean.resample, mean.n)


class ReconstructionError(Reconstruction):
    """Mean squared error of the reconstructions of all held-out images, in [0, 1] units."""

    title = "reconstruction MSE"
    better = "lower"
    leading = True

    @staticmethod
    @override
    def values(images: Tensor, reconstructions: Tensor) -> Tensor:
        """Mean over channels and pixels. In papers that use [-1, 1] the error is 4 times as large."""
        if images.shape != reconstructions.shape or images.ndim != 4:
            raise InputError(
                f"images of shape {tuple(images.shape)} and reconstructions of shape {tuple(reconstructions.shape)}: "
                "expected the same (B, C, H, W)"
            )
        return (images.float() - reconstructions.float()).square().flatten(1).mean(1)


class PSNR(Reconstruction):
    """Peak signal-to-noise ratio of the reconstructions of all held-out images."""

    title = "reconstruction PSNR (dB)"
    better = "higher"

    @staticmethod
    @override
    def values(images: Tensor, reconstructions: Tensor) -> Tensor:
        """-10 log10 MSE, in dB, infinite where nothing differs."""
        return -10 * ReconstructionError.values(images, reconstructions).log10()


class SSIM(Reconstruction):
    """Structural similarity of the reconstructions of all held-out images, the mean over channels and pixels.

    Wang et al. 2004: a Gaussian window of 11 pixels, standard deviation 1.5, K1 = 0.01, K2 = 0.03, dynamic range 1, of
    images padded by reflection.
    """

    title = "reconstruction SSIM"
    better = "higher"
    smallest = _WINDOW // 2 + 1

    @staticmethod
    @override
    def values(images: Tensor, reconstructions: Tensor) -> Tensor:
        """1 where nothing differs; images are at least 6x6."""
        ReconstructionError.values(images, reconstructions)  # checks the shapes
        if min(images.shape[2:]) <= _WINDOW // 2:
            raise InputError(f"images of shape {tuple(images.shape)}: SSIM needs at least 6x6 pixels")
        return torch.cat(
            [_ssim(x, y) for x, y in zip(images.split(_CHUNK), reconstructions.split(_CHUNK), strict=True)]
        )


class EndError(Metric):
    """Mean squared error of the first and last frames of the paths against the images that they should show.

    In [0, 1] units. It is the price paid at the ends: a path that begins and ends with the images themselves has 0.
    """

    title = "end MSE"
    family = "reconstruction"
    better = "lower"
    needs = frozenset({"ends"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        ends = torch.stack([evaluation.pairs.first, evaluation.pairs.last], 1)
        found = (evaluation.frames[:, [0, -1]].float() - ends.float()).square()
        return Measured.mean(found.flatten(1).mean(1))


def _reconstructed(evaluation: Evaluation) -> tuple[Tensor, Tensor]:
    model, images = evaluation.model, evaluation.task.test["image"]
    if not model.decoder.differentiable:
        images = spread(images, 4 * len(evaluation.pairs))
    return images, torch.cat([model.reconstruct(x.clamp(0, 1)).cpu() for x in images.split(_BATCH)])


def _ssim(images: Tensor, reconstructions: Tensor) -> Tensor:
    x, y = images.float().flatten(0, 1)[:, None], reconstructions.float().flatten(0, 1)[:, None]
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x, var_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    means = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    similarity = means * (2 * covariance + _C2) / (var_x + var_y + _C2)
    return similarity.view(*images.shape[:2], -1).mean((1, 2))


def _blurred(x: Tensor) -> Tensor:
    at = torch.arange(_WINDOW, dtype=x.dtype, device=x.device) - _WINDOW // 2
    window = (-(at**2) / (2 * 1.5**2)).exp()
    window = window / window.sum()
    side = _WINDOW // 2
    x = pad(x, (side, side, side, side), mode="reflect")
    return conv2d(conv2d(x, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
