"""Sharpness of paths by hand, and faults."""

from __future__ import annotations

import pytest
import torch

from interpzoo.errors import InputError
from interpzoo.metrics.along import gradients_along, middle_and_ends, squared_gradient


def test_squared_gradient_by_hand() -> None:
    image = torch.tensor([[[[0.0, 1.0], [0.0, 3.0]]]])
    # Down: (0 + 4) / 2; across: (1 + 9) / 2.
    torch.testing.assert_close(squared_gradient(image), torch.tensor([7.0]).double())


def test_a_cross_fade_of_two_different_edges_is_half_as_sharp() -> None:
    first, last = torch.zeros(2, 1, 1, 8, 8)
    first[..., 2:, :] = 1
    last[..., :, 4:] = 1
    t = torch.linspace(0, 1, 5).view(1, -1, 1, 1, 1)
    middle, ends = middle_and_ends(gradients_along((1 - t) * first[:, None] + t * last[:, None]))
    # One edge of 8 pixels at each end, both at half their height in the middle: 2 (1/2)^2.
    torch.testing.assert_close(middle / ends, torch.tensor([0.5]).double())


@pytest.mark.parametrize(("frames", "middle"), [(3, [1]), (5, [2]), (9, [3, 4, 5]), (4, [1, 2])])
def test_the_middle_third(frames: int, middle: list[int]) -> None:
    path = torch.zeros(1, frames, 1, 2, 2)
    path[0, :, 0, 0, 0] = torch.arange(frames).float()
    expected = torch.tensor([i * i for i in middle]).double().mean()
    torch.testing.assert_close(middle_and_ends(gradients_along(path))[0][0], expected)


def test_invalid_images() -> None:
    with pytest.raises(InputError, match="T at least 3"):
        middle_and_ends(gradients_along(torch.zeros(1, 2, 1, 4, 4)))
    with pytest.raises(InputError, match="at least 2x2"):
        squared_gradient(torch.zeros(1, 1, 1, 4))
