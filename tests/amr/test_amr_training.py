"""AMR in the trainer: its schedule, what it learns in a few steps, and that it resumes exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from interpzoo.config import Recipe
from interpzoo.recipes import load_recipe
from tests.pixels import check_resumed, copied, trainer_of
from tests.tiny import tiny_recipe

SIZES = {"width": 4, "scales": 2, "latent_channels": 2}


def recipe(training: dict[str, Any] | None = None, **options: Any) -> Recipe:
    found = tiny_recipe("amr", training=training, **{"discriminator": SIZES, **options})
    return found.model_copy(update={"interpolator": found.interpolator.model_copy(update={"name": "mixup"})})


def test_the_autoencoder_moves_at_every_fifth_step_and_the_discriminator_at_each(tmp_path: Path) -> None:
    trainer = trainer_of(recipe({"samples": 12 * 8}), tmp_path)
    networks, discriminator = [*trainer.model.parameters()], [*trainer.regularizer.parameters()]
    moved: list[int] = []
    for index in range(12):
        before, critic_before = copied(networks), copied(discriminator)
        terms = trainer.step(index)
        after, critic_after = copied(networks), copied(discriminator)
        still = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
        assert all(still) or not any(still)
        assert ("reconstruction" in terms) == (not all(still))
        if not all(still):
            moved.append(index)
        assert not any(torch.equal(a, b) for a, b in zip(critic_before, critic_after, strict=True))
    assert moved == [0, 5, 10]


@pytest.mark.parametrize("mixer", ["mixup", "bernoulli"])
def test_a_few_steps_lower_the_losses(mixer: str, tmp_path: Path) -> None:
    fast = {"samples": 40 * 8, "optimizer": {"learning_rate": 4e-3}}
    trainer = trainer_of(recipe(fast, mixer=mixer, generator_every=1), tmp_path)
    history = [{name: float(value) for name, value in trainer.step(index).items()} for index in range(40)]

    def mean(name: str, part: slice) -> float:
        chosen = [terms[name] for terms in history[part]]
        return sum(chosen) / len(chosen)

    first, last = slice(0, 5), slice(-5, None)
    assert mean("reconstruction", last) < 0.6 * mean("reconstruction", first)
    names = ("discriminator on data", "discriminator on reconstructions", "discriminator on mixes")
    assert sum(mean(name, last) for name in names) < sum(mean(name, first) for name in names)


@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(precision: str, tmp_path: Path) -> None:
    """Also the vectors of the power iteration, and in the middle of the generator's turn of five."""
    run = recipe({"samples": 12 * 8, "precision": precision, "ema_decay": 0.9}, k=3)
    whole = check_resumed(run, tmp_path, after=7)
    assert any("_u" in name for name in whole.regularizer.state_dict())


def test_recipes_have_the_official_schedule() -> None:
    for data in ("lines", "mnist", "celeba", "coil20"):
        assert load_recipe(f"amr-{data}").regularizer.options["generator_every"] == 5
