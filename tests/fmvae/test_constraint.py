"""The multiplier: its sign in each case, its phases and its moving average, by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from interpzoo_fmvae.constraint import Constraint, ConstraintConfig


def constraint(**options: Any) -> Constraint:
    """kappa^2 = 1/4, beta_0 = 1/10, nu = 2, tau = 3 and no moving average."""
    settings = {"kappa": 0.5, "initial_beta": 0.1, "nu": 2.0, "tau": 3.0, "moving_average": 0.0, **options}
    return Constraint(ConstraintConfig(**settings))


def observe(found: Constraint, *errors: float) -> float:
    for error in errors:
        found.observe(torch.tensor(error))
    return found.beta.item()


def test_in_the_initial_phase_beta_stays() -> None:
    found = constraint()
    assert observe(found, 3.0, 1.0, 0.25) == pytest.approx(0.1)
    assert found.is_initial
    assert found.multiplier.item() == pytest.approx(10)


def test_it_ends_when_the_error_is_first_below_the_bound_and_beta_rises_at_once() -> None:
    """delta = -0.05: f = tanh(3 (0.1 - 1)) < 0, f delta > 0."""
    found = constraint()
    beta = observe(found, 1.0, 0.2)
    assert not found.is_initial
    assert beta == pytest.approx(0.1 * math.exp(2 * math.tanh(-2.7) * -0.05))
    assert beta > 0.1


def test_then_a_broken_constraint_lowers_beta_and_the_phase_does_not_come_back() -> None:
    """delta = 0.3: f = -1."""
    found = constraint()
    first = observe(found, 0.2)
    assert observe(found, 0.55) == pytest.approx(first * math.exp(-2 * 0.3))
    assert not found.is_initial
    assert found.multiplier.item() > 10


def test_a_kept_constraint_brings_beta_to_1_and_no_further() -> None:
    found = constraint()
    observe(found, *[0.0] * 200)
    assert found.beta.item() == pytest.approx(1, abs=1e-3)


def test_far_below_the_bound_one_step_does_not_overshoot() -> None:
    """exp(2 * 0.99 * 100) times 0.1 would be 1e85."""
    found = constraint(kappa=10.0)
    assert observe(found, 0.0) == 1
    assert observe(found, 0.0) == 1
    # And from there it falls as from anywhere.
    assert observe(found, 100.5) == pytest.approx(math.exp(-1))


def test_at_the_bound_beta_stays() -> None:
    found = constraint()
    assert observe(found, 0.2) == observe(found, 0.25)


def test_the_moving_average_begins_with_the_first_batch() -> None:
    found = constraint(moving_average=0.9)
    averages: list[float] = []
    for error in (2.0, 1.0, 0.0):
        observe(found, error)
        averages.append(found.error.item())
    assert averages == pytest.approx([2.0, 0.9 * 2 + 0.1, 0.9 * 1.9])


def test_one_good_batch_does_not_end_the_phase() -> None:
    found = constraint(moving_average=0.9)
    observe(found, 2.0, 0.0)
    assert found.is_initial


def test_all_of_it_is_in_the_state() -> None:
    found, other = constraint(moving_average=0.5), constraint(moving_average=0.5)
    observe(found, 1.0, 0.0, 0.0, 0.0, 0.3)
    other.load_state_dict(found.state_dict())
    assert not other.is_initial
    assert observe(other, 0.7) == observe(found, 0.7)
    assert torch.equal(other.error, found.error)
    assert other.observed.item() == 6
