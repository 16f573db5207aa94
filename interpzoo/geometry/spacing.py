"""Positions at which a curve steps evenly, as its points measure it."""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from interpzoo import placing
from interpzoo.arguments import MOST_FRAMES, whole
from interpzoo.placing import LEAST_SAMPLES, MOST_PLACED, MOST_SQUARED, STILL

_COLUMNS: Final = 1 << 16  # values of a point that are compared at once

Curve = Callable[[Tensor], Tensor]
"""Positions (B, T) in [0, 1] to the points (B, T, ...) of B curves there."""
_Place = Callable[[placing.Numbers, placing.Numbers, int], placing.Numbers]


@torch.no_grad()
def even_positions(curve: Curve, curves: int, steps: int) -> Tensor:
    """Positions (B, steps) from exactly 0 to exactly 1, in float64 on the CPU, whose points have even distances.

    Each curve is sampled twice: at even positions, 13 or as many as `steps`, and at those that are found with these,
    which stay where their steps differ by at most 5 % and are found again elsewhere. So the work is bounded, for curves
    that have no even steps as well: positions then are as even as the samples show. Where a curve stands still they are
    even in t; where it jumps, the longest step is the jump. Between two samples a curve is taken for a random bridge:
    its chord, and as far aside as samples lie beside the chord of their neighbors.

    Args:
        curve: the curves; the points of one must not depend on the others.
        curves: number B of curves.
        steps: points of each, both ends counted; 2 to 10,000. Beyond 1,025, the others lie evenly in t between these.

    Raises:
        InputError: `steps` is out of range.
    """
    steps = whole("steps", steps, 2, MOST_FRAMES)
    count = min(steps, MOST_PLACED)
    t = torch.linspace(0, 1, max(count, LEAST_SAMPLES), dtype=torch.float64).expand(curves, -1)
    if steps > 2 and curves:
        first = curve(t).flatten(2)
        placed, length = _placed(placing.place, t, [first], count)
        moving = length > STILL * first[:, 0].norm(dim=1).cpu()
        between = placed[:, 1:-1]
        second = curve(between).flatten(2)
        placed, _ = _placed(placing.place_again, torch.cat([t, between], 1), [first, second], count)
        t = torch.where(moving[:, None], placed, torch.linspace(0, 1, count, dtype=t.dtype))
    if t.shape[1] != steps:
        places = torch.linspace(0, 1, steps, dtype=t.dtype).expand(curves, -1) * (t.shape[1] - 1)
        t = torch.from_numpy(placing.at(t.numpy(), places.numpy()))
    t[:, -1] = 1
    return t


def _placed(how: _Place, t: Tensor, parts: list[Tensor], count: int) -> tuple[Tensor, Tensor]:
    """`count` positions of equal chords, given the points (B, k, D) of curves, in several parts, at `t` (B, K).

    And the root (B,) of the summed squared distances of each curve's points from its first.
    """
    at_once = max(1, MOST_SQUARED // t.shape[1] ** 2)
    splits = zip(t.split(at_once), *(part.split(at_once) for part in parts), strict=True)
    found: list[placing.Numbers] = []
    lengths: list[Tensor] = []
    for some, *these in splits:
        squared = _squared_distances(these)
        found.append(how(some.numpy(), squared.numpy(), count))
        lengths.append(squared[:, 0].sum(1).sqrt())
    return torch.from_numpy(np.concatenate(found)), torch.cat(lengths)


def _squared_distances(parts: list[Tensor]) -> Tensor:
    """(B, K, K) between the points of each curve, (B, k, D) in several parts."""
    columns = zip(*(part.split(_COLUMNS, dim=2) for part in parts), strict=True)
    products = torch.zeros(())
    for block in columns:
        points = torch.cat([part.cpu().double() for part in block], 1)
        points -= points[:, :1].clone()  # as seen from the first of them, which keeps their digits
        products = products + points @ points.mT
    squares = products.diagonal(dim1=1, dim2=2)
    return (squares[:, :, None] + squares[:, None] - 2 * products).clamp(min=0)
