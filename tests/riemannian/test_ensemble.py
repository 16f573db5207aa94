"""Geodesics of an ensemble: its metric, and that they keep away from where its decoders disagree."""

from __future__ import annotations

import pytest
import torch
from interpzoo_riemannian import Geodesic, geodesic, metric
from interpzoo_riemannian.ensemble import Ensemble, EnsembleConfig
from interpzoo_riemannian.paper import geodesic_shooting
from torch import Generator, Tensor, nn
from typing_extensions import override

from interpzoo.config import ImageSpec
from interpzoo.geometry import jacobian

IMAGE = ImageSpec(channels=1, height=4, width=4)


class Plane(nn.Module):
    """(x, y) as they are, and a third number that says nothing where data are, |z| > 1, and anything elsewhere."""

    def __init__(self, guess: float) -> None:
        super().__init__()
        self.guess = guess

    @override
    def forward(self, z: Tensor) -> Tensor:
        point = z.flatten(1)
        hole = (1 - point.square().sum(1, keepdim=True)).clamp_min(0).square()
        return torch.cat([point, self.guess * hole], 1)


def planes(*guesses: float) -> Ensemble:
    ensemble = Ensemble(EnsembleConfig(width=1, members=len(guesses)), IMAGE, (2, 1, 1)).eval()
    ensemble.members = nn.ModuleList(map(Plane, guesses))
    return ensemble


def across(decoder: nn.Module) -> Geodesic:
    """From one side of the hole to the other, a little off its middle."""
    z0, z1 = torch.tensor([[-1.5, 0.3]]).view(1, 2, 1, 1), torch.tensor([[1.5, 0.3]]).view(1, 2, 1, 1)
    return geodesic(decoder, z0, z1, steps=20, max_iterations=500)


def test_paths_go_around_where_decoders_disagree_and_their_mean_knows_nothing() -> None:
    ensemble = planes(4.0, -4.0)
    mean = across(nn.Sequential(nn.Flatten(), nn.Identity()))
    torch.testing.assert_close(ensemble(torch.zeros(1, 2, 1, 1)), torch.zeros(1, 3))
    assert mean.path.flatten(2).norm(dim=2).min() < 0.35
    found = across(ensemble)
    assert bool(found.converged)
    assert found.path.flatten(2).norm(dim=2).min() > 0.9
    assert found.length > mean.length


def test_the_metric_is_the_mean_of_the_members() -> None:
    torch.manual_seed(0)
    ensemble = Ensemble(EnsembleConfig(width=2, members=3, activation="elu"), IMAGE, (2, 1, 1)).eval()
    z = torch.randn(4, 2, 1, 1, generator=Generator().manual_seed(1))
    own = []
    for member in ensemble.members:
        J = jacobian(lambda flat, member=member: member(flat.view(-1, 2, 1, 1)).flatten(1), z.flatten(1))[1]
        own.append(J.mT @ J)
    torch.testing.assert_close(metric(ensemble, z), torch.stack(own).mean(0).detach())
    torch.testing.assert_close(ensemble(z), torch.stack([member(z) for member in ensemble.members]).mean(0))


def test_a_mean_beside_a_deviation_has_the_expected_metric() -> None:
    """Of outputs mean + deviation * noise, over the noise (Arvanitidis et al. 2018)."""
    generator = torch.Generator().manual_seed(0)
    A, B = torch.randn(2, 2, 5, generator=generator, dtype=torch.float64)

    def mean(z: Tensor) -> Tensor:
        return torch.sin(z @ A)

    def deviation(z: Tensor) -> Tensor:
        return torch.exp(0.5 * z @ B)

    z = torch.randn(3, 2, generator=generator, dtype=torch.float64)
    expected = torch.zeros(3, 2, 2, dtype=torch.float64)
    draws = 4000
    for noise in torch.randn(draws, 5, generator=generator, dtype=torch.float64):
        J = jacobian(lambda z, noise=noise: mean(z) + deviation(z) * noise, z)[1]
        expected += J.mT @ J / draws
    found = metric(lambda z: torch.cat([mean(z), deviation(z)], 1), z)
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.1)
    assert not torch.allclose(metric(mean, z), expected, rtol=0.1, atol=0.1)


def test_members_that_agree_are_one_decoder() -> None:
    one, three = across(planes(1.0, 1.0)), across(planes(1.0, 1.0, 1.0))
    torch.testing.assert_close(one.path, three.path, atol=1e-4, rtol=0)
    torch.testing.assert_close(one.energy, across(Plane(1.0)).energy, rtol=1e-3, atol=0)


def test_every_member_is_trained_and_starts_elsewhere() -> None:
    torch.manual_seed(2)
    ensemble = Ensemble(EnsembleConfig(width=2, members=2, output="sigmoid"), IMAGE, (2, 1, 1))
    z, x = torch.randn(3, 2, 1, 1), torch.rand(3, 1, 4, 4)
    likelihood = ensemble.log_prob(x, z)
    each = torch.stack([member.log_prob(x, z) for member in ensemble.members])  # pyright: ignore[reportCallIssue]
    torch.testing.assert_close(likelihood, each.mean(0))
    assert not torch.allclose(each[0], each[1])
    likelihood.sum().backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in ensemble.parameters())


def test_algorithms_with_an_encoder_take_the_mean() -> None:
    ensemble = Ensemble(EnsembleConfig(width=2, members=2, activation="elu"), IMAGE, (2, 1, 1)).eval()
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.Unflatten(1, (2, 1, 1)))
    z, v = torch.randn(2, 2, 2, 1, 1, generator=Generator().manual_seed(3))
    assert geodesic_shooting(ensemble, encoder, z, v, steps=3).shape == (2, 3, 2, 1, 1)


@pytest.mark.parametrize("members", [2, 5])
def test_it_holds_as_many_decoders_as_asked(members: int) -> None:
    ensemble = Ensemble(EnsembleConfig(width=1, members=members), IMAGE, (2, 1, 1))
    assert ensemble.all(torch.zeros(3, 2, 1, 1)).shape == (3, members, 1, 4, 4)
