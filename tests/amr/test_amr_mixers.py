"""The mixers of AMR: exact ends, simplex weights, whole feature maps, one probability for a batch."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from interpzoo_amr.mixers import TrainingMixer
from torch import Generator, Tensor

from interpzoo.build import build_component
from interpzoo.config import Component
from interpzoo.errors import ConfigError, InputError
from interpzoo.interfaces import Interpolator, Mixer
from interpzoo.model import InterpolationModel
from tests.tiny import tiny_model

NAMES = ("mixup", "bernoulli")


@pytest.fixture(scope="module")
def model() -> InterpolationModel:
    return tiny_model()


def mixer(name: str, **options: Any) -> TrainingMixer:
    return build_component(Interpolator, Component.model_validate({"name": name, **options}))


def codes(n: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randn(n, *shape, generator=Generator().manual_seed(seed))


def constant(k: int, maps: int) -> Tensor:
    """Codes (1, k, maps, 2, 2) where every number of code j is j."""
    return torch.arange(k).view(1, k, 1, 1, 1).expand(1, k, maps, 2, 2).float()


def path(name: str, z0: Tensor, z1: Tensor, t: Tensor, model: InterpolationModel, **options: Any) -> Tensor:
    return mixer(name, **options)(z0, z1, t, model=model)


@pytest.mark.parametrize("name", NAMES)
class TestBoth:
    @pytest.mark.parametrize("shape", [(2, 4, 4), (16,), (3, 5)])
    def test_ends_of_a_path_are_exact(self, name: str, shape: tuple[int, ...], model: InterpolationModel) -> None:
        z0, z1 = codes(5, *shape), codes(5, *shape, seed=1)
        z = path(name, z0, z1, torch.tensor([0.0, 0.4, 1.0]), model)
        assert z.shape == (5, 3, *shape)
        assert torch.equal(z[:, 0], z0)
        assert torch.equal(z[:, 2], z1)

    def test_a_position_for_each_pair(self, name: str, model: InterpolationModel) -> None:
        z0, z1 = codes(2, 6, 1, 1), codes(2, 6, 1, 1, seed=1)
        t = torch.tensor([[0.1, 0.6, 0.9], [0.2, 0.0, 1.0]])
        whole = path(name, z0, z1, t, model)
        for i in range(2):
            assert torch.equal(whole[i], path(name, z0[i : i + 1], z1[i : i + 1], t[i], model)[0])

    def test_a_path_is_the_mix_of_its_ends(self, name: str, model: InterpolationModel) -> None:
        z0, z1 = codes(1, 7, 2, 2), codes(1, 7, 2, 2, seed=1)
        t = torch.linspace(0, 1, 29)
        both = torch.stack([z0, z1], 1).expand(29, -1, -1, -1, -1)
        mixed = mixer(name).mix(both, torch.stack([1 - t, t], 1))
        torch.testing.assert_close(path(name, z0, z1, t, model)[0], mixed)

    @pytest.mark.parametrize("generator", [None, 3])
    @given(k=st.integers(2, 6), chosen=st.integers(0, 5))
    def test_the_whole_weight_on_one_code_gives_it_back(
        self, name: str, generator: int | None, k: int, chosen: int
    ) -> None:
        z = codes(4, k, 5, 2, 2)
        weights = torch.eye(k)[chosen % k].expand(4, k)
        drawn = None if generator is None else Generator().manual_seed(generator)
        assert torch.equal(mixer(name).mix(z, weights, generator=drawn), z[:, chosen % k])

    @given(n=st.integers(1, 9), k=st.integers(2, 8), seed=st.integers(0, 10_000))
    def test_training_weights_are_on_the_simplex(self, name: str, n: int, k: int, seed: int) -> None:
        weights = mixer(name).draw(n, k, Generator().manual_seed(seed))
        assert weights.shape == (n, k)
        assert bool((weights >= 0).all())
        torch.testing.assert_close(weights.sum(1), torch.ones(n))

    @pytest.mark.parametrize("k", [2, 3, 5])
    def test_training_weights_are_uniform_on_the_simplex(self, name: str, k: int) -> None:
        """Dirichlet(1, ..., 1): mean 1 / k, variance (k - 1) / (k^2 (k + 1)); for k = 2 those of U(0, 1)."""
        generator = Generator().manual_seed(0)
        weights = torch.cat([mixer(name).draw(1, k, generator) for _ in range(8000)])
        torch.testing.assert_close(weights.mean(0), torch.full((k,), 1 / k), atol=0.01, rtol=0)
        variance = torch.full((k,), (k - 1) / (k * k * (k + 1)))
        torch.testing.assert_close(weights.var(0), variance, atol=0.003, rtol=0)
        if k == 2:
            quartiles = weights[:, 0].quantile(torch.tensor([0.25, 0.5, 0.75]))
            torch.testing.assert_close(quartiles, torch.tensor([0.25, 0.5, 0.75]), atol=0.02, rtol=0)

    def test_draws_are_the_generators(self, name: str) -> None:
        z = codes(8, 3, 5, 2, 2)
        first, second, other = (
            mixer(name).mix(z, mixer(name).draw(8, 3, generator), generator=generator)
            for generator in map(Generator().manual_seed, (1, 1, 2))
        )
        assert torch.equal(first, second)
        assert not torch.equal(first, other)

    def test_it_is_a_mixer(self, name: str) -> None:
        assert isinstance(mixer(name), Mixer)


class TestMixup:
    def test_by_hand(self) -> None:
        z = torch.tensor([[[1.0, 2.0], [3.0, -4.0], [10.0, 0.0]]])
        mixed = mixer("mixup").mix(z, torch.tensor([[0.5, 0.25, 0.25]]))
        torch.testing.assert_close(mixed, torch.tensor([[3.75, 0.0]]))

    def test_each_mix_has_weights_of_its_own(self) -> None:
        weights = mixer("mixup").draw(100, 2, Generator().manual_seed(0))
        assert len(weights[:, 0].unique()) == 100

    def test_it_extrapolates(self, model: InterpolationModel) -> None:
        z0, z1 = torch.zeros(1, 2), torch.ones(1, 2)
        torch.testing.assert_close(
            path("mixup", z0, z1, torch.tensor([-1.0, 2.0]), model), torch.tensor([[[-1.0, -1.0], [2.0, 2.0]]])
        )


class TestBernoulliAlongAPath:
    @pytest.mark.parametrize("maps", [1, 2, 10, 16, 49, 100, 1000])
    def test_the_first_int_tC_maps_switch(self, maps: int, model: InterpolationModel) -> None:
        """Also where float32 has k / C a little below or above: 0.7 x 10 is 7."""
        z0, z1 = torch.zeros(1, maps, 1, 1), torch.ones(1, maps, 1, 1)
        at = torch.tensor([k / maps for k in range(maps + 1)], dtype=torch.float32)
        switched = path("bernoulli", z0, z1, at, model)[0].sum((1, 2, 3))
        assert switched.tolist() == list(range(maps + 1))
        between = torch.tensor([(k + 0.99) / maps for k in range(maps)], dtype=torch.float32)
        assert path("bernoulli", z0, z1, between, model)[0].sum((1, 2, 3)).tolist() == list(range(maps))

    def test_frames_of_a_strip(self, model: InterpolationModel) -> None:
        z0, z1 = torch.zeros(1, 16, 2, 2), torch.ones(1, 16, 2, 2)
        switched = path("bernoulli", z0, z1, torch.linspace(0, 1, 9), model)[0].mean((2, 3)).sum(1)
        assert switched.tolist() == [0, 2, 4, 6, 8, 10, 12, 14, 16]

    def test_maps_switch_whole_and_stay_switched(self, model: InterpolationModel) -> None:
        z0, z1 = torch.zeros(1, 12, 3, 3), torch.ones(1, 12, 3, 3)
        z = path("bernoulli", z0, z1, torch.linspace(0, 1, 40), model)[0]
        assert torch.equal(z, z[:, :, :1, :1].expand_as(z))
        assert bool((z.diff(dim=0) >= 0).all())

    def test_the_order_is_a_fixed_shuffle(self, model: InterpolationModel) -> None:
        def order(seed: int) -> list[int]:
            z0, z1 = torch.zeros(1, 20), torch.ones(1, 20)
            z = path("bernoulli", z0, z1, torch.linspace(0, 1, 21), model, seed=seed)[0]
            return z.diff(dim=0).argmax(1).tolist()

        torch.manual_seed(1)
        first = order(0)
        torch.manual_seed(2)
        assert order(0) == first
        assert sorted(first) == list(range(20)) != first
        assert order(1) != first

    @pytest.mark.parametrize("t", [-0.01, 1.01])
    def test_beyond_the_ends_there_is_nothing_to_switch(self, t: float, model: InterpolationModel) -> None:
        with pytest.raises(InputError, match=r"defined in \[0, 1\]"):
            path("bernoulli", torch.zeros(1, 4), torch.ones(1, 4), torch.tensor([0.5, t]), model)

    @pytest.mark.parametrize("seed", [-1, 2**32, "one"])
    def test_bad_seeds_are_refused(self, seed: object) -> None:
        with pytest.raises(ConfigError, match="bernoulli"):
            mixer("bernoulli", seed=seed)

    def test_weights_of_several_codes_are_shares_of_the_maps(self) -> None:
        weights = torch.tensor([[0.5, 0.3, 0.2]])
        mixed = mixer("bernoulli").mix(constant(3, 10), weights)[0, :, 0, 0]
        assert [int((mixed == j).sum()) for j in range(3)] == [5, 3, 2]


class TestBernoulliInTraining:
    def test_one_probability_for_the_whole_batch(self) -> None:
        generator = Generator().manual_seed(0)
        first, second = (mixer("bernoulli").draw(64, 2, generator) for _ in range(2))
        assert len(first.unique(dim=0)) == 1
        assert not torch.equal(first, second)

    def test_a_map_is_one_codes_whole_map_and_each_image_has_a_mask_of_its_own(self) -> None:
        z = constant(2, 16).expand(50, -1, -1, -1, -1)
        mixed = mixer("bernoulli").mix(z, torch.full((50, 2), 0.5), generator=Generator().manual_seed(0))
        assert torch.equal(mixed, mixed[:, :, :1, :1].expand_as(mixed))
        assert len(mixed[:, :, 0, 0].unique(dim=0)) == 50

    @pytest.mark.parametrize("p", [0.1, 0.5, 0.85])
    def test_the_weight_is_the_probability_of_a_map(self, p: float) -> None:
        n = 2000
        z = constant(2, 10).expand(n, -1, -1, -1, -1)
        weights = torch.tensor([p, 1 - p]).expand(n, 2)
        kept = (mixer("bernoulli").mix(z, weights, generator=Generator().manual_seed(0)) == 0).float().mean()
        assert float(kept) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / (10 * n)))

    def test_every_partner_survives(self) -> None:
        """Official kgan overwrites the mix in its loop, so that only the last partner is left."""
        n = 2000
        z = constant(4, 10).expand(n, -1, -1, -1, -1)
        weights = torch.tensor([0.4, 0.3, 0.2, 0.1])
        mixed = mixer("bernoulli").mix(z, weights.expand(n, 4), generator=Generator().manual_seed(0))
        shares = torch.stack([(mixed == j).float().mean() for j in range(4)])
        torch.testing.assert_close(shares, weights, atol=0.015, rtol=0)

    def test_a_code_of_two_maps_has_four_mixes(self) -> None:
        z = constant(2, 2).expand(500, -1, -1, -1, -1)
        mixed = mixer("bernoulli").mix(z, torch.full((500, 2), 0.5), generator=Generator().manual_seed(0))
        assert len(mixed[:, :, 0, 0].unique(dim=0)) == 4

    def test_gradients_reach_the_codes_that_were_taken(self) -> None:
        z = codes(6, 3, 5, 2, 2).requires_grad_()
        mixer("bernoulli").mix(z, torch.full((6, 3), 1 / 3), generator=Generator().manual_seed(0)).sum().backward()
        assert z.grad is not None
        assert torch.equal(z.grad.sum(1), torch.ones(6, 5, 2, 2))
