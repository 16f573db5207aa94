"""Metrics of reconstructions of held-out images, which are the ends of every path."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark import Evaluation, Measured, Metric, NotApplicable
from interpzoo.metrics import reconstruction

_BATCH = 500


class ReconstructionMetric(Metric):
    """The mean of `compare` over all held-out images; fewer where decoding is slow."""

    family = "reconstruction"
    needs = frozenset({"model"})
    compare: ClassVar[Callable[[Tensor, Tensor], Tensor]]
    """Images and their reconstructions, (M, C, H, W) each, to one value for each, (M,)."""

    @override
    def measure(self, evaluation: Evaluation) -> Measured | NotApplicable:
        values = type(self).compare(*evaluation.shared("reconstructed", lambda: _reconstructed(evaluation)))
        mean = Measured.mean(values)
        # In float32, as the values on the cards.
        return Measured(float(values.mean()), mean.resample, mean.n)


class ReconstructionError(ReconstructionMetric):
    """Mean squared error of the reconstructions of all held-out images, in [0, 1] units."""

    title = "reconstruction MSE"
    better = "lower"
    leading = True
    compare = reconstruction.reconstruction_mse


class PSNR(ReconstructionMetric):
    """Peak signal-to-noise ratio of the reconstructions of all held-out images."""

    title = "reconstruction PSNR (dB)"
    better = "higher"
    compare = reconstruction.psnr


class SSIM(ReconstructionMetric):
    """Structural similarity of the reconstructions of all held-out images, see `interpzoo.metrics.reconstruction`."""

    title = "reconstruction SSIM"
    better = "higher"
    compare = reconstruction.ssim


def _reconstructed(evaluation: Evaluation) -> tuple[Tensor, Tensor]:
    model, images = evaluation.model, evaluation.task.test["image"]
    if not model.decoder.differentiable:
        images = images[: 4 * len(evaluation.pairs)]
    return images, torch.cat([model.reconstruct(x.clamp(0, 1)).cpu() for x in images.split(_BATCH)])
