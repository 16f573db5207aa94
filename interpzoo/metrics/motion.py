"""How evenly a path moves: its length by finite steps, the variation of its speed, its largest jump.

Source: the perceptual path length of Karras et al. 2019 (arXiv 1812.04948), E[d(x_t, x_t+e)^2] / e^2 with t ~ U(0, 1).
There e is 1e-4, and a jump is hit by one sample in 10,000, that is never. Here the steps cover the whole path, so that
nothing is missed between them.
"""

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
    """(N,): mean of |step|^2 / e^2 over the steps of each path, from their lengths (N, T - 1), with e = 1 / (T - 1).

    It is the squared length of the path if the speed is constant, and more if not: up to 1 / e times as much for a
    jump.
    """
    return steps.square().mean(1) * steps.shape[1] ** 2


def speed_variation(steps: Tensor) -> Tensor:
    """(N,): standard deviation over mean of the steps of each path, (N, T - 1); NaN where a path stands still.

    A constant speed has 0, a single jump (T - 2)^1/2.
    """
    return steps.std(1, correction=0) / steps.mean(1)


def largest_jumps(steps: Tensor) -> Tensor:
    """(N,): the longest of (N, T - 1) steps as a share of them all; NaN where a path stands still.

    A constant speed has 1 / (T - 1), a single jump 1.
    """
    return steps.amax(1) / steps.sum(1)
