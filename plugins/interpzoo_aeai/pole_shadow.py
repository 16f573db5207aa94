"""A pole on a plane and its shadow, seen from above: a geometric stand-in for the paper's rendered images.

Source: arXiv 2008.01487, section 4.1 (ICLR text): a vertical pole at the center of a plane, the camera above it, the
light at 72 azimuths, 5 degrees apart, and at 8 altitudes, 45 to 80 degrees. Its images, a game engine's of unknown size
and colors, are not published. Here the view is orthographic, the sun infinitely far, and every length our choice.
"""

import math
from pathlib import Path
from typing import ClassVar, Final

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.data.drawn import Drawn
from interpzoo.errors import InputError
from interpzoo.geometry import Circle
from interpzoo.interfaces import Batch, check_limit

AZIMUTHS: Final = 72
ALTITUDES: Final = 8

_PLANE, _SHADOW, _POLE = 0.8, 0.1, 1.0
_HEIGHT, _RADIUS = 0.8, 0.1
"""Size of the pole, in half images: at 45 degrees the shadow ends at 0.9."""
_SAMPLES = 4
_CHUNK = 64
_MIN_SIZE = 16  # in smaller images the pole hides the shortest shadow
_FARTHEST: Final = 16
"""Steps of 5 degrees between the azimuths of two lights, at most; 3 at least."""
_TRAIN_SHARE = 0.8
_SPLIT_SEED = 0


def draw_pole_shadows(parameters: Tensor, size: int = 32) -> Tensor:
    """Draw poles of radius r and height h that stand at the center, lit from `parameters`.

    The shadow is what a disc of radius r covers on its way from the center to h / tan(altitude) away from the light.
    A pixel is the mean of 4x4 samples, each faded over its own width at an edge, so that gray values have no steps.

    Args:
        parameters: (N, 2) radians: azimuth of the light, anticlockwise from the right, and its altitude above the
            plane in (0, pi / 2]. Shadows of a light below 41 degrees leave the image.
        size: height and width of the images, at least 16.

    Returns:
        (N, 1, size, size) in [0, 1]: plane 0.8, shadow 0.1, pole 1; computed in float64, in the dtype of `parameters`.

    Raises:
        InputError: `parameters` is of another shape or type or out of range, or `size` is too small.
    """
    if parameters.ndim != 2 or parameters.shape[1] != 2 or not parameters.is_floating_point():
        raise InputError(
            f"parameters of shape {tuple(parameters.shape)} and {parameters.dtype}: expected floating-point radians "
            "(N, 2), azimuth and altitude"
        )
    azimuth, altitude = parameters.double().unbind(1)
    # A right angle in float32 is above one in float64.
    good = azimuth.isfinite() & (altitude > 0) & (altitude < math.pi / 2 + 1e-6)
    if not good.all():
        row = int((~good).argwhere()[0])
        raise InputError(
            f"parameters[{row}] = {parameters[row].tolist()}: expected radians, the altitude in (0, pi / 2]"
        )
    if size < _MIN_SIZE:
        raise InputError(f"size = {size}: a pole needs at least {_MIN_SIZE}x{_MIN_SIZE} pixels")
    chunks = [_draw(chunk, size) for chunk in torch.stack([azimuth, altitude], 1).split(_CHUNK)]
    return torch.cat(chunks).to(parameters.dtype) if chunks else parameters.new_empty(0, 1, size, size)


class PoleShadow(Drawn):
    """A pole and its shadow under a light at 72 azimuths and 8 altitudes, drawn: 461 images, 115 held out.

    A batch carries ``image`` and ``parameters`` (B, 2), float32 radians: azimuth and altitude of the light. A fifth of
    the 576 images, the paper's share, is held out at random, always the same. The ground-truth path between two lights
    is straight in azimuth, the shorter way round, and in altitude.
    """

    fields = frozenset({"image", "parameters"})
    sides = range(_MIN_SIZE, 2049)
    manifold = Circle()
    frames: ClassVar[int] = 17

    def __init__(self, config: ComponentConfig, image: ImageSpec, root: Path | None = None) -> None:
        super().__init__(config, image, root)
        azimuth = torch.arange(AZIMUTHS, dtype=torch.float64) * 5
        altitude = 45 + torch.arange(ALTITUDES, dtype=torch.float64) * 5
        self.parameters = torch.deg2rad(torch.cartesian_prod(azimuth, altitude))
        """(576, 2) float64: the lights of all images."""
        self.images = draw_pole_shadows(self.parameters, self.side).float()
        """(576, 1, H, W): all images."""
        total = len(self.parameters)
        order = torch.randperm(total, generator=Generator().manual_seed(_SPLIT_SEED))
        self.size = round(_TRAIN_SHARE * total)
        self._train, self._test = order[: self.size], order[self.size :]

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return self._batch(self._train[indices])

    @override
    def test(self, limit: int | None = None) -> Batch:
        check_limit(limit)
        return self._batch(self._test[:limit])

    @override
    def pairs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Lights (n, 2) of starts and ends: azimuths 15 to 80 degrees apart in steps of 5, and any two altitudes.

        The paper does not say which intervals it averages over. Four of five ends are training images; the images
        between them mostly are new ones.

        Raises:
            InputError: `n` is less than 1.
        """
        if n < 1:
            raise InputError(f"n = {n}: expected at least 1 pair")
        lights = self.parameters.unflatten(0, (AZIMUTHS, -1))

        def draw(low: int, high: int) -> Tensor:
            return torch.randint(low, high, (n,), generator=generator)

        start = draw(0, AZIMUTHS)
        turn = draw(3, _FARTHEST + 1) * (2 * draw(0, 2) - 1)
        return lights[start, draw(0, ALTITUDES)], lights[(start + turn) % AZIMUTHS, draw(0, ALTITUDES)]

    @override
    def render(self, parameters: Tensor) -> Tensor:
        return draw_pole_shadows(parameters, self.side)

    @override
    def reference_grid(self) -> Tensor:
        return self.parameters

    def _batch(self, rows: Tensor) -> Batch:
        return {"image": self.images[rows], "parameters": self.parameters[rows].float()}


def _draw(parameters: Tensor, size: int) -> Tensor:
    azimuth, altitude = parameters.view(-1, 2, 1, 1).unbind(1)
    half, n = size / 2, size * _SAMPLES
    x = (torch.arange(n, dtype=torch.float64, device=parameters.device) + 0.5) / _SAMPLES - half
    y = -x[:, None]  # rows go down
    # The shadow falls to where the light does not come from.
    along = -(x * azimuth.cos() + y * azimuth.sin())
    across = x * azimuth.sin() - y * azimuth.cos()
    beyond = along - along.clamp(min=0).minimum(_HEIGHT * half / altitude.tan())
    shadow, pole = _cover(torch.hypot(across, beyond), size), _cover(torch.hypot(x, y)[None], size)
    # The pole stands in its own shadow, whose visible share is therefore the difference.
    return _PLANE + (_SHADOW - _PLANE) * (shadow - pole) + (_POLE - _PLANE) * pole


def _cover(distance: Tensor, size: int) -> Tensor:
    """Share of each pixel that lies within the radius: samples (N, 4 size, 4 size) to (N, 1, size, size)."""
    samples = ((_RADIUS * size / 2 - distance) * _SAMPLES + 0.5).clamp(0, 1)
    return avg_pool2d(samples[:, None], _SAMPLES)
