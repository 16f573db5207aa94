"""The candidates of a benchmark: models, and the controls that every metric is checked against."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark.evaluation import Candidate
from interpzoo.benchmark.metric import Control
from interpzoo.benchmark.task import Pairs, Task
from interpzoo.model import InterpolationModel

_CHUNK: Final = 512


class ModelCandidate(Candidate):
    """A model and its own path, named as its config unless `name` is given."""

    def __init__(self, model: InterpolationModel, name: str | None = None) -> None:
        self.name = name or model.config.name
        self.model = model
        self._interpolate = model.interpolate

    @override
    def frames(self, task: Task, pairs: Pairs, positions: Tensor) -> Tensor:
        return self._interpolate(pairs.first, pairs.last, t=positions).cpu()


class ControlCandidate(Candidate):
    """A path without a model, see `interpzoo.benchmark.metric.Control`."""

    control = True

    def __init__(self, name: Control) -> None:
        self.name = name
        self._path = _PATHS[name]

    @override
    def frames(self, task: Task, pairs: Pairs, positions: Tensor) -> Tensor:
        return self._path(task, pairs, positions)


def controls(task: Task) -> list[ControlCandidate]:
    """The controls of a task: ``truth`` only where ground-truth paths are known, ``nearest`` only with real images.

    None for paths that end where they begin: the way from an image to itself is no way.
    """
    if not task.ends_differ:
        return []
    possible = {"truth": task.has_truth, "nearest": task.has_data}
    return [ControlCandidate(name) for name in _PATHS if possible.get(name, True)]


def _blend(task: Task, pairs: Pairs, positions: Tensor) -> Tensor:
    return torch.lerp(pairs.first[:, None], pairs.last[:, None], positions.view(-1, 1, 1, 1))


def _jump(task: Task, pairs: Pairs, positions: Tensor) -> Tensor:
    return torch.where(positions.view(-1, 1, 1, 1) < 0.5, pairs.first[:, None], pairs.last[:, None])


def _truth(task: Task, pairs: Pairs, positions: Tensor) -> Tensor:
    return task.truth_frames(pairs, positions)


def _nearest(task: Task, pairs: Pairs, positions: Tensor) -> Tensor:
    """Training images, also at the ends, by squared error."""
    images = task.training_images
    flat = images.flatten(1)
    half = flat.square().sum(1) / 2
    if task.has_truth:
        wanted = _truth(task, pairs, positions).flatten(0, 1)
        rows = torch.cat([(part.flatten(1) @ flat.T - half).argmax(1) for part in wanted.split(_CHUNK)])
    else:  # the products of a blend are the blends of the products
        parts = zip(pairs.first.flatten(1).split(_CHUNK), pairs.last.flatten(1).split(_CHUNK), strict=True)
        rows = torch.cat([_nearest_blends(first @ flat.T, last @ flat.T, half, positions) for first, last in parts])
    return images[rows.flatten()].unflatten(0, (len(pairs), len(positions)))


def _nearest_blends(first: Tensor, last: Tensor, half: Tensor, positions: Tensor) -> Tensor:
    """Rows (N, T) of M images: products of the ends (N, M) with them, half of their squares (M,), positions (T,)."""
    return torch.stack([(torch.lerp(first, last, t) - half).argmax(1) for t in positions], 1)


_PATHS: Final[dict[Control, Callable[[Task, Pairs, Tensor], Tensor]]] = {
    "truth": _truth,
    "nearest": _nearest,
    "jump": _jump,
    "blend": _blend,
}
