"""Mutual information and active units where they are known, and of a whole model."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from interpzoo_skipvae.evaluation import (
    InformationScores,
    active_units,
    aggregate_log_ratios,
    binarize,
    score_information,
)
from torch import Generator, Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

import interpzoo
from interpzoo.benchmark import Task
from interpzoo.benchmark.candidates import ModelCandidate
from interpzoo.benchmark.metric import metrics_named
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.run import score_candidate
from interpzoo.build import build_component
from interpzoo.config import Component, ComponentConfig, ImageSpec, Recipe
from interpzoo.errors import ConfigError, InputError
from interpzoo.interfaces import DataSet, Decoder, Encoder
from tests.tiny import tiny_model, tiny_recipe

IMAGE = ImageSpec(channels=1, height=1, width=3)
GAINS = torch.tensor([2.0, 0.5, 0.0])
DEVIATIONS = torch.tensor([0.5, 1.0, 1.2])


class Channel(Encoder):
    """q(z | x) = N(a x, s^2), pixel by pixel: of x ~ N(0, 1) q(z) is N(0, a^2 + s^2), I = 1/2 log(1 + a^2 / s^2)."""

    latent_shape = (3,)

    def __init__(self) -> None:
        super().__init__(ComponentConfig(), IMAGE)
        self.gains = nn.Parameter(GAINS.clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.gains * x.flatten(1)

    def posterior(self, x: Tensor) -> Independent[Normal]:
        return Independent(Normal(self(x), DEVIATIONS.expand(len(x), -1)), 1)


class Copy(Decoder):
    """log p(x | z) = -|z|^2."""

    def forward(self, z: Tensor) -> Tensor:
        return z[:, None, None]

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        return -z.square().sum(1)


class Silent(Decoder):
    """Images, and no likelihood of them."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.zeros(len(z), 1, 16, 16)


@pytest.fixture(scope="module")
def scores() -> InformationScores:
    model = interpzoo.wrap(nn.Flatten(), nn.Unflatten(1, (1, 1, 3)), (1, 1, 3)).eval()
    model.encoder, model.decoder = Channel(), Copy(ComponentConfig(), IMAGE, (3,))
    x = torch.randn(8000, 1, 1, 3, generator=Generator().manual_seed(1))  # not the codes' seed
    # Of second moments that are exact, and with them the divergence.
    return score_information(model, x / x.square().mean(0).sqrt())


class TestGaussianToy:
    def test_divergence(self, scores: InformationScores) -> None:
        """1/2 sum (a^2 + s^2 - log s^2 - 1), of E x^2 = 1."""
        a2, s2 = GAINS.square(), DEVIATIONS.square()
        assert float(scores.divergences.mean()) == pytest.approx(float((a2 + s2 - s2.log() - 1).sum() / 2), rel=1e-4)

    def test_mutual_information(self, scores: InformationScores) -> None:
        expected = float((1 + GAINS.square() / DEVIATIONS.square()).log().sum() / 2)
        assert expected == pytest.approx(1.53, abs=0.01)
        assert float(scores.information.mean()) == pytest.approx(expected, abs=0.05)

    def test_active_units(self, scores: InformationScores) -> None:
        assert scores.active_units == 2

    def test_the_bound(self, scores: InformationScores) -> None:
        """E |z|^2 = sum a^2 + s^2."""
        likelihood = float(scores.log_likelihoods.mean())
        assert likelihood == pytest.approx(-float((GAINS**2 + DEVIATIONS**2).sum()), abs=0.15)
        assert float(scores.bounds.mean()) == pytest.approx(likelihood - float(scores.divergences.mean()))
        assert len(scores.bounds) == 8000


def test_the_aggregate_is_the_mixture_of_all_posteriors() -> None:
    """Against torch's own mixture, the code's own posterior included; more codes than are taken at a time."""
    generator = Generator().manual_seed(0)
    means = torch.randn(301, 4, generator=generator)
    deviations = 0.05 + torch.rand(301, 4, generator=generator)
    z = means + deviations * torch.randn(301, 4, generator=generator)
    mixture = MixtureSameFamily(Categorical(torch.ones(301)), Independent(Normal(means, deviations), 1))
    expected = (mixture.log_prob(z) - Normal(0.0, 1.0).log_prob(z).sum(1)).mean()
    assert float(aggregate_log_ratios(z, means, deviations).mean()) == pytest.approx(float(expected), rel=1e-4)


def test_posteriors_of_all_but_no_width_keep_their_digits() -> None:
    """Two that nothing overlaps, far from zero: log q(z) is that of z's own over N."""
    means = torch.tensor([[100.0], [-100.0]])
    deviations = torch.full((2, 1), 1e-4)
    kl = (100**2 + 1e-8 - math.log(1e-8) - 1) / 2
    information = kl - float(aggregate_log_ratios(means, means, deviations).mean())
    assert information == pytest.approx(math.log(2) - 0.5, abs=1e-4)


def test_it_saturates_at_the_logarithm_of_the_number_of_images() -> None:
    means = 10 * torch.randn(400, 5, generator=Generator().manual_seed(0), dtype=torch.float64)
    z = means + 1e-3 * torch.randn(400, 5, generator=Generator().manual_seed(1), dtype=torch.float64)
    kl = float((means.square() + 1e-6 - math.log(1e-6) - 1).sum(1).mean() / 2)
    information = kl - float(aggregate_log_ratios(z, means, torch.full_like(means, 1e-3)).mean())
    assert information == pytest.approx(math.log(400), abs=0.15)


def test_no_information_where_all_posteriors_are_the_same() -> None:
    means = torch.full((50, 2), 0.3)
    deviations = torch.full((50, 2), 0.7)
    z = means + deviations * torch.randn(50, 2, generator=Generator().manual_seed(0))
    own = Normal(means, deviations).log_prob(z).sum(1) - Normal(0.0, 1.0).log_prob(z).sum(1)
    assert float(aggregate_log_ratios(z, means, deviations).mean()) == pytest.approx(float(own.mean()), rel=1e-5)


def test_active_units_of_a_made_posterior() -> None:
    """Variances of +-m among two, unbiased: 2 m^2. Biased, 0.0144, the second would not count."""
    m = torch.tensor([1.0, 0.12, 0.095, 0.0, 0.08])
    means = torch.stack([m, -m]) + 5
    assert active_units(means) == 2


def test_held_out_images_are_drawn_once() -> None:
    grey = torch.tensor([0.0, 0.3, 1.0]).expand(5000, 1, 1, 3)
    images = binarize(grey)
    assert {*images.unique().tolist()} == {0.0, 1.0}
    assert images.mean(0).flatten().tolist() == pytest.approx([0, 0.3, 1], abs=0.03)
    assert torch.equal(images, binarize(grey))
    assert not torch.equal(images, binarize(grey, seed=1))


def test_scores_are_functions_of_the_seed() -> None:
    model, images = tiny_model("vae"), binarize(torch.rand(40, 1, 16, 16))
    first, again, other = (score_information(model, images, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.bounds, again.bounds)
    assert torch.equal(first.information, again.information)
    assert torch.equal(first.divergences, other.divergences)
    assert not torch.equal(first.log_likelihoods, other.log_likelihoods)


def test_what_cannot_be_scored() -> None:
    images = torch.zeros(2, 1, 16, 16)
    with pytest.raises(ConfigError, match="'ae-tiny' has no posterior"):
        score_information(tiny_model("ae"), images)
    with pytest.raises(InputError, match="1 images: expected at least 2"):
        score_information(tiny_model("vae"), images[:1])
    model = tiny_model("vae")
    model.decoder = Silent(ComponentConfig(), model.config.image, model.latent_shape)
    with pytest.raises(ConfigError, match="'vae-tiny' has a decoder without a likelihood"):
        score_information(model, images)


class TestMetrics:
    PATTERNS = ("elbo", "kl", "mutual-information", "active-units")

    def test_they_are_the_scores_of_all_binarize_held_out_images(self, tmp_path: Path) -> None:
        model = interpzoo.train(skip_recipe(), output=tmp_path)
        found = {r.metric: r.value for r in interpzoo.evaluate(model, metrics=self.PATTERNS, seed=3).results}
        images = build_component(DataSet, Component(name="lines"), model.config.image, None).test()["image"]
        scores = score_information(model, binarize(images, seed=3), seed=4)
        assert found == {
            "ELBO (nats)": float(scores.bounds.mean()),
            "KL (nats)": float(scores.divergences.mean()),
            "mutual information (nats)": float(scores.information.mean()),
            "active units": scores.active_units,
        }
        task = Task(Component(name="lines"), model.config.image, EvaluationProtocol(seed=3, resamples=1000))
        score = score_candidate(task, ModelCandidate(model), metrics_named(["kl"])).scores["kl"]
        assert score.low is not None
        assert score.high is not None
        error = float(scores.divergences.std()) / math.sqrt(len(scores.bounds))
        assert score.high - score.low == pytest.approx(2 * 1.96 * error, rel=0.15)

    def test_they_say_nothing_of_models_of_greys(self) -> None:
        found = interpzoo.evaluate(tiny_model("vae"), dataset=Component(name="lines"), metrics=self.PATTERNS)
        assert found.results == []
        assert len(found.not_applicable) == 4
        assert all("binary images" in reason for reason in found.not_applicable.values())

    def test_they_say_nothing_of_a_loss_of_that_name_of_another_plugin(self, tmp_path: Path) -> None:
        model = interpzoo.train(skip_recipe(), output=tmp_path)
        assert model.config.trained is not None
        trained = model.config.trained.model_copy(update={"regularizer": Component(name="mine:skipvae")})
        model.config = model.config.model_copy(update={"trained": trained})
        found = interpzoo.evaluate(model, dataset=Component(name="lines"), metrics=self.PATTERNS)
        assert (found.results, len(found.not_applicable)) == ([], 4)


def skip_recipe() -> Recipe:
    """Lines at 16x16 on tiny networks."""
    vae, skip = tiny_recipe("vae"), Component.model_validate({"name": "skip-mlp", "width": 8})
    return vae.model_copy(update={"method": "skipvae", "regularizer": Component(name="skipvae"), "decoder": skip})
