"""How close reconstructions are to their images."""

from __future__ import annotations

from torch import Tensor

from interpzoo.errors import InputError


def reconstruction_mse(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Mean squared error of each image over channels and pixels.

    Args:
        images: (B, C, H, W) in [0, 1].
        reconstructions: of the same shape, unclamped as decoded. In the units of papers that use [-1, 1] the error is
            4 times as large.

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

    Arguments and errors as `reconstruction_mse`.
    """
    return -10 * reconstruction_mse(images, reconstructions).log10()
