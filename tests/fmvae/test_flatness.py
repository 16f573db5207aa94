"""The flatness term by hand, its three scales, its Jacobians against autograd, and where it is taken."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from interpzoo_fmvae.flatness import away_from_zero, finite_differences, flatness, mix
from torch import Generator, Tensor, nn

from interpzoo.geometry import jacobian
from tests.fmvae.toys import LinearDecoder, fmvae, toy
from tests.pixels import step_of, values

G = torch.tensor([[[1.0, 0.5], [0.5, 3.0]], [[2.0, 0.0], [0.0, 6.0]]])
"""Traces 4 and 8: c^2 = 3."""
TERM = ((1 - 3) ** 2 + 2 * 0.5**2 + 0 + (2 - 3) ** 2 + (6 - 3) ** 2) / 2


def test_the_term_by_hand() -> None:
    assert flatness(G, "batch").item() == pytest.approx(TERM)
    assert flatness(G, "detached").item() == pytest.approx(TERM / 9)
    assert flatness(G, "relative").item() == pytest.approx(TERM / 9)


@pytest.mark.parametrize("scale", ["batch", "detached", "relative"])
def test_any_one_multiple_of_the_identity_is_flat(scale: Any) -> None:
    assert flatness(2.5 * torch.eye(3).expand(4, -1, -1), scale).item() == 0
    # Multiples that differ from point to point are not.
    assert flatness(torch.tensor([1.0, 2.0]).view(2, 1, 1) * torch.eye(2), scale).item() > 0


@pytest.mark.parametrize(("scale", "slope"), [("batch", 2 * TERM), ("detached", 2 * TERM / 9), ("relative", 0.0)])
def test_what_is_gained_by_shrinking_g(scale: Any, slope: float) -> None:
    s = torch.tensor(1.0, requires_grad=True)
    (found,) = torch.autograd.grad(flatness(s * G, scale), s)
    assert found.item() == pytest.approx(slope, abs=1e-5)


def test_detaching_c2_in_the_papers_term_changes_no_gradient() -> None:
    """c^2 is the minimum, so "detached" is the paper's gradient over c^4 and nothing else."""
    x = G.clone().requires_grad_()
    c2 = x.diagonal(dim1=1, dim2=2).mean().detach()
    fixed = (x - c2 * torch.eye(2)).square().sum((1, 2)).mean()
    (expected,) = torch.autograd.grad(fixed, x)
    torch.testing.assert_close(torch.autograd.grad(flatness(x, "batch"), x)[0], expected)
    torch.testing.assert_close(torch.autograd.grad(flatness(x, "detached"), x)[0], expected / 9)
    relative = torch.autograd.grad(flatness(x, "relative"), x)[0]
    assert not torch.allclose(relative, expected / 9)


def test_mixes_by_hand() -> None:
    z, partners = torch.tensor([[0.0, 1.0], [2.0, 2.0]]), torch.tensor([[1.0, 3.0], [0.0, 2.0]])
    torch.testing.assert_close(mix(z, partners, torch.tensor([0.25, -0.5])), torch.tensor([[0.25, 1.5], [3.0, 2.0]]))
    assert mix(torch.zeros(3, 2, 1, 1), torch.ones(3, 2, 1, 1), torch.rand(3)).shape == (3, 2, 1, 1)


def small_net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4)).double()


def test_the_gradient_is_autograds() -> None:
    """The exact Jacobian and the term's gradient in the weights, against reverse mode point by point."""
    net = small_net()
    z = torch.randn(4, 3, dtype=torch.float64, generator=Generator().manual_seed(0))
    J = jacobian(net, z)[1]
    rows = [torch.autograd.functional.jacobian(net, point, create_graph=True) for point in z]
    expected = torch.stack([row for row in rows if isinstance(row, Tensor)])
    torch.testing.assert_close(J, expected)
    weights = [*net.parameters()]
    for scale in ("batch", "detached", "relative"):
        found, reference = (
            torch.autograd.grad(flatness(j.mT @ j, scale), weights, retain_graph=True, allow_unused=True)
            for j in (J, expected)
        )
        for a, b in zip(found[:3], reference[:3], strict=True):
            assert b is not None
            assert bool(b.any())
            torch.testing.assert_close(a, b)


def test_finite_differences_are_exact_for_a_line_and_near_for_a_curve() -> None:
    z = torch.randn(4, 3, dtype=torch.float64, generator=Generator().manual_seed(0))
    noise = torch.randn(4, 3, dtype=torch.float64, generator=Generator().manual_seed(1))
    line = nn.Linear(3, 5).double()
    torch.testing.assert_close(finite_differences(line, z, noise), line.weight.expand(4, -1, -1))
    net = small_net()
    near = finite_differences(net, z, away_from_zero(noise, 1e-5))
    torch.testing.assert_close(near, jacobian(net, z)[1], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(finite_differences(net, z, noise), jacobian(net, z)[1], rtol=1e-2)


def test_steps_keep_their_sign_and_a_distance_from_0() -> None:
    noise = torch.tensor([0.0, 0.01, -0.02, 1.5, -0.5])
    torch.testing.assert_close(away_from_zero(noise, 2.0), torch.tensor([0.2, 0.2, -0.2, 3.0, -1.0]))


@pytest.mark.parametrize("sigma", [None, 0.3])
def test_a_linear_decoder_by_hand(sigma: float | None) -> None:
    """W = [[1, 1], [0, 2]]: G = [[1, 1], [1, 5]] everywhere, c^2 = 3, ||G - 3 I||^2 = 10; and G = 9 I."""
    for W, expected in (([[1.0, 1.0], [0.0, 2.0]], 10.0), ([[0.0, -3.0], [3.0, 0.0]], 0.0)):
        found, model = fmvae(eta=7.0, finite_difference=sigma), toy(W)
        found.constraint.initial.fill_(False)
        terms = found.loss(step_of(model, torch.rand(4, 1, 1, 2)), "autoencoder")
        assert values(terms)["flatness"] == pytest.approx(7 * expected, abs=1e-3)


@pytest.mark.parametrize(("margin", "points"), [(0.0, None), (0.5, None), (0.5, 1000)])
def test_points_lie_between_the_codes_and_by_the_margin_beyond(margin: float, points: int | None) -> None:
    n = 4000
    found, model = fmvae(margin=margin, points=points, finite_difference=1e-3), toy(s=1e-6)
    found.constraint.initial.fill_(False)
    x = (torch.arange(n) % 2).float().view(n, 1, 1, 1).expand(-1, -1, -1, 2)
    found.loss(step_of(model, x), "autoencoder")
    assert isinstance(model.decoder, LinearDecoder)
    reconstructed, probed = model.decoder.seen
    assert len(reconstructed) == n
    assert len(probed) == 3 * (points or n)  # the point itself and a step in each dimension
    at = probed[::3, 0]
    # A pair of equal codes stays where it is; the others, half of them, are uniform over the whole range.
    low, high = at.min().item(), at.max().item()
    assert -margin - 0.01 <= low <= -0.9 * margin + 0.01
    assert 1 + 0.9 * margin - 0.01 <= high <= 1 + margin + 0.01
    outside = ((at < -1e-3) | (at > 1.001)).float().mean().item()
    assert outside == pytest.approx(0.5 * 2 * margin / (1 + 2 * margin), abs=0.03 if points is None else 0.06)
