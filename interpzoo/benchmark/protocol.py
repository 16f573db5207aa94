"""How much is measured: numbers of pairs, frames and images, and the seed."""

from __future__ import annotations

from pydantic import Field

from interpzoo.config import Schema


class Protocol(Schema):
    """What every model is scored by; figures of different protocols are not compared."""

    pairs: int = Field(default=256, ge=1, le=100_000)
    """Of held-out images, the same for every model on a data set; 256 as in the ACAI paper."""
    frames: int = Field(default=9, ge=3, le=1000)
    """Of a path, both ends counted, where the data set has no number of its own (`Truth.frames`)."""
    practice_pairs: int = Field(default=750, ge=6, le=100_000)
    """Other pairs, of training images, for what a metric has to learn before it measures."""
    motion_pairs: int = Field(default=32, ge=1, le=100_000)
    """The first of the pairs, whose paths are walked in small steps."""
    motion_divisions: int = Field(default=64, ge=2, le=10_000)
    """Steps of such a path, where the true way is known that finely (`Truth.divisions`)."""
    geometry_pairs: int = Field(default=16, ge=1, le=100_000)
    """The first of the pairs, where derivatives of the decoder are needed."""
    slow_pairs: int = Field(default=32, ge=1, le=100_000)
    """Pairs at most of decoders that are not differentiable: the autoregressive ones."""
    reference: int = Field(default=2000, ge=10, le=1_000_000)
    """Held-out images at most that frames are compared with in a feature space."""
    training: int = Field(default=10_000, ge=10, le=10_000_000)
    """Training images at most that the control ``nearest`` chooses from."""
    resamples: int = Field(default=200, ge=2, le=100_000)
    """Draws of the bootstrap."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Of the pairs and of everything else that is random."""


FULL = Protocol(
    pairs=1000,
    practice_pairs=3000,
    motion_pairs=256,
    geometry_pairs=64,
    slow_pairs=128,
    reference=10_000,
    training=60_000,
    resamples=1000,
)
"""``--full``: about five times the work."""
