"""Errors of reconstructions: MSE, PSNR and SSIM."""

from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from interpzoo.errors import InputError

_WINDOW: Final = 11
_CHUNK: Final = 256
_C1, _C2 = 0.01**2, 0.03**2


def reconstruction_mse(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Mean squared error of each image over channels and pixels.

    Args:
        images: (B, C, H, W) in [0, 1].
        reconstructions: of the same shape, unclamped as decoded. In papers that use [-1, 1] the error is 4 times as
            large.

    Returns:
        (B,) in float32.

    Raises:
        InputError: the shapes differ.
    """
    if images.shape != reconstructions.shape or images.ndim != 4:
        raise InputError(
            f"images of shape {tuple(images.shape)} and reconstructions of shape {tuple(reconstructions.shape)}: "
            "expected the same (B, C, H, W)"
        )
    return (images.float() - reconstructions.float()).square().flatten(1).mean(1)


def psnr(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, -10 log10 MSE: (B,), infinite where nothing differs.

    Arguments and errors as in `reconstruction_mse`.
    """
    return -10 * reconstruction_mse(images, reconstructions).log10()


def ssim(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Structural similarity of each image, the mean over channels and pixels: (B,), 1 where nothing differs.

    Wang et al. 2004: a Gaussian window of 11 pixels, standard deviation 1.5, K1 = 0.01, K2 = 0.03, dynamic range 1, of
    images padded by reflection. Arguments and errors as in `reconstruction_mse`; images are at least 6x6.
    """
    reconstruction_mse(images, reconstructions)  # checks the shapes
    if min(images.shape[2:]) <= _WINDOW // 2:
        raise InputError(f"images of shape {tuple(images.shape)}: SSIM needs at least 6x6 pixels")
    return torch.cat([_ssim(x, y) for x, y in zip(images.split(_CHUNK), reconstructions.split(_CHUNK), strict=True)])


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
