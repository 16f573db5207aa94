"""Derivatives of the metric, and functions that have none."""

from __future__ import annotations

import pytest
import torch
from interpzoo_riemannian import exponential_map, geodesic, metric
from torch import Tensor
from torch.func import jacfwd, jacrev

import interpzoo
from interpzoo.errors import InputError
from tests.riemannian.surfaces import sphere
from tests.riemannian.test_geodesics import latents, network


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # of torch's own forward mode
@pytest.mark.parametrize(
    "how", [torch.autograd.functional.jacobian, "jacrev", "jacfwd"], ids=["backward", "jacrev", "jacfwd"]
)
def test_the_metric_of_the_sphere_has_the_derivative_of_its_formula(how: object) -> None:
    """It is 4 / (1 + |z|^2)^2 times the identity."""
    z = latents(1, 3)

    def of_sphere(z: Tensor) -> Tensor:
        return metric(sphere, z)

    transform = {"jacrev": jacrev, "jacfwd": jacfwd}.get(str(how))
    found = how(of_sphere, z) if transform is None else transform(of_sphere)(z)
    slope = -16 * z / (1 + z.square().sum()) ** 3
    torch.testing.assert_close(found[0, :, :, 0], torch.eye(3).to(z)[..., None] * slope)


def test_the_metric_of_a_model_tracks_gradients_only_of_latents_that_require_them() -> None:
    model = interpzoo.load("fmvae-pendulum")
    z = model.examples[:2]
    assert not metric(model.decoder, z).requires_grad
    z = z.clone().requires_grad_()
    (found,) = torch.autograd.grad(metric(model.decoder, z)[:, 0, 0].sum(), z)
    step = 1e-2 * torch.tensor([1.0, 0]).view(1, 2, 1, 1)
    ends = [metric(model.decoder, z.detach() + s * step)[:, 0, 0] for s in (1, -1)]
    torch.testing.assert_close(found[:, 0].flatten(), (ends[0] - ends[1]) / 2e-2, rtol=2e-2, atol=0)
    with torch.no_grad():
        assert not metric(model.decoder, z).requires_grad


def test_what_has_no_derivative_says_so() -> None:
    z, v = latents(2, 2, 2)
    net = network(2).double()
    assert not geodesic(net, z.requires_grad_(), v).path.requires_grad
    for function in (geodesic, exponential_map):
        with pytest.raises(InputError, match=rf"{function.__name__} tracks no gradients, so that torch\.func"):
            jacrev(lambda z, function=function: function(net, z, v))(z.detach())
