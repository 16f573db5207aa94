"""Metrics of reconstructions of held-out images, which are the ends of every path."""

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.metrics.reconstruction import psnr, reconstruction_mse, ssim

_BATCH = 500


class ReconstructionError(Metric):
    """Mean squared error of the reconstructions of all held-out images, in [0, 1] units."""

    title = "reconstruction MSE"
    family = "reconstruction"
    better = "lower"
    leading = True
    needs = frozenset({"model"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return _mean(reconstruction_mse(*reconstructed(evaluation)))


class PSNR(Metric):
    """Peak signal-to-noise ratio of the reconstructions of all held-out images."""

    title = "reconstruction PSNR (dB)"
    family = "reconstruction"
    better = "higher"
    needs = frozenset({"model"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return _mean(psnr(*reconstructed(evaluation)))


class SSIM(Metric):
    """Structural similarity of the reconstructions of all held-out images, see `interpzoo.metrics.reconstruction`."""

    title = "reconstruction SSIM"
    family = "reconstruction"
    better = "higher"
    needs = frozenset({"model"})

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        return _mean(ssim(*reconstructed(evaluation)))


def reconstructed(evaluation: Evaluation) -> tuple[Tensor, Tensor]:
    """Held-out images and their reconstructions, (M, C, H, W) each; fewer where decoding is slow."""
    return evaluation.shared("reconstructed", lambda: _reconstructed(evaluation))


def _reconstructed(evaluation: Evaluation) -> tuple[Tensor, Tensor]:
    model, images = evaluation.model, evaluation.task.test["image"]
    if not model.decoder.differentiable:
        images = images[: 4 * len(evaluation.pairs)]
    return images, torch.cat([model.reconstruct(x.clamp(0, 1)).cpu() for x in images.split(_BATCH)])


def _mean(values: Tensor) -> Measured:
    # In float32, as the values on the cards.
    mean = Measured.mean(values)
    return Measured(float(values.mean()), mean.resample, mean.n)
