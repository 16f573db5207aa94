"""Data sets, and the ground truth that some of them have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Generator, Tensor

from interpzoo.config import ImageSpec
from interpzoo.interfaces.component import ConfigT, Configured
from interpzoo.registry import Kind

Batch = Mapping[str, Tensor]
"""``image`` (B, C, H, W) in [0, 1] and whatever else the data set gives, B rows each: ``label``, ``partner``,
``distance``, ``midpoint``, ``angle``, ``parameters``."""


class DataSet(Configured[ConfigT], ABC):
    """Images to train on and to hold out."""

    kind: ClassVar[Kind] = "dataset"

    fields: frozenset[str] = frozenset({"image"})
    """What a batch carries."""
    size: int | None = None
    """Number of training images; ``None`` for an endless stream."""
    license: str = "apache-2.0"
    """Terms of the data, which models trained on it pass on."""
    hub_id: str | None = None
    """Identifier on the Hub, for the card."""

    def __init__(self, config: ConfigT, image: ImageSpec, root: Path | None = None) -> None:
        self.config = config
        self.image = image
        self.root = root

    @abstractmethod
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        """Training images `indices` (B,); an endless stream draws B fresh ones from `generator` instead."""

    @abstractmethod
    def test(self, limit: int | None = None) -> Batch:
        """The held-out images, the first `limit` of them, always the same."""


class Truth(ABC):
    """What a data set adds that knows what lies between two of its images.

    Its images are those of points of a manifold, given by parameters (..., P) in float64.
    """

    frames: ClassVar[int] = 9
    """Frames of a path that its pairs are scored on, both ends counted."""
    divisions: ClassVar[int | None] = None
    """The true way is known at 0, 1 / `divisions`, ..., 1 alone; ``None``: anywhere."""

    @abstractmethod
    def pairs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Parameters (n, P) of `n` starts and ends, far enough apart to make a task and with one shortest way."""

    @abstractmethod
    def between(self, starts: Tensor, ends: Tensor, t: Tensor) -> Tensor:
        """Parameters (n, T, P) at `t` (T,) on the true ways from `starts` to `ends`, (n, P) each."""

    @abstractmethod
    def show(self, parameters: Tensor) -> Tensor:
        """The images (N, C, H, W) in [0, 1] of parameters (N, P), without noise."""

    @abstractmethod
    def known(self) -> Tensor:
        """Parameters (M, P) that cover the manifold: what frames are looked up in, at this fineness."""

    @abstractmethod
    def ways(self, p: Tensor, q: Tensor) -> Tensor:
        """From `p` to `q`, (..., P) each, the shorter way round: (..., D), whose norm is the distance."""

    def groups(self, parameters: Tensor) -> Tensor:
        """Which piece of the manifold parameters (N, P) lie on, (N,) int64; frames are looked up in that of their ends.

        One piece, unless a data set says otherwise.
        """
        return torch.zeros(len(parameters), dtype=torch.int64)
