"""The report on geodesics, and the warning about those that did not converge."""

import warnings
from dataclasses import dataclass

from torch import Tensor

from interpzoo_riemannian.checks import numbers


@dataclass(frozen=True)
class Geodesic:
    """B shortest curves, and how well each was found."""

    path: Tensor
    """(B, steps, *latent), both ends included exactly; in the precision of the ends given."""
    energy: Tensor
    """(B,): the paper's eq. 4 over the nodes, 1/2 sum_i ||g(z_{i+1}) - g(z_i)||^2 / dt with dt = 1 / (steps - 1)."""
    length: Tensor
    """(B,): sum_i ||g(z_{i+1}) - g(z_i)|| over the nodes."""
    converged: Tensor
    """(B,) bool: a minimum was reached, and it is not above the straight line."""
    iterations: Tensor
    """(B,) int64: iterations of the minimizers, summed over all numbers of nodes."""
    gradient_norm: Tensor
    """(B,): the square root of sum_i ||dE/dz_i||^2 (eq. 5) over the nodes that were free."""


class NotConvergedWarning(UserWarning):
    """Some of the paths are not geodesics; `report` says which."""

    def __init__(self, report: Geodesic) -> None:
        self.report = report
        missed = (~report.converged).nonzero().squeeze(1)
        super().__init__(
            f"{len(missed)} of {len(report.converged)} geodesics did not converge: pair {numbers(missed)}. They are "
            "the best curves found, the straight line at worst; allow more iterations or nodes"
        )


def warn_unless_converged(report: Geodesic) -> None:
    """Warn about the pairs that did not converge, if any."""
    if not bool(report.converged.all()):
        warnings.warn(NotConvergedWarning(report), stacklevel=3)
