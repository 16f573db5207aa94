"""How real and how evenly spaced the images between two images are, by the nearest images of the data.

These are Mean Distance and Mean Smoothness of the ACAI paper: Berthelot et al. 2019 and the official code, lib/eval.py.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from interpzoo.errors import InputError

_TIE = 1e-12
"""Templates whose distances differ by less are equally near: the rounding of a matrix product, which depends on the
machine and the batch size, must not choose between mirror images."""
_CHUNK = 2**22
"""Number of similarities held at a time: 32 MiB."""


class Templates:
    """Images that the data can have, among which the nearest to a frame is looked up.

    Args:
        images: (n, C, H, W) in [0, 1], kept and compared in float64 on their own device; 80 MB for 10,000 lines.

    Raises:
        InputError: the shape is another one, there is no image, or a value is not finite.
    """

    def __init__(self, images: Tensor) -> None:
        if images.ndim != 4 or not len(images):
            raise InputError(f"templates of shape {tuple(images.shape)}: expected (n, C, H, W), n at least 1")
        _check_finite("templates", images)
        self.image_shape = tuple(images.shape[1:])
        self._directions = _directions(images)

    def nearest(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Find the nearest template of each image.

        The distance is the cosine distance of the flattened pixels in the paper's units, [-1, 1], neither centered nor
        clamped. Of templates that are equally near, to 1e-12, the last is taken. An image that is mid-grey everywhere
        has no direction; its distance to every template is 1.

        Args:
            images: (B, C, H, W) in [0, 1], unclamped.

        Returns:
            (B,) distances, float64, and (B,) rows of the nearest templates, both on the CPU.

        Raises:
            InputError: the images do not have the shape of the templates, or a pixel is not finite.
        """
        if images.shape[1:] != self.image_shape:
            raise InputError(f"images of shape {tuple(images.shape)}: templates are of shape {self.image_shape}")
        _check_finite("images", images)
        distances: list[Tensor] = []
        nearest: list[Tensor] = []
        n = len(self._directions)
        for chunk in torch.split(images.detach(), max(1, _CHUNK // n)):
            similarity = _directions(chunk.to(self._directions.device)) @ self._directions.T
            best = similarity.amax(1, keepdim=True)
            distances.append(1 - best.flatten().cpu())
            nearest.append(n - 1 - (similarity >= best - _TIE).flip(1).byte().argmax(1).cpu())
        return torch.cat(distances), torch.cat(nearest)


def step_smoothness(steps: Tensor, *, still: float) -> Tensor:
    """Longest step over the length of the whole path, less the share of an even step: (N,), 0 is ideal.

    Args:
        steps: (N, T - 1, D) displacements in parameter space, the shorter way round each.
        still: paths whose displacements add up to less have no smoothness: NaN.
    """
    length = torch.linalg.vector_norm(steps.sum(1), dim=1)
    smoothness = torch.linalg.vector_norm(steps, dim=2).amax(1) / length - 1 / steps.shape[1]
    smoothness[length < still] = math.nan
    return smoothness


def _directions(images: Tensor) -> Tensor:
    return normalize((2 * images.double() - 1).flatten(1), dim=1)


def _check_finite(name: str, values: Tensor) -> None:
    finite = values.isfinite()
    if not finite.all():
        raise InputError(f"{name}[{int((~finite).nonzero()[0, 0])}] is not finite: expected values without NaN or inf")
