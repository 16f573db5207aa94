"""Positions at which sampled curves step evenly, in NumPy: what `interpzoo.geometry` and `interpzoo.onnx` share."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float64]

LEAST_SAMPLES: Final = 13
"""Number of points of a curve: with fewer, nine positions on the most curved ones differ by more than 10 %."""
MOST_PLACED: Final = 1025
"""Positions that are placed by distances; more are put evenly between them."""
MOST_SQUARED: Final = 1 << 22
"""Distances held at once."""
STILL: Final = 1e-4
"""Length of a curve, as a share of the norm of its points, below which it stands still."""

_EVEN: Final = 1.05
"""Longest chord over shortest, up to which samples that were placed are not placed again."""
_ITERATIONS: Final = 60
_SETTLED: Final = 1e-3  # change of the places of positions, in samples, below which they are found
_TRACE: Final = 1e-9  # of uniform speed, so that positions increase where points coincide
_TINY: Final = float(np.finfo(np.float64).tiny)


def place(t: Numbers, squared: Numbers, count: int) -> Numbers:
    """`count` positions (B, count) of equal chords, of curves with samples at `t` (B, K) in any order.

    Between two samples a curve is taken for a random bridge: its chord, and as far aside as samples lie beside the
    chord of their neighbors.

    Args:
        t: positions of the samples.
        squared: squared distances (B, K, K) of the samples.
        count: number of positions.
    """
    order = t.argsort(axis=1, kind="stable")
    t = np.take_along_axis(t, order, 1)
    squared = np.take_along_axis(np.take_along_axis(squared, order[:, :, None], 1), order[:, None], 2)
    sides = squared.diagonal(1, 1, 2)
    rough = _roughness(t, squared)
    u = _even(np.broadcast_to(np.arange(t.shape[1], dtype=np.float64), t.shape), np.sqrt(sides), count)
    for _ in range(_ITERATIONS):
        before, u = u, _even(u, _chords(u, squared, sides, rough), count)
        if np.abs(u - before).max() < _SETTLED:
            break
    return at(t, u)


def place_again(t: Numbers, squared: Numbers, count: int) -> Numbers:
    """As `place`, where the last `count` - 2 samples were placed by the others: kept where their chords are even."""
    placed = t.shape[1] - count + 2
    chain = np.array([0, *range(placed, t.shape[1]), placed - 1])
    chords = np.sqrt(squared[:, chain[:-1], chain[1:]])
    uneven = chords.max(1) > _EVEN * chords.min(1)
    found = t[:, chain]
    if uneven.any():
        found[uneven] = place(t[uneven], squared[uneven], count)
    return found


def at(values: Numbers, u: Numbers) -> Numbers:
    """Values (B, n) between those of (B, K) at the places `u` (B, n), which count from 0 on."""
    i = np.floor(u).clip(max=values.shape[1] - 2).astype(np.int64)
    low, high = np.take_along_axis(values, i, 1), np.take_along_axis(values, i + 1, 1)
    w = u - i
    return np.where(w < 0.5, low + w * (high - low), high - (1 - w) * (high - low))


def _roughness(t: Numbers, squared: Numbers) -> Numbers:
    """How far (B, 1) samples lie beside the chord of their neighbors: 0 on a line, 1 for a random walk, at most 1."""
    steps = np.diff(t, axis=1)
    before, after = steps[:, :-1], steps[:, 1:]
    w = before / (before + after).clip(min=_TINY)
    sides, wide = squared.diagonal(1, 1, 2), squared.diagonal(2, 1, 2)
    aside = (1 - w) * sides[:, :-1] + w * sides[:, 1:] - w * (1 - w) * wide
    expected = (w * (1 - w) * wide).sum(1, keepdims=True)
    share = np.divide(aside.sum(1, keepdims=True), expected, out=np.zeros_like(expected), where=expected > 0)
    return share.clip(0, 1)


def _chords(u: Numbers, squared: Numbers, sides: Numbers, rough: Numbers) -> Numbers:
    """Expected distances (B, n - 1) of consecutive points at `u` (B, n), which counts samples from 0 on."""
    cells = np.floor(u).clip(max=sides.shape[1] - 1).astype(np.int64)
    w = u - cells
    (i, j), (v, w) = (cells[:, :-1], cells[:, 1:]), (w[:, :-1], w[:, 1:])
    rows = np.arange(len(u))[:, None]
    ends = ((i, 1 - v), (i + 1, v)), ((j, 1 - w), (j + 1, w))
    cross: Any = sum(a * b * squared[rows, k, m] for k, a in ends[0] for m, b in ends[1])
    here, there = np.take_along_axis(sides, i, 1), np.take_along_axis(sides, j, 1)
    apart = v * (1 - v) * here + w * (1 - w) * there
    step = (w - v).clip(0, 1)
    aside = np.where(i == j, step * (1 - step) * here, apart)
    return np.sqrt((cross - apart + rough * aside).clip(min=0))


def _even(u: Numbers, lengths: Numbers, count: int) -> Numbers:
    """`count` points at even distances along the polygon of the points `u` (B, n), whose sides have these lengths."""
    lengths = lengths + _TRACE * lengths.mean(1, keepdims=True) + _TINY
    arc = np.concatenate([np.zeros((len(u), 1)), lengths.cumsum(1)], 1)
    wanted = np.linspace(0, 1, count) * arc[:, -1:]
    side = (arc[:, 1:-1, None] < wanted[:, None]).sum(1)
    share = (wanted - np.take_along_axis(arc, side, 1)) / np.take_along_axis(lengths, side, 1)
    return at(u, side + share.clip(0, 1))
