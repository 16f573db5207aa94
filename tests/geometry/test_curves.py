"""Curves and derivatives of decoders against values known on paper."""

from __future__ import annotations

import numpy
import pytest
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.geometry import (
    at,
    constant_speed,
    curve_energy,
    curve_length,
    jacobian,
    jvp,
    resample,
    segment_lengths,
    vjp,
)


def squares(z: Tensor) -> Tensor:
    return torch.cat([z.square(), 3 * z], 1)


def test_length_and_energy_by_hand() -> None:
    path = torch.tensor([[[0.0], [1.0], [3.0]]])
    torch.testing.assert_close(curve_length(lambda z: 2 * z, path), torch.tensor([6.0]).double())
    # 1/2 (2^2 + 4^2) / dt with dt = 1/2
    torch.testing.assert_close(curve_energy(lambda z: 2 * z, path), torch.tensor([20.0]).double())
    parts = curve_length(lambda z: 2 * z, path.expand(5, 3, 1), batch_size=2)
    torch.testing.assert_close(parts, torch.full((5,), 6.0).double())


def test_at_is_linear_between_nodes_and_exact_at_the_ends() -> None:
    path = torch.randn(3, 7, 2, 2, generator=torch.Generator().manual_seed(0))
    every = at(path, torch.linspace(0, 1, 7))
    torch.testing.assert_close(every, path)
    assert torch.equal(every[:, [0, -1]], path[:, [0, -1]])
    middle = at(path, torch.tensor([0.5 / 6]))
    torch.testing.assert_close(middle[:, 0], (path[:, 0] + path[:, 1]) / 2)
    each = at(path, torch.tensor([[0.0], [0.5], [1.0]]))
    assert torch.equal(each[:, 0], path[[0, 1, 2], [0, 3, 6]])
    torch.testing.assert_close(resample(path, 7), path)


@pytest.mark.parametrize("nodes", [2, 3, 4, 20])
def test_a_smooth_path_is_the_spline_of_scipy(nodes: int) -> None:
    path = torch.randn(3, nodes, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(nodes))
    t = torch.linspace(0, 1, 37, dtype=torch.float64)
    expected = torch.from_numpy(CubicSpline(numpy.linspace(0, 1, nodes), path.numpy(), axis=1)(t.numpy()))
    smooth = at(path, t, smooth=True)
    torch.testing.assert_close(smooth, expected, rtol=1e-9, atol=1e-9)
    assert torch.equal(smooth[:, [0, -1]], path[:, [0, -1]])
    torch.testing.assert_close(resample(path, nodes, smooth=True), path)


def test_a_smooth_path_is_of_fourth_order() -> None:
    def error(nodes: int) -> float:
        angle = torch.linspace(0, 1, nodes, dtype=torch.float64)
        path = torch.stack([angle.cos(), angle.sin()], 1)[None]
        exact = torch.linspace(0, 1, 401, dtype=torch.float64)
        smooth = resample(path, 401, smooth=True)[0]
        return float((smooth - torch.stack([exact.cos(), exact.sin()], 1)).abs().max())

    assert error(11) / error(21) > 12


@pytest.mark.parametrize("t", [-0.01, 1.01, torch.nan])
def test_at_refuses_what_is_not_on_the_path(t: float) -> None:
    with pytest.raises(InputError, match=r"expected values in \[0, 1\]"):
        at(torch.zeros(1, 3, 2), torch.tensor([0.5, t]))


def test_a_path_has_two_nodes() -> None:
    with pytest.raises(InputError, match="a path of 0 nodes"):
        constant_speed(lambda z: z, torch.rand(1, 4, 2), 0)
    with pytest.raises(InputError, match="a path of 1 nodes"):
        segment_lengths(squares, torch.zeros(1, 1, 2))
    with pytest.raises(InputError, match="a path of 1 nodes"):
        resample(torch.zeros(1, 3, 2), 1)


def test_constant_speed() -> None:
    t = torch.linspace(0, 1, 400).double() ** 3
    path = torch.stack([t, 1 - t], 1)[None]
    even = constant_speed(squares, path, 11)
    lengths = segment_lengths(squares, even)
    torch.testing.assert_close(lengths, lengths.mean().expand_as(lengths), rtol=1e-2, atol=0)
    torch.testing.assert_close(even[:, [0, -1]], path[:, [0, -1]])
    standing = torch.zeros(1, 4, 2)
    assert torch.equal(constant_speed(squares, standing), standing)


def test_derivatives_by_hand() -> None:
    z, v = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 0.0], [0.5, 1.0]])
    y, tangent = jvp(squares, z, v)
    torch.testing.assert_close(y, squares(z))
    torch.testing.assert_close(tangent, torch.cat([2 * z * v, 3 * v], 1))
    y, pull = vjp(squares, z)
    w = torch.tensor([[1.0, -1.0, 2.0, 0.0], [0.0, 1.0, 0.0, 3.0]])
    torch.testing.assert_close(pull(w), 2 * z * w[:, :2] + 3 * w[:, 2:])
    y, J = jacobian(squares, z)
    expected = torch.cat([torch.diag_embed(2 * z), 3 * torch.eye(2).expand(2, 2, 2)], 1)
    torch.testing.assert_close(J, expected)
