"""Low bending in the trainer, its measures on codes known exactly, and its recipes beside their baselines."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from interpzoo_lowbend.metrics import score_embedding
from interpzoo_lowbend.pairs import Pairs, PairsConfig
from torch import Tensor, nn

from interpzoo import create, wrap
from interpzoo.config import Component, ImageSpec, Recipe
from interpzoo.errors import InputError
from interpzoo.geometry.manifolds import Cap
from interpzoo.interfaces import DataSet
from interpzoo.model import InterpolationModel
from interpzoo.plugins import registry
from interpzoo.recipes import load_recipe
from tests.pixels import copied, trainer_of
from tests.tiny import tiny_recipe

RATE = {"learning_rate": 3e-3, "schedule": "constant"}


def recipe(training: dict[str, Any] | None = None, **options: Any) -> Recipe:
    """Tiny networks on sundials of 16x16."""
    found = tiny_recipe("lowbend", training=training, optimizer=RATE, **options)
    return found.model_copy(update={"data": Component(name="sundial")})


@pytest.mark.parametrize("fraction", [None, 0.5])
def test_a_few_steps_lower_the_losses(fraction: float | None, tmp_path: Path) -> None:
    """Codes that begin as nearly one point are spread until they keep distances; what bends then becomes straighter."""
    steps = 80 if fraction is None else 160
    training = {"samples": steps * 32, "batch_size": 32}
    trainer = trainer_of(recipe(training, encoder_fraction=fraction, weight=1.0), tmp_path)
    history = [{name: float(value) for name, value in trainer.step(index).items()} for index in range(steps)]

    def means(name: str) -> tuple[float, float]:
        found = [terms[name] for terms in history if name in terms]
        assert len(found) == 80
        return sum(found[:8]) / 8, sum(found[-8:]) / 8

    for name in ("distortion", "reconstruction"):
        first, last = means(name)
        assert last < 0.2 * first, name
    assert means("mean |D1|")[0] < 0.6
    assert means("mean |D1|")[1] == pytest.approx(1, abs=0.25)
    bending = [terms["bending"] for terms in history if "bending" in terms]
    assert bending[-1] < 0.7 * max(bending)


def test_the_encoder_is_trained_first_and_then_frozen(tmp_path: Path) -> None:
    trainer = trainer_of(recipe(encoder_fraction=0.5), tmp_path)
    networks = [[*trainer.model.encoder.parameters()], [*trainer.model.decoder.parameters()]]
    for index in range(trainer.total):
        before = [copied(parameters) for parameters in networks]
        trainer.step(index)
        frozen = [
            all(torch.equal(a, b) for a, b in zip(old, new, strict=True))
            for old, new in zip(before, networks, strict=True)
        ]
        assert frozen == ([False, True] if index < 4 else [True, False]), index


@pytest.mark.parametrize("cut", [3, 6])
def test_a_resumed_run_is_the_uninterrupted_one_in_either_stage(cut: int, tmp_path: Path) -> None:
    run = recipe({"samples": 8 * 8, "ema_decay": 0.9}, encoder_fraction=0.5)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = trainer_of(run, tmp_path / "whole")
    whole.run(lambda done, values: None)
    trainer_of(run, tmp_path / "cut").run(lambda done, values: None, stop_after=cut)
    resumed = trainer_of(run, tmp_path / "cut")
    resumed.run(lambda done, values: None, resume=True)
    left, right = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(left[name], right[name]) for name in left)


class Written(Pairs):
    """Points of the sphere as the grays of three pixels."""

    manifold = Cap(math.pi / 3)

    def draw(self, points: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """(p + 1) / 2 in the first row, black elsewhere."""
        image = torch.zeros(len(points), 1, y.numel(), x.numel(), dtype=points.dtype)
        image[:, 0, 0, :3] = (points + 1) / 2
        return image


class Read(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * (2 * x[:, 0, 0, :3] - 1)


class Write(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, z: Tensor) -> Tensor:
        return nn.functional.pad((z / self.scale + 1)[:, None, None] / 2, (0, 13, 0, 15))


def written(scale: float) -> tuple[InterpolationModel, Pairs]:
    data = Written(PairsConfig(epsilon=0.4), ImageSpec(channels=1, height=16, width=16))
    return wrap(Read(scale), Write(scale), (1, 16, 16)), data


class TestMeasures:
    @pytest.mark.parametrize("scale", [1.0, 3.0])
    def test_the_sphere_in_space(self, scale: float) -> None:
        """|D1| = sin(d / 2) / (d / 2) and |D2| = 8 (1 - cos(d / 2)) / d^2, times the scale."""
        model, data = written(scale)
        found = score_embedding(model, data, n=400)
        assert found.stretch.min().item() == pytest.approx(scale * math.sin(0.2) / 0.2, rel=1e-3)
        assert found.stretch.max().item() == pytest.approx(scale, rel=1e-3)
        assert found.distortion == pytest.approx(0.2 / math.sin(0.2), rel=1e-3)
        assert found.scaled_bending == pytest.approx(1, abs=0.01)
        assert found.bending.mean().item() == pytest.approx(scale**2, rel=0.01)

    def test_epsilon_defaults_to_that_of_the_data(self) -> None:
        model, data = written(1.0)
        near, far = (score_embedding(model, data, epsilon=epsilon).mean_stretch for epsilon in (0.1, 1.0))
        assert far < score_embedding(model, data).mean_stretch < near
        with pytest.raises(InputError, match=r"epsilon = 0: expected a number"):
            score_embedding(model, data, epsilon=0)

    def test_pairs_are_held_out_and_seeded(self) -> None:
        model, data = written(1.0)
        first, again, other = (score_embedding(model, data, n=9, seed=seed).stretch for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_no_pairs(self) -> None:
        model, data = written(1.0)
        with pytest.raises(InputError, match="n = 0"):
            score_embedding(model, data, n=0)


@pytest.mark.parametrize("data", ["sundial", "rotating-object"])
class TestRecipes:
    def test_they_differ_from_their_baselines_in_the_method_alone(self, data: str) -> None:
        ours, baseline = load_recipe(f"lowbend-{data}"), load_recipe(f"ae-{data}")
        own = {"name", "method", "summary", "limitations", "regularizer"}
        assert ours.model_dump(exclude=own) == baseline.model_dump(exclude=own)
        assert (ours.regularizer.name, baseline.regularizer.name) == ("lowbend", "ae")

    def test_epsilon_is_stated_and_the_data_sets_own(self, data: str) -> None:
        found: type[DataSet] = registry().resolve("dataset", data)
        stated = load_recipe(f"lowbend-{data}").data.options["epsilon"]
        assert stated == found.Config.model_fields["epsilon"].default

    def test_the_code_has_room_for_the_manifold(self, data: str) -> None:
        """SO(3) embeds in no fewer than five dimensions."""
        assert math.prod(create(f"lowbend-{data}").latent_shape) >= 5
