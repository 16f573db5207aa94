"""How evenly a path moves: its length by finite steps, the variation of its speed, its largest jump.

Source: the perceptual path length of Karras et al. 2019 (arXiv 1812.04948), E[d(x_t, x_t+e)^2] / e^2 with t ~ U(0, 1).
There e is 1e-4: a jump, which lies between two such steps once in 10,000, is never seen. Here the steps are those of
the whole path, so that nothing hides between them.
"""

from __future__ import annotations

from torch import Tensor

from interpzoo.errors import InputError


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


def path_lengths(steps: Tensor) -> Tensor:
    """(N,): mean over the steps e of |step|^2 / e^2, of (N, T - 1) lengths of even steps e = 1 / (T - 1).

    The square of a path's length where its speed is constant, more where it is not: by up to 1 / e for one jump.
    """
    return steps.square().mean(1) * steps.shape[1] ** 2


def speed_variation(steps: Tensor) -> Tensor:
    """(N,): standard deviation over mean of the steps of each path, (N, T - 1); NaN where a path stands still.

    0 is a constant speed, (T - 2)^1/2 a single jump.
    """
    return steps.std(1, correction=0) / steps.mean(1)


def largest_jumps(steps: Tensor) -> Tensor:
    """(N,): the longest of (N, T - 1) steps as a share of them all; NaN where a path stands still.

    1 / (T - 1) is a constant speed, 1 a single jump.
    """
    return steps.amax(1) / steps.sum(1)
