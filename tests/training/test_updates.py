"""The trainer's updates: how far, in which order and how often weights move."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from interpzoo import create, wrap
from interpzoo.config import ComponentConfig, OptimizerConfig
from interpzoo.errors import InputError
from interpzoo.interfaces import LatentModel, Regularizer, Step, Update
from interpzoo.pretrained.folder import CHECKPOINT
from interpzoo.training.trainer import Trainer
from tests.pixels import copied
from tests.tiny import tiny_recipe
from tests.training.runs import KeptLines, ignore, recipe_of, trainer_with

Losses = Callable[["Levers", Step], dict[str, Tensor]]


class Levers(Regularizer):
    """Two numbers, ``a`` and ``b``, each with an update; what either loses is the test's to say."""

    def __init__(
        self, losses: Losses, start: tuple[float, float] = (0, 0), **options: Mapping[str, Any] | frozenset[str] | bool
    ) -> None:
        image = tiny_recipe().image
        super().__init__(ComponentConfig(), image, (2, 4, 4))
        self.a, self.b = (nn.Parameter(torch.tensor(float(value))) for value in start)
        self.losses = losses
        self.options: dict[str, Any] = options

    def updates(self, model: LatentModel) -> Sequence[Update]:
        return [Update(name, [getattr(self, name)], **self.options.get(name, {})) for name in ("a", "b")]

    def loss(self, step: Step, update: str) -> Mapping[str, Tensor]:
        return {f"of {update}": self.losses(self, step)[update]}


def each_its_own(levers: Levers, step: Step) -> dict[str, Tensor]:
    """Slopes of 1: Adam moves by the learning rate, but for its epsilon."""
    return {"a": levers.a, "b": levers.b}


def path_of(trainer: Trainer, number: Tensor) -> list[float]:
    """Where a number is at the start and after each step of the run."""
    places = [float(number.detach())]
    for index in range(trainer.total):
        trainer.step(index)
        places.append(float(number.detach()))
    return places


def moves(trainer: Trainer, number: Tensor) -> list[float]:
    """By how much each step of the run lowers a number."""
    places = path_of(trainer, number)
    return [before - after for before, after in pairwise(places)]


def test_a_run_equals_a_loop_written_by_hand(tmp_path: Path) -> None:
    """Adam, clipping by the norm, warm-up and cosine, and the average, with torch's own parts and formulas."""
    options = {"warmup_steps": 3, "final_fraction": 0.1, "clip_norm": 0.5, "learning_rate": 0.01}
    found = tiny_recipe("ae", training={"samples": 80, "ema_decay": 0.8}, optimizer=options)
    data = KeptLines(found)
    trainer = trainer_with(found, tmp_path, data=data)
    reports: list[Mapping[str, float]] = []
    trainer.run(lambda done, values: reports.append(values))

    model = create(found)
    average = copied([*model.parameters()])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for index, x in enumerate(data.batches[1:]):  # the first one was for the set-up
        loss = mse_loss(2 * model.decoder(model.encoder(x)) - 1, 2 * x - 1)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        assert reports[index] == {
            "reconstruction": pytest.approx(float(loss.detach()), rel=1e-4),
            "autoencoder gradient": pytest.approx(float(norm), rel=1e-3),
        }
        cosine = 0.1 + 0.9 * (1 + math.cos(math.pi * index / 10)) / 2
        optimizer.param_groups[0]["lr"] = 0.01 * min(1, (index + 1) / 4) * cosine
        optimizer.step()
        for mean, p in zip(average, model.parameters(), strict=True):
            decay = min(0.8, (1 + index) / (10 + index))
            mean.copy_(p.detach() if index == 0 else decay * mean + (1 - decay) * p.detach())
    assert len(reports) == 10
    assert max(values["autoencoder gradient"] for values in reports) > 0.5
    for mine, theirs in zip(trainer.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)
    for mine, theirs in zip(trainer.trained().parameters(), average, strict=True):
        torch.testing.assert_close(mine.detach(), theirs, rtol=1e-3, atol=1e-4)
    assert not trainer.trained().training


class TestRate:
    """The learning rate, which is how far a slope of 1 moves a number."""

    def test_cosine_goes_from_the_rate_to_the_final_fraction(self, tmp_path: Path) -> None:
        found = recipe_of(10, optimizer={"schedule": "cosine", "final_fraction": 0.2})
        levers = Levers(each_its_own)
        expected = [1e-3 * (0.2 + 0.8 * (1 + math.cos(math.pi * i / 10)) / 2) for i in range(10)]
        assert moves(trainer_with(found, tmp_path, levers), levers.a) == pytest.approx(expected, rel=1e-3)

    def test_warm_up_reaches_the_rate_after_its_steps(self, tmp_path: Path) -> None:
        found, levers = recipe_of(6, optimizer={"warmup_steps": 4}), Levers(each_its_own)
        expected = [2e-4, 4e-4, 6e-4, 8e-4, 1e-3, 1e-3]
        assert moves(trainer_with(found, tmp_path, levers), levers.a) == pytest.approx(expected, rel=1e-3)

    def test_an_update_scales_its_own_rate_at_each_step(self, tmp_path: Path) -> None:
        levers = Levers(each_its_own, a={"learning_rate_scale": lambda step: step.index / 2})
        trainer = trainer_with(recipe_of(4), tmp_path, levers)
        assert moves(trainer, levers.a) == pytest.approx([0, 5e-4, 1e-3, 1.5e-3], rel=1e-3)
        assert float(levers.b.detach()) == pytest.approx(-4e-3, rel=1e-3)

    def test_an_update_may_bring_an_optimizer_of_its_own(self, tmp_path: Path) -> None:
        own = OptimizerConfig(name="adamw", learning_rate=0.01, weight_decay=0.5, schedule="constant")
        levers = Levers(each_its_own, (2, 0), a={"optimizer": own})
        expected = 2.0
        for _ in range(3):
            expected = expected * (1 - 0.01 * 0.5) - 0.01
        assert path_of(trainer_with(recipe_of(3), tmp_path, levers), levers.a)[-1] == pytest.approx(expected, rel=1e-5)
        assert float(levers.b.detach()) == pytest.approx(-3e-3, rel=1e-3)


class TestClipping:
    """The norm of an update's whole gradient."""

    def steep(self, levers: Levers, step: Step) -> dict[str, Tensor]:
        """Slopes of 1 and then 100 for a; b is as steep but has no part in a's norm."""
        slope = 1.0 if step.index == 0 else 100.0
        return {"a": slope * levers.a, "b": 1000 * levers.b}

    @pytest.mark.parametrize(
        ("clip", "second"),
        [
            (1.0, 1.0),
            # Bias-corrected moments of the slopes 1 and 100, which Adam divides.
            (None, (0.09 * 1 + 0.1 * 100) / 0.19 / math.sqrt((0.000999 + 0.001 * 100**2) / 0.001999)),
        ],
    )
    def test_a_larger_gradient_is_scaled_down_before_the_optimizer_sees_it(
        self, clip: float | None, second: float, tmp_path: Path
    ) -> None:
        levers = Levers(self.steep)
        trainer = trainer_with(recipe_of(2, optimizer={"clip_norm": clip}), tmp_path, levers)
        assert moves(trainer, levers.a) == pytest.approx([1e-3, second * 1e-3], rel=1e-3)

    def test_the_reported_norm_is_before_clipping(self, tmp_path: Path) -> None:
        levers = Levers(self.steep)
        trainer = trainer_with(recipe_of(2, optimizer={"clip_norm": 1.0}), tmp_path, levers)
        norms = [{name: float(value) for name, value in trainer.step(index).items()} for index in range(2)]
        assert [values["a gradient"] for values in norms] == [1, 100]
        assert [values["b gradient"] for values in norms] == [1000, 1000]


class TestUpdates:
    """Who moves, and when."""

    def test_a_loss_moves_only_what_its_update_names(self, tmp_path: Path) -> None:
        """The loss of a depends on b, on the encoder and on the decoder, none of which it may move."""

        def losses(levers: Levers, step: Step) -> dict[str, Tensor]:
            return {"a": (levers.a - levers.b + step.reconstruction.mean()).square(), "b": levers.b}

        levers = Levers(losses, (0.5, -2), b={"active": lambda step: False})
        trainer = trainer_with(recipe_of(3), tmp_path, levers)
        before = copied([*trainer.model.parameters()])
        trainer.run(ignore)
        assert float(levers.a.detach()) != 0.5
        assert float(levers.b.detach()) == -2
        assert all(torch.equal(x, y) for x, y in zip(before, trainer.model.parameters(), strict=True))
        assert all(p.grad is None for p in (*trainer.model.parameters(), *levers.parameters()))

    def test_all_losses_are_computed_before_anything_moves(self, tmp_path: Path) -> None:
        """b climbs or falls by the sign of a, which a's own move turns round."""

        def losses(levers: Levers, step: Step) -> dict[str, Tensor]:
            return {"a": levers.a, "b": levers.b * levers.a}

        levers = Levers(losses, (5e-4, 0))
        trainer_with(recipe_of(1), tmp_path, levers).run(ignore)
        assert float(levers.a.detach()) == pytest.approx(-5e-4, rel=1e-3)
        assert float(levers.b.detach()) == pytest.approx(-1e-3, rel=1e-3)

    def test_an_update_is_due_at_every_nth_step_from_the_first(self, tmp_path: Path) -> None:
        levers = Levers(each_its_own, a={"every": 3})
        trainer = trainer_with(recipe_of(8), tmp_path, levers)
        assert [move != 0 for move in moves(trainer, levers.a)] == [index % 3 == 0 for index in range(8)]
        assert float(levers.b.detach()) == pytest.approx(-8e-3, rel=1e-3)

    def test_an_update_is_active_when_it_says_so(self, tmp_path: Path) -> None:
        levers = Levers(each_its_own, a={"active": lambda step: step.index >= step.total // 2}, b={"every": 2})
        trainer = trainer_with(recipe_of(6), tmp_path, levers)
        reported = [set(trainer.step(index)) for index in range(6)]
        a, b = {"of a", "a gradient"}, {"of b", "b gradient"}
        assert reported == [b, set(), b, a, a | b, a]

    def test_a_step_without_a_due_update_is_counted(self, tmp_path: Path) -> None:
        levers = Levers(each_its_own, a={"every": 2}, b={"every": 4})
        trainer = trainer_with(recipe_of(5), tmp_path, levers)
        reports: list[set[str]] = []
        trainer.run(lambda done, values: reports.append(set(values)))
        a, b = {"of a", "a gradient"}, {"of b", "b gradient"}
        assert reports == [a | b, set(), a, set(), a | b]
        assert trainer.done == 5

    def test_weights_without_a_gradient_stay(self, tmp_path: Path) -> None:
        class Half(Levers):
            def updates(self, model: LatentModel) -> Sequence[Update]:
                return [Update("a", [self.a, self.b])]

        levers = Half(lambda levers, step: {"a": levers.a}, (0, 7))
        trainer_with(recipe_of(2, optimizer={"name": "adamw", "weight_decay": 0.5}), tmp_path, levers).run(ignore)
        assert float(levers.a.detach()) < 0
        assert float(levers.b.detach()) == 7

    def test_frozen_weights_stay_and_the_rest_is_trained(self, tmp_path: Path) -> None:
        found = recipe_of(2)
        model = create(found)
        model.encoder.requires_grad_(False)
        encoder, decoder = copied([*model.encoder.parameters()]), copied([*model.decoder.parameters()])
        trainer_with(found, tmp_path, model=model).run(ignore)
        assert all(torch.equal(x, y) for x, y in zip(encoder, model.encoder.parameters(), strict=True))
        assert not any(torch.equal(x, y) for x, y in zip(decoder, model.decoder.parameters(), strict=True))

    def test_nothing_but_frozen_weights_is_an_error(self, tmp_path: Path) -> None:
        found = recipe_of()
        model = create(found).requires_grad_(False)
        with pytest.raises(InputError, match="update 'autoencoder' has nothing to train: all of its weights are froz"):
            trainer_with(found, tmp_path, model=model)

    def test_weights_that_both_networks_share_move_once_and_are_checkpointed(self, tmp_path: Path) -> None:
        """By hand: a pixel's weight w in both networks, so that the image of x is w^2 x."""
        shared = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(shared.weight, 0.5)
        model = wrap(shared, shared, image=(1, 16, 16))
        trainer = trainer_with(recipe_of(1), tmp_path, model=model)
        trainer.run(ignore)
        assert float(shared.weight.detach()) == pytest.approx(0.5 + 1e-3, rel=1e-4)
        assert (tmp_path / CHECKPOINT).is_file()
        assert float(trainer.step(1)["autoencoder gradient"]) > 0
