"""The evaluation of the paper on the two data sets of this plugin: which intervals, and what is measured on them.

Source: arXiv 2008.01487, section 4 (ICLR text) and the project page's figures. The measures themselves are the core's,
`interpzoo.metrics.between`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Generator, Tensor

from interpzoo.errors import InputError
from interpzoo.metrics.between import ParameterPaths, arcs, between_errors, parameter_paths, predict_alpha
from interpzoo.model import InterpolationModel
from interpzoo_aeai.coil20 import VIEWS, is_held_out
from interpzoo_aeai.pole_shadow import PoleShadow, draw_pole_shadows

INTERVALS: Final = tuple(range(15, 85, 5))
"""Degrees between the ends of the paper's intervals."""

_STEP: Final = 360 // VIEWS
_FRAMES: Final = 17


@dataclass(frozen=True, eq=False)
class TurnScores:
    """How N interpolations between views of turning objects did, in T frames from view to view; lower is better."""

    errors: Tensor
    """(N, T): mean squared error against the true view, the ends' against their own."""
    held_out: Tensor
    """(N, T) bool: whether the true view was not trained on."""
    alphas: Tensor
    """(N, T) float64: of the nearest view of the same interval."""

    @property
    def mean(self) -> float:
        """Mean error of the frames between the ends.

        Not to be held against the paper's "average MSE" over intervals, which at 80 degrees is what its other figure
        has halfway.
        """
        return float(self.errors[:, 1:-1].mean())

    @property
    def mean_held_out(self) -> float:
        """Mean error of those frames between whose true view the model has never seen."""
        return float(self.errors[:, 1:-1][self.held_out[:, 1:-1]].mean())

    @property
    def alpha_quartiles(self) -> Tensor:
        """(3, T): quartiles of `alphas` over the interpolations, the median in the middle."""
        return self.alphas.quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64), dim=0)


def score_turns(
    model: InterpolationModel, turns: Tensor, degrees: int, *, norm: Literal["l1", "l2"] = "l2"
) -> TurnScores:
    """Interpolate from every view to the one `degrees` further on, and compare with all views between.

    `degrees` / 5 - 1 frames lie between, each at the alpha of a view (the paper's text counts one fewer at 80 degrees
    than its figure has). All intervals of all objects count, whichever of their views were trained on, as in the paper;
    `TurnScores.mean_held_out` has the others.

    Args:
        model: of grey images of the turns' size.
        turns: (objects, 72, C, H, W), see `COIL20.turns`.
        degrees: a multiple of 5, at least 10; the paper: 15 to 80.
        norm: see `predict_alpha`.

    Raises:
        InputError: `degrees` is none of these, or `turns` has another number of views.
    """
    if degrees % _STEP or not 2 * _STEP <= degrees < 360 or turns.ndim != 5 or turns.shape[1] != VIEWS:
        raise InputError(
            f"degrees = {degrees} on turns of shape {tuple(turns.shape)}: expected 10, 15, ..., 355 and "
            f"(objects, {VIEWS}, C, H, W)"
        )
    steps = degrees // _STEP
    truths = arcs(turns, steps)
    frames = model.interpolate(truths[:, 0], truths[:, -1], steps=steps + 1).cpu()
    return TurnScores(
        errors=between_errors(frames, truths),
        held_out=arcs(is_held_out(torch.arange(VIEWS)).expand(len(turns), -1), steps),
        alphas=predict_alpha(frames, truths, norm=norm),
    )


@dataclass(frozen=True, eq=False)
class PoleScores:
    """How N interpolations between two lights of a pole did."""

    errors: Tensor
    """(N, T): mean squared error against the pole under the light in between."""
    paths: ParameterPaths
    """Of azimuth and altitude, radians, read off the nearest of the 576 images."""

    @property
    def mean(self) -> float:
        """Mean error of the frames between the ends."""
        return float(self.errors[:, 1:-1].mean())


def score_poles(model: InterpolationModel, data: PoleShadow, *, n: int = 500, seed: int = 0) -> PoleScores:
    """Interpolate between poles of the data under two lights, in 17 frames.

    Which intervals the paper averages over is not said. These have azimuths 15 to 80 degrees apart, in steps of 5 and
    either way round, and any two altitudes.

    Args:
        model: of the data's images.
        data: whose images are the ends, and what frames are looked up in.
        n: number of pairs.
        seed: of the pairs.

    Raises:
        InputError: `n` is less than 1.
    """
    starts, ends = light_pairs(data, n, seed)
    size = data.images.shape[-1]
    first, last = (draw_pole_shadows(lights, size).float() for lights in (starts, ends))
    frames = model.interpolate(first, last, steps=_FRAMES).cpu()
    between = PoleShadow.manifold.between(starts, ends, torch.linspace(0, 1, _FRAMES, dtype=torch.float64))
    truths = draw_pole_shadows(between.flatten(0, 1), size).float().unflatten(0, (n, _FRAMES))
    periods = torch.tensor([2 * math.pi, math.inf])
    return PoleScores(
        errors=between_errors(frames, truths),
        paths=parameter_paths(frames, data.images, data.parameters, starts, ends, periods=periods),
    )


def light_pairs(data: PoleShadow, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Lights of `n` starts and ends, (n, 2) each in float64 radians: of the data's own, 15 to 80 degrees apart.

    Raises:
        InputError: `n` is less than 1.
    """
    return data.pairs(n, Generator().manual_seed(seed))
