"""The flat-manifold VAE in the trainer: through both phases, resumed exactly, saved with its prior; its baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from interpzoo_fmvae.fmvae import FMVAE

import interpzoo
from interpzoo.config import Component, Recipe
from interpzoo.metrics.flatness import condition_numbers, metric_tensors
from interpzoo.recipes import load_recipe
from interpzoo.training.workers import Workers
from tests.pixels import check_resumed, copied, trainer_of
from tests.tiny import tiny_recipe


def recipe(
    kappa: float, steps: int, *, batch: int = 8, rate: float = 3e-3, initial_beta: float = 1e-3, **options: Any
) -> Recipe:
    """Pendulums at 8x8 on networks of a few thousand weights, codes of 2."""
    found = tiny_recipe(
        "fmvae",
        size=(8, 8),
        training={"samples": batch * steps, "batch_size": batch},
        optimizer={"learning_rate": rate, "schedule": "constant", "clip_norm": None},
        constraint={"kappa": kappa, "moving_average": 0.5, "initial_beta": initial_beta},
        scale="relative",
        **options,
    )
    networks = {"name": "conv", "width": 4, "activation": "silu"}
    changes = {
        "encoder": Component.model_validate({**networks, "scales": 3, "latent_channels": 2, "posterior": "gaussian"}),
        "decoder": Component.model_validate(networks),
        "prior": Component.model_validate({"name": "vhp", "width": 8, "samples": 4}),
        "data": Component(name="pendulum"),
    }
    return found.model_copy(update=changes)


def test_the_prior_waits_for_the_end_of_the_initial_phase(tmp_path: Path) -> None:
    trainer = trainer_of(recipe(kappa=100, steps=4), tmp_path)
    regularizer, prior = trainer.regularizer, trainer.model.prior
    assert isinstance(regularizer, FMVAE)
    assert prior is not None
    moved: list[bool] = []
    for index in range(3):
        weights, others = [*prior.parameters()], [*trainer.model.decoder.parameters()]
        before, before_others = copied(weights), copied(others)
        terms = trainer.step(index)
        assert ("flatness" in terms) is ("prior" in terms) is (index > 0)
        moved.append(not all(torch.equal(a, b) for a, b in zip(before, weights, strict=True)))
        assert not any(torch.equal(a, b) for a, b in zip(before_others, others, strict=True))
    assert moved == [False, True, True]
    # The constraint is kept, so that beta rises.
    assert regularizer.constraint.beta.item() > 1e-3


def test_processes_agree_on_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or one would train its prior while another does not, and wait for it for ever."""
    monkeypatch.setattr(Workers, "mean_of", lambda self, value: value + 1000)
    trainer = trainer_of(recipe(kappa=30, steps=4), tmp_path)
    error = trainer.step(0)["error"]
    assert isinstance(trainer.regularizer, FMVAE)
    assert float(trainer.regularizer.constraint.error) == pytest.approx(1000 + float(error))
    assert trainer.regularizer.constraint.is_initial


@pytest.mark.parametrize("sigma", [None, 0.05])
def test_some_steps_make_it_flatter(tmp_path: Path, sigma: float | None) -> None:
    """Against the same run without the term."""
    medians: list[float] = []
    for eta in (0.0, 1000.0):
        run = recipe(100, 30, batch=16, rate=1e-2, eta=eta, finite_difference=sigma, initial_beta=1.0)
        trainer = trainer_of(run, tmp_path)
        for index in range(30):
            trainer.step(index)
        model = trainer.model.eval()
        images = trainer.data.test(64)["image"]
        with torch.no_grad():
            codes = model.encode(images)
        medians.append(float(condition_numbers(metric_tensors(model.decoder, codes)).median()))
    assert medians[1] < 0.7 * medians[0]


@pytest.mark.filterwarnings("ignore:method 'fmvae'")  # the initial phase of the second lasts all of the run
@pytest.mark.parametrize("kappa", [100.0, 0.01])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(kappa: float, tmp_path: Path) -> None:
    """In either phase: multiplier, moving average and phase are the checkpoint's."""
    run = recipe(kappa, 12)
    regularizer = check_resumed(run, tmp_path, after=7).regularizer
    assert isinstance(regularizer, FMVAE)
    constraint = regularizer.constraint
    assert constraint.observed.item() == 12
    assert constraint.is_initial is (kappa < 1)
    assert (constraint.beta.item() == pytest.approx(1e-3)) is (kappa < 1)


def test_a_trained_model_is_saved_and_loaded_with_its_prior(tmp_path: Path) -> None:
    trained = interpzoo.train(recipe(kappa=100, steps=4), output=tmp_path)
    loaded = interpzoo.load(tmp_path)
    assert torch.equal(trained.sample(3), loaded.sample(3))
    codes = trained.encode(torch.rand(2, 1, 8, 8))
    assert trained.prior is not None
    assert loaded.prior is not None
    assert torch.equal(trained.prior.log_prob(codes), loaded.prior.log_prob(codes))


@pytest.mark.parametrize(
    ("ours", "baseline"), [("fmvae-pendulum", "vae-pendulum"), ("fmvae-mnist", "vae-mnist-smooth")]
)
def test_a_baseline_differs_only_in_prior_and_loss(ours: str, baseline: str) -> None:
    a, b = load_recipe(ours), load_recipe(baseline)
    for name in ("image", "encoder", "decoder", "interpolator", "data", "license"):
        assert getattr(a, name) == getattr(b, name), name
    same = {"optimizer": a.training.optimizer}  # the losses are of different magnitudes, and so are the clips
    assert a.training == b.training.model_copy(update=same)
    clip = {"clip_norm": None}
    assert a.training.optimizer.model_copy(update=clip) == b.training.optimizer.model_copy(update=clip)
    model = interpzoo.create(ours)
    assert 2 <= torch.Size(model.latent_shape).numel() <= 8
    # A piecewise linear decoder would have no second derivative to be flattened by.
    assert a.decoder.options["activation"] in {"silu", "elu"}
