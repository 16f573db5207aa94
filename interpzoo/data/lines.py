"""The synthetic lines of the ACAI paper: one antialiased line from the center, whose only parameter is its angle.

Source: Berthelot et al. 2019 and the official code, lib/data.py, whose images in [-1, 1] are these times two, minus
one. Nothing is downloaded; every image is drawn.
"""

import math
from typing import ClassVar

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.data.drawn import Drawn
from interpzoo.errors import InputError
from interpzoo.geometry import Circle
from interpzoo.interfaces import Batch, check_limit

_LINE_WIDTH = 2
_MIN_SIZE = 16  # in smaller images a line's end is cut off, where the official renderer fails
_CLASSES = 10
_ANGLES = Circle()
_TEST_SIZE = 5000
_TEST_SEED = 180707543
_CHUNK = 500  # lines drawn at a time


def draw_lines(angles: Tensor, size: int = 32) -> Tensor:
    """Draw lines of width 2 from the center to `size` / 2 - 1 pixels away: 1 on a background of 0.

    The official renderer for all lines at once. A line advances along its longer axis; in each row of pixels across
    that axis it covers a span two pixels wide, and each pixel by its overlap with the span.

    Args:
        angles: (N,) radians, anticlockwise from the right.
        size: height and width of the images, at least 16.

    Returns:
        (N, 1, size, size) in [0, 1], computed in float64 and given in the dtype of `angles`.

    Raises:
        InputError: `angles` is not a vector of finite floating-point numbers, or `size` is too small for a line.
    """
    if angles.ndim != 1 or not angles.is_floating_point():
        raise InputError(
            f"angles of shape {tuple(angles.shape)} and {angles.dtype}: expected floating-point radians of shape (N,); "
            "one angle is torch.tensor([angle])"
        )
    if not angles.isfinite().all():
        raise InputError(f"angles[{int((~angles.isfinite()).nonzero()[0])}] is not finite: expected radians")
    if size < _MIN_SIZE:
        raise InputError(f"size = {size}: a line needs at least {_MIN_SIZE}x{_MIN_SIZE} pixels")

    theta, center, radius = angles.double(), size / 2, size / 2 - 1
    x, y = center + radius * torch.cos(-theta), center + radius * torch.sin(-theta)
    # From here on y runs along the longer axis: flat lines are drawn transposed.
    flat = (y - center).abs() < (x - center).abs()
    x, y = torch.where(flat, y, x), torch.where(flat, x, y)
    slope = (x - center) / (y - center)
    start = torch.where(y < center, x, center)
    first, last = y.clamp(max=center)[:, None], y.clamp(min=center)[:, None]

    pixel = torch.arange(size, dtype=torch.float64, device=angles.device)
    # Only the row where the line begins is weighted by how much of it is reached: the official code has a weight for
    # the row where it ends, too, but its condition never holds, and the paper's lines are drawn so.
    weight = (pixel + 1 - first).clamp(0, 1) * (pixel < last.ceil())
    middle = start[:, None] + (pixel - first - 0.5) * slope[:, None]
    # A span is wider than a pixel, so the overlap falls from 1 to 0 while it slides off: linear in their distance.
    cover = (middle - 0.5)[:, :, None] - pixel
    cover.abs_().neg_().add_((_LINE_WIDTH + 1) / 2).clamp_(0, 1).mul_(weight[:, :, None])
    return torch.where(flat[:, None, None], cover.mT, cover)[:, None].to(angles.dtype)


class Lines(Drawn):
    """Endless lines at angles U[0, 2 pi); 5,000 are held out, drawn from a seed of their own.

    A batch carries ``image``, ``angle`` (B,) in float32 radians, and ``label`` (B,): the tenth of the circle, 0 to 9.
    The ground-truth path between two lines is the shorter turn, which the paper's measures see in 16 frames.
    """

    fields = frozenset({"image", "label", "angle"})
    license = "apache-2.0"
    sides = range(_MIN_SIZE, 2049)
    manifold = _ANGLES
    frames: ClassVar[int] = 16

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return self._batch(_ANGLES.sample(len(indices), generator))

    @override
    def test(self, limit: int | None = None) -> Batch:
        check_limit(limit)
        return self._batch(_ANGLES.sample(_TEST_SIZE, Generator().manual_seed(_TEST_SEED))[:limit])

    @override
    def pairs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Angles (n, 1) of 2 `n` random lines, the first half paired with the second, as in the paper."""
        return _ANGLES.pairs(n, generator)

    @override
    def render(self, parameters: Tensor) -> Tensor:
        return torch.cat([draw_lines(chunk, self.side) for chunk in parameters[:, 0].split(_CHUNK)])

    @override
    def reference_grid(self) -> Tensor:
        return _ANGLES.grid(10_000)  # as many as in the paper

    def _batch(self, parameters: Tensor) -> Batch:
        angles = parameters[:, 0]
        # The official formula gives an eleventh label to angles within 1e-6 of the whole circle.
        labels = (_CLASSES * angles / (2 * math.pi - 1e-6)).long().clamp(max=_CLASSES - 1)
        return {"image": draw_lines(angles, self.side).float(), "label": labels, "angle": angles.float()}
