"""The constraint on the reconstruction error and its multiplier.

Source: Klushyn et al., arXiv 1905.04982, algorithm 1 ("REWO"), as the flat-manifold VAE uses it.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from interpzoo.config import Schema


class ConstraintConfig(Schema):
    """Settings of the constraint; the papers choose them per data set and do not give them."""

    kappa: float = Field(gt=0, le=1e4)
    """The error is bounded by kappa^2. A root mean squared error of r in D pixel values is kappa^2 = D r^2 / 2."""
    initial_beta: float = Field(default=1e-3, gt=0, le=1)
    """beta_0, far below 1, so that the initial phase is nearly all reconstruction."""
    nu: float = Field(default=1e-3, gt=0, le=1000)
    """Speed of the multiplier."""
    tau: float = Field(default=5.0, gt=0, le=1000)
    """How early beta slows down while it rises to 1."""
    moving_average: float = Field(default=0.99, ge=0, lt=1)
    """a: weight of the past in the moving average of the error."""


class Constraint(nn.Module):
    """E[C] <= kappa^2 with the multiplier lambda = 1 / beta, which grows while the constraint is violated.

    Everything that changes is in buffers, so that a resumed run has it.
    """

    beta: Tensor
    error: Tensor
    """C_hat: moving average of the error, starting with that of the first batch."""
    observed: Tensor
    """Number of batches in the moving average."""
    initial: Tensor
    """Whether the initial phase is still on: beta stays until C_hat < kappa^2 for the first time."""

    def __init__(self, config: ConstraintConfig) -> None:
        super().__init__()
        self.config = config
        self.bound = config.kappa**2
        self.register_buffer("beta", torch.tensor(config.initial_beta))
        self.register_buffer("error", torch.tensor(0.0))
        self.register_buffer("observed", torch.tensor(0))
        self.register_buffer("initial", torch.tensor(True))

    @property
    def multiplier(self) -> Tensor:
        return 1 / self.beta

    @property
    def is_initial(self) -> bool:
        return bool(self.initial)

    @torch.no_grad()
    def observe(self, error: Tensor) -> None:
        """Add a batch's mean error C, a scalar, to the moving average; after the initial phase, move beta.

        C_hat_t = a C_hat_{t-1} + (1 - a) C, and with delta = C_hat_t - kappa^2 and the Heaviside step H, H(0) = 0:
        beta_t  = beta_{t-1} exp(nu f delta), f = (1 - H(delta)) tanh(tau (beta_{t-1} - 1)) - H(delta)

        Where delta is far below 0, one step would overshoot 1 by many powers of ten, so beta is clamped to 1.
        """
        c = self.config
        past = c.moving_average if bool(self.observed) else 0.0
        self.error.copy_(past * self.error + (1 - past) * error)
        self.observed += 1
        delta = self.error - self.bound
        self.initial.logical_and_(delta >= 0)
        if not self.is_initial:
            f = torch.where(delta > 0, -1.0, torch.tanh(c.tau * (self.beta - 1)))
            self.beta.mul_(torch.exp(c.nu * f * delta)).clamp_(max=1)
