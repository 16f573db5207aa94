"""Sums of round Gaussian blots: images that depend smoothly on the positions of the blots."""

from torch import Tensor


def splat(centers: Tensor, amounts: Tensor, width: float, x: Tensor, y: Tensor) -> Tensor:
    """sum_k amounts_k exp(-r_k^2 / (2 width^2)), r_k the distance of a pixel from center k: (N, C, H, W).

    Args:
        centers: (N, K, 2), x and y.
        amounts: (N, K, C), value of a blot in each channel at its center.
        width: standard deviation of a blot.
        x: (W,) positions of the columns.
        y: (H, 1) positions of the rows.
    """
    across, down = (
        (-(line - centers[..., axis, None]).square() / (2 * width**2)).exp() for axis, line in enumerate((x, y[:, 0]))
    )
    # A blot is the product of a row and a column, so that their sum is a product of matrices.
    return (amounts.mT[:, :, None] * down.mT[:, None]) @ across[:, None]
