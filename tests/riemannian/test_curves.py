"""The energy of a curve and its derivatives, against automatic differentiation of the definition."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from interpzoo_riemannian import geodesic
from interpzoo_riemannian.blocks import solve_banded
from interpzoo_riemannian.curves import Curves
from torch import Tensor

import interpzoo
from interpzoo.geometry import curve_energy, resample
from tests.riemannian.test_geodesics import latents, network

PAIRS, D = 2, 3


def curves(*, midpoints: bool) -> Curves:
    decoder = network(D).double().requires_grad_(False)
    ends = latents(PAIRS, 2, D, seed=1)
    return Curves(decoder, ends, decoder(ends.flatten(0, 1)).unflatten(0, (PAIRS, 2)), 1000, midpoints)


def residuals(of: Curves, nodes: Tensor) -> Tensor:
    """(B, m): the chords, scaled so that the energy is half their square."""
    decoded = of.decoder(of.chain(nodes).flatten(0, 1)).unflatten(0, (PAIRS, -1))
    return (decoded.diff(dim=1) * (decoded.shape[1] - 1) ** 0.5).flatten(1)


def whole(bands: tuple[Tensor, ...], n: int) -> Tensor:
    """The dense matrices (B, n d, n d) of bands."""
    dense = torch.zeros(PAIRS, n, n, D, D).double()
    for k, band in enumerate(bands):
        for i in range(n - k):
            dense[:, i, i + k], dense[:, i + k, i] = band[:, i], band[:, i].mT
    return dense.transpose(2, 3).flatten(3).flatten(1, 2)


@pytest.mark.parametrize("midpoints", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
def test_the_linearization_of_the_chords(n: int, midpoints: bool) -> None:
    of, nodes = curves(midpoints=midpoints), latents(PAIRS, n, D, seed=2)
    found = of.linearize(nodes)
    r = residuals(of, nodes)
    torch.testing.assert_close(found.energy, r.square().sum(1) / 2)
    # Row b of the outputs depends on row b of the nodes alone.
    J = torch.func.jacrev(lambda nodes: residuals(of, nodes).sum(0))(nodes).permute(1, 0, 2, 3).flatten(2)
    torch.testing.assert_close(found.gradient.flatten(1), (J.mT @ r[..., None]).squeeze(2))
    torch.testing.assert_close(whole(found.bands, n), J.mT @ J)
    energy, gradient = of.energy(nodes)
    torch.testing.assert_close((energy, gradient), (found.energy, found.gradient))
    rhs = latents(PAIRS, n, D, seed=3)
    eye = torch.eye(D).double()
    bands = [found.bands[0] + eye, *found.bands[1:]]
    expected = torch.linalg.solve(whole(tuple(bands), n), rhs.flatten(1)).view(rhs.shape)
    torch.testing.assert_close(solve_banded(bands, rhs), expected)


@pytest.mark.parametrize("midpoints", [False, True])
def test_the_batch_size_changes_nothing(midpoints: bool) -> None:
    of, nodes = curves(midpoints=midpoints), latents(PAIRS, 9, D, seed=2)
    at_once, parts = of.linearize(nodes), replace(of, batch_size=8).linearize(nodes)
    torch.testing.assert_close(at_once.bands, parts.bands)
    torch.testing.assert_close(at_once.gradient, parts.gradient)


@pytest.mark.parametrize("nodes", [3, 4, 5, 8])
def test_midpoints_of_a_cubic_lie_on_it(nodes: int) -> None:
    degree = min(3, nodes - 1)  # through three nodes it is a parabola

    def cubic(n: int) -> Tensor:
        t = torch.linspace(0, 1, n).double()[None, :, None]
        return torch.cat([1 + t - 2 * t**degree, t**2], 2)

    path = cubic(nodes)
    of = Curves(torch.nn.Identity(), path[:, [0, -1]], path[:, [0, -1]], 100, midpoints=True)
    torch.testing.assert_close(of.chain(path[:, 1:-1]), cubic(2 * nodes - 1))


@pytest.mark.slow
def test_curves_of_a_trained_model_do_not_leap_between_their_nodes() -> None:
    # With free nodes half of these pairs came out above the straight line.
    model = interpzoo.load("riemannian-mnist")
    assert model.examples is not None
    a, b = model.examples[:4], model.examples[4:8]
    found = geodesic(model.decoder, a, b, steps=30)  # of 20 nodes, chords are shorter than the path by up to 5 %
    assert bool(found.converged.all())
    with torch.no_grad():
        fine = curve_energy(model.decoder, resample(found.path, 400, smooth=True))
        line = curve_energy(model.decoder, resample(torch.stack([a, b], 1), 400))
    torch.testing.assert_close(fine.float(), found.energy, rtol=0.05, atol=0)
    assert float(fine.sum() / line.sum()) < 0.75  # its paths have 0.86 of the length, see the study on its paths
