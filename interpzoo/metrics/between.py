"""Interpolations against what lies between their ends in truth, where that is known: the measures of the AEAI paper.

Source: Oring, Yakhini and Hel-Or, arXiv 2008.01487, sections 4.2 and 4.3 in the text of the ICLR submission, and the
paper's project page, whose figures are of the ICML version. There is no official code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.metrics.reconstruction import reconstruction_mse


def arcs(turns: Tensor, steps: int) -> Tensor:
    """All intervals of `steps` steps on closed turns, one from each view on.

    Args:
        turns: (n, V, ...): views evenly around a circle, the last next to the first.
        steps: from one end of an interval to the other, 1 to V - 1; the interval has `steps` - 1 views between.

    Returns:
        (n V, steps + 1, ...): the intervals of the first turn from its views 0, 1, ... on, then those of the second.

    Raises:
        InputError: `turns` has no views, or `steps` is out of range.
    """
    if turns.ndim < 2 or not 1 <= steps < turns.shape[1]:
        raise InputError(
            f"steps = {steps} on turns of shape {tuple(turns.shape)}: expected (n, V, ...) and 1 to V - 1 steps"
        )
    views = turns.shape[1]
    rows = torch.arange(views)[:, None] + torch.arange(steps + 1)
    return turns[:, rows % views].flatten(0, 1)


def between_errors(frames: Tensor, truths: Tensor) -> Tensor:
    """Mean squared error of each frame against the true image at its place.

    The paper's curves over alpha are the mean and the standard deviation over the intervals, `.mean(0)` and `.std(0)`.

    Args:
        frames: (N, T, C, H, W) as decoded, unclamped.
        truths: of the same shape, in [0, 1]; the ends count too.

    Returns:
        (N, T) in float32, [0, 1] units squared.

    Raises:
        InputError: the shapes differ.
    """
    _check("frames", frames, truths)
    return reconstruction_mse(truths.flatten(0, 1), frames.flatten(0, 1)).unflatten(0, frames.shape[:2])


def predict_alpha(frames: Tensor, truths: Tensor, *, norm: Literal["l1", "l2"] = "l2") -> Tensor:
    """The alpha of the true image that each frame is nearest to, of those of its own interval.

    Ideal is the frame's own alpha; a path that jumps gives a step. The paper plots median and quartiles over the
    intervals. Of images that are equally near it is the first; where an object looks the same all around, the
    prediction says nothing.

    Args:
        frames: (N, T, C, H, W).
        truths: of the same shape, at alpha = 0, 1 / (T - 1), ..., 1; T at least 2.
        norm: of the difference of two images: the paper's project page has L2, its ICLR text L1.

    Returns:
        (N, T) float64 in [0, 1].

    Raises:
        InputError: the shapes differ, or T is less than 2.
    """
    _check("frames", frames, truths)
    if frames.shape[1] < 2:
        raise InputError(f"frames of shape {tuple(frames.shape)}: an interval has at least its 2 ends")
    nearest = torch.stack([_nearest(f, t, norm) for f, t in zip(frames, truths, strict=True)])
    return nearest.double() / (frames.shape[1] - 1)


@dataclass(frozen=True, eq=False)
class ParameterPaths:
    """Where N interpolations go in the parameters of the data, by their distance to both ends."""

    from_start: Tensor
    """(N, T) float64: of each frame's parameters to the start's, in their own units; ideal is alpha times `length`."""
    from_end: Tensor
    """(N, T) float64: to the end's; ideal is (1 - alpha) times `length`."""
    alpha: Tensor
    """(T,) float64."""
    length: Tensor
    """(N,) float64: from start to end."""

    @property
    def deviation(self) -> Tensor:
        """(N,): mean absolute difference of both curves from the two straight lines, as a share of the length.

        0 is ideal. An interpolation that jumps from start to end halfway has nearly 1 / 4. The paper has the curves
        alone, without a figure for them.
        """
        length = self.length[:, None]
        start = (self.from_start - self.alpha * length).abs()
        end = (self.from_end - (1 - self.alpha) * length).abs()
        return ((start + end) / 2 / length).mean(1)


def parameter_paths(
    frames: Tensor, images: Tensor, parameters: Tensor, starts: Tensor, ends: Tensor, *, periods: Tensor
) -> ParameterPaths:
    """Read each frame's parameters off the nearest image of the data, and measure how far they are from both ends'.

    Nearest is by mean squared error. Distances are Euclidean in parameter space, the shorter way round in those that
    are periodic (the paper does not say). They are no finer than the parameters of `images` are.

    Args:
        frames: (N, T, C, H, W) at alpha = 0, 1 / (T - 1), ..., 1; T at least 2.
        images: (M, C, H, W), what the data can look like.
        parameters: (M, P), what each of them shows.
        starts: (N, P) parameters of the starts.
        ends: (N, P) parameters of the ends, each other than its start.
        periods: (P,): after which each parameter comes round, infinite where it does not.

    Raises:
        InputError: shapes that do not fit, or a start that is its end.
    """
    if frames.ndim != 5 or frames.shape[1] < 2 or images.shape[1:] != frames.shape[2:]:
        raise InputError(
            f"frames of shape {tuple(frames.shape)} and images of shape {tuple(images.shape)}: expected "
            "(N, T, C, H, W) with T at least 2, and (M, C, H, W)"
        )
    shapes = {"parameters": (parameters, len(images)), "starts": (starts, len(frames)), "ends": (ends, len(frames))}
    for name, (values, rows) in shapes.items():
        if values.shape != (rows, len(periods)):
            raise InputError(f"{name} of shape {tuple(values.shape)}: expected {(rows, len(periods))}")
    starts, ends, periods = starts.double().cpu(), ends.double().cpu(), periods.double().cpu()
    length = _distance(starts, ends, periods)
    if not length.all():
        row = int((length == 0).argwhere()[0])
        raise InputError(f"starts[{row}] = {starts[row].tolist()} is its end: there is no way to go")
    nearest = _nearest(frames.flatten(0, 1), images, "l2").cpu()
    shown = parameters.double().cpu()[nearest].unflatten(0, frames.shape[:2])
    return ParameterPaths(
        from_start=_distance(shown, starts[:, None], periods),
        from_end=_distance(shown, ends[:, None], periods),
        alpha=torch.linspace(0, 1, frames.shape[1], dtype=torch.float64),
        length=length,
    )


def _distance(a: Tensor, b: Tensor, periods: Tensor) -> Tensor:
    difference = (a - b).abs()
    around = torch.where(periods.isinf(), difference, difference.remainder(periods))
    return torch.minimum(around, (periods - around).abs()).norm(dim=-1)


def _nearest(images: Tensor, candidates: Tensor, norm: Literal["l1", "l2"]) -> Tensor:
    """(B,): of `candidates` (M, C, H, W) the first of the nearest to each of `images` (B, C, H, W)."""
    # A matrix product would be faster, but its rounding could choose between images that are nearly the same.
    mode = "donot_use_mm_for_euclid_dist"
    flat = candidates.flatten(1).double()
    p = 1.0 if norm == "l1" else 2.0
    return torch.cdist(images.flatten(1).double(), flat, p=p, compute_mode=mode).argmin(1)


def _check(name: str, frames: Tensor, truths: Tensor) -> None:
    if frames.ndim != 5 or frames.shape != truths.shape:
        raise InputError(
            f"{name} of shape {tuple(frames.shape)} and truths of shape {tuple(truths.shape)}: expected the same "
            "(N, T, C, H, W)"
        )
