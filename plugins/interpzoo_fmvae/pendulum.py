"""Pendulums: images whose only factor is an angle.

Source: the papers' 15,000 grey images of 16x16, the angle uniform on the circle, with Gaussian pixel noise. Their
renderer is not published, so every length here is a choice of ours.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar, Final

import torch
from pydantic import Field
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError, InputError
from interpzoo.interfaces import Batch, DataSet, Truth

_LENGTH, _WIDTH = 0.8, 0.08
"""Of the rod, in half images; the width is a Gaussian's standard deviation."""
_CHUNK = 1024
_SMALLEST, _LARGEST = 8, 64  # below, the rod falls between the pixels; above, 15,000 images fill the memory
_TRAIN: Final = 15_000
_TEST: Final = 1_000
_KNOWN: Final = 4_000
_TRAIN_SEED, _TEST_SEED = 0, 1


def draw_pendulums(angles: Tensor, size: int = 16) -> Tensor:
    """Draw rods from the centre of the image to 0.8 (sin t, cos t), without noise.

    A pixel is exp(-d^2 / (2 0.08^2)), d the distance of its centre from the rod, in half images. Rows go down: the
    pendulum hangs at t = 0 and turns anticlockwise.

    Args:
        angles: (N,) radians, any.
        size: height and width of the images, at least 1.

    Returns:
        (N, 1, size, size) in [0, 1], computed in float64 and given in the dtype of `angles`.

    Raises:
        InputError: `angles` is of another shape or type, or not finite; `size` is less than 1.
    """
    if angles.ndim != 1 or not angles.is_floating_point() or not bool(angles.isfinite().all()):
        raise InputError(f"angles of shape {tuple(angles.shape)} and {angles.dtype}: expected finite radians (N,)")
    if size < 1:
        raise InputError(f"size = {size}: expected at least 1 pixel")
    chunks = [_draw(chunk.double(), size).to(angles.dtype) for chunk in angles.split(_CHUNK)]
    return torch.cat(chunks) if chunks else angles.new_empty(0, 1, size, size)


class PendulumConfig(ComponentConfig):
    """How noisy the images are."""

    noise: float = Field(default=0.05, ge=0, le=1)
    """Standard deviation of the pixel noise; noisy images are clipped to [0, 1]."""


class Pendulum(DataSet[PendulumConfig], Truth):
    """A pendulum at any angle, drawn with pixel noise: 15,000 images, 1,000 held out.

    A batch carries ``image``, ``angle`` (B,), float32 radians in [0, 2 pi), and ``parameters`` (B, 1), the same. Angles
    and noise are of fixed seeds. The true way between two is the shorter turn, and without noise.

    Raises:
        ConfigError: `image` is not square, of one channel and between 8x8 and 64x64.
    """

    fields = frozenset({"image", "angle", "parameters"})
    frames: ClassVar[int] = 17
    size = _TRAIN
    license = "cc0-1.0"

    def __init__(self, config: PendulumConfig, image: ImageSpec, root: Path | None = None) -> None:
        super().__init__(config, image, root)
        if image.channels != 1 or image.height != image.width or not _SMALLEST <= image.height <= _LARGEST:
            raise ConfigError(
                f"pendulum: image = {image.channels}x{image.height}x{image.width}: expected 1 channel and a square "
                f"from {_SMALLEST}x{_SMALLEST} to {_LARGEST}x{_LARGEST}"
            )
        self._side = image.height
        self._train = _batch(_TRAIN, image.height, config.noise, _TRAIN_SEED)
        self._test = _batch(_TEST, image.height, config.noise, _TEST_SEED)

    def train(self, indices: Tensor, generator: Generator) -> Batch:
        """Training images `indices`; nothing is drawn from `generator`."""
        return {name: values[indices] for name, values in self._train.items()}

    def test(self, limit: int | None = None) -> Batch:
        """The held-out images, the first `limit` of them, always the same.

        Raises:
            InputError: `limit` is less than 1.
        """
        if limit is not None and limit < 1:
            raise InputError(f"limit = {limit}: expected at least 1, or None for all {_TEST}")
        return {name: values[:limit] for name, values in self._test.items()}

    def pairs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Angles (n, 1) of starts and ends, uniform on the circle."""
        first, last = (2 * math.pi * torch.rand(2, n, 1, generator=generator, dtype=torch.float64)).unbind()
        return first, last

    def between(self, starts: Tensor, ends: Tensor, t: Tensor) -> Tensor:
        """See `Truth.between`; angles are not brought back to [0, 2 pi)."""
        return starts[:, None] + t[:, None] * self.ways(starts, ends)[:, None]

    @override
    def show(self, parameters: Tensor) -> Tensor:
        return draw_pendulums(parameters[:, 0], self._side)

    def known(self) -> Tensor:
        """See `Truth.known`: 4,000 angles evenly around the circle."""
        return (torch.arange(_KNOWN, dtype=torch.float64) * (2 * math.pi / _KNOWN))[:, None]

    @override
    def ways(self, p: Tensor, q: Tensor) -> Tensor:
        return torch.remainder(q - p + math.pi, 2 * math.pi) - math.pi


def _batch(n: int, size: int, noise: float, seed: int) -> Batch:
    generator = Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    clean = draw_pendulums(angle, size)
    image = (clean + noise * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
    return {"image": image, "angle": angle, "parameters": angle[:, None]}


def _draw(angles: Tensor, size: int) -> Tensor:
    t = angles.view(-1, 1, 1)
    x = (2 * torch.arange(size, dtype=torch.float64, device=angles.device) + 1) / size - 1
    y = x[:, None]
    along = (x * t.sin() + y * t.cos()).clamp(0, _LENGTH)
    squared = (x - along * t.sin()).square() + (y - along * t.cos()).square()
    return torch.exp(-squared / (2 * _WIDTH**2))[:, None]
