"""The synthetic lines of the ACAI paper: one antialiased line from the centre, whose only parameter is its angle.

Source: Berthelot et al. 2019 and the official code, lib/data.py, whose images in [-1, 1] are these times two, minus
one. Nothing is downloaded; every image is drawn.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError, InputError
from interpzoo.interfaces import Batch, DataSet, Truth

_LINE_WIDTH = 2
_MIN_SIZE = 16  # in smaller images a line's end is cut off, where the official renderer fails
_CLASSES = 10
_TEST_SIZE = 5000
_TEST_SEED = 180707543
_TEMPLATE_CHUNK = 500


def draw_lines(angles: Tensor, size: int = 32) -> Tensor:
    """Draw lines of width 2 from the centre to `size` / 2 - 1 pixels away: 1 on a background of 0.

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

    theta, centre, radius = angles.double(), size / 2, size / 2 - 1
    x, y = centre + radius * torch.cos(-theta), centre + radius * torch.sin(-theta)
    # From here on y runs along the longer axis: flat lines are drawn transposed.
    flat = (y - centre).abs() < (x - centre).abs()
    x, y = torch.where(flat, y, x), torch.where(flat, x, y)
    slope = (x - centre) / (y - centre)
    start = torch.where(y < centre, x, centre)
    first, last = y.clamp(max=centre)[:, None], y.clamp(min=centre)[:, None]

    pixel = torch.arange(size, dtype=torch.float64, device=angles.device)
    # Only the row where the line begins is weighted by how much of it is reached: the official code has a weight for
    # the row where it ends, too, but its condition never holds, and the paper's lines are drawn so.
    weight = (pixel + 1 - first).clamp(0, 1) * (pixel < last.ceil())
    middle = start[:, None] + (pixel - first - 0.5) * slope[:, None]
    # A span is wider than a pixel, so the overlap falls from 1 to 0 while it slides off: linear in their distance.
    cover = (middle - 0.5)[:, :, None] - pixel
    cover.abs_().neg_().add_((_LINE_WIDTH + 1) / 2).clamp_(0, 1).mul_(weight[:, :, None])
    return torch.where(flat[:, None, None], cover.mT, cover)[:, None].to(angles.dtype)


class Lines(DataSet, Truth):
    """Endless lines at angles U[0, 2 pi); held out: 5,000 of a seed of their own.

    A batch carries ``image``, ``angle`` (B,) in float32 radians, and ``label`` (B,): the tenth of the circle, 0 to 9.
    The true way between two lines is the shorter turn, which the paper's measures see in 16 frames.

    Raises:
        ConfigError: `image` is not square, of one channel and at least 16x16.
    """

    fields = frozenset({"image", "label", "angle"})
    frames: ClassVar[int] = 16

    def __init__(self, config: ComponentConfig, image: ImageSpec, root: Path | None = None) -> None:
        super().__init__(config, image, root)
        if image.channels != 1 or image.height != image.width or image.height < _MIN_SIZE:
            raise ConfigError(
                f"lines: image = {image.channels}x{image.height}x{image.width}: expected 1 channel and a square of at "
                f"least {_MIN_SIZE}x{_MIN_SIZE}; the paper has channels = 1, height = 32, width = 32"
            )
        self._size = image.height

    def train(self, indices: Tensor, generator: Generator) -> Batch:
        """As many fresh lines as there are `indices`, drawn from `generator`."""
        return self.draw(len(indices), generator)

    def test(self, limit: int | None = None) -> Batch:
        """The held-out lines, the first `limit` of them, always the same.

        Raises:
            InputError: `limit` is less than 1.
        """
        if limit is not None and limit < 1:
            raise InputError(f"limit = {limit}: expected at least 1, or None for all {_TEST_SIZE}")
        return self._batch(_random_angles(_TEST_SIZE, torch.Generator().manual_seed(_TEST_SEED))[:limit])

    def draw(self, n: int, generator: Generator) -> Batch:
        """`n` random lines."""
        return self._batch(_random_angles(n, generator))

    def templates(self, n: int = 10_000) -> tuple[Tensor, Tensor]:
        """`n` lines evenly around the circle from angle 0 on: images (n, 1, H, W) and angles (n,), both float64.

        Mirror images among them are equal to the last digit or so, and a metric must not tell them apart by rounding.

        Raises:
            InputError: `n` is less than 1.
        """
        if n < 1:
            raise InputError(f"n = {n}: expected at least 1 template (the paper: 10,000)")
        angles = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
        chunks = [draw_lines(chunk, self._size) for chunk in torch.split(angles, _TEMPLATE_CHUNK)]
        return torch.cat(chunks), angles

    def pairs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Angles (n, 1) of 2 `n` random lines, the first half paired with the second, as in the paper."""
        first, last = _random_angles(2 * n, generator)[:, None].chunk(2)
        return first, last

    def between(self, starts: Tensor, ends: Tensor, t: Tensor) -> Tensor:
        """See `Truth.between`; angles are not brought back to [0, 2 pi)."""
        return starts[:, None] + t[:, None] * self.ways(starts, ends)[:, None]

    @override
    def show(self, parameters: Tensor) -> Tensor:
        return torch.cat([draw_lines(chunk, self._size) for chunk in parameters[:, 0].split(_TEMPLATE_CHUNK)])

    def known(self) -> Tensor:
        """See `Truth.known`: the paper's 10,000 angles."""
        return (torch.arange(10_000, dtype=torch.float64) * (2 * math.pi / 10_000))[:, None]

    @override
    def ways(self, p: Tensor, q: Tensor) -> Tensor:
        return torch.remainder(q - p + math.pi, 2 * math.pi) - math.pi

    def _batch(self, angles: Tensor) -> Batch:
        # The official formula gives an eleventh label to angles within 1e-6 of the whole circle.
        labels = (_CLASSES * angles / (2 * math.pi - 1e-6)).long().clamp(max=_CLASSES - 1)
        return {"image": draw_lines(angles, self._size).float(), "label": labels, "angle": angles.float()}


def _random_angles(n: int, generator: Generator) -> Tensor:
    return 2 * math.pi * torch.rand(n, generator=generator, dtype=torch.float64)
