"""Data sets, and the ground truth that some of them have."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Generator, Tensor

from interpzoo.config import Framing, ImageSpec
from interpzoo.errors import InputError
from interpzoo.geometry import Manifold
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
    label_names: tuple[str, ...] = ()
    """Where ``label`` is (B, n): what each of its columns says of an image, such as ``Smiling``."""
    size: int | None = None
    """Number of training images; ``None`` for an endless stream."""
    license: str = "apache-2.0"
    """Terms of the data, which models trained on it pass on."""
    hub_id: str | None = None
    """Identifier on the Hub, for the card."""
    framing: Framing | None = None
    """How the images are framed, for models trained on them; ``None``: in no way that suits other pictures."""

    def __init__(self, config: ConfigT, image: ImageSpec, root: Path | None = None) -> None:
        self.config = config
        self.image = image
        self.root = root

    @abstractmethod
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        """Training images `indices` (B,); an endless stream draws B fresh ones from `generator` instead.

        A run on an accelerator calls it in a thread of its own, while it takes the step before.
        """

    @abstractmethod
    def test(self, limit: int | None = None) -> Batch:
        """The held-out images, always the same, or the first `limit`; raises an `InputError` if that is less than 1."""

    def examples(self, n: int, generator: Generator) -> Batch:
        """At most `n` held-out images to show, drawn from `generator`, from as many different classes as possible."""
        test = self.test()
        rows = spread_over_classes(len(test["image"]), test.get("label"), generator)[:n]
        return {name: values[rows] for name, values in test.items()}


class GroundTruth(ABC):
    """Mixin for data sets with a known ground-truth path between images.

    Each image shows a point of a manifold, given by its coordinates, the parameters (..., P) in float64; a ground-truth
    path is a geodesic of the manifold.
    """

    manifold: Manifold
    """Distances and geodesics of the parameters."""
    frames: ClassVar[int] = 9
    """Frames of a scored path, both ends counted."""
    divisions: ClassVar[int | None] = None
    """``None``: images are known everywhere on a path. Otherwise only at t = 0, 1 / `divisions`, ..., 1."""

    @abstractmethod
    def pairs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Parameters (n, P) of `n` starts and ends: far enough apart to be a task, with one shortest path each.

        Where there are few images, the ends may be training images; say so in the data set's docstring.
        """

    @abstractmethod
    def render(self, parameters: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1], without noise, of parameters (N, P)."""

    @abstractmethod
    def reference_grid(self) -> Tensor:
        """Parameters (M, P) that cover the manifold, used for nearest-neighbor lookup of frames."""

    def groups(self, parameters: Tensor) -> Tensor:
        """The connected part of the manifold, (N,) int64, that parameters (N, P) lie on; one part by default.

        Frames are looked up in the part that the ends of their path lie on.
        """
        return torch.zeros(len(parameters), dtype=torch.int64)


def spread_over_classes(n: int, label: Tensor | None, generator: Generator) -> Tensor:
    """A random order (`n`,) of images in which no class has a second image before every class has had its first.

    `label` has the classes (n,); with several labels for each image, or none, any order will do.
    """
    order = torch.randperm(n, generator=generator)
    if label is None or label.ndim != 1:
        return order
    classes = label[order]
    grouped = classes.argsort(stable=True)
    counts = classes[grouped].unique_consecutive(return_counts=True)[1]
    turn = torch.empty_like(order)  # how many images of its class come before each image
    turn[grouped] = torch.cat([torch.arange(count) for count in counts.tolist()])
    return order[turn.argsort(stable=True)]


def check_limit(limit: int | None) -> None:
    """Raise an `InputError` if the `limit` of `DataSet.test` is less than 1."""
    if limit is not None and limit < 1:
        raise InputError(f"limit = {limit}: expected at least 1, or None for all images")
