"""Frames at even distances along paths, where no image is decoded twice."""

from collections.abc import Callable

import torch
from torch import Tensor

from interpzoo.geometry import even_positions
from interpzoo.spacing import Measure, measured, warn_if_uneven


class DrawnPaths:
    """B paths between codes whose images are measured.

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
