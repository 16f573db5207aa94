"""Sharpness of the frames inside a path: what fades or blurs loses its gradients. No network is needed."""

from torch import Tensor

from interpzoo.errors import InputError


def squared_gradient(images: Tensor) -> Tensor:
    """(B,) in float64: mean squared difference of neighboring pixels, down and across, of images (B, C, H, W).

    Raises:
        InputError: the images are smaller than 2x2.
    """
    if images.ndim != 4 or min(images.shape[2:]) < 2:
        raise InputError(f"images of shape {tuple(images.shape)}: expected (B, C, H, W) of at least 2x2 pixels")
    x = images.double()
    return sum((x.diff(dim=side).square().flatten(1).mean(1) for side in (2, 3)), start=x.new_zeros(len(x)))


def middle_and_end_gradients(frames: Tensor) -> tuple[Tensor, Tensor]:
    """`squared_gradient` of the middle third of each path and of its two ends: (N,) each, of (N, T, C, H, W).

    Raises:
        InputError: a path has fewer than 3 frames, or images are smaller than 2x2.
    """
    if frames.ndim != 5 or frames.shape[1] < 3:
        raise InputError(f"frames of shape {tuple(frames.shape)}: expected (N, T, C, H, W), T at least 3")
    found = squared_gradient(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
    last = frames.shape[1] - 1
    middle = found[:, (last + 2) // 3 : last - (last + 2) // 3 + 1]
    return middle.mean(1), found[:, [0, -1]].mean(1)
