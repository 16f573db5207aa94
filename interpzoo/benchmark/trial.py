"""What metrics see: the data of a benchmark with its pairs, and one subject at a time on trial."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

import torch
from torch import Generator, Tensor

from interpzoo.benchmark.protocol import Protocol
from interpzoo.build import build_component
from interpzoo.config import ComponentSpec, ImageSpec
from interpzoo.errors import InputError
from interpzoo.features import Features, features_of
from interpzoo.interfaces import Batch, DataSet, Truth
from interpzoo.model import InterpolationModel

_BATCH: Final = 500
_FEW: Final = 1000
"""Held-out images below which training images are taken along for comparison."""

T = TypeVar("T")


class _Shared:
    def __init__(self) -> None:
        self._values: dict[str, object] = {}

    def shared(self, key: str, make: Callable[[], T]) -> T:
        """What `make` returns, computed once for all who ask for this key."""
        if key not in self._values:
            self._values[key] = make()
        return self._values[key]  # pyright: ignore[reportReturnType]  # what `make` of this key gave


class Arena(_Shared):
    """A data set with the pairs, positions and real images that every subject is scored on.

    Args:
        component: the data set.
        image: what models on it take and give.
        protocol: how much of everything.
        root: folder of local data sets.
        features: what images are compared by, where that was asked for; those of `features_of` by default.

    Raises:
        DataError: the data set cannot be found or read.
    """

    def __init__(
        self,
        component: ComponentSpec,
        image: ImageSpec,
        protocol: Protocol,
        root: Path | None = None,
        *,
        features: Features | None = None,
    ) -> None:
        super().__init__()
        self.component = component
        self.image = image
        self.protocol = protocol
        self.data = build_component(DataSet, component, image, root)
        self.truth = self.data if isinstance(self.data, Truth) else None
        """What knows the true ways, if anything; metrics that need ``truth`` may use `known`."""
        self.chosen = features is not None
        """Whether the features were asked for."""
        self.network = features_of(component.name, image) if features is None else features
        frames = protocol.frames if self.truth is None else self.truth.frames
        self.positions = torch.linspace(0, 1, frames)
        """(T,): where frames are on their path."""
        known = None if self.truth is None else self.truth.divisions
        divisions = protocol.motion_divisions if known is None else known
        self.fine_positions = torch.linspace(0, 1, divisions + 1)
        """(F,): those of small steps."""

    def generator(self, *purpose: str) -> Generator:
        """Seeded by the protocol and by what it is for, so that no metric's draws depend on another's."""
        return Generator().manual_seed(zlib.crc32(repr((self.protocol.seed, *purpose)).encode()))

    @cached_property
    def test(self) -> Batch:
        """The held-out images, all of them."""
        return self.data.test()

    @property
    def known(self) -> Truth:
        """The data set, which is a `Truth`.

        Raises:
            InputError: it is not.
        """
        if self.truth is None:
            raise InputError(f"data set {self.component.name!r} does not know what lies between two of its images")
        return self.truth

    @cached_property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Parameters (N, P) of starts and ends, where the data set is a `Truth`."""
        # Not of `generator`: the pairs of the ACAI paper's protocol are those of the bare seed.
        return self.known.pairs(self.protocol.pairs, Generator().manual_seed(self.protocol.seed))

    @cached_property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """Starts and ends, (N, C, H, W) each: held-out images at random, or those of `Truth.pairs`.

        One held-out image alone is paired with a training image.
        """
        if self.truth is not None:
            first, last = (self.known.show(ends).float() for ends in self.ends)
            return first, last
        images = self.test["image"]
        if len(images) < 2:
            images = torch.cat([images, self.training])
        n = min(self.protocol.pairs, len(images) // 2)
        order = torch.randperm(len(images), generator=self.generator("pairs"))
        return images[order[:n]], images[order[n : 2 * n]]

    @cached_property
    def practice(self) -> Arena:
        """The same with other pairs, `Protocol.practice_pairs` of training images, for what a metric has to learn."""
        other = copy(self)
        _Shared.__init__(other)
        generator, n = self.generator("practice"), self.protocol.practice_pairs
        if self.truth is not None:
            other.ends = self.known.pairs(n, generator)
            first, last = (self.known.show(ends).float() for ends in other.ends)
        else:
            order = torch.randperm(len(self.training), generator=generator)
            first, last = self.training[order[: 2 * n]].tensor_split(2)
        other.pairs = first[: len(last)], last
        return other

    def truths(self, n: int, positions: Tensor) -> Tensor:
        """The true images (n, T, C, H, W) of the first `n` pairs.

        Raises:
            InputError: the data set is no `Truth`.
        """
        starts, ends = (parameters[:n] for parameters in self.ends)
        between = self.known.between(starts, ends, positions.double())
        return self.known.show(between.flatten(0, 1)).float().unflatten(0, between.shape[:2])

    @cached_property
    def reference(self) -> Tensor:
        """Real images (M, C, H, W): held-out ones, and training images beside where those are fewer than 1,000."""
        images = self.test["image"][: self.protocol.reference]
        if len(images) >= _FEW:
            return images
        return torch.cat([images, self.training])[: max(_FEW, len(images))]

    @cached_property
    def training(self) -> Tensor:
        """Training images (M, C, H, W): the first of them, or as many fresh ones where there is no end."""
        size = self.protocol.training if self.data.size is None else min(self.data.size, self.protocol.training)
        generator = self.generator("training")
        return torch.cat([self.data.train(rows, generator)["image"] for rows in torch.arange(size).split(_BATCH)])

    def features(self, images: Tensor) -> Tensor:
        """Features (..., D) of images (..., C, H, W), of mean 0 and mean variance 1 over `reference`.

        One scale for all: a feature that hardly varies says little, and divided by its own it would say much.
        """
        mean, deviation = self.shared("scale", self._scale)
        found = (self.network(images.flatten(0, -4)) - mean) / deviation
        return found.unflatten(0, images.shape[:-3])

    @property
    def reference_features(self) -> Tensor:
        """(M, D)."""
        return self.shared("reference features", lambda: self.features(self.reference))

    def _scale(self) -> tuple[Tensor, Tensor]:
        found = self.network(self.reference)
        return found.mean(0), found.var(0).mean().sqrt().clamp(min=1e-6)


class Subject(ABC):
    """What is scored: it gives frames between the pairs of an arena."""

    name: str
    model: InterpolationModel | None = None
    """``None`` for a control, which has neither codes nor a decoder."""

    @abstractmethod
    def frames(self, arena: Arena, n: int, positions: Tensor) -> Tensor:
        """Frames (n, T, C, H, W) at `positions` (T,) between the first `n` pairs; the ends count too."""


class Trial(_Shared):
    """One subject in an arena."""

    def __init__(self, arena: Arena, subject: Subject) -> None:
        super().__init__()
        self.arena = arena
        self.subject = subject

    @property
    def model(self) -> InterpolationModel | None:
        """The model, if the subject is one; metrics that need ``model`` may use `networks`."""
        return self.subject.model

    @property
    def networks(self) -> InterpolationModel:
        """The model.

        Raises:
            InputError: the subject is a control.
        """
        if self.subject.model is None:
            raise InputError(f"{self.subject.name!r} is a control: it has neither codes nor a decoder")
        return self.subject.model

    def generator(self, *purpose: str) -> Generator:
        """As `Arena.generator`: the same for every subject."""
        return self.arena.generator(*purpose)

    @property
    def pairs(self) -> int:
        """N: of pairs whose frames count; fewer where decoding is slow."""
        n, protocol = len(self.arena.pairs[0]), self.arena.protocol
        return n if self.model is None or self.model.decoder.differentiable else min(n, protocol.slow_pairs)

    @property
    def frames(self) -> Tensor:
        """(N, T, C, H, W) as decoded, unclamped; the ends count too.

        Raises:
            InputError: one is not finite.
        """
        return self.shared("frames", lambda: self._walk(self.pairs, self.arena.positions))

    @property
    def practice_frames(self) -> Tensor:
        """(M, T, C, H, W): as `frames`, between the pairs of `Arena.practice`; none where decoding is slow.

        Raises:
            InputError: one is not finite.
        """
        if self.model is not None and not self.model.decoder.differentiable:
            return self.frames[:0]
        arena = self.arena.practice
        return self.shared("practice frames", lambda: self._walk(len(arena.pairs[0]), self.arena.positions, arena))

    @property
    def fine_frames(self) -> Tensor:
        """(n, F, C, H, W): the first pairs in small steps.

        Raises:
            InputError: one is not finite.
        """
        n = min(self.pairs, self.arena.protocol.motion_pairs)
        return self.shared("fine frames", lambda: self._walk(n, self.arena.fine_positions))

    @property
    def truths(self) -> Tensor:
        """(N, T, C, H, W): the true images at the places of `frames`, where the data set is a `Truth`."""
        key = f"truths of {self.pairs}"
        return self.arena.shared(key, lambda: self.arena.truths(self.pairs, self.arena.positions))

    @property
    def between_features(self) -> Tensor:
        """(N, T - 2, D): features of the frames between the ends."""
        return self.shared("between features", lambda: self.arena.features(self.frames[:, 1:-1]))

    @property
    def fine_features(self) -> Tensor:
        """(n, F, D): features of `fine_frames`."""
        return self.shared("fine features", lambda: self.arena.features(self.fine_frames))

    @property
    def end_codes(self) -> tuple[Tensor, Tensor]:
        """Codes (N, *latent_shape) of the starts and ends, on the model's device.

        Raises:
            InputError: the subject is a control.
        """
        return self.shared("end codes", self._end_codes)

    @torch.no_grad()
    def _end_codes(self) -> tuple[Tensor, Tensor]:
        first, last = (self.networks.encode(ends[: self.pairs]) for ends in self.arena.pairs)
        return first, last

    def _walk(self, n: int, positions: Tensor, arena: Arena | None = None) -> Tensor:
        frames = self.subject.frames(arena or self.arena, n, positions)
        finite = frames.isfinite().flatten(1).all(1)
        if not bool(finite.all()):
            row = int((~finite).nonzero()[0])
            raise InputError(f"{self.subject.name!r}: frames of pair {row} are not finite: it gets no score")
        return frames
