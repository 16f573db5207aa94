"""A benchmark task made from frames: their ends take the place of the data set's pairs."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Final

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.benchmark.evaluation import Candidate
from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.benchmark.task import Pairs, Task
from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import InputError
from interpzoo.features import Features
from interpzoo.interfaces import Batch, DataSet

NAME: Final = "frames"
"""What records say in place of a data set."""


class FrameTask(Task):
    """Paths of known frames. The frames serve both as a path's few frames and as its small steps.

    Args:
        first, last: images (N, C, H, W) at the ends of the paths.
        frames: T, how many frames a path has.
        protocol: seed and resamples.
        given: whether `first` and `last` are the images that the paths should begin and end with; otherwise they are
            frames themselves.
        loops: whether the paths end where they begin.
        dataset: real images to compare with; the ends, which only set the scale of features, if there is none.
        root: folder of local data sets.
        features: what images are compared by, if the user asked for something.
    """

    def __init__(
        self,
        first: Tensor,
        last: Tensor,
        frames: int,
        protocol: EvaluationProtocol,
        *,
        given: bool,
        loops: bool = False,
        dataset: Component | None = None,
        root: Path | None = None,
        features: Features | None = None,
    ) -> None:
        image = ImageSpec.of(first.shape)
        ends = torch.cat([first, last])
        component = Component(name=NAME) if dataset is None else dataset
        data = _Ends(ends, image) if dataset is None else build_component(DataSet, dataset, image, root)
        super().__init__(component, image, protocol, root, features=features, data=data)
        self.has_truth = False  # of these paths
        self.has_data = dataset is not None
        self.has_ends = given
        self.ends_differ = not loops
        self.positions = self.fine_positions = torch.linspace(0, 1, frames)
        none = torch.empty(len(first), 0, dtype=torch.float64)
        self._pairs = Pairs(first, last, none, none)

    @cached_property
    @override
    def pairs(self) -> Pairs:
        return self._pairs

    @cached_property
    @override
    def training_pairs(self) -> Pairs:
        """None: a tool has no other paths to learn from."""
        return self._pairs.head(0)

    @cached_property
    @override
    def reference(self) -> Tensor:
        return super().reference if self.has_data else self.test["image"]


class FramesCandidate(Candidate):
    """A tool: its frames (N, T, C, H, W) on a `FrameTask` with the same N and T."""

    def __init__(self, name: str, frames: Tensor) -> None:
        self.name = name
        self._frames = frames

    @override
    def frames(self, task: Task, pairs: Pairs, positions: Tensor) -> Tensor:
        return self._frames[: len(pairs)]


class _Ends(DataSet):
    """The ends of paths in place of held-out images; there is nothing to train on."""

    def __init__(self, images: Tensor, image: ImageSpec) -> None:
        self._images = images
        self.image = image

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        raise InputError("there are no training images: name a data set")

    @override
    def test(self, limit: int | None = None) -> Batch:
        return {"image": self._images[:limit]}
