"""Skip-VAE from training to frames, resumed exactly; its recipes compared with their baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import interpzoo
from interpzoo.config import Component, Recipe
from interpzoo.errors import InputError
from interpzoo.recipes import load_recipe
from tests.pixels import check_resumed, trainer_of
from tests.tiny import tiny_recipe

DECODERS: dict[str, dict[str, Any]] = {
    "skip-mlp": {"width": 32},
    "skip-conv": {"width": 4, "scales": 2, "activation": "silu"},
    "gated-pixelcnn": {"width": 6, "layers": 2},
}
BASELINES = {
    "skipvae-mnist": "vae-mnist-deep",
    "skipvae-pixelcnn-mnist": "vae-pixelcnn-mnist",
}


def recipe(decoder: str, steps: int, *, skip: bool = True, **regularizer: Any) -> Recipe:
    """Lines at 16x16 on networks of a few thousand weights, codes of 4."""
    found = tiny_recipe(
        "skipvae",
        training={"samples": 16 * steps, "batch_size": 16},
        optimizer={"learning_rate": 1e-2, "schedule": "constant", "clip_norm": 5.0},
        **regularizer,
    )
    encoder = {"name": "conv", "width": 4, "scales": 4, "latent_channels": 4, "posterior": "gaussian"}
    options = {"name": decoder, "skip": skip, **DECODERS[decoder]}
    changes = {
        "encoder": Component.model_validate(encoder),
        "decoder": Component.model_validate(options),
        "prior": Component(name="normal"),
    }
    return found.model_copy(update=changes)


@pytest.mark.parametrize("skip", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("decoder", DECODERS)
def test_some_steps_raise_the_bound(decoder: str, skip: bool, tmp_path: Path) -> None:
    trainer = trainer_of(recipe(decoder, 60, skip=skip), tmp_path)
    bounds = [float(trainer.step(index)["elbo"]) for index in range(60)]
    assert sum(bounds[-5:]) / 5 > 0.5 * sum(bounds[:5]) / 5


def test_the_whole_gradient_is_clipped(tmp_path: Path) -> None:
    """Of both networks together: the mean of Adam's first moment is a tenth of the clipped gradient."""
    trainer = trainer_of(recipe("skip-conv", 4), tmp_path)
    assert float(trainer.step(0)["autoencoder gradient"]) > 5
    state = trainer._optimizers["autoencoder"].state.values()
    moments = torch.cat([10 * moment["exp_avg"].flatten() for moment in state])
    assert moments.norm().item() == pytest.approx(5, rel=1e-4)
    assert len(state) == len([*trainer.model.encoder.parameters(), *trainer.model.decoder.parameters()])


@pytest.mark.parametrize("decoder", ["skip-conv", "gated-pixelcnn"])
def test_a_resumed_run_is_the_uninterrupted_one(decoder: str, tmp_path: Path) -> None:
    """Within the warm-up, whose weight is of the step's number alone."""
    check_resumed(recipe(decoder, 8, warmup_steps=10), tmp_path, after=3)


@pytest.mark.parametrize("decoder", DECODERS)
def test_it_trains_saves_and_loads(decoder: str, tmp_path: Path) -> None:
    trained = interpzoo.train(recipe(decoder, 4), output=tmp_path / "run")
    first = interpzoo.load(tmp_path / "run")
    loaded = interpzoo.load(first.save_pretrained(tmp_path / "again"))
    weights = loaded.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in trained.state_dict().items())
    a, b = torch.rand(2, 3, 1, 16, 16)
    for path in ("linear", "slerp"):
        frames = loaded.interpolate(a, b, steps=5, interpolator=path)
        assert frames.shape == (3, 5, 1, 16, 16)
        assert torch.equal(frames, first.interpolate(a, b, steps=5, interpolator=path))
        torch.testing.assert_close(frames[:, 0], loaded.reconstruct(a))
    assert torch.equal(loaded.sample(3), first.sample(3))
    if decoder == "gated-pixelcnn":
        assert {*frames.unique().tolist()} <= {0.0, 1.0}
        with pytest.raises(InputError, match="not differentiable"):
            loaded.interpolate(a, b, steps=3, interpolator="geodesic")
    else:
        assert loaded.interpolate(a[:1], b[:1], steps=3, interpolator="geodesic").isfinite().all()


def without(component: Component, *fields: str) -> dict[str, Any]:
    return {name: value for name, value in component.model_dump().items() if name not in fields}


@pytest.mark.parametrize(("ours", "baseline"), BASELINES.items())
class TestRecipes:
    def test_a_baseline_differs_only_in_the_skips(self, ours: str, baseline: str) -> None:
        a, b = load_recipe(ours), load_recipe(baseline)
        own = {"name", "method", "summary", "limitations", "decoder"}
        assert a.model_dump(exclude=own) == b.model_dump(exclude=own)
        assert without(a.decoder, "skip") == without(b.decoder, "skip")
        assert (a.decoder.options["skip"], b.decoder.options["skip"]) == (True, False)
        assert (a.method, b.method) == ("skipvae", "vae")

    def test_they_are_the_papers_in_code_and_loss(self, ours: str, baseline: str) -> None:
        found = load_recipe(ours)
        assert torch.Size(interpzoo.create(ours).latent_shape).numel() == 20
        assert found.training.optimizer.clip_norm == 5
        # The paper's; a run of a few thousand steps takes twice as much.
        assert found.training.optimizer.learning_rate == {"skipvae-mnist": 2e-3}.get(ours, 1e-3)
        assert found.regularizer.options == {}  # no warm-up

    def test_half_precision_makes_them_small_enough(self, ours: str, baseline: str) -> None:
        model = interpzoo.create(ours)
        assert 2 * sum(parameter.numel() for parameter in model.parameters()) < 2_900_000


def test_the_pixelcnns_are_of_four_layers_and_no_more_than_half_a_million_samples() -> None:
    found = load_recipe("skipvae-pixelcnn-mnist")
    assert found.decoder.options["layers"] == 4
    assert found.training.samples <= 500_000


def test_characters_have_the_networks_of_digits_but_wider() -> None:
    a = load_recipe("skipvae-omniglot")
    b = load_recipe("skipvae-mnist", ["decoder.width=24"])
    own = {"name", "summary", "limitations", "data", "training", "license"}
    assert a.model_dump(exclude=own) == b.model_dump(exclude=own)
