"""Pendulums: images whose only factor is an angle.

Source: the papers' 15,000 gray images of 16x16, the angle uniform on the circle, with Gaussian pixel noise. Their
renderer is not published, so every length here is a choice of ours.
"""

import math
from pathlib import Path
from typing import ClassVar, Final

import torch
from pydantic import Field
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.data.drawn import Drawn
from interpzoo.errors import InputError
from interpzoo.geometry import Circle
from interpzoo.interfaces import Batch, check_limit

_LENGTH, _WIDTH = 0.8, 0.08
"""Size of the rod, in half images; the width is a Gaussian's standard deviation."""
_CHUNK = 1024
_TRAIN: Final = 15_000
_TEST: Final = 1_000
_ANGLES: Final = Circle()
_TRAIN_SEED, _TEST_SEED = 0, 1


def draw_pendulums(angles: Tensor, size: int = 16) -> Tensor:
    """Draw rods from the center of the image to 0.8 (sin t, cos t), without noise.

    A pixel is exp(-d^2 / (2 0.08^2)), d the distance of its center from the rod, in half images. Rows go down: the
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
    noise: float = Field(default=0.05, ge=0, le=1)
    """Standard deviation of the pixel noise; noisy images are clipped to [0, 1]."""


class Pendulum(Drawn[PendulumConfig]):
    """A pendulum at any angle, drawn with pixel noise: 15,000 images, 1,000 held out.

    A batch carries ``image``, ``angle`` (B,), float32 radians in [0, 2 pi), and ``parameters`` (B, 1), the same. The
    seeds of angles and noise are fixed. The ground-truth path between two is the shorter turn, without noise.
    """

    fields = frozenset({"image", "angle", "parameters"})
    sides = range(8, 65)  # below, the rod falls between the pixels; above, 15,000 images fill the memory
    manifold = _ANGLES
    frames: ClassVar[int] = 17
    size = _TRAIN

    def __init__(self, config: PendulumConfig, image: ImageSpec, root: Path | None = None) -> None:
        super().__init__(config, image, root)
        self._train = _batch(_TRAIN, self.side, config.noise, _TRAIN_SEED)
        self._test = _batch(_TEST, self.side, config.noise, _TEST_SEED)

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return {name: values[indices] for name, values in self._train.items()}

    @override
    def test(self, limit: int | None = None) -> Batch:
        check_limit(limit)
        return {name: values[:limit] for name, values in self._test.items()}

    @override
    def pairs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        return _ANGLES.pairs(n, generator)

    @override
    def render(self, parameters: Tensor) -> Tensor:
        return draw_pendulums(parameters[:, 0], self.side)

    @override
    def reference_grid(self) -> Tensor:
        return _ANGLES.grid(4_000)


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
