"""Small protocols, and tasks and models that several tests share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from interpzoo.benchmark import Task
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.interfaces import Interpolator
from tests.models.test_card import config_of
from tests.tiny import tiny_model

SMALL = EvaluationProtocol(
    pairs=64,
    training_pairs=150,
    motion_pairs=16,
    geometry_pairs=2,
    slow_pairs=4,
    reference=1000,
    training=2000,
    resamples=20,
)
TINY = EvaluationProtocol(
    pairs=8,
    training_pairs=8,
    motion_pairs=2,
    motion_divisions=4,
    geometry_pairs=2,
    slow_pairs=2,
    reference=50,
    training=50,
    resamples=5,
)


@cache
def task_of(name: str, size: int = 32, channels: int = 1, protocol: EvaluationProtocol = SMALL) -> Task:
    """The task on a drawn data set."""
    return Task(Component(name=name), ImageSpec(channels=channels, height=size, width=size), protocol)


def own_training(folder: Path, name: str = "ae-lines", *, seed: int = 0, interpolator: str = "linear") -> Path:
    """A small model of lines that is named as `name`, as every training of that recipe is."""
    model = tiny_model(size=(32, 32), seed=seed)
    path = Component(name=interpolator)
    model.interpolator = build_component(Interpolator, path)
    changes = {"name": name, "interpolator": path}
    model.config = model.config.model_copy(update={**changes, "trained": config_of().trained})
    return model.save_pretrained(folder)
