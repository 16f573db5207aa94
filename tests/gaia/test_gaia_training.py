"""GAIA in the trainer: the balance of the learning rates, what it learns in a few steps, and an exact resumption."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from interpzoo_gaia.gaia import GAIA
from torch import Tensor

from interpzoo.config import Recipe
from interpzoo.errors import ConfigError, InputError
from interpzoo.recipes import load_recipe
from interpzoo.training.trainer import Trainer
from tests.pixels import check_resumed, copied, step_of, trainer_of
from tests.tiny import tiny_recipe

SIZES = {"width": 4, "scales": 2, "latent_channels": 2}
RATE = 1e-3


def recipe(training: dict[str, Any] | None = None, **options: Any) -> Recipe:
    constant = {"learning_rate": RATE, "schedule": "constant", "clip_norm": None}
    return tiny_recipe("gaia", training=training, optimizer=constant, **{"discriminator": SIZES, **options})


def test_the_first_step_shares_out_one_learning_rate(tmp_path: Path) -> None:
    """Adam's first step moves each weight by the learning rate, wherever its gradient is not vanishing."""
    trainer = trainer_of(recipe(), tmp_path)
    networks = {"autoencoder": [*trainer.model.parameters()], "discriminator": [*trainer.regularizer.parameters()]}
    before = {name: copied(parameters) for name, parameters in networks.items()}
    errors = trainer.step(0)
    moves = {
        name: max(float((p.detach() - b).abs().max()) for p, b in zip(networks[name], before[name], strict=True))
        for name in networks
    }
    fake = (errors["error of reconstructions"] + errors["error of mixes"]) / 2
    share = float(torch.sigmoid(20 * (errors["error of data"] - fake)))
    assert 0.001 < share < 0.999
    assert moves["discriminator"] == pytest.approx(RATE * share, rel=1e-2)
    assert moves["autoencoder"] == pytest.approx(RATE * (1 - share), rel=1e-2)


def test_all_processes_share_out_the_learning_rate_alike(tmp_path: Path) -> None:
    """By the errors of the whole batch, for which each is asked once, and not by those of its share."""
    trainer = trainer_of(recipe(), tmp_path)
    asked: list[float] = []

    def mean(own: Tensor) -> Tensor:
        asked.append(float(own))
        return torch.tensor(0.05)

    step = step_of(trainer.model, trainer.data.test(8)["image"])
    step.mean = mean
    scales = {update.name: update.learning_rate_scale(step) for update in trainer.updates}
    share = 1 / (1 + math.exp(-20 * 0.05))
    assert scales == pytest.approx({"autoencoder": 1 - share, "discriminator": share})
    assert len(asked) == 1
    assert asked[0] != pytest.approx(0.05)


def test_both_move_at_every_step(tmp_path: Path) -> None:
    trainer = trainer_of(recipe(), tmp_path)
    parameters = [*trainer.model.parameters(), *trainer.regularizer.parameters()]
    for index in range(3):
        before = copied(parameters)
        trainer.step(index)
        assert not any(torch.equal(a, b) for a, b in zip(before, parameters, strict=True))


def test_a_few_steps_lower_the_errors(tmp_path: Path) -> None:
    fast = {"learning_rate": 4 * RATE, "schedule": "constant", "clip_norm": None}
    trainer = trainer_of(recipe({"samples": 40 * 8, "optimizer": fast}), tmp_path)
    history = [{name: float(value) for name, value in trainer.step(index).items()} for index in range(40)]

    def mean(name: str, part: slice) -> float:
        chosen = [terms[name] for terms in history[part]]
        return sum(chosen) / len(chosen)

    for name in ("autoencoder", "discriminator", "error of data", "error of reconstructions"):
        assert mean(name, slice(-5, None)) < 0.6 * mean(name, slice(0, 5)), name


@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(precision: str, tmp_path: Path) -> None:
    run = recipe({"samples": 12 * 8, "precision": precision, "ema_decay": 0.9})
    check_resumed(run, tmp_path, after=7)


@pytest.mark.parametrize("start", ["random", "autoencoder"])
def test_the_discriminator_may_begin_as_the_autoencoder(start: str, tmp_path: Path) -> None:
    """It then is one of its own that draws the data as well as the model does, from the first step on."""
    trainer = trainer_of(recipe(discriminator_start=start), tmp_path)
    x = trainer.data.test(4)["image"]
    drawn, own = trainer.model.decoder(trainer.model.encoder(x)), regularizer_of(trainer).discriminator(x)
    assert torch.equal(drawn, own) == (start == "autoencoder")
    trainer.step(0)
    assert not torch.equal(trainer.model.decoder(trainer.model.encoder(x)), regularizer_of(trainer).discriminator(x))


def test_a_discriminator_of_other_sizes_cannot_begin_as_the_autoencoder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"discriminator_start = 'autoencoder': regularizer.discriminator must have"):
        trainer_of(recipe(discriminator_start="autoencoder", discriminator={**SIZES, "width": 5}), tmp_path)


def test_nor_can_one_of_another_activation(tmp_path: Path) -> None:
    """Whose weights fit all the same."""
    with pytest.raises(
        ConfigError, match=r"the discriminator gives other images than the model: give it the activation"
    ):
        trainer_of(recipe(discriminator_start="autoencoder", discriminator={**SIZES, "activation": "elu"}), tmp_path)


def regularizer_of(trainer: Trainer) -> GAIA:
    assert isinstance(trainer.regularizer, GAIA)
    return trainer.regularizer


def test_an_odd_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="images per process, got 7"):
        trainer_of(recipe({"batch_size": 7}), tmp_path).step(0)


def test_cards_say_that_the_official_networks_are_larger() -> None:
    for data in ("lines", "mnist", "celeba", "coil20"):
        assert "283 million" in load_recipe(f"gaia-{data}").limitations
