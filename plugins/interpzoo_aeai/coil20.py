"""COIL-20: real objects on a turntable.

Source: Nene, Nayar and Murase, Columbia Object Image Library (COIL-20), technical report CUCS-005-96, 1996; the
size-normalized set. (The paper has COIL-100, of the same turntable in color.)
"""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Final

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.data.images import Images, ImagesConfig, Source
from interpzoo.errors import DataError, InputError
from interpzoo.geometry import Circle, Manifold
from interpzoo.interfaces import GroundTruth
from interpzoo.pixels import Fit

VIEWS: Final = 72
"""Views of each object, 360 / 72 = 5 degrees apart."""

_STEP: Final = 360 // VIEWS
_FOURTH: Final = 4
_FARTHEST: Final = 16
"""Views between the ends of a pair: 80 degrees, the paper's longest interval."""


class COIL20Config(ImagesConfig):
    source: Source = "coil20"
    label_column: str | None = "label"
    fit: Fit = "mean"


class Turntable(Manifold):
    """Views of objects, (object, view): a circle of 72 views for each object, with distances in views.

    Both points are of one object. Views on a path are not brought back to [0, 72).
    """

    _circle = Circle(VIEWS)

    @override
    def displacement(self, p: Tensor, q: Tensor) -> Tensor:
        return self._circle.displacement(p[..., 1:], q[..., 1:])

    @override
    def between(self, p: Tensor, q: Tensor, t: Tensor) -> Tensor:
        views = self._circle.between(p[:, 1:], q[:, 1:], t)
        return torch.cat([p[:, None, :1].expand(-1, len(t), -1), views], 2)


class COIL20(Images[COIL20Config], GroundTruth):
    """Objects on a turntable: 20 of them in 72 views, 5 degrees apart; every fourth view is held out.

    Read from a folder ``coil20`` below the root of local data sets: columns ``image``, ``label`` (the object) and
    ``angle`` (whole degrees). A batch carries ``image``, ``label`` (B,) and ``angle`` (B,), float32 radians as in
    `lines`. Held out are the views at 15, 35, ..., 355 degrees of every object, so that there are 1,080 images to
    train on and 360 to test on. The paper holds out a fifth of the images at random. The ground-truth path between two
    views is the turntable's, known at every 5 degrees; parameters are the object and the view, 0 to 71.

    The images are for research (CUCS-005-96, section 3); models trained on them pass that on.
    """

    license = "other"
    manifold = Turntable()
    frames: ClassVar[int] = _FARTHEST + 1
    divisions: ClassVar[int | None] = _FARTHEST

    @override
    def other_fields(self, table: Any) -> Mapping[str, Tensor]:
        return {"angle": torch.deg2rad(self._degrees(table).float())}

    @override
    def held_out_rows(self, table: Any) -> Tensor:
        return is_held_out(self._degrees(table) // _STEP).argwhere().flatten()

    def turns(self) -> Tensor:
        """Each object once around, train and test images together: (objects, 72, C, H, W), at 0, 5, ..., 355 degrees.

        Raises:
            DataError: an object lacks a view or has one twice.
        """
        parts = [self.train(torch.arange(self.size or 0), Generator()), self.test()]
        image, label, angle = (torch.cat([part[name] for part in parts]) for name in ("image", "label", "angle"))
        view = (angle * (VIEWS / (2 * math.pi))).round().long()
        objects = label.unique()
        slot = torch.searchsorted(objects, label) * VIEWS + view
        counts = slot.bincount(minlength=len(objects) * VIEWS)
        if wrong := (counts != 1).argwhere().flatten().tolist():
            which, position = divmod(wrong[0], VIEWS)
            raise DataError(
                f"data set {self.config.source!r}: object {int(objects[which])} has {int(counts[wrong[0]])} images at "
                f"{position * _STEP} degrees, expected 1 at each of 0, {_STEP}, ..., {360 - _STEP}"
            )
        return image[slot.argsort()].unflatten(0, (len(objects), VIEWS))

    @override
    def pairs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """`n` views of objects, (n, 2), and those 80 degrees further on, as in the paper: all once, then again.

        Three of four are training images, as are most of the views between them.

        Raises:
            InputError: `n` is less than 1.
        """
        if n < 1:
            raise InputError(f"n = {n}: expected at least 1 pair")
        objects = len(self._turns)
        order = torch.cat([torch.randperm(objects * VIEWS, generator=generator) for _ in range(0, n, objects * VIEWS)])
        starts = torch.stack([order[:n] // VIEWS, order[:n] % VIEWS], 1).double()
        return starts, torch.stack([starts[:, 0], (starts[:, 1] + _FARTHEST) % VIEWS], 1)

    @override
    def render(self, parameters: Tensor) -> Tensor:
        """The nearest view that there is."""
        objects, views = parameters.round().long().unbind(1)
        return self._turns[objects, views % VIEWS]

    @override
    def reference_grid(self) -> Tensor:
        return torch.cartesian_prod(
            torch.arange(len(self._turns), dtype=torch.float64), torch.arange(VIEWS, dtype=torch.float64)
        )

    @override
    def groups(self, parameters: Tensor) -> Tensor:
        return parameters[:, 0].long()

    @cached_property
    def _turns(self) -> Tensor:
        return self.turns()

    def _degrees(self, table: Any) -> Tensor:
        degrees = self.whole_numbers(table, "angle")
        wrong = (degrees % _STEP != 0) | (degrees < 0) | (degrees >= 360)
        if wrong.any():
            raise DataError(
                f"data set {self.config.source!r}: angle = {int(degrees[wrong][0])}: expected degrees 0, {_STEP}, ..., "
                f"{360 - _STEP}"
            )
        return degrees


def is_held_out(views: Tensor) -> Tensor:
    """Whether a view, 0 to 71, is one of those at 15, 35, ... degrees: bool, of the same shape."""
    return views % _FOURTH == _FOURTH - 1
