"""Morphs between images without training: what corresponds moves, and only what does not is blended."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from interpzoo.errors import InputError
from interpzoo.progress import tracked
from interpzoo.tensors import NumberInput
from interpzoo_metamorphosis.blending import blend
from interpzoo_metamorphosis.fields import at_points, blur, exponential, resample, smallest_determinant, warp
from interpzoo_metamorphosis.matching import find_velocity, structure

_LONGEST, _SHORTEST = 256, 128
"""The correspondence is searched for at a size whose longer side, in pixels, is between the two."""
_MULTIPLE = 8
AT_ONCE = 16
"""Pairs that are matched at once: bounds the memory, at about 50 MB a pair."""
_LEAST_DETERMINANT = 0.05
_POOR = 0.75
"""Share of the mismatch that a poor match leaves. Portraits of two people, with their eyes in the same places, leave at
most 0.72, and with one of them moved by a quarter of the picture at least 0.76: benchmarks/studies/matches.md."""
_ALIKE = 0.02
"""Mismatch of pictures that need not be moved; those portraits have 0.032 or more before they are matched."""


@dataclass(frozen=True)
class MorphReport:
    """How well one pair was matched."""

    mismatch_before: float
    """Mean squared difference of the two images' local structure as they are."""
    mismatch_after: float
    """The same where both have been moved halfway."""
    smallest_determinant: float
    """Smallest Jacobian determinant of the deformation and of its inverse: above 0, nothing folds."""

    @property
    def is_poor(self) -> bool:
        """Whether the pictures have so little that corresponds that the frames between may show both at once."""
        return self.mismatch_after > max(_POOR * self.mismatch_before, _ALIKE)


@dataclass(frozen=True, eq=False)
class Morph:
    """The morph of pairs of images."""

    a: Tensor
    """(B, C, H, W): the images at t = 0."""
    b: Tensor
    """(B, C, H, W): the images at t = 1."""
    velocity: Tensor
    """(B, 2, h, w): a stationary velocity, pixels of its own grid; its flow takes pixels of `b` to those of `a`."""
    report: list[MorphReport]

    def frames(self, t: NumberInput) -> Tensor:
        """Images (B, T, C, H, W) at `t` (T,) or (B, T).

        The same bits as `a` at 0 and as `b` at 1, otherwise between the smallest and largest value of the pair. Beyond
        [0, 1] shapes are exaggerated, and colors as far as these values allow.
        """
        t = torch.as_tensor(t, dtype=self.a.dtype, device=self.a.device).expand(len(self.a), -1)
        low, high = (
            extreme.view(-1, 1, 1, 1) for extreme in torch.cat([self.a.flatten(1), self.b.flatten(1)], 1).aminmax(dim=1)
        )
        path = self.a.new_empty(*t.shape, *self.a.shape[1:])
        for i, column in enumerate(t.unbind(1)):
            at = column.view(-1, 1, 1, 1)
            frame = self._frame(at).clamp(low, high)
            path[:, i] = torch.where(at == 0, self.a, torch.where(at == 1, self.b, frame))
        return path

    def positions(self, points: Tensor, t: float = 1.0) -> Tensor:
        """Where `points` of the first images lie at `t`.

        Args:
            points: (B, K, 2), x and y in pixels from the center of the top left pixel.
            t: 0 is the first image, 1 the second.

        Returns:
            (B, K, 2) in the same units.
        """
        return points + at_points(self._displacement(-t), points)

    def _frame(self, t: Tensor) -> Tensor:
        from_a = warp(self.a, self._displacement(t), "bicubic")
        from_b = warp(self.b, self._displacement(t - 1), "bicubic")
        return blend([from_a, from_b], [1 - t, t])

    def _displacement(self, time: Tensor | float) -> Tensor:
        return resample(exponential(time * self.velocity), *self.a.shape[-2:])


def morph(a: Tensor, b: Tensor, *, weight: Tensor | None = None) -> Morph:
    """Match the images `a` with the images `b` and make them ready to be morphed.

    The correspondence is found between directions of gradients, coarse to fine, at no more than 256 pixels on the
    longer side, and applied at full size. It is the flow of one stationary velocity, so that the way from `a` to `b`
    is the inverse of the way from `b` to `a`. Frames move both images along it and blend them: the path of
    metamorphosis (Trouve & Younes 2005) with the transport found first.

    Args:
        a: images (B, C, H, W), values in [0, 1].
        b: images of the same shape, the same number of them.
        weight: (B, 1, H, W) or (1, 1, H, W), values of at least 0: how much a match counts at each pixel, such as a
            mask with 1 on a face and 0 elsewhere. Where it is 0 the motion follows what is around.

    Raises:
        InputError: the shapes differ or are not (B, C, H, W), values are not finite, or a weight is below 0.

    Example:
        >>> import interpzoo
        >>> from interpzoo_metamorphosis import morph
        >>> model = interpzoo.load("metamorphosis")
        >>> a, b = model.decode(model.examples)[:, None].clamp(0, 1)
        >>> morph(a, b).frames([0, 0.5, 1]).shape
        torch.Size([1, 3, 3, 128, 128])
    """
    a, b = checked_images("a", a), checked_images("b", b)
    if a.shape != b.shape:
        raise InputError(
            f"a has shape {tuple(a.shape)} and b {tuple(b.shape)}: expected the same number of images of one size"
        )
    counts = _weights(weight, a)
    velocities: list[Tensor] = []
    reports: list[MorphReport] = []
    with torch.no_grad():
        for start in tracked("matching pairs", range(0, len(a), AT_ONCE), lambda first: min(AT_ONCE, len(a) - first)):
            part = slice(start, start + AT_ONCE)
            maps_a, maps_b = structure_of(a[part]), structure_of(b[part])
            velocity = unfolded(find_velocity(maps_a, maps_b, None if counts is None else counts[part]))
            velocities.append(velocity.to(a.dtype))
            reports += report_of(maps_a, maps_b, velocity)
    return Morph(a, b, torch.cat(velocities), reports)


def _weights(weight: Tensor | None, images: Tensor) -> Tensor | None:
    """`weight` for each of the `images`, at the working size."""
    if weight is None:
        return None
    weight = checked_images("weight", weight).to(images.device, torch.float32)
    expected = (len(images), 1, *images.shape[-2:])
    if weight.shape not in (expected, (1, *expected[1:])):
        raise InputError(f"weight has shape {tuple(weight.shape)}, expected {expected} or {(1, *expected[1:])}")
    if float(weight.amin()) < 0:
        raise InputError(f"weight has values down to {float(weight.amin()):g}, expected at least 0")
    return at_working_size(weight.expand(expected)).clamp_min(0)


def checked_images(name: str, images: Tensor) -> Tensor:
    """`images` without their gradients; raises an `InputError` unless they are (B, C, H, W) and finite."""
    if images.ndim != 4 or 0 in images.shape:
        raise InputError(f"{name} has shape {tuple(images.shape)}, expected images (B, C, H, W)")
    if not bool(images.isfinite().all()):
        raise InputError(f"{name} has values that are not finite, expected values in [0, 1]")
    return images.detach()


def structure_of(images: Tensor) -> Tensor:
    """The `structure` of `images` (B, C, H, W) at the working size."""
    return structure(at_working_size(images.float()))


def at_working_size(images: Tensor) -> Tensor:
    """`images` (B, C, H, W) at the size at which they are matched."""
    height, width = images.shape[-2:]
    scale = min(max(max(height, width), _SHORTEST), _LONGEST) / max(height, width)
    size = [max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in (height, width)]
    return functional.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)


def unfolded(velocity: Tensor) -> Tensor:
    """`velocity`, smoothed where its flow on the grid comes close to a fold."""
    for _ in range(20):
        tight = _determinants(velocity) < _LEAST_DETERMINANT
        if not bool(tight.any()):
            break
        velocity = torch.where(tight[:, None, None, None], blur(velocity, 1.0), velocity)
    return velocity


def _determinants(velocity: Tensor) -> Tensor:
    return torch.minimum(*(smallest_determinant(exponential(sign * velocity)) for sign in (1, -1)))


def report_of(a: Tensor, b: Tensor, velocity: Tensor) -> list[MorphReport]:
    """How well structures `a` and `b` (B, 8 or 16, H, W) are matched by velocities (B, 2, h, w)."""
    half = resample(velocity / 2, *a.shape[-2:])
    moved = warp(a, exponential(half)), warp(b, exponential(-half))
    mismatches = [(x - y).square().mean((1, 2, 3)) for x, y in ((a, b), moved)]
    rows = torch.stack([*mismatches, _determinants(velocity)], 1).tolist()
    return [MorphReport(*row) for row in rows]
