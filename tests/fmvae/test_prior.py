"""The hierarchical prior's bound against densities known in closed form."""

from __future__ import annotations

import pytest
import torch
from interpzoo_fmvae.prior import HierarchicalConfig, HierarchicalPrior
from torch import Generator, Tensor
from torch.distributions import MultivariateNormal, Normal

from tests.fmvae.toys import Affine, normal_prior

A = torch.tensor([[1.0, 0.5], [-0.5, 0.8]])
VARIANCE = torch.tensor([0.3, 0.6])


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(seed))


def linear_prior(spread: float = 1.0) -> HierarchicalPrior:
    """z = A zeta + N(0, V) with A^T V^-1 A diagonal, and of the exact posterior `spread` times the variance."""
    prior = HierarchicalPrior(HierarchicalConfig(width=2), (2,))
    # Orthogonal columns under V^-1, so that the exact posterior of zeta has a diagonal covariance.
    basis = torch.diag(VARIANCE.sqrt()) @ torch.linalg.qr(A)[0] @ torch.diag(torch.tensor([1.5, 0.7]))
    precision = 1 + torch.tensor([1.5, 0.7]).square()
    prior.generative = Affine(basis, VARIANCE)
    back = torch.diag(1 / precision) @ basis.mT @ torch.diag(1 / VARIANCE)
    prior.recognition = Affine(back, spread / precision)
    return prior


def marginal(prior: HierarchicalPrior) -> MultivariateNormal:
    basis = prior.generative.A
    assert isinstance(basis, Tensor)
    return MultivariateNormal(torch.zeros(2), basis @ basis.mT + torch.diag(VARIANCE))


def test_a_prior_that_ignores_zeta_is_a_standard_normal() -> None:
    z = draws(5, 2)
    expected = Normal(0.0, 1.0).log_prob(z).sum(1)
    torch.testing.assert_close(normal_prior().bound(z, draws(3, 5, 2, seed=1)), expected)
    torch.testing.assert_close(normal_prior().log_prob(z), expected)


@pytest.mark.parametrize("k", [1, 4])
def test_with_the_exact_posterior_every_draw_gives_the_density(k: int) -> None:
    prior, z = linear_prior(), draws(6, 2)
    torch.testing.assert_close(prior.bound(z, draws(k, 6, 2, seed=1)), marginal(prior).log_prob(z))


def test_with_another_posterior_it_is_below_and_the_nearer_the_more_samples() -> None:
    prior, z = linear_prior(spread=3.0), draws(4, 2)
    gaps = [
        (marginal(prior).log_prob(z) - prior.bound(z.repeat(2000, 1), draws(k, 8000, 2)).view(2000, 4).mean(0))
        for k in (1, 4, 16)
    ]
    # KL(N(m, 3 v) || N(m, v)) = (3 - 1 - ln 3) / 2 a dimension is what one sample loses.
    torch.testing.assert_close(gaps[0], torch.full((4,), 3 - 1 - torch.tensor(3.0).log().item()), rtol=0.1, atol=0)
    assert bool((gaps[0] > 2 * gaps[1]).all())
    assert bool((gaps[1] > 2 * gaps[2]).all())
    assert bool((gaps[2] > 0).all())


def test_samples_have_the_marginals_moments() -> None:
    prior = linear_prior()
    prior.register_parameter("anchor", torch.nn.Parameter(torch.zeros(())))  # the toys have no weights of their own
    z = prior.sample(20_000, generator=Generator().manual_seed(0))
    torch.testing.assert_close(z.mean(0), torch.zeros(2), rtol=0, atol=0.03)
    torch.testing.assert_close(z.T.cov(), marginal(prior).covariance_matrix, rtol=0.05, atol=0.02)


def test_density_and_samples_keep_the_codes_shape_and_draw_from_no_global_state() -> None:
    prior = HierarchicalPrior(HierarchicalConfig(width=8, samples=5), (2, 1, 1))
    before = torch.get_rng_state()
    z = prior.sample(7, generator=Generator().manual_seed(0))
    assert z.shape == (7, 2, 1, 1)
    assert torch.equal(prior.log_prob(z), prior.log_prob(z))
    # A code's density does not depend on its batch.
    torch.testing.assert_close(prior.log_prob(z)[:3], prior.log_prob(z[:3]))
    assert torch.equal(torch.get_rng_state(), before)
