"""Interpolations compared with the ground-truth path between their ends: the measures of the AEAI paper.

Source: Oring, Yakhini and Hel-Or, arXiv 2008.01487, sections 4.2 and 4.3 in the text of the ICLR submission, and the
paper's project page, whose figures are of the ICML version. There is no official code.
"""

import torch
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.metrics.reconstruction import reconstruction_mse


def between_errors(frames: Tensor, truths: Tensor) -> Tensor:
    """Mean squared error of each frame and the ground-truth image at its position.

    Args:
        frames: (N, T, C, H, W) as decoded, unclamped.
        truths: of the same shape, in [0, 1].

    Returns:
        (N, T) in float32, [0, 1] units squared.

    Raises:
        InputError: the shapes differ.
    """
    _check(frames, truths)
    return reconstruction_mse(truths.flatten(0, 1), frames.flatten(0, 1)).unflatten(0, frames.shape[:2])


def predict_alpha(frames: Tensor, truths: Tensor) -> Tensor:
    """Position of the ground-truth image, of the same path, that each frame is nearest to.

    Ideally this is the frame's own position; a path that jumps gives a step. Distances are L2, as on the paper's
    project page (its ICLR text has L1). Of images that are equally near the first is taken, so that the prediction says
    nothing where an object looks the same all around.

    Args:
        frames: (N, T, C, H, W).
        truths: of the same shape, at positions 0, 1 / (T - 1), ..., 1; T at least 2.

    Returns:
        (N, T) float64 in [0, 1].

    Raises:
        InputError: the shapes differ, or T is less than 2.
    """
    _check(frames, truths)
    if frames.shape[1] < 2:
        raise InputError(f"frames of shape {tuple(frames.shape)}: expected at least the 2 ends of a path")
    # A matrix product would be faster, but its rounding could choose between images that are nearly the same.
    distances = torch.cdist(
        frames.flatten(2).double(), truths.flatten(2).double(), compute_mode="donot_use_mm_for_euclid_dist"
    )
    return distances.argmin(2).double() / (frames.shape[1] - 1)


def path_deviation(from_start: Tensor, from_end: Tensor, length: Tensor, positions: Tensor) -> Tensor:
    """How far paths deviate from an even one, by their distances to both ends.

    An even path is t times `length` away from its start and 1 - t times from its end. The paper plots both curves;
    their mean absolute difference from these straight lines is ours. A path that jumps halfway has nearly 1 / 4.

    Args:
        from_start: (N, T) float64: distance of each frame's parameters to those of the start.
        from_end: (N, T) float64: distance to those of the end.
        length: (N,) float64: distance from start to end.
        positions: (T,) float64: position t of each frame.

    Returns:
        (N,): mean deviation as a share of the length; 0 is ideal.
    """
    start = (from_start / length[:, None] - positions).abs()
    end = (from_end / length[:, None] - (1 - positions)).abs()
    return ((start + end) / 2).mean(1)


def _check(frames: Tensor, truths: Tensor) -> None:
    if frames.ndim != 5 or frames.shape != truths.shape:
        raise InputError(
            f"frames of shape {tuple(frames.shape)} and truths of shape {tuple(truths.shape)}: expected (N, T, C, H, W)"
        )
