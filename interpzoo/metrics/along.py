"""What changes along a path, frame by frame: steps, sharpness, and the distance from a fade of its ends."""

from typing import Final

import torch
from torch import Tensor

from interpzoo.errors import InputError

_CHUNK: Final = 1 << 24  # values that are computed with at once
_LOOP: Final = 8  # frames of a path from which a frame is a small part of it
_SAME: Final = 0.1  # of the farthest frame's distance from the first: that of a last frame that is as good as the first
_NEXT: Final = 0.5  # the same of a last frame that the first one follows
_STEP: Final = 1.25  # longest steps between the last frame and the first of a loop
_ROUNDING: Final = 1e-6  # distance below which a frame is a mix, up to the rounding of float32


def step_lengths(path: Tensor) -> Tensor:
    """Root mean square difference of each point of a path from the next: (N, T, ...) to (N, T - 1), float64.

    Raises:
        InputError: a path has fewer than 2 points, or a value is not finite.
    """
    if path.ndim < 3 or path.shape[1] < 2:
        raise InputError(f"paths of shape {tuple(path.shape)}: expected (N, T, ...), T at least 2")
    if not bool(path.isfinite().all()):
        raise InputError("a path is not finite: expected values without NaN or inf")
    return path.double().flatten(2).diff(dim=1).square().mean(2).sqrt()


def squared_gradient(images: Tensor) -> Tensor:
    """(B,) in float64: mean squared difference of neighboring pixels, down and across, of images (B, C, H, W).

    Raises:
        InputError: the images are smaller than 2x2.
    """
    if images.ndim != 4 or min(images.shape[2:]) < 2:
        raise InputError(f"images of shape {tuple(images.shape)}: expected (B, C, H, W) of at least 2x2 pixels")
    x = images.double()
    return sum((x.diff(dim=side).square().flatten(1).mean(1) for side in (2, 3)), start=x.new_zeros(len(x)))


def gradients_along(frames: Tensor) -> Tensor:
    """`squared_gradient` of each frame, (N, T), of paths (N, T, C, H, W).

    Raises:
        InputError: a path has fewer than 3 frames, or images are smaller than 2x2.
    """
    if frames.ndim != 5 or frames.shape[1] < 3:
        raise InputError(f"frames of shape {tuple(frames.shape)}: expected (N, T, C, H, W), T at least 3")
    return squared_gradient(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])


def middle_and_ends(values: Tensor) -> tuple[Tensor, Tensor]:
    """Means of the middle third of values (N, T) along paths, and of their two ends: (N,) each."""
    last = values.shape[1] - 1
    middle = values[:, (last + 2) // 3 : last - (last + 2) // 3 + 1]
    return middle.mean(1), values[:, [0, -1]].mean(1)


def fade_distances(frames: Tensor) -> Tensor:
    """(N, T) in float64: the distance of each frame of paths (N, T, C, H, W) from the nearest mix of the path's ends.

    The mix is (1 - s) first + s last, with s in [0, 1] of its own for each frame, so that a fade of any timing has 0.
    Distances are shares of the distance between the ends; NaN where both ends are the same image.

    Raises:
        InputError: `frames` has another shape, or fewer than 2 frames.
    """
    if frames.ndim != 5 or frames.shape[1] < 2:
        raise InputError(f"frames of shape {tuple(frames.shape)}: expected (N, T, C, H, W), T at least 2")
    found: list[Tensor] = []
    for path in frames.flatten(2):
        first, way = path[0].double(), path[-1].double() - path[0].double()
        length = way.square().sum()
        rows: list[Tensor] = []
        for part in path.split(max(1, _CHUNK // path.shape[1])):
            offset = part.double() - first
            s = (offset @ way / length).clamp(0, 1)
            apart = (offset - s[:, None] * way).norm(dim=1) / length.sqrt()
            rows.append(torch.where(apart < _ROUNDING, 0, apart))
        found.append(torch.cat(rows))
    return torch.stack(found) if found else torch.empty(frames.shape[:2], dtype=torch.float64)


def returns(frames: Tensor) -> bool:
    """Whether a path of (N, T, C, H, W), T at least 2, comes back to where it began, as a film that plays in a loop.

    Its last frame is then as good as the first, or hardly farther from it than frames are from their neighbors.
    """
    for path in frames.flatten(2):
        first = path[:1].double()
        apart = (path.double() - first).square().mean(1).sqrt()
        step = float(step_lengths(path[None]).max())
        near = _NEXT if len(path) >= _LOOP else _SAME
        if apart[-1] <= near * apart.max() and apart[-1] <= _STEP * step and apart.max() > 0:
            return True
    return False
