"""Metrics of how close reconstructions of held-out images are: what the ends of every path look like."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark.metric import Metric
from interpzoo.benchmark.trial import Trial
from interpzoo.metrics.measured import Measured, NotApplicable
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
    def measure(self, trial: Trial) -> Measured | NotApplicable:
        return _mean(reconstruction_mse(*reconstructed(trial)))


class PSNR(Metric):
    """Peak signal-to-noise ratio of the reconstructions of all held-out images."""

    title = "reconstruction PSNR (dB)"
    family = "reconstruction"
    better = "higher"
    needs = frozenset({"model"})

    @override
    def measure(self, trial: Trial) -> Measured | NotApplicable:
        return _mean(psnr(*reconstructed(trial)))


class SSIM(Metric):
    """Structural similarity of the reconstructions of all held-out images, see `interpzoo.metrics.reconstruction`."""

    title = "reconstruction SSIM"
    family = "reconstruction"
    better = "higher"
    needs = frozenset({"model"})

    @override
    def measure(self, trial: Trial) -> Measured | NotApplicable:
        return _mean(ssim(*reconstructed(trial)))


def reconstructed(trial: Trial) -> tuple[Tensor, Tensor]:
    """Held-out images and their reconstructions, (M, C, H, W) each; fewer where decoding is slow."""
    return trial.shared("reconstructed", lambda: _reconstructed(trial))


def _reconstructed(trial: Trial) -> tuple[Tensor, Tensor]:
    model, images = trial.networks, trial.arena.test["image"]
    if not model.decoder.differentiable:
        images = images[: 4 * trial.pairs]
    return images, torch.cat([model.reconstruct(x.clamp(0, 1)).cpu() for x in images.split(_BATCH)])


def _mean(values: Tensor) -> Measured:
    # In the precision of the values: the figure on the card.
    mean = Measured.mean(values)
    return Measured(float(values.mean()), mean.resample, mean.n)
