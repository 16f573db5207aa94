"""Subjects of a benchmark: models, and the controls that every metric is tested on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.benchmark.metric import Control
from interpzoo.benchmark.trial import Arena, Subject
from interpzoo.model import InterpolationModel

_CHUNK: Final = 512


class Model(Subject):
    """A model on its own path, by its config's name unless it is given another."""

    def __init__(self, model: InterpolationModel, name: str | None = None) -> None:
        self.name = name or model.config.name
        self.model = model
        self._model = model

    @override
    def frames(self, arena: Arena, n: int, positions: Tensor) -> Tensor:
        first, last = arena.pairs
        return self._model.interpolate(first[:n], last[:n], t=positions).cpu()


class ControlPath(Subject):
    """A path of no model, see `interpzoo.interfaces.Control`."""

    def __init__(self, name: Control) -> None:
        self.name = name
        self._path = _PATHS[name]

    @override
    def frames(self, arena: Arena, n: int, positions: Tensor) -> Tensor:
        return self._path(arena, n, positions)


def controls(arena: Arena) -> list[ControlPath]:
    """The controls that there are: the true way only where it is known."""
    return [ControlPath(name) for name in _PATHS if name != "truth" or arena.truth is not None]


def _blend(arena: Arena, n: int, positions: Tensor) -> Tensor:
    first, last = arena.pairs
    return torch.lerp(first[:n, None], last[:n, None], positions.view(-1, 1, 1, 1))


def _jump(arena: Arena, n: int, positions: Tensor) -> Tensor:
    first, last = arena.pairs
    return torch.where(positions.view(-1, 1, 1, 1) < 0.5, first[:n, None], last[:n, None])


def _truth(arena: Arena, n: int, positions: Tensor) -> Tensor:
    return arena.truths(n, positions)


def _nearest(arena: Arena, n: int, positions: Tensor) -> Tensor:
    """By squared error; the ends, too, are training images."""
    wanted = (_blend if arena.truth is None else _truth)(arena, n, positions).flatten(0, 1)
    images = arena.training
    flat = images.flatten(1)
    half = flat.square().sum(1) / 2
    rows = torch.cat([(part.flatten(1) @ flat.T - half).argmax(1) for part in wanted.split(_CHUNK)])
    return images[rows].unflatten(0, (n, len(positions)))


_PATHS: Final[dict[Control, Callable[[Arena, int, Tensor], Tensor]]] = {
    "truth": _truth,
    "nearest": _nearest,
    "jump": _jump,
    "blend": _blend,
}
