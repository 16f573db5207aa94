"""A benchmark task: a data set with the pairs, positions and real images that every candidate is scored on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import torch
from torch import Generator, Tensor

from interpzoo.benchmark.protocol import EvaluationProtocol
from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.errors import InputError
from interpzoo.features import Features, default_features
from interpzoo.interfaces import Batch, DataSet, GroundTruth
from interpzoo.shared import Shared
from interpzoo.tensors import spread

_BATCH: Final = 500
_FEW: Final = 1000
"""With fewer held-out images than this, training images are added to the reference images."""
_FEWEST: Final = 10
"""Reference images that there are at least, if need be ends of pairs."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """N pairs of images to interpolate between."""

    first: Tensor
    """Start images (N, C, H, W)."""
    last: Tensor
    """End images (N, C, H, W)."""
    starts: Tensor
    """Ground-truth parameters (N, P) of the start images; P = 0 where the data set has no ground truth."""
    ends: Tensor
    """Ground-truth parameters (N, P) of the end images."""

    def __len__(self) -> int:
        return len(self.first)

    def head(self, n: int) -> Pairs:
        """The first `n` pairs."""
        return Pairs(self.first[:n], self.last[:n], self.starts[:n], self.ends[:n])


class Task(Shared):
    """A data set with the pairs, positions and real images that every candidate is scored on.

    Args:
        component: the data set.
        image: shape of the images.
        protocol: how much of everything.
        root: folder of local data sets.
        features: what images are compared by, if the user asked for something; `default_features` by default.
        data: the data set itself, where `component` only names one that is not registered.

    Raises:
        DataError: the data set cannot be found or read.
    """

    has_data = True
    """Whether there are real images to compare with."""
    has_ends = True
    """Whether `pairs` are the images that paths should begin and end with, and not frames of a path themselves."""
    ends_differ = True
    """Whether paths end elsewhere than they begin."""

    def __init__(
        self,
        component: Component,
        image: ImageSpec,
        protocol: EvaluationProtocol,
        root: Path | None = None,
        *,
        features: Features | None = None,
        data: DataSet | None = None,
    ) -> None:
        super().__init__()
        self.component = component
        self.image = image
        self.protocol = protocol
        self.data = build_component(DataSet, component, image, root) if data is None else data
        self.chosen = features is not None
        """Whether the user asked for these features."""
        self.network = default_features(component.name, image) if features is None else features
        truth = self.data if isinstance(self.data, GroundTruth) else None
        self.has_truth = truth is not None
        """Whether the data set knows the ground-truth path between two images."""
        self.positions = torch.linspace(0, 1, protocol.frames if truth is None else truth.frames)
        """(T,): positions of the frames on a path."""
        divisions = None if truth is None else truth.divisions
        self.fine_positions = torch.linspace(0, 1, (divisions or protocol.motion_divisions) + 1)
        """(F,): positions of the frames on a path in small steps."""

    def generator(self, *purpose: str) -> Generator:
        """A generator seeded by the protocol and by its purpose, so that no metric's draws depend on another's."""
        return Generator().manual_seed(zlib.crc32(repr((self.protocol.seed, *purpose)).encode()))

    @cached_property
    def test(self) -> Batch:
        """All held-out images."""
        return self.data.test()

    @property
    def truth(self) -> GroundTruth:
        """The data set, for metrics that declare the need ``truth``; raises an `InputError` if there is none."""
        if not isinstance(self.data, GroundTruth):
            raise InputError(
                f"data set {self.component.name!r} has no ground-truth paths: expected one derived from GroundTruth"
            )
        return self.data

    @cached_property
    def pairs(self) -> Pairs:
        """The pairs that are scored: random held-out images, or those of `GroundTruth.pairs`.

        A single held-out image is paired with a training image.
        """
        if self.has_truth:
            # The plain seed instead of `generator`: as in the ACAI paper's protocol.
            return self._truth_pairs(self.protocol.pairs, Generator().manual_seed(self.protocol.seed))
        images = self.test["image"]
        if len(images) < 2:
            images = torch.cat([images, self.training_images])
        n = min(self.protocol.pairs, len(images) // 2)
        return _random_pairs(images, n, self.generator("pairs"))

    @cached_property
    def training_pairs(self) -> Pairs:
        """Other pairs, up to `EvaluationProtocol.training_pairs` of training images, for metrics that learn something.

        Where a data set has few pairs, those that are scored are left out, in either direction.
        """
        generator, n = self.generator("practice"), self.protocol.training_pairs
        if self.has_truth:
            return self._unscored(self._truth_pairs(n, generator))
        return _random_pairs(self.training_images, min(n, len(self.training_images) // 2), generator)

    def truth_frames(self, pairs: Pairs, positions: Tensor) -> Tensor:
        """Images (N, T, C, H, W) on the ground-truth paths between `pairs` at `positions` (T,).

        Raises an `InputError` as `truth`.
        """
        between = self.truth.manifold.between(pairs.starts, pairs.ends, positions.double())
        return self.truth.render(between.flatten(0, 1)).float().unflatten(0, between.shape[:2])

    @cached_property
    def reference(self) -> Tensor:
        """Real images (M, C, H, W): held-out ones, and training images as well where there are fewer than 1,000.

        Where there are more than are taken, they are spread evenly over the set, which may be in the order of classes.

        The ends of `pairs` are left out: a path that shows its ends would score well for them. Only where nearly all
        images are ends, training images are taken all the same.
        """
        ends = {_key(image) for image in torch.cat([self.pairs.first, self.pairs.last])}
        images = spread(_without(ends, self.test["image"]), self.protocol.reference)
        if len(images) >= _FEW:
            return images
        others = _without(ends, self.training_images)
        more = others if len(images) + len(others) >= _FEWEST else self.training_images
        return torch.cat([images, spread(more, _FEW - len(images))])

    @cached_property
    def training_images(self) -> Tensor:
        """Training images (M, C, H, W), spread evenly over the train set, or M fresh ones from an endless stream."""
        most, generator = self.protocol.training, self.generator("training")
        rows = torch.arange(most) if self.data.size is None else spread(torch.arange(self.data.size), most)
        return torch.cat([self.data.train(part, generator)["image"] for part in rows.split(_BATCH)])

    def features(self, images: Tensor) -> Tensor:
        """Features (..., D) of images (..., C, H, W), normalized to mean 0 and mean variance 1 over `reference`.

        All features share one scale: dividing each by its own would exaggerate features that hardly vary.
        """
        mean, deviation = self.shared("scale", self._scale)
        found = (self.network(images.flatten(0, -4)) - mean) / deviation
        return found.unflatten(0, images.shape[:-3])

    @property
    def reference_features(self) -> Tensor:
        """Features (M, D) of the reference images."""
        return self.shared("reference features", lambda: self.features(self.reference))

    def _scale(self) -> tuple[Tensor, Tensor]:
        found = self.network(self.reference)
        return found.mean(0), found.var(0).mean().sqrt().clamp(min=1e-6)

    def _unscored(self, pairs: Pairs) -> Pairs:
        scored = {frozenset((_key(a), _key(b))) for a, b in zip(self.pairs.starts, self.pairs.ends, strict=True)}
        ways = (frozenset((_key(a), _key(b))) for a, b in zip(pairs.starts, pairs.ends, strict=True))
        kept = torch.tensor([way not in scored for way in ways], dtype=torch.bool)
        return Pairs(pairs.first[kept], pairs.last[kept], pairs.starts[kept], pairs.ends[kept])

    def _truth_pairs(self, n: int, generator: Generator) -> Pairs:
        starts, ends = self.truth.pairs(n, generator)
        return Pairs(self.truth.render(starts).float(), self.truth.render(ends).float(), starts, ends)


def _key(values: Tensor) -> bytes:
    return values.contiguous().numpy().tobytes()


def _without(known: set[bytes], images: Tensor) -> Tensor:
    return images[[row for row, image in enumerate(images) if _key(image) not in known]]


def _random_pairs(images: Tensor, n: int, generator: Generator) -> Pairs:
    order = torch.randperm(len(images), generator=generator)
    none = torch.empty(n, 0, dtype=torch.float64)
    return Pairs(images[order[:n]], images[order[n : 2 * n]], none, none)
