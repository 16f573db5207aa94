"""Positions at which curves step evenly, on curves known on paper."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.geometry import even_positions

Curve = Callable[[Tensor], Tensor]


def circle(t: Tensor) -> Tensor:
    """Three quarters of a circle, passed at a speed that grows by a factor of 7."""
    angle = 1.5 * math.pi * (t + 3 * t.square()) / 4
    return torch.stack([angle.cos(), angle.sin()], 2).float()


def switch(t: Tensor) -> Tensor:
    """A line passed within a tenth of t, and slowly before and after."""
    return torch.stack([t * 0.05 + torch.sigmoid(80 * (t - 0.6)), 0 * t], 2).float()


def corner(t: Tensor) -> Tensor:
    """A right angle."""
    return torch.stack([t.clamp(max=0.3) / 0.3, (t - 0.3).clamp(min=0)], 2).float()


def bar(t: Tensor) -> Tensor:
    """A soft bar that moves across a row of pixels by several widths, so that distant frames are equally far apart."""
    pixels = torch.linspace(0, 1, 64, dtype=t.dtype)
    return (-(((pixels - t[..., None].square()) / 0.1) ** 2)).exp().float()


def plateau(t: Tensor) -> Tensor:
    """A line that stands still for a third of t."""
    return torch.stack([torch.where(t < 0.3, t, torch.where(t < 0.63, 0.3, t - 0.33)), 0 * t], 2).float()


def jump(t: Tensor) -> Tensor:
    """A line with a jump."""
    return torch.stack([t + (t > 0.4), 0 * t], 2).float()


def steps_of(curve: Curve, t: Tensor) -> Tensor:
    """Distances of consecutive points (B, T - 1)."""
    return curve(t).diff(dim=1).flatten(2).norm(dim=2)


@pytest.mark.parametrize(
    ("curve", "count"),
    [*itertools.product([circle, corner, bar], [3, 4, 9, 33, 400]), (plateau, 9), (switch, 129), (circle, 1500)],
)
def test_steps_are_even(curve: Curve, count: int) -> None:
    t = even_positions(curve, 1, count)
    assert t.shape == (1, count)
    assert (t[0, 0], t[0, -1]) == (0, 1)
    assert bool((t.diff(dim=1) > 0).all())
    steps = steps_of(curve, t)
    assert float(steps.max() / steps.min()) < 1.1


def test_a_straight_line_at_constant_speed_is_left_as_it_is() -> None:
    t = even_positions(lambda t: torch.stack([t, 2 * t], 2), 2, 9)
    torch.testing.assert_close(t, torch.linspace(0, 1, 9, dtype=t.dtype).expand(2, -1), rtol=0, atol=1e-6)


def test_a_curve_that_stands_still_is_spaced_in_t() -> None:
    noise = 1e-7 * torch.rand(100, 4, generator=torch.Generator().manual_seed(0))
    for curve in (lambda t: torch.ones(*t.shape, 4), lambda t: 1 + noise[: t.shape[1]].expand(len(t), -1, -1)):
        t = even_positions(curve, 2, 5)
        assert t.tolist() == [[0, 0.25, 0.5, 0.75, 1]] * 2


def test_beside_a_jump_the_steps_are_even_and_none_is_lost_inside() -> None:
    t = even_positions(jump, 1, 9)[0]
    steps = steps_of(jump, t[None])[0]
    at = int(steps.argmax())
    assert steps[at] < 1.5
    assert torch.cat([steps[:at], steps[at + 1 :]]).sum() == pytest.approx(2 - float(steps[at]), abs=1e-5)


@pytest.mark.parametrize("count", [2, 3, 9, 2000])
def test_the_curve_is_asked_twice_and_for_a_bounded_number_of_points(count: int) -> None:
    asked: list[int] = []

    def counted(t: Tensor) -> Tensor:
        asked.append(t.shape[1])
        return circle(t)

    even_positions(counted, 1, count)
    assert asked == {2: [], 3: [13, 1], 9: [13, 7], 2000: [1025, 1023]}[count]


def test_curves_of_a_batch_do_not_depend_on_each_other() -> None:
    def both(t: Tensor) -> Tensor:
        return torch.stack([circle(t[:1])[0], switch(t[1:])[0]])

    together = even_positions(both, 2, 9)
    torch.testing.assert_close(together[:1], even_positions(circle, 1, 9), rtol=0, atol=1e-5)
    torch.testing.assert_close(together[1:], even_positions(switch, 1, 9), rtol=0, atol=1e-5)


def test_no_curves_and_two_points_need_no_search() -> None:
    assert [even_positions(circle, 0, steps).shape for steps in (2, 9, 20)] == [(0, 2), (0, 9), (0, 20)]
    assert even_positions(circle, 3, 2).tolist() == [[0, 1]] * 3


@pytest.mark.parametrize("count", [1, 10_001, 2.5])
def test_a_number_of_steps_out_of_range(count: int) -> None:
    with pytest.raises(InputError, match=r"steps = .*: expected a whole number from 2 to 10,000"):
        even_positions(circle, 1, count)
