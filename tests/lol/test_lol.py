"""Combinations of Gaussian codes have the distribution of the codes; sums and great circles do not."""

from __future__ import annotations

import pytest
import torch
from interpzoo_lol import combine
from interpzoo_lol.interpolators import Lol
from torch import Generator, Tensor

import interpzoo
from interpzoo.errors import InputError
from tests.tiny import tiny_model

MEAN = torch.tensor([3.0, -1.0, 0.0])
FACTOR = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.2, 0.0], [-1.0, 0.3, 2.0]])


def gaussian(n: int, k: int) -> Tensor:
    """(n, k, 3): independent codes of N(MEAN, FACTOR FACTOR^T)."""
    return MEAN + torch.randn(n, k, 3, generator=Generator().manual_seed(0)) @ FACTOR.T


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.2, 0.3, 0.5), (1.7, -0.7), (-2.0, 0.1)])
def test_a_combination_has_the_mean_and_covariance_of_the_codes(weights: tuple[float, ...]) -> None:
    codes = gaussian(50_000, len(weights))
    shares = torch.tensor(weights).expand(len(codes), -1)
    mixed = combine(codes, shares, MEAN)
    torch.testing.assert_close(mixed.mean(0), MEAN, atol=0.1, rtol=0)
    torch.testing.assert_close(mixed.T.cov(), FACTOR @ FACTOR.T, atol=0.1, rtol=0)
    plain = (shares[..., None] * codes).sum(1)
    assert (plain.T.cov() - FACTOR @ FACTOR.T).abs().max() > 0.5 or (plain.mean(0) - MEAN).norm() > 1


def test_the_mean_itself_and_a_single_code_stay() -> None:
    weights = torch.tensor([[0.4, 0.6], [0.0, 2.0]])
    codes = torch.stack([MEAN.expand(2, 3), torch.tensor([[9.0, 8.0, 7.0]] * 2)], 1)
    codes[0, 1] = MEAN
    mixed = combine(codes, weights, MEAN)
    torch.testing.assert_close(mixed[0], MEAN)
    assert torch.equal(mixed[1], codes[1, 1])


def test_with_mean_zero_the_path_keeps_the_norms_that_the_straight_line_loses() -> None:
    """In many dimensions Gaussian codes are near a sphere of radius sqrt(d)."""
    model = tiny_model("vae", size=(64, 64))
    z0, z1 = torch.randn(2, 64, *model.latent_shape, generator=Generator().manual_seed(1))
    middle = {
        path: model.interpolate_codes(z0, z1, [0.5], interpolator=path).flatten(1).norm(dim=1)
        for path in ("lol", "linear")
    }
    radius = z0[0].numel() ** 0.5
    torch.testing.assert_close(middle["lol"].mean(), torch.tensor(radius), rtol=0.02, atol=0)
    assert middle["linear"].mean() < 0.75 * radius


def test_path_and_mix_of_two_agree_and_use_the_mean_of_the_training_codes() -> None:
    model = tiny_model("ae")
    with pytest.raises(InputError, match=r"set model\.codes"):
        model.interpolate_codes(*torch.randn(2, 1, *model.latent_shape), [0.5], interpolator="lol")
    model.codes = 5 + torch.randn(50, *model.latent_shape, generator=Generator().manual_seed(2))
    images = torch.rand(2, 1, 16, 16, generator=Generator().manual_seed(3))
    codes = model.encode(images)
    path = model.interpolate_codes(codes[:1], codes[1:], [0.25], interpolator="lol")[:, 0]
    expected = combine(codes[None], torch.tensor([[0.75, 0.25]]), model.codes.mean(0))
    torch.testing.assert_close(path, expected)
    torch.testing.assert_close(model.mix(images, [0.75, 0.25], mixer="lol"), model.decode(expected)[0])


def test_the_mean_of_the_normal_prior_is_exact() -> None:
    model = tiny_model("vae")
    z0, z1 = torch.randn(2, 3, *model.latent_shape, generator=Generator().manual_seed(4))
    found = model.interpolate_codes(z0, z1, [0.3], interpolator="lol")[:, 0]
    torch.testing.assert_close(found, (0.7 * z0 + 0.3 * z1) / (0.7**2 + 0.3**2) ** 0.5)


def test_codes_of_any_size_have_the_mean_of_their_channels() -> None:
    model = tiny_model("ae")
    model.codes = torch.ones(3, *model.latent_shape)
    z0 = torch.ones(1, model.latent_shape[0], 7, 9)
    assert torch.equal(Lol(Lol.Config())(z0, z0, torch.tensor([0.5]), model=model)[:, 0], z0)


@pytest.mark.parametrize(
    ("codes", "weights", "mean", "says"),
    [
        (torch.zeros(2, 3), torch.ones(2, 3), 0.0, "expected codes"),
        (torch.zeros(2, 3, 4), torch.ones(3, 2), 0.0, "expected codes"),
        (torch.zeros(2, 3, 4), torch.zeros(2, 3), 0.0, "all 0"),
        (torch.zeros(2, 3, 4), torch.ones(2, 3), torch.zeros(5), "that of a code"),
    ],
)
def test_wrong_shapes_are_refused(codes: Tensor, weights: Tensor, mean: Tensor | float, says: str) -> None:
    with pytest.raises(InputError, match=says):
        combine(codes, weights, mean)


def test_codes_of_a_trained_model_keep_their_norms() -> None:
    model = interpzoo.load("riemannian-mnist")
    assert model.codes is not None
    z0, z1 = model.codes[:400], model.codes[400:800]
    spread = model.codes.flatten(1).square().sum(1).mean()

    def ratio(path: str) -> float:
        middle = model.interpolate_codes(z0, z1, [0.5], interpolator=path)
        return float(middle.flatten(1).square().sum(1).mean() / spread)

    assert ratio("lol") == pytest.approx(1, abs=0.1)
    assert ratio("linear") < 0.65
