"""Sums of round Gaussian blots: images that are smooth in where the blots are."""

from __future__ import annotations

from torch import Tensor


def splat(centres: Tensor, amounts: Tensor, width: float, x: Tensor, y: Tensor) -> Tensor:
    """sum_k amounts_k exp(-r_k^2 / (2 width^2)), r_k the distance of a pixel from centre k: (N, C, H, W).

    Args:
        centres: (N, K, 2), x and y.
        amounts: (N, K, C), what a blot has in each channel at its centre.
        width: standard deviation of a blot.
        x: (W,) where the columns are.
        y: (H, 1) where the rows are.
    """
    across, down = (
        (-(line - centres[..., axis, None]).square() / (2 * width**2)).exp() for axis, line in enumerate((x, y[:, 0]))
    )
    # A blot is the product of a row and a column, so that their sum is a product of matrices.
    return (amounts.mT[:, :, None] * down.mT[:, None]) @ across[:, None]
