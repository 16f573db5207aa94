"""How the frames of a walk are spaced: evenly in t, or at even distances between the images."""

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import torch
from torch import Tensor

from interpzoo.arguments import MOST_FRAMES
from interpzoo.errors import InputError, InterpzooError, warn
from interpzoo.geometry import even_positions
from interpzoo.tensors import as_numbers
from interpzoo.text import explained, quoted

Measure: TypeAlias = Callable[[Tensor], Tensor]
"""Images (N, C, H, W) to the values (N, ...) that their distances are measured by, such as `features_named` gives."""

NamedSpacing: TypeAlias = Literal["linear", "even"]
"""``linear``: even in t. ``even``: at even distances between consecutive images, pixel by pixel."""

Spacing: TypeAlias = NamedSpacing | Measure
"""As `NamedSpacing`, or a `Measure`: at even distances of what it gives."""

_UNEVEN: Final = 2.0  # longest step over shortest, from which a walk is reported
_STILL: Final = 1e-3  # longest step, as a share of the largest norm, of a walk that stands still


def measure_of(spacing: Spacing) -> Measure | None:
    """What distances are measured by; ``None`` for ``linear``.

    Raises:
        InputError: it is none of the ways to space frames.
    """
    if callable(spacing):
        return spacing
    known: dict[str, Measure | None] = {"linear": None, "even": _pixels}
    if not isinstance(spacing, str) or spacing not in known:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"spacing = {quoted(spacing)}: expected 'linear', 'even' or a function of images")
    return known[spacing]


def checked_positions(
    t: object, device: torch.device, pairs: int | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """`t` as positions (T,) that all pairs share, or (pairs, T); raises an `InputError` for anything else."""
    found = as_numbers("t", t, device, dtype)
    shapes = "(T,)" if pairs is None else f"(T,) or ({pairs}, T)"
    if found.ndim != 1 and (pairs is None or found.ndim != 2 or len(found) != pairs):
        raise InputError(f"t has shape {tuple(found.shape)}, expected {shapes}")
    if not 1 <= found.shape[-1] <= MOST_FRAMES:
        raise InputError(f"t has {found.shape[-1]:,} positions, expected 1 to {MOST_FRAMES:,} on a path")
    return found


def measured(measure: Measure, frames: Tensor) -> Tensor:
    """The values (B, T, D) that distances along walks (B, T, C, H, W) are measured by.

    Raises:
        InputError: the measure does not give the same number of values, all finite, for each frame.
    """
    try:
        found = measure(frames.flatten(0, 1))
    except InterpzooError:
        raise
    except Exception as error:  # a function of the user's
        raise InputError(f"spacing = {quoted(measure)} cannot measure images: {explained(error)}") from error
    if not isinstance(found, Tensor) or found.ndim < 2 or len(found) != frames.shape[0] * frames.shape[1]:  # pyright: ignore[reportUnnecessaryIsInstance]
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"spacing gives {shape} for {frames.shape[0] * frames.shape[1]} images: expected (N, ...)")
    if not bool(found.isfinite().all()):
        raise InputError("spacing gives values that are not finite: expected finite features of images")
    return found.unflatten(0, frames.shape[:2]).flatten(2).float()


def warn_if_uneven(frames: Tensor, measure: Measure | None) -> None:
    """Warn of walks (B, T, C, H, W) that should have even steps, but jump or stand still, so that they cannot."""
    if measure is None or frames.shape[1] < 3 or not len(frames):
        return
    points = measured(measure, frames)
    steps = points.diff(dim=1).norm(dim=2)
    longest, shortest = steps.amax(1), steps.amin(1)
    uneven = (longest > _UNEVEN * shortest) & (longest > _STILL * points.norm(dim=2).amax(1))
    if bool(uneven.any()):
        ratio = float((longest / shortest)[uneven].max())
        by = "many times" if not torch.tensor(ratio).isfinite() else f"up to {ratio:.3g} times"
        warn(
            f"the steps of {int(uneven.sum())} of {len(frames)} walks are not even, the longest {by} the shortest: "
            "these paths jump or turn too sharply for frames at even distances"
        )


class MeasuredPaths:
    """B paths between codes, and their frames at even distances; no image is decoded twice.

    Args:
        codes: the codes (B, T, *latent_shape) at positions (B, T).
        decode: codes (N, *latent_shape) to images (N, C, H, W).
        measure: what images are compared by.
    """

    def __init__(self, codes: Callable[[Tensor], Tensor], decode: Callable[[Tensor], Tensor], measure: Measure) -> None:
        self._codes, self._decode, self._measure = codes, decode, measure
        self._seen: list[tuple[Tensor, Tensor]] = []

    def positions(self, paths: int, steps: int) -> Tensor:
        """Positions (paths, steps) of images at even distances, in float64 on the CPU; see `even_positions`."""
        return even_positions(self._points, paths, steps)

    def frames(self, paths: int, steps: int) -> Tensor:
        """The images (paths, steps, C, H, W) at these positions; warns where they are not even."""
        t = self.positions(paths, steps)
        if not self._seen:  # two frames need no search
            return self._images(t)
        found = [(t[:, :, None] == where[:, None], images) for where, images in self._seen]
        missing = ~torch.stack([same.any(2) for same, _ in found]).any(0)
        images = self._seen[0][1]
        frames = images.new_empty(*t.shape, *images.shape[2:])
        if bool(missing.any()):
            frames[missing.to(frames.device)] = self._decode(self._codes(t)[missing.to(frames.device)])
        for same, images in found:
            path, place, sample = (index.to(frames.device) for index in same.nonzero(as_tuple=True))
            frames[path, place] = images[path, sample]
        warn_if_uneven(frames, self._measure)
        return frames

    def _points(self, t: Tensor) -> Tensor:
        images = self._images(t)
        self._seen.append((t, images))
        return measured(self._measure, images)

    def _images(self, t: Tensor) -> Tensor:
        codes = self._codes(t)
        return self._decode(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])


def _pixels(images: Tensor) -> Tensor:
    return images
