"""Structural similarity of images for which it can be worked out."""

from __future__ import annotations

import pytest
import torch
from interpzoo_metrics.reconstruction import SSIM

from interpzoo.errors import InputError


def test_equal_images_and_constant_ones() -> None:
    x = torch.rand(3, 2, 16, 12)
    torch.testing.assert_close(SSIM.values(x, x), torch.ones(3), rtol=0, atol=1e-5)
    # Of constants a and b only the first factor is left: (2 a b + C1) / (a^2 + b^2 + C1).
    a, b, c = 0.5, 0.25, 0.01**2
    found = SSIM.values(torch.full((1, 1, 12, 12), a), torch.full((1, 1, 12, 12), b))
    assert found.item() == pytest.approx((2 * a * b + c) / (a * a + b * b + c), rel=1e-5)


def test_noise_and_inversion_lower_it() -> None:
    x = torch.rand(4, 1, 32, 32)
    noisy = x + 0.2 * torch.randn(x.shape)
    assert (SSIM.values(x, 1 - x) < SSIM.values(x, noisy)).all()
    assert (SSIM.values(x, noisy) < 0.99).all()
    assert (SSIM.values(x, 1 - x) < 0).all()


def test_small_images_are_refused() -> None:
    with pytest.raises(InputError, match="6x6"):
        SSIM.values(torch.zeros(1, 1, 5, 9), torch.zeros(1, 1, 5, 9))
