"""Positions at which a curve steps evenly, as its points measure it."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import pad

from interpzoo.arguments import MOST_FRAMES, whole

_LEAST_SAMPLES: Final = 13  # of a curve: with fewer, nine positions on the most curved ones differ by more than 10 %
_MOST_PLACED: Final = 1025  # positions that are placed by distances; more are put evenly between them
_MOST_SQUARED: Final = 1 << 22  # distances held at once, and
_COLUMNS: Final = 1 << 16  # values of a point that are compared at once
_ITERATIONS: Final = 60
_SETTLED: Final = 1e-3  # change of the places of positions, in samples, below which they are found
_STILL: Final = 1e-4  # length of a curve, as a share of the norm of its points, below which it stands still
_TRACE: Final = 1e-9  # of uniform speed, so that positions increase where points coincide

Curve = Callable[[Tensor], Tensor]
"""Positions (B, T) in [0, 1] to the points (B, T, ...) of B curves there."""


@torch.no_grad()
def even_positions(curve: Curve, curves: int, steps: int) -> Tensor:
    """Positions (B, steps) from exactly 0 to exactly 1, in float64 on the CPU, whose points have even distances.

    Each curve is sampled twice: at even positions, 13 or as many as `steps`, and at those that are found with these.
    So the work is bounded, for curves that have no even steps as well: positions then are as even as the samples show.
    Where a curve stands still they are even in t; where it jumps, the longest step is the jump. Between two samples a
    curve is taken for a random bridge: its chord, and as far aside as samples lie beside the chord of their neighbors.

    Args:
        curve: the curves; the points of one must not depend on the others.
        curves: number B of curves.
        steps: points of each, both ends counted; 2 to 10,000. Beyond 1,025, the others lie evenly in t between these.

    Raises:
        InputError: `steps` is out of range.
    """
    steps = whole("steps", steps, 2, MOST_FRAMES)
    count = min(steps, _MOST_PLACED)
    t = torch.linspace(0, 1, max(count, _LEAST_SAMPLES), dtype=torch.float64).expand(curves, -1)
    if steps > 2 and curves:
        origin, first = _sampled(curve, t, None)
        between = _place(t, first, count)[:, 1:-1]
        _, second = _sampled(curve, between, origin)
        moving = first.flatten(1).norm(dim=1) > _STILL * origin.flatten(1).norm(dim=1)
        placed = _place(torch.cat([t, between], 1), first, count, second)
        t = torch.where(moving.cpu()[:, None], placed, torch.linspace(0, 1, count, dtype=t.dtype))
    t = _at(t, torch.linspace(0, 1, steps, dtype=t.dtype).expand(curves, -1) * (t.shape[1] - 1))
    t[:, -1] = 1
    return t


def _sampled(curve: Curve, t: Tensor, origin: Tensor | None) -> tuple[Tensor, Tensor]:
    """The first point (B, 1, D) of each curve, and its points at `t` as seen from there, which keeps their digits."""
    points = curve(t).flatten(2)
    origin = points[:, :1].clone() if origin is None else origin
    return origin, points.sub_(origin) if points.is_floating_point() else points - origin


def _place(t: Tensor, points: Tensor, count: int, more: Tensor | None = None) -> Tensor:
    """`count` positions of equal chords, given the points (B, k, D) of curves and `more`, at `t` (B, K)."""
    parts = [points] if more is None else [points, more]
    at_once = max(1, _MOST_SQUARED // t.shape[1] ** 2)
    splits = zip(t.split(at_once), *(part.split(at_once) for part in parts), strict=True)
    return torch.cat([_placed(some, _squared_distances(these), count) for some, *these in splits])


def _squared_distances(parts: list[Tensor]) -> Tensor:
    """(B, K, K) between the points of each curve, (B, k, D) in several parts."""
    columns = zip(*(part.split(_COLUMNS, dim=2) for part in parts), strict=True)
    products = torch.zeros(())
    for block in columns:
        points = torch.cat([part.cpu().double() for part in block], 1)
        products = products + points @ points.mT
    squares = products.diagonal(dim1=1, dim2=2)
    return (squares[:, :, None] + squares[:, None] - 2 * products).clamp(min=0)


def _placed(t: Tensor, squared: Tensor, count: int) -> Tensor:
    order = t.argsort(dim=1)
    t = t.gather(1, order)
    squared = squared.gather(1, order[:, :, None].expand_as(squared)).gather(2, order[:, None].expand_as(squared))
    sides = squared.diagonal(1, 1, 2)
    rough = _roughness(t, squared)
    knots = torch.arange(t.shape[1], dtype=t.dtype).expand_as(t)
    u = _even(knots, sides.sqrt(), count)
    for _ in range(_ITERATIONS):
        before, u = u, _even(u, _chords(u, squared, sides, rough), count)
        if float((u - before).abs().max()) < _SETTLED:
            break
    return _at(t, u)


def _roughness(t: Tensor, squared: Tensor) -> Tensor:
    """How far (B, 1) samples lie beside the chord of their neighbors: 0 on a line, 1 for a random walk, at most 1."""
    before, after = t.diff(dim=1)[:, :-1], t.diff(dim=1)[:, 1:]
    w = before / (before + after).clamp(min=torch.finfo(t.dtype).tiny)
    sides, wide = squared.diagonal(1, 1, 2), squared.diagonal(2, 1, 2)
    aside = (1 - w) * sides[:, :-1] + w * sides[:, 1:] - w * (1 - w) * wide
    expected = (w * (1 - w) * wide).sum(1, keepdim=True)
    return torch.where(expected > 0, aside.sum(1, keepdim=True) / expected, 0).clamp(0, 1)


def _chords(u: Tensor, squared: Tensor, sides: Tensor, rough: Tensor) -> Tensor:
    """Expected distances (B, n - 1) of consecutive points at `u` (B, n), which counts samples from 0 on."""
    i = u.floor().clamp(max=sides.shape[1] - 1).long()
    w = u - i
    (i, j), (v, w) = (i[:, :-1], i[:, 1:]), (w[:, :-1], w[:, 1:])
    rows = torch.arange(len(u))[:, None]
    ends = ((i, 1 - v), (i + 1, v)), ((j, 1 - w), (j + 1, w))
    cross = sum((a * b * squared[rows, k, m] for k, a in ends[0] for m, b in ends[1]), torch.zeros_like(v))
    apart = v * (1 - v) * sides.gather(1, i) + w * (1 - w) * sides.gather(1, j)
    step = (w - v).clamp(0, 1)
    aside = torch.where(i == j, step * (1 - step) * sides.gather(1, i), apart)
    return (cross - apart + rough * aside).clamp(min=0).sqrt()


def _even(u: Tensor, lengths: Tensor, count: int) -> Tensor:
    """`count` points at even distances along the polygon of the points `u` (B, n), whose sides have these lengths."""
    lengths = lengths + _TRACE * lengths.mean(1, keepdim=True) + torch.finfo(lengths.dtype).tiny
    arc = pad(lengths.cumsum(1), (1, 0))
    wanted = torch.linspace(0, 1, count, dtype=arc.dtype) * arc[:, -1:]
    side = torch.searchsorted(arc[:, 1:-1].contiguous(), wanted)
    return _at(u, side + ((wanted - arc.gather(1, side)) / lengths.gather(1, side)).clamp(0, 1))


def _at(values: Tensor, u: Tensor) -> Tensor:
    """Values (B, n) between those of (B, K) at the places `u` (B, n), which count from 0 on."""
    i = u.floor().clamp(max=values.shape[1] - 2).long()
    return torch.lerp(values.gather(1, i), values.gather(1, i + 1), u - i)
