"""The closed-form paths: values of their formulas, and degenerate cases."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from interpzoo.geometry import lerp, slerp

Path = Callable[[Tensor, Tensor, Tensor], Tensor]
PATHS: list[Path] = [lerp, slerp]


def codes(n: int, *shape: int, seed: int = 0) -> Tensor:
    """(n, *shape) of N(0, 1)."""
    return torch.randn(n, *shape, generator=Generator().manual_seed(seed))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1, 1e3, 1e15])
def test_both_ends_come_back_bit_for_bit(path: Path, scale: float) -> None:
    z0, z1 = scale * codes(4, 2, 3), codes(4, 2, 3, seed=1)
    z = path(z0, z1, torch.tensor([0.0, 1, 0.5, 1, 0]))
    assert z.shape == (4, 5, 2, 3)
    assert torch.equal(z[:, 0], z0)
    assert torch.equal(z[:, 4], z0)
    assert torch.equal(z[:, 1], z1)
    assert torch.equal(z[:, 3], z1)


@pytest.mark.parametrize("path", PATHS)
def test_positions_of_each_pair_are_its_own(path: Path) -> None:
    z0, z1 = codes(3, 4), codes(3, 4, seed=1)
    t = torch.tensor([[0.0, 0.25], [0.5, 1.5], [1.0, -0.5]])
    together = path(z0, z1, t)
    for row in range(3):
        alone = path(z0[row : row + 1], z1[row : row + 1], t[row])
        torch.testing.assert_close(together[row : row + 1], alone)


@pytest.mark.parametrize("path", PATHS)
def test_the_reverse_path_is_the_same(path: Path) -> None:
    z0, z1, t = codes(5, 2, 3), codes(5, 2, 3, seed=1), torch.linspace(0, 1, 9)
    torch.testing.assert_close(path(z1, z0, t).flip(1), path(z0, z1, t))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_codes_keep_their_type(path: Path, dtype: torch.dtype) -> None:
    z0, z1 = codes(2, 3).to(dtype), codes(2, 3, seed=1).to(dtype)
    z = path(z0, z1, torch.tensor([0.0, 0.5, 1]))
    assert z.dtype == dtype
    assert torch.equal(z[:, 0], z0)
    assert torch.equal(z[:, 2], z1)
    reference = path(z0.double(), z1.double(), torch.tensor([0.5], dtype=torch.float64))
    torch.testing.assert_close(z[:, 1:2].double(), reference, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("path", PATHS)
def test_gradients_reach_both_ends_and_are_finite(path: Path) -> None:
    z0 = codes(3, 4).requires_grad_()
    z1 = torch.stack([codes(1, 4, seed=1)[0], z0[1].detach(), -z0[2].detach()]).requires_grad_()
    gradients = torch.autograd.grad(path(z0, z1, torch.tensor([0.25])).square().sum(), [z0, z1])
    for gradient in gradients:
        assert gradient.isfinite().all()
        assert (gradient[0] != 0).any()


def test_lerp_by_hand_within_and_beyond() -> None:
    z0, z1 = torch.tensor([[0.0, 4]]), torch.tensor([[2.0, 0]])
    z = lerp(z0, z1, torch.tensor([-1.0, 0.25, 0.5, 2]))
    assert z.tolist() == [[[-2, 8], [0.5, 3], [1, 2], [4, -4]]]


def test_slerp_by_hand_within_and_beyond() -> None:
    """From (1, 0) to (0, 1) is a quarter of the unit circle."""
    t = torch.tensor([-1.0, 1 / 3, 0.5, 2])
    z = slerp(torch.tensor([[1.0, 0]]), torch.tensor([[0.0, 1]]), t)
    expected = torch.stack([torch.cos(t * math.pi / 2), torch.sin(t * math.pi / 2)], -1)
    torch.testing.assert_close(z[0], expected)


def test_slerp_keeps_the_norm_of_equally_long_codes_and_their_plane() -> None:
    z0, z1 = codes(6, 2, 4, 4), codes(6, 2, 4, 4, seed=1)
    z1 = z1 * (z0.flatten(1).norm(dim=1) / z1.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)
    z = slerp(z0, z1, torch.linspace(0, 1, 7))
    torch.testing.assert_close(z.flatten(2).norm(dim=2), z0.flatten(1).norm(dim=1)[:, None].expand(-1, 7))
    # Equal steps of the angle.
    cosines = torch.cosine_similarity(z[:, 1:].flatten(2), z[:, :-1].flatten(2), dim=2)
    torch.testing.assert_close(cosines, cosines[:, :1].expand_as(cosines))


@pytest.mark.parametrize("degrees", [30, 60, 85])
def test_slerp_of_nearly_equal_norms_interpolates_them(degrees: float) -> None:
    """As between TAEF2's codes of portraits: 55 to 65 degrees apart, norms within 8 %."""
    a, b = torch.linalg.qr(codes(64, 2).double())[0].mT
    z1 = 1.08 * (a * math.cos(math.radians(degrees)) + b * math.sin(math.radians(degrees)))
    t = torch.linspace(0, 1, 9, dtype=torch.float64)
    norms = slerp(a[None], z1[None], t)[0].norm(dim=1)
    torch.testing.assert_close(norms, 1 + 0.08 * t, rtol=1e-2, atol=0)
    assert (norms.diff() > 0).all()


def test_slerp_of_unequal_norms_turns_evenly_and_changes_the_norm_linearly() -> None:
    """From 3 at 0 degrees to 1 at 60 degrees; beyond the ends both go on."""
    z0, z1 = torch.tensor([[3.0, 0]]), torch.tensor([[0.5, 0.5 * math.sqrt(3)]])
    t = torch.tensor([-0.5, 0.25, 0.5, 2])
    expected = (3 - 2 * t)[:, None] * torch.stack([(t * math.pi / 3).cos(), (t * math.pi / 3).sin()], 1)
    torch.testing.assert_close(slerp(z0, z1, t)[0], expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("degrees", [120, 175, 179.9])
def test_slerp_of_nearly_opposite_codes_is_never_longer_than_both_ends(degrees: float, dtype: torch.dtype) -> None:
    angle = math.radians(degrees)
    z0, z1 = torch.tensor([[1.0, 0]]), 1.5 * torch.tensor([[math.cos(angle), math.sin(angle)]])
    t = torch.linspace(0, 1, 9)
    norms = slerp(z0.to(dtype), z1.to(dtype), t)[0].float().norm(dim=1)
    torch.testing.assert_close(norms, 1 + 0.5 * t, rtol=2e-3, atol=0)


def test_slerp_of_codes_of_very_different_norms_is_finite() -> None:
    z0, z1 = torch.tensor([[1e-30, 0], [1e-8, 0]]), torch.tensor([[0, 1e8], [0, 1.0]])
    z = slerp(z0, z1, torch.tensor([0.0, 0.5, 1]))
    assert torch.equal(z[:, 0], z0)
    assert torch.equal(z[:, 2], z1)
    torch.testing.assert_close(z[:, 1].norm(dim=1), torch.tensor([5e7, 0.5]))


@pytest.mark.parametrize("angle", [10.0**-k for k in range(9)])
def test_slerp_of_nearly_parallel_codes_is_stable(angle: float) -> None:
    """On the circle for any angle, and no farther from the chord than the arc."""
    z0 = torch.tensor([[1.0, 0]], dtype=torch.float64)
    z1 = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    z = slerp(z0, z1, t)[0]
    expected = torch.stack([torch.cos(t * angle), torch.sin(t * angle)], -1)
    torch.testing.assert_close(z, expected, rtol=0, atol=2e-9)
    assert ((z - lerp(z0, z1, t)[0]).norm(dim=1) <= angle**2 / 8 + 1e-15).all()


@pytest.mark.parametrize("factor", [1.0, 3.0, -1.0, -2.0, 0.0])
def test_slerp_of_parallel_opposite_and_zero_codes_is_the_straight_line(factor: float) -> None:
    z0 = codes(3, 2, 3)
    z0[2] = 0
    z1 = factor * z0 if factor else codes(3, 2, 3, seed=1) * 0
    t = torch.tensor([-0.5, 0, 0.3, 1, 1.5])
    z = slerp(z0, z1, t)
    assert z.isfinite().all()
    torch.testing.assert_close(z, lerp(z0, z1, t))


def test_slerp_decides_pair_by_pair() -> None:
    """A degenerate pair does not straighten the path of its neighbour."""
    z0 = torch.tensor([[1.0, 0], [1.0, 0]])
    z1 = torch.tensor([[0.0, 1], [1.0, 0]])
    z = slerp(z0, z1, torch.tensor([0.5]))
    torch.testing.assert_close(z[:, 0], torch.tensor([[0.5**0.5, 0.5**0.5], [1, 0]]))
