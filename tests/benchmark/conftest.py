"""A small protocol, and tasks that several tests share."""

from __future__ import annotations

from functools import cache

from interpzoo.benchmark import Task
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.config import ComponentSpec, ImageSpec

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
    """The task of a drawn data set."""
    return Task(ComponentSpec(name=name), ImageSpec(channels=channels, height=size, width=size), protocol)
