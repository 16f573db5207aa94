"""The losses of ACAI and of the baselines, on numbers worked out by hand.

Two images of two pixels, linear networks of one or two weights: every term can be written down, in the paper's units.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from interpzoo import wrap
from interpzoo.build import build_component
from interpzoo.config import Component, ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Decoder, Encoder, LatentModel, Regularizer, Step
from interpzoo.model import InterpolationModel
from tests.tiny import random_images

IMAGE = ImageSpec(channels=1, height=1, width=2)
# In [-1, 1] these are (-1, -0.5) and (0, 1).
X = torch.tensor([[0.0, 0.25], [0.5, 1.0]]).view(2, 1, 1, 2)
SEED = 7


def conv(weight: float, bias: float = 0.0) -> nn.Conv2d:
    """y = weight x + bias, pixel by pixel."""
    layer = nn.Conv2d(1, 1, 1)
    with torch.no_grad():
        layer.weight.fill_(weight)
        layer.bias.fill_(bias)
    return layer


def linear_model() -> InterpolationModel:
    """f(x) = 2 x, g(z) = z / 4 + 1 / 8, so that g(f(x)) = x / 2 + 1 / 8, all on [0, 1]."""
    return wrap(conv(2.0), conv(0.25, 0.125), IMAGE.shape)


def regularizer(name: str, latent_shape: tuple[int, ...] = (1, 1, 2), **options: Any) -> Regularizer:
    return build_component(Regularizer, Component.model_validate({"name": name, **options}), IMAGE, latent_shape)


def step_of(model: LatentModel, x: Tensor = X) -> Step:
    return Step(batch={"image": x}, model=model, generator=Generator().manual_seed(SEED), index=0, total=10)


def draws(*shapes: tuple[int, ...], normal: bool = False) -> list[Tensor]:
    """What the step's generator gives, in turn."""
    generator = Generator().manual_seed(SEED)
    return [(torch.randn if normal else torch.rand)(*shape, generator=generator) for shape in shapes]


def values(terms: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: term.item() for name, term in terms.items()}


# x / 2 + 1 / 8 in [-1, 1] is s / 2 - 1 / 4 for the image's own s: errors -s / 2 - 1 / 4 of (-1, -.5, 0, 1).
RECONSTRUCTION = (0.25**2 + 0.0**2 + 0.25**2 + 0.75**2) / 4


def test_autoencoder_is_the_mean_square_in_the_papers_units() -> None:
    terms = regularizer("ae").loss(step_of(linear_model()), "autoencoder")
    assert values(terms) == {"reconstruction": pytest.approx(RECONSTRUCTION)}


ACAI = {"critic": {"width": 1, "scales": 0, "latent_channels": 1}}


def acai(**options: Any) -> Regularizer:
    """ACAI with the critic d(x) = mean over pixels of (3 s + 0.1), s in [-1, 1]."""
    found = regularizer("acai", **ACAI, **options)
    found.critic = conv(3.0, 0.1)
    return found


def d(image: Tensor) -> Tensor:
    """The same critic written out, of images in [0, 1]."""
    return (3 * (2 * image - 1) + 0.1).mean((1, 2, 3))


def test_acai_by_hand() -> None:
    model = linear_model()
    step = step_of(model)
    found = acai(weight=0.5, gamma=0.2)
    (u,) = draws((2,))
    alpha = 0.5 - (u - 0.5).abs()
    # alpha weighs the image's own code, 1 - alpha that of the reversed partner.
    a, b = alpha.tolist()
    z = 2 * X
    mixed = torch.stack([a * z[0] + (1 - a) * z[1], b * z[1] + (1 - b) * z[0]])
    estimate = d(mixed / 4 + 0.125)
    assert values(found.loss(step, "autoencoder")) == {
        "reconstruction": pytest.approx(RECONSTRUCTION),
        "interpolation": pytest.approx(0.5 * float((estimate[0] ** 2 + estimate[1] ** 2) / 2), rel=1e-5),
    }
    # gamma weighs the data: 0.2 x + 0.8 x^.
    blend = 0.2 * X + 0.8 * (X / 2 + 0.125)
    assert values(found.loss(step, "critic")) == {
        "critic": pytest.approx(float(((estimate[0] - a) ** 2 + (estimate[1] - b) ** 2) / 2), rel=1e-5),
        "critic on data": pytest.approx(float(d(blend).square().mean()), rel=1e-5),
    }


def test_acai_in_either_order_shares_coefficients_and_interpolants() -> None:
    model, found = linear_model(), acai()
    forwards, backwards = step_of(model), step_of(model)
    first = [values(found.loss(forwards, name)) for name in ("autoencoder", "critic")]
    second = [values(found.loss(backwards, name)) for name in ("critic", "autoencoder")]
    assert first == second[::-1]


def coefficients(images: int) -> Tensor:
    """ACAI's alphas: with g = 0 and d = s + 1 the estimate is 0 and the critic's error alpha itself."""
    x = torch.zeros(images, 1, 1, 2)
    found = acai()
    found.critic = conv(1.0, 1.0)
    step = step_of(wrap(conv(0.0), conv(0.0), IMAGE.shape), x)
    found.loss(step, "critic")
    alpha: Tensor = step.shared("acai", lambda: pytest.fail("not shared"))[0]
    assert found.loss(step, "critic")["critic"].item() == pytest.approx(alpha.square().mean().item(), rel=1e-5)
    return alpha


def test_acai_coefficients_are_uniform_up_to_a_half() -> None:
    alpha = coefficients(4000)
    assert alpha.shape == (4000,)
    assert alpha.min() >= 0
    assert alpha.max() <= 0.5
    # Mean 1/4 and deviation 1/sqrt(48), to five standard errors.
    assert abs(alpha.mean() - 0.25) < 5 / math.sqrt(48 * 4000)
    for edge in (0.1, 0.2, 0.3, 0.4):
        assert abs((alpha < edge).float().mean() - 2 * edge) < 5 * 0.5 / math.sqrt(4000)


def test_acai_has_a_term_of_its_own_for_each_image_of_an_odd_batch() -> None:
    # The middle one of three is its own partner: the interpolant is its reconstruction, whatever alpha.
    x = torch.tensor([[0.0, 0.0], [0.3, 0.9], [1.0, 1.0]]).view(3, 1, 1, 2)
    step = step_of(linear_model(), x)
    found = acai()
    found.loss(step, "critic")
    _, estimate = step.shared("acai", lambda: pytest.fail("not shared"))
    torch.testing.assert_close(estimate[1:2], d(x[1:2] / 2 + 0.125))


@pytest.mark.parametrize("autocast", [False, True])
def test_acai_step_is_that_of_two_separate_losses(autocast: bool) -> None:
    """The gradients of each update against losses written out, with everything detached that must be."""
    torch.manual_seed(0)
    model = linear_model()
    found = acai()
    twin, critic = copy.deepcopy(model), copy.deepcopy(found.critic)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        step = step_of(model)
        losses = {u.name: torch.stack([*found.loss(step, u.name).values()]).sum() for u in found.updates(model)}
        updates = {u.name: list(u.parameters) for u in found.updates(model)}
        got = {
            name: torch.autograd.grad(losses[name], parameters, retain_graph=True, allow_unused=True)
            for name, parameters in updates.items()
        }
    own = {id(p) for p in (*model.encoder.parameters(), *model.decoder.parameters())}
    assert {id(p) for p in updates["autoencoder"]} == own
    assert {id(p) for p in updates["critic"]} == {id(p) for p in found.critic.parameters()}

    alpha = 0.5 - (draws((2,))[0] - 0.5).abs()
    weight = alpha.view(2, 1, 1, 1)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        z = twin.encoder(X)
        reconstruction = twin.decoder(z).float()
        mix = twin.decoder(weight * z + (1 - weight) * z.flip(0))
        frozen = copy.deepcopy(critic).requires_grad_(False)
        score = frozen(2 * mix - 1).float().mean((1, 2, 3))
        autoencoder = (2 * X - 2 * reconstruction).square().mean() + 0.5 * score.square().mean()
        estimate = critic(2 * mix.detach() - 1).float().mean((1, 2, 3))
        real = critic(2 * (0.2 * X + 0.8 * reconstruction.detach()) - 1).float().mean((1, 2, 3))
        adversary = (estimate - alpha).square().mean() + real.square().mean()
    expected = {
        "autoencoder": torch.autograd.grad(autoencoder, [*twin.encoder.parameters(), *twin.decoder.parameters()]),
        "critic": torch.autograd.grad(adversary, list(critic.parameters())),
    }
    for name in expected:
        for mine, theirs in zip(got[name], expected[name], strict=True):
            torch.testing.assert_close(mine, theirs, rtol=2e-2 if autocast else 1e-4, atol=1e-2 if autocast else 1e-5)


def test_the_interpolation_term_reaches_encoder_and_decoder() -> None:
    model, found = linear_model(), acai()
    term = found.loss(step_of(model), "autoencoder")["interpolation"]
    for parameters in (model.encoder.parameters(), model.decoder.parameters()):
        for gradient in torch.autograd.grad(term, list(parameters), retain_graph=True):
            assert gradient.abs().max() > 0


def test_a_weight_of_nothing_is_a_plain_autoencoder() -> None:
    model = linear_model()
    terms = values(acai(weight=0.0).loss(step_of(model), "autoencoder"))
    assert terms["interpolation"] == 0
    assert terms["reconstruction"] == pytest.approx(RECONSTRUCTION)


def test_denoising_adds_noise_in_the_papers_units_and_compares_with_the_clean_image() -> None:
    (noise,) = draws((2, 1, 1, 2), normal=True)
    # A deviation of 0.6 on [-1, 1] is 0.3 on [0, 1].
    denoised = (X + 0.3 * noise) / 2 + 0.125
    expected = (2 * denoised - 2 * X).square().mean()
    terms = regularizer("dae", noise=0.6).loss(step_of(linear_model()), "autoencoder")
    assert values(terms) == {"reconstruction": pytest.approx(float(expected), rel=1e-5)}


class Pixel(Encoder):
    """q(z | x) = N(x, e^{2 x}), pixel by pixel."""

    def __init__(self) -> None:
        super().__init__(ComponentConfig(), IMAGE)
        self.latent_shape = IMAGE.shape
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x

    def posterior(self, x: Tensor) -> Distribution:
        return Independent(Normal(self.scale * x, x.exp()), 3)


class Coin(Decoder):
    """p(x | z) = N(x; z, 1), pixel by pixel, without its constant."""

    def __init__(self) -> None:
        super().__init__(ComponentConfig(), IMAGE, IMAGE.shape)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor) -> Tensor:
        return self.scale * z

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        return -(x - self(z)).square().flatten(1).sum(1) / 2


class Pair:
    """The two networks, as a regularizer sees them."""

    def __init__(self) -> None:
        self.encoder = Pixel()
        self.decoder = Coin()
        self.prior = None


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_the_evidence_lower_bound_by_hand(beta: float) -> None:
    pair = Pair()
    step = step_of(pair)
    terms = values(regularizer("vae", beta=beta).loss(step, "autoencoder"))
    (noise,) = draws((2, 1, 1, 2), normal=True)
    # One reparameterised sample: x - z = -e^x noise.
    squares = (X.exp() * noise).square().sum() / 2
    # KL(N(m, s^2) || N(0, 1)) = (m^2 + s^2 - 1) / 2 - log s, summed over the pixels, averaged over the images.
    x = X.double().flatten()
    divergence = sum((m * m + math.exp(2 * m) - 1) / 2 - m for m in x.tolist()) / 2
    assert terms == {
        "reconstruction": pytest.approx(float(squares) / 2, rel=1e-5),
        "divergence": pytest.approx(beta * divergence, rel=1e-5),
    }
    assert float(step.logged["kl"]) == pytest.approx(divergence, rel=1e-5)


def test_the_sample_is_reparameterised_and_shared() -> None:
    pair = Pair()
    step = step_of(pair)
    terms = regularizer("vae").loss(step, "autoencoder")
    gradients = torch.autograd.grad(terms["reconstruction"], [pair.encoder.scale, pair.decoder.scale])
    assert all(gradient.abs() > 0 for gradient in gradients)
    (noise,) = draws((2, 1, 1, 2), normal=True)
    torch.testing.assert_close(step.codes, X + X.exp() * noise)


def test_a_vae_without_a_posterior_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match=r"'vae' needs an encoder with a posterior.*encoder\.posterior=gaussian"):
        regularizer("vae").loss(step_of(linear_model()), "autoencoder")


def aae(slope: float, bias: float, **options: Any) -> Regularizer:
    """The adversarial autoencoder with the discriminator d(z) = slope (sum of z) + bias."""
    found = regularizer("aae", **options)
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.fill_(slope)
        layer.bias.fill_(bias)
    found.discriminator = nn.Sequential(nn.Flatten(), layer)
    return found


def test_adversarial_targets_by_hand() -> None:
    model, found = linear_model(), aae(0.5, -0.25, weight=2.0)
    step = step_of(model)
    (prior,) = draws((2, 1, 1, 2), normal=True)
    fake = [0.5 * float(z.sum()) - 0.25 for z in 2 * X]
    real = [0.5 * float(p.sum()) - 0.25 for p in prior]

    def softplus(logit: float) -> float:
        return math.log1p(math.exp(logit))

    # Binary cross-entropy: -log sigmoid(l) = softplus(-l) for the target 1, softplus(l) for 0.
    assert values(found.loss(step, "discriminator")) == {
        "discriminator": pytest.approx(
            sum(map(softplus, fake)) / 2 + sum(softplus(-logit) for logit in real) / 2, rel=1e-5
        )
    }
    assert values(found.loss(step, "autoencoder")) == {
        "reconstruction": pytest.approx(RECONSTRUCTION),
        "adversarial": pytest.approx(2.0 * sum(softplus(-logit) for logit in fake) / 2, rel=1e-5),
    }


def test_the_adversarial_term_pulls_the_encoder_and_not_the_decoder() -> None:
    model, found = linear_model(), aae(0.5, 0.0)
    term = found.loss(step_of(model), "autoencoder")["adversarial"]
    encoder = torch.autograd.grad(term, list(model.encoder.parameters()), retain_graph=True)
    decoder = torch.autograd.grad(term, list(model.decoder.parameters()), allow_unused=True)
    assert all(gradient.abs().max() > 0 for gradient in encoder)
    assert decoder == (None, None)


def test_the_discriminator_is_the_papers() -> None:
    found = regularizer("aae", latent_shape=(2, 4, 4))
    shapes = [tuple(p.shape) for p in found.discriminator.parameters() if p.ndim == 2]
    assert shapes == [(100, 32), (100, 100), (1, 100)]
    slopes = [m.negative_slope for m in found.discriminator.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.2, 0.2]


@pytest.mark.parametrize(
    ("name", "updates"),
    [
        ("ae", ["autoencoder"]),
        ("dae", ["autoencoder"]),
        ("vae", ["autoencoder"]),
        ("aae", ["autoencoder", "discriminator"]),
        ("acai", ["autoencoder", "critic"]),
    ],
)
def test_updates_move_all_weights_once_each_step(name: str, updates: list[str]) -> None:
    model = linear_model()
    found = regularizer(name, **(ACAI if name == "acai" else {}))
    assert [(u.name, u.every, u.optimizer) for u in found.updates(model)] == [(u, 1, None) for u in updates]
    moved = [id(p) for u in found.updates(model) for p in u.parameters]
    own = [id(p) for p in (*model.parameters(), *found.parameters())]
    assert sorted(moved) == sorted(own)


@pytest.mark.parametrize("name", ["ae", "dae", "aae", "acai"])
def test_losses_do_not_depend_on_the_global_random_state(name: str) -> None:
    model, found = linear_model(), regularizer(name, **(ACAI if name == "acai" else {}))
    x = random_images(4, IMAGE)
    results: list[dict[str, float]] = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        step = step_of(model, x)
        results.append({k: v for u in found.updates(model) for k, v in values(found.loss(step, u.name)).items()})
    assert results[0] == results[1]
