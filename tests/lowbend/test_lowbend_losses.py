"""The losses of low bending embeddings on numbers worked out by hand, and what each of them moves.

Images of one pixel in [0, 1]; encoders are functions of that pixel.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from interpzoo_lowbend.lowbend import LowBending, first_difference, gamma, second_difference
from torch import Generator, Tensor, nn

from interpzoo import wrap
from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import ConfigError, DataError
from interpzoo.geometry.manifolds import Cap
from interpzoo.interfaces import LatentModel, Regularizer, Step
from interpzoo.model import InterpolationModel
from tests.pixels import pixelwise, trainer_of, values
from tests.tiny import tiny_recipe

PIXEL = ImageSpec(channels=1, height=1, width=1)


def lowbend(**options: Any) -> LowBending:
    return build_component(Regularizer, Component.model_validate({"name": "lowbend", **options}), PIXEL, (1, 1, 1))


def step_on(
    model: LatentModel, x: list[float], y: list[float], m: list[float], d: list[float], index: int = 0, total: int = 10
) -> Step:
    image, partner, midpoint = (torch.tensor(v).view(-1, 1, 1, 1) for v in (x, y, m))
    batch = {"image": image, "partner": partner, "midpoint": midpoint, "distance": torch.tensor(d)}
    return Step(batch=batch, model=model, generator=Generator().manual_seed(0), index=index, total=total)


class Curve(nn.Module):
    """Pixels t to scale (cos t, sin t)."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * torch.cat([x.cos(), x.sin()], 1)


class Sum(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z.sum(1, keepdim=True)


def linear() -> InterpolationModel:
    """f(x) = 2 x, g(z) = z / 4 + 0.1."""
    return wrap(pixelwise(2.0), pixelwise(0.25, 0.1), PIXEL.shape)


class TestDifferences:
    def test_by_hand(self) -> None:
        x, y, m = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 3.0]]), torch.tensor([[0.25, 2.5]])
        d = torch.tensor([0.5])
        assert first_difference(x, y, d).tolist() == [[2.0, 4.0]]
        assert second_difference(x, y, m, d).tolist() == [[8 * 0.25 / 0.25, 8 * -0.5 / 0.25]]

    def test_codes_of_any_shape_are_flattened(self) -> None:
        x, y, m = torch.rand(3, 5, 2, 3, 3, generator=Generator().manual_seed(0))
        d = torch.ones(5)
        assert first_difference(x, y, d).shape == second_difference(x, y, m, d).shape == (5, 18)
        assert torch.equal(first_difference(x, y, d)[1], (y - x)[1].flatten())

    def test_with_the_factor_8_a_parabola_has_its_second_derivative(self) -> None:
        """f(t) = 3 t^2 has f'' = 6 at every d."""
        for d in (0.1, 1.0, 4.0):
            x, y = torch.tensor([[2 - d / 2]]), torch.tensor([[2 + d / 2]])
            found = second_difference(3 * x**2, 3 * y**2, torch.tensor([[12.0]]), torch.tensor([d]))
            assert found.item() == pytest.approx(6, rel=1e-3)

    @pytest.mark.parametrize("d", [0.1, 0.5, 2.0])
    def test_the_circle_is_bent_by_1_and_its_chords_are_short(self, d: float) -> None:
        t = torch.tensor([[0.3], [0.3 + d], [0.3 + d / 2]], dtype=torch.float64)
        x, y, m = torch.cat([t.cos(), t.sin()], 1)[:, None]
        apart = torch.tensor([d], dtype=torch.float64)
        assert first_difference(x, y, apart).norm().item() == pytest.approx(math.sin(d / 2) / (d / 2))
        bent = second_difference(x, y, m, apart).norm().item()
        assert bent == pytest.approx(8 * (1 - math.cos(d / 2)) / d**2)
        assert bent == pytest.approx(1 - d**2 / 48, abs=d**4 / 5000)

    def test_the_sphere_is_bent_by_1_in_every_direction(self) -> None:
        cap = Cap(math.pi / 3)
        p, q = cap.pairs(200, 0.1, Generator().manual_seed(0))
        bent = second_difference(p, q, cap.midpoint(p, q), cap.distance(p, q)).norm(dim=1)
        torch.testing.assert_close(bent, torch.ones_like(bent), rtol=0, atol=3e-4)


class TestGamma:
    @pytest.mark.parametrize("c", [0.0, 0.1, 1.0])
    def test_it_is_0_at_1_and_nowhere_else(self, c: float) -> None:
        s = torch.linspace(0.05, 3, 60, dtype=torch.float64)
        s = torch.cat([s[(s - 1).abs() > 1e-3], torch.ones(1, dtype=torch.float64)]).requires_grad_()
        found = gamma(s, c)
        assert found[-1].item() == pytest.approx(0, abs=1e-12)
        assert bool((found[:-1] > 0).all())
        (slope,) = torch.autograd.grad(found.sum(), s)
        assert slope[-1].item() == pytest.approx(0, abs=1e-12)
        assert bool((slope[:-1] * (s[:-1] - 1) > 0).all())

    def test_by_hand(self) -> None:
        assert gamma(torch.tensor(2.0), 0.0).item() == pytest.approx(4 + 1 / 4 - 2)
        assert gamma(torch.tensor(2.0), 1.0).item() == pytest.approx(4 + 4 / 5 - 3)
        assert gamma(torch.tensor(0.0), 0.5).item() == pytest.approx(1.25**2 / 0.25 - 2.25)

    def test_it_grows_quadratically_and_has_no_bound_near_0(self) -> None:
        assert gamma(torch.tensor(1e3), 0.1).item() == pytest.approx(1e6, rel=1e-5)
        assert gamma(torch.tensor(1e-3), 0.0).item() == pytest.approx(1e6, rel=1e-5)


class TestLosses:
    def test_by_hand(self) -> None:
        """f = 2 x: at .2, .6, .5, d = .5, D1 is 1.6 and D2 8 (.8 - 1) / .25 = -6.4; at .1, .4, .25, d = .6, 1 and 0."""
        model = linear()
        step = step_on(model, [0.2, 0.1], [0.6, 0.4], [0.5, 0.25], [0.5, 0.6])
        found = values(lowbend(weight=0.5, bending_weight=0.25, softening=0).loss(step, "autoencoder"))
        # g(f(x)) = x / 2 + 0.1: off by 0 and 0.05
        assert found == {
            "reconstruction": pytest.approx(0.05**2 / 2, rel=1e-4),
            "distortion": pytest.approx(0.5 * (1.6**2 + 1.6**-2 - 2) / 2, rel=1e-4),
            "bending": pytest.approx(0.5 * 0.25 * 6.4**2 / 2, rel=1e-4),
        }
        assert values(step.logged) == {
            "mean |D1|": pytest.approx(1.3, rel=1e-4),
            "mean |D2|^2": pytest.approx(6.4**2 / 2, rel=1e-4),
        }

    def test_softening(self) -> None:
        step = step_on(linear(), [0.2], [0.6], [0.4], [0.5])
        found = lowbend(weight=1, softening=0.5).loss(step, "encoder")["distortion"].item()
        assert found == pytest.approx(1.6**2 + 1.25**2 / (1.6**2 + 0.25) - 2.25, rel=1e-4)

    def test_the_encoder_alone_and_then_the_decoder(self) -> None:
        """Together, their terms are those of the autoencoder."""
        found, model = lowbend(encoder_fraction=0.5), linear()
        terms = [
            values(found.loss(step_on(model, [0.2], [0.6], [0.5], [0.5]), update))
            for update in ("encoder", "decoder", "autoencoder")
        ]
        assert [*terms[0]] == ["distortion", "bending"]
        assert [*terms[1]] == ["reconstruction"]
        assert terms[0] | terms[1] == terms[2]

    def test_the_best_circle_is_as_small_as_the_docstring_says(self) -> None:
        """With gamma(s) + lambda s^2, s = (1 + lambda)^(-1/4)."""
        theta = torch.linspace(0, 6, 50)
        d = torch.full((50,), 0.05)
        batch = [theta.tolist(), (theta + d).tolist(), (theta + d / 2).tolist(), d.tolist()]
        found = lowbend(weight=1, bending_weight=0.1, softening=0)
        for scale, sign in (((1.1**-0.25) * 0.99, -1), ((1.1**-0.25) * 1.01, 1)):
            encoder = Curve(scale)
            model = wrap(encoder, Sum(), PIXEL.shape)
            loss = torch.stack([*found.loss(step_on(model, *batch), "encoder").values()]).sum()
            assert torch.autograd.grad(loss, encoder.scale)[0].item() * sign > 0


class TestGradients:
    @pytest.mark.parametrize("update", ["encoder", "autoencoder"])
    def test_nothing_is_detached(self, update: str) -> None:
        """The encoder's weight has the whole derivative, through x, y and m and, with the decoder, the image."""

        def total(weight: float) -> tuple[Tensor, InterpolationModel]:
            encoder = nn.Sequential(pixelwise(weight), nn.Tanh())
            model = wrap(encoder, pixelwise(0.25, 0.1), PIXEL.shape).double()
            step = step_on(model, [0.2, 0.9], [0.6, 0.3], [0.5, 0.8], [0.5, 0.7])
            step.batch = {name: value.double() for name, value in step.batch.items()}
            return torch.stack([*lowbend(weight=2).loss(step, update).values()]).sum(), model

        loss, model = total(1.5)
        weight = next(model.encoder.parameters())
        h = 2**-14  # which the networks' float32 takes exactly
        slope = (total(1.5 + h)[0] - total(1.5 - h)[0]).item() / (2 * h)
        assert abs(slope) > 0.1
        assert torch.autograd.grad(loss, weight)[0].item() == pytest.approx(slope, rel=1e-5)

    def test_each_of_the_three_codes_has_its_share(self) -> None:
        step = step_on(linear(), [0.2], [0.6], [0.5], [0.5])
        for name in ("image", "partner", "midpoint"):
            batch = {**step.batch, name: step.batch[name].clone().requires_grad_()}
            own = Step(batch=batch, model=step.model, generator=step.generator, index=0, total=1)
            loss = lowbend().loss(own, "encoder")["bending"]
            assert torch.autograd.grad(loss, batch[name])[0].abs().item() > 0.1, name

    @pytest.mark.parametrize(
        ("update", "reached"), [("encoder", [True, False]), ("decoder", [False, True]), ("autoencoder", [True, True])]
    )
    def test_what_an_update_reaches(self, update: str, reached: list[bool]) -> None:
        model = linear()
        loss = lowbend(encoder_fraction=0.5).loss(step_on(model, [0.2], [0.6], [0.5], [0.5]), update)
        weights = [next(model.encoder.parameters()), next(model.decoder.parameters())]
        found = torch.autograd.grad(torch.stack([*loss.values()]).sum(), weights, allow_unused=True)
        assert [gradient is not None for gradient in found] == reached

    def test_codes_that_are_one_point_have_a_finite_loss_and_gradient(self) -> None:
        model = wrap(pixelwise(0.0), pixelwise(1.0), PIXEL.shape)
        loss = lowbend(weight=1).loss(step_on(model, [0.2], [0.6], [0.5], [0.5]), "encoder")
        assert loss["distortion"].item() == pytest.approx(1.01**2 / 0.01 - 2.01, rel=1e-4)
        (gradient,) = torch.autograd.grad(loss["distortion"], [next(model.encoder.parameters())])
        assert gradient.isfinite().all()


class TestStages:
    @staticmethod
    def active(fraction: float | None) -> dict[str, list[int]]:
        model = linear()
        steps = [step_on(model, [0.2], [0.6], [0.5], [0.5], index) for index in range(10)]
        updates = lowbend(encoder_fraction=fraction).updates(model)
        return {update.name: [step.index for step in steps if update.active(step)] for update in updates}

    @pytest.mark.parametrize(
        ("fraction", "expected"),
        [
            (None, {"autoencoder": [*range(10)]}),
            (0.35, {"encoder": [0, 1, 2, 3], "decoder": [*range(4, 10)]}),
            (0.5, {"encoder": [*range(5)], "decoder": [*range(5, 10)]}),
            (1, {"encoder": [*range(10)], "decoder": []}),
        ],
    )
    def test_when_each_is_trained(self, fraction: float | None, expected: dict[str, list[int]]) -> None:
        assert self.active(fraction) == expected

    def test_each_moves_its_own_network(self) -> None:
        model = linear()
        encoder, decoder = lowbend(encoder_fraction=0.5).updates(model)
        (both,) = lowbend().updates(model)
        assert {id(p) for p in encoder.parameters} == {id(p) for p in model.encoder.parameters()}
        assert {id(p) for p in decoder.parameters} == {id(p) for p in model.decoder.parameters()}
        assert {id(p) for p in both.parameters} == {id(p) for p in model.parameters()}

    def test_reduced_precision_is_refused(self) -> None:
        assert not lowbend().autocast


def test_data_without_pairs_is_refused_by_its_fields(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'lowbend' needs 'distance', 'midpoint', 'partner'.*'lines' gives 'angle'"):
        trainer_of(tiny_recipe("lowbend"), tmp_path)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"weight": -1}, "weight"),
        ({"bending_weight": -1}, "bending_weight"),
        ({"softening": -0.1}, "softening"),
        ({"encoder_fraction": 0}, "encoder_fraction"),
        ({"encoder_fraction": 1.5}, "encoder_fraction"),
        ({"kappa": 1}, "kappa"),
    ],
)
def test_bad_settings_are_refused_by_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=f"'lowbend'.*{field}"):
        lowbend(**options)
