"""Mean Distance and Mean Smoothness of the ACAI paper: are the images between two images real, and evenly spaced?

Both hold the frames of interpolations against templates: images of the data, rendered over a scalar parameter such as
the angle of a line. Source: Berthelot et al. 2019 and the official code, lib/eval.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.data.lines import Lines
from interpzoo.errors import InputError
from interpzoo.interfaces import Batch

_STILL = 1e-4 / (2 * math.pi)
"""What an interpolation must cover of the parameter's range to have a smoothness; for angles the official 1e-4."""
_TIE = 1e-12
"""Templates whose distances differ by less are equally near: a matrix product's rounding, which changes with the
machine and the size of the batch, must not choose between mirror images."""
_CHUNK = 2**22
"""Similarities held at a time: 32 MiB."""


class Templates:
    """What the data can look like: images (n, C, H, W) in [0, 1], rendered over a scalar `parameter` (n,).

    Args:
        images: kept and compared in float64 on their own device; 80 MB for 10,000 lines.
        parameter: what each image shows.
        period: after which the parameter comes round (2 pi for an angle); ``None`` if it does not.

    Raises:
        InputError: the shapes do not fit each other, a value is not finite, or `period` is not positive.
    """

    def __init__(self, images: Tensor, parameter: Tensor, *, period: float | None = None) -> None:
        if images.ndim != 4 or not len(images) or parameter.shape != images.shape[:1]:
            raise InputError(
                f"templates of shape {tuple(images.shape)} with parameters of shape {tuple(parameter.shape)}: "
                "expected (n, C, H, W) and (n,), n at least 1"
            )
        if period is not None and not 0 < period < math.inf:
            raise InputError(f"period = {period}: expected a positive number, or None for a parameter without one")
        _check_finite("templates", images)
        _check_finite("parameter", parameter)
        self.image_shape = tuple(images.shape[1:])
        self.parameter = parameter.double().cpu()
        self.period = period
        self._directions = _directions(images)

    @property
    def range(self) -> float:
        """How far the parameter goes: its period, or from its least to its greatest value."""
        return float(self.parameter.max() - self.parameter.min()) if self.period is None else self.period

    def match(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Distances and parameters of the nearest templates, (B,) each, as `nearest`."""
        distances, rows = self.nearest(images)
        return distances, self.parameter[rows]

    def nearest(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Find the nearest template of each image.

        Nearest in cosine distance of the flattened pixels in the paper's units, [-1, 1], neither centred nor clamped.
        Of templates that are equally near, to 1e-12, it is the last. An image that is mid-grey to the last pixel has no
        direction; its distance to every template is 1.

        Args:
            images: (B, C, H, W) in [0, 1], unclamped.

        Returns:
            (B,) distances, float64, and (B,) rows of the nearest templates, both on the CPU.

        Raises:
            InputError: the images are not of the templates' shape, or a pixel is not finite.
        """
        if images.shape[1:] != self.image_shape:
            raise InputError(f"images of shape {tuple(images.shape)}: templates are of shape {self.image_shape}")
        _check_finite("images", images)
        distances: list[Tensor] = []
        nearest: list[Tensor] = []
        n = len(self.parameter)
        for chunk in torch.split(images.detach(), max(1, _CHUNK // n)):
            similarity = _directions(chunk.to(self._directions.device)) @ self._directions.T
            best = similarity.amax(1, keepdim=True)
            distances.append(1 - best.flatten().cpu())
            nearest.append(n - 1 - (similarity >= best - _TIE).flip(1).byte().argmax(1).cpu())
        return torch.cat(distances), torch.cat(nearest)


@dataclass(frozen=True, eq=False)
class InterpolationScores:
    """How N interpolations did, one by one and in the mean; lower is better."""

    distance: Tensor
    """(N,) float64: of the frames to their nearest templates, the mean over each interpolation."""
    smoothness: Tensor
    """(N,) float64: the longest step's share of the way, less the share of an even step; 0 is ideal. NaN where the
    interpolation ends where it began, so that nothing can be said."""

    @property
    def mean_distance(self) -> float:
        """The paper's Mean Distance (its table prints it times 1,000)."""
        return float(self.distance.mean())

    @property
    def mean_smoothness(self) -> float:
        """The paper's Mean Smoothness: NaNs count as 0, as in the official code; NaN if there is nothing else."""
        if self.smoothness.isnan().all():
            return math.nan
        return float(self.smoothness.nansum() / len(self.smoothness))


def score_interpolations(frames: Tensor, templates: Templates) -> InterpolationScores:
    """Hold decoded interpolations against what the data can look like.

    Way and steps are those of the matched parameters, unwrapped where they are periodic, so that the long way round
    an angle costs nothing. Pixel noise alone makes a distance: 5e-5 for lines at a standard deviation of 0.005.

    Args:
        frames: (N, T, C, H, W) in [0, 1] as decoded, unclamped; the ends count too. N at least 1, T at least 2 (the
            paper: 256 and 16).
        templates: of the frames' shape.

    Raises:
        InputError: `frames` is of another shape, or a pixel is not finite (a broken model gets no score).
    """
    if frames.ndim != 5 or len(frames) < 1 or frames.shape[1] < 2 or frames.shape[2:] != templates.image_shape:
        raise InputError(
            f"frames of shape {tuple(frames.shape)}: expected (N, T, *{templates.image_shape}), as the templates, with "
            "N at least 1 and T at least 2"
        )
    n, steps = frames.shape[:2]
    distance, parameter = (values.view(n, steps) for values in templates.match(frames.flatten(0, 1)))
    if templates.period is not None:
        parameter = torch.tensor(np.unwrap(parameter.numpy(), period=templates.period))
    smoothness = step_smoothness(parameter.diff()[..., None], still=_STILL * templates.range)
    return InterpolationScores(distance.mean(1), smoothness)


def step_smoothness(steps: Tensor, *, still: float) -> Tensor:
    """Longest step over the whole way, less the share of an even step: (N,), 0 is ideal.

    Args:
        steps: (N, T - 1, D) in parameter space, the shorter way round each.
        still: paths whose steps add up to less have none: NaN.
    """
    way = torch.linalg.vector_norm(steps.sum(1), dim=1)
    smoothness = torch.linalg.vector_norm(steps, dim=2).amax(1) / way - 1 / steps.shape[1]
    smoothness[way < still] = math.nan
    return smoothness


def line_templates(size: int = 32) -> Templates:
    """The paper's 10,000 lines by angle."""
    lines = _lines(size)
    grid = lines.reference_grid()
    return Templates(lines.render(grid), grid[:, 0], period=2 * math.pi)


def line_pairs(seed: int, n: int = 256, size: int = 32) -> tuple[Batch, Batch]:
    """Starts and ends of the paper's protocol: 2 `n` random lines, the first half paired with the second.

    The paper interpolates each pair linearly in the latent space, in 16 frames with the reconstructions as ends.

    Args:
        seed: the official code draws new lines each time; here a seed gives the same ones.
        n: number of pairs.
        size: height and width of the images.

    Returns:
        Two batches of :class:`~interpzoo.data.lines.Lines`, n rows each.
    """
    lines = _lines(size).train(torch.arange(2 * n), torch.Generator().manual_seed(seed))
    return {name: value[:n] for name, value in lines.items()}, {name: value[n:] for name, value in lines.items()}


def _lines(size: int) -> Lines:
    return Lines(ComponentConfig(), ImageSpec(channels=1, height=size, width=size))


def _directions(images: Tensor) -> Tensor:
    return normalize((2 * images.double() - 1).flatten(1), dim=1)


def _check_finite(name: str, values: Tensor) -> None:
    finite = values.isfinite()
    if not finite.all():
        raise InputError(f"{name}[{int((~finite).nonzero()[0, 0])}] is not finite: expected values without NaN or inf")
