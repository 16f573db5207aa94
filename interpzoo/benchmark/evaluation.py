"""What a metric is given: a candidate and its frames on a task."""

from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor

from interpzoo.benchmark.task import Pairs, Task
from interpzoo.errors import InputError
from interpzoo.model import InterpolationModel
from interpzoo.shared import Shared


class Candidate(ABC):
    """What is scored: something that gives frames between pairs of images."""

    name: str
    control: bool = False
    """Whether it is a path that metrics are checked against."""
    model: InterpolationModel | None = None
    """The model; ``None`` for what has neither codes nor a decoder, as a control."""

    @abstractmethod
    def frames(self, task: Task, pairs: Pairs, positions: Tensor) -> Tensor:
        """Frames (N, T, C, H, W) at `positions` (T,) between `pairs`, ends included where `positions` has 0 and 1."""


class Evaluation(Shared):
    """One candidate on one task: its frames, and what several metrics compute from them."""

    def __init__(self, task: Task, candidate: Candidate) -> None:
        super().__init__()
        self.task = task
        self.candidate = candidate
        model, n = candidate.model, len(task.pairs)
        self._slow = model is not None and not model.decoder.differentiable
        self.pairs = task.pairs.head(min(n, task.protocol.slow_pairs) if self._slow else n)
        """The N pairs that are scored: all of the task's, or fewer where decoding is slow."""

    @property
    def model(self) -> InterpolationModel:
        """The model, for metrics that declare the need ``model``; raises an `InputError` for a control."""
        if self.candidate.model is None:
            raise InputError(f"{self.candidate.name!r} is a control: it has neither codes nor a decoder")
        return self.candidate.model

    def generator(self, *purpose: str) -> Generator:
        """The generator of `Task.generator`: the same draws for every candidate."""
        return self.task.generator(*purpose)

    @property
    def frames(self) -> Tensor:
        """(N, T, C, H, W): frames between `pairs`, unclamped, ends included; raises an `InputError` if not finite."""
        return self.shared("frames", self._frames)

    @property
    def path_codes(self) -> Tensor:
        """(N, T, *latent_shape): the codes that `frames` are decoded from, on the model's device; raises as `model`."""
        return self.shared("path codes", lambda: self.model.interpolate_codes(*self.end_codes, self.task.positions))

    @property
    def training_frames(self) -> Tensor:
        """(M, T, C, H, W): as `frames`, between the task's training pairs; M = 0 where decoding is slow."""
        if self._slow:
            return self.frames[:0]
        return self.shared("training frames", lambda: self._interpolate(self.task.training_pairs, self.task.positions))

    @property
    def fine_frames(self) -> Tensor:
        """(n, F, C, H, W): as `frames`, between the first pairs in small steps."""
        pairs = self.pairs.head(self.task.protocol.motion_pairs)
        return self.shared("fine frames", lambda: self._interpolate(pairs, self.task.fine_positions))

    @property
    def truth_frames(self) -> Tensor:
        """Ground-truth images (N, T, C, H, W) at the positions of `frames`; raises as `Task.truth`."""
        key = f"ground truth of {len(self.pairs)} pairs"
        return self.task.shared(key, lambda: self.task.truth_frames(self.pairs, self.task.positions))

    @property
    def between_features(self) -> Tensor:
        """(N, T - 2, D): features of the frames between the ends."""
        return self.shared("between features", lambda: self.task.features(self.frames[:, 1:-1]))

    @property
    def fine_features(self) -> Tensor:
        """(n, F, D): features of `fine_frames`."""
        return self.shared("fine features", lambda: self.task.features(self.fine_frames))

    @property
    def end_codes(self) -> tuple[Tensor, Tensor]:
        """Codes (N, *latent_shape) of the start and end images, on the model's device; raises as `model`."""
        return self.shared("end codes", self._end_codes)

    @torch.no_grad()
    def _end_codes(self) -> tuple[Tensor, Tensor]:
        return self.model.encode(self.pairs.first), self.model.encode(self.pairs.last)

    @torch.no_grad()
    def _frames(self) -> Tensor:
        if self.candidate.model is None:
            return self._interpolate(self.pairs, self.task.positions)
        # As the candidate's own, which would search for the paths again.
        return self._finite(self.model.decode(self.path_codes).cpu())

    def _interpolate(self, pairs: Pairs, positions: Tensor) -> Tensor:
        return self._finite(self.candidate.frames(self.task, pairs, positions))

    def _finite(self, frames: Tensor) -> Tensor:
        finite = frames.isfinite().flatten(1).all(1)
        if not bool(finite.all()):
            row = int((~finite).nonzero()[0])
            raise InputError(f"{self.candidate.name!r}: frames of pair {row} are not finite: no score is given")
        return frames
