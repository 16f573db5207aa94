"""A small protocol, and arenas that several tests share."""

from __future__ import annotations

from functools import cache

from interpzoo.benchmark.protocol import Protocol
from interpzoo.benchmark.trial import Arena
from interpzoo.config import Component, ImageSpec

SMALL = Protocol(
    pairs=64,
    practice_pairs=150,
    motion_pairs=16,
    geometry_pairs=2,
    slow_pairs=4,
    reference=1000,
    training=2000,
    resamples=20,
)
TINY = Protocol(
    pairs=8,
    practice_pairs=8,
    motion_pairs=2,
    motion_divisions=4,
    geometry_pairs=2,
    slow_pairs=2,
    reference=50,
    training=50,
    resamples=5,
)


@cache
def arena_of(name: str, size: int = 32, channels: int = 1, protocol: Protocol = SMALL) -> Arena:
    """The arena of a drawn data set."""
    return Arena(Component(name=name), ImageSpec(channels=channels, height=size, width=size), protocol)
