"""The losses of AMR on numbers worked out by hand, what they reach, and the discriminator.

Two images of one pixel, networks of one weight: every term can be written down, in the paper's [-1, 1].
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from interpzoo_amr.amr import AMR
from interpzoo_amr.mixers import Mixup
from torch import Generator, Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from interpzoo import wrap
from interpzoo.build import build_component
from interpzoo.config import Component, ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Regularizer, Step
from interpzoo.model import InterpolationModel
from tests.pixels import pixelwise, step_of, values
from tests.tiny import random_images

PIXEL = ImageSpec(channels=1, height=1, width=1)
SMALL = ImageSpec(channels=3, height=16, width=16)
X = torch.tensor([0.2, 0.8]).view(2, 1, 1, 1)
SWAPS = 1  # a seed whose first permutation of two is (1, 0)


class Given(Mixup):
    """Mixup with the weights that it is given."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__(ComponentConfig())
        self.weights = weights

    def draw(self, n: int, k: int, generator: Generator) -> Tensor:
        return self.weights


def amr(image: ImageSpec = PIXEL, **options: Any) -> AMR:
    sizes = {"width": 4, "scales": 0 if image.height == 1 else 2, "latent_channels": 2}
    component = Component.model_validate({"name": "amr", "discriminator": sizes, **options})
    return build_component(Regularizer, component, image, (1, 1, 1))


def by_hand(**options: Any) -> tuple[AMR, InterpolationModel, Step]:
    """f(x) = 2 x, g(h) = h / 2 + 0.1 on [0, 1]; logit of D = 3 s - 1 on [-1, 1]; mixes (1/4, 3/4) and (1/2, 1/2)."""
    found = amr(**options)
    found.discriminator = nn.Sequential(pixelwise(3.0, -1.0))
    found.mixer = Given(torch.tensor([[0.25, 0.75], [0.5, 0.5]]))
    model = wrap(pixelwise(2.0), pixelwise(0.5, 0.1), PIXEL.shape)
    assert torch.randperm(2, generator=Generator().manual_seed(SWAPS)).tolist() == [1, 0]
    return found, model, step_of(model, X, seed=SWAPS)


def bce(logit: float, target: int) -> float:
    """-ln of the probability that the discriminator gives the target."""
    return math.log1p(math.exp(-logit if target else logit))


# x = (.2, .8) is (-.6, .6) in [-1, 1], with logits 3 s - 1:
REAL = (-2.8, 0.8)
# g(h) = (.3, .9) is (-.4, .8):
RECONSTRUCTED = (-2.2, 1.4)
# h = (.4, 1.6), h_mix = (.25 x .4 + .75 x 1.6, .5 x 1.6 + .5 x .4) = (1.3, 1), g(h_mix) = (.75, .6) is (.5, .2):
MIXED = (0.5, -0.4)


def mean_bce(logits: tuple[float, float], target: int) -> float:
    return (bce(logits[0], target) + bce(logits[1], target)) / 2


def test_generator_by_hand() -> None:
    found, _, step = by_hand(lamb=10, beta=0.5)
    assert values(found.loss(step, "autoencoder")) == {
        "reconstruction": pytest.approx(10 * 0.2),
        "realism of reconstructions": pytest.approx(mean_bce(RECONSTRUCTED, 1), rel=1e-5),
        "realism of mixes": pytest.approx(mean_bce(MIXED, 1), rel=1e-5),
        # f(g(h_mix)) = (1.5, 1.2) and h_mix = (1.3, 1)
        "consistency": pytest.approx(0.5 * 0.2, rel=1e-5),
    }


def test_discriminator_by_hand_is_the_sum_of_three() -> None:
    found, _, step = by_hand()
    terms = values(found.loss(step, "discriminator"))
    assert terms == {
        "discriminator on data": pytest.approx(mean_bce(REAL, 1), rel=1e-5),
        "discriminator on reconstructions": pytest.approx(mean_bce(RECONSTRUCTED, 0), rel=1e-5),
        "discriminator on mixes": pytest.approx(mean_bce(MIXED, 0), rel=1e-5),
    }


def test_consistency_is_off_unless_asked_for() -> None:
    found, _, step = by_hand()
    assert set(found.loss(step, "autoencoder")) == {
        "reconstruction",
        "realism of reconstructions",
        "realism of mixes",
    }


def test_the_order_of_the_losses_does_not_matter() -> None:
    found, model, forwards = by_hand()
    backwards = step_of(model, X, seed=SWAPS)
    first = [values(found.loss(forwards, name)) for name in ("autoencoder", "discriminator")]
    second = [values(found.loss(backwards, name)) for name in ("discriminator", "autoencoder")]
    assert first == second[::-1]


def test_the_discriminators_loss_reaches_only_the_discriminator() -> None:
    found, model, step = by_hand()
    loss = sum(found.loss(step, "discriminator").values(), torch.zeros(()))
    reached = torch.autograd.grad(loss, [*model.parameters(), *found.parameters()], allow_unused=True)
    assert [gradient is not None for gradient in reached] == [False] * 4 + [True] * 2


def test_realism_of_mixes_reaches_the_encoder_through_both_codes() -> None:
    """With f(x) = a x: dL / da = mean of -(1 - sigmoid(logit)) x 3 x 2 x (1/2) x (w x + (1 - w) x')."""
    found, model, step = by_hand()
    (weight,) = (p for name, p in model.encoder.named_parameters() if name.endswith("weight"))
    (gradient,) = torch.autograd.grad(found.loss(step, "autoencoder")["realism of mixes"], weight)
    pulls = [-(1 - 1 / (1 + math.exp(-logit))) * 3 for logit in MIXED]
    sources = [0.25 * 0.2 + 0.75 * 0.8, 0.5 * 0.8 + 0.5 * 0.2]
    assert gradient.item() == pytest.approx((pulls[0] * sources[0] + pulls[1] * sources[1]) / 2, rel=1e-5)


def test_every_term_of_the_generator_reaches_encoder_and_decoder() -> None:
    found, model, step = by_hand(beta=1)
    for name, term in found.loss(step, "autoencoder").items():
        reached = torch.autograd.grad(term, [*model.parameters()], retain_graph=True, allow_unused=True)
        weights = [g for g, (p, _) in zip(reached, model.named_parameters(), strict=True) if p.endswith("weight")]
        assert all(g is not None and g.item() != 0 for g in weights), name


def test_updates_move_disjoint_parameters() -> None:
    found, model, _ = by_hand(generator_every=3)
    autoencoder, discriminator = found.updates(model)
    assert {id(p) for p in autoencoder.parameters} == {id(p) for p in model.parameters()}
    assert {id(p) for p in discriminator.parameters} == {id(p) for p in found.parameters()}
    assert (autoencoder.every, discriminator.every) == (3, 1)


def test_the_generator_is_due_at_every_fifth_step_by_default() -> None:
    model = wrap(pixelwise(1.0), pixelwise(1.0), PIXEL.shape)
    assert amr().updates(model)[0].every == 5


@pytest.mark.parametrize("options", [{}, {"k": 3}, {"mixer": "bernoulli"}, {"mixer": "bernoulli", "k": 4}])
def test_all_draws_are_the_steps(options: dict[str, Any]) -> None:
    """Official code draws the weights from NumPy's global state, which nothing seeds."""
    found = amr(SMALL, **options).eval()
    model = wrap(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1), SMALL.shape)
    results: list[dict[str, float]] = []
    for global_seed, seed in ((1, 5), (2, 5), (1, 6)):
        torch.manual_seed(global_seed)
        step = step_of(model, random_images(8, SMALL), seed=seed)
        results.append(values(found.loss(step, "autoencoder")))
    assert results[0] == results[1]
    assert results[0]["reconstruction"] == results[2]["reconstruction"]
    assert results[0]["realism of mixes"] != results[2]["realism of mixes"]


@pytest.mark.parametrize("mixer", ["mixup", "bernoulli"])
@pytest.mark.parametrize("k", [2, 3, 8])
def test_mixes_are_of_the_batchs_codes(mixer: str, k: int) -> None:
    """One feature map, codes 0 or 1: mixes lie between, and where whole maps are taken, at the ends."""
    found = amr(mixer=mixer, k=k)
    model = wrap(pixelwise(1.0), pixelwise(1.0), PIXEL.shape)
    step = step_of(model, (torch.arange(64) % 2).float().view(-1, 1, 1, 1))
    found.loss(step, "discriminator")
    mixed: Tensor = step.shared("amr", lambda: pytest.fail("not shared"))[0].detach()
    assert mixed.shape == (64, 1, 1, 1)
    assert -1e-6 <= mixed.min() < 0.3
    assert 0.7 < mixed.max() <= 1 + 1e-6
    ends = ((mixed == 0) | (mixed == 1)).float().mean()
    assert (ends == 1) if mixer == "bernoulli" else (ends < 1)


def convolutions(found: AMR) -> list[nn.Conv2d]:
    return [layer for layer in found.discriminator if isinstance(layer, nn.Conv2d)]


class TestDiscriminator:
    def test_all_convolutions_but_the_first_are_normalised(self) -> None:
        first, *others = convolutions(amr(SMALL))
        assert first.kernel_size == (1, 1)
        assert not is_parametrized(first)
        assert len(others) == 6
        assert all(is_parametrized(layer, "weight") for layer in others)

    @pytest.mark.parametrize("autocast", [False, True])
    def test_power_iterations_lead_to_a_largest_singular_value_of_1(self, autocast: bool) -> None:
        found = amr(SMALL)
        with torch.no_grad():
            for layer in convolutions(found)[1:]:
                layer.parametrizations["weight"].original.mul_(7)
            x = random_images(2, SMALL)
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                for _ in range(60):
                    found.d(x)
            for layer in convolutions(found)[1:]:
                largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
                torch.testing.assert_close(largest, torch.tensor(1.0), atol=2e-3, rtol=0)

    def test_one_power_iteration_a_call(self) -> None:
        """The right vector moves from v to W'(W v), normalised."""
        found = amr(SMALL)
        layer = convolutions(found)[1]
        spectral = layer.parametrizations["weight"]
        w, v = spectral.original.detach().flatten(1), spectral[0]._v.clone()
        expected = torch.nn.functional.normalize(w.T @ torch.nn.functional.normalize(w @ v, dim=0), dim=0)
        found.d(random_images(1, SMALL))
        torch.testing.assert_close(spectral[0]._v, expected)

    def test_the_logit_is_the_mean_of_the_map_of_signed_images(self) -> None:
        found = amr(SMALL).eval()
        x = random_images(3, SMALL)
        logits = found.d(x)
        assert logits.shape == (3,)
        torch.testing.assert_close(logits, found.discriminator(2 * x - 1).flatten(1).mean(1))

    def test_autocast_gives_float32_logits_and_gradients(self) -> None:
        found = amr(SMALL)
        with torch.autocast("cpu", torch.bfloat16):
            logits = found.d(random_images(4, SMALL))
        assert logits.dtype == torch.float32
        gradients = torch.autograd.grad(logits.square().mean(), [*found.discriminator.parameters()])
        assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"k": 1}, "k"),
        ({"generator_every": 0}, "generator_every"),
        ({"lamb": -1}, "lamb"),
        ({"beta": -1}, "beta"),
        ({"mixer": "linear"}, "mixer"),
        ({"gamma": 0.2}, "gamma"),
    ],
)
def test_bad_settings_are_refused_by_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=f"'amr'.*{field}"):
        amr(**options)
