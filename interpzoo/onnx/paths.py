"""Closed-form paths between codes, in NumPy; `interpzoo.geometry.paths` has the same in torch."""

from collections.abc import Callable
from typing import Final

import numpy as np

from interpzoo import placing
from interpzoo.onnx.arrays import Array
from interpzoo.placing import LEAST_SAMPLES, MOST_PLACED, MOST_SQUARED, STILL, Numbers

_NEAR: Final = 1e-4  # angles (radians) this near to 0 or pi: there the great circle is a line, or not unique
_NO_NORM: Final = 1e-12  # a code whose norm is at most this share of the other one has no direction


def lerp(z0: Array, z1: Array, t: Numbers) -> Array:
    """As `interpzoo.geometry.lerp`: codes (B, ...) and positions (T,) or (B, T) to (B, T, ...), exact at 0 and 1."""
    shares = t.reshape(*np.atleast_2d(t).shape, *(1 for _ in z0.shape[1:])).astype(np.float32)
    a, b = z0[:, None], z1[:, None]
    return np.where(shares < 0.5, a + shares * (b - a), b - (1 - shares) * (b - a)).astype(np.float32)


def slerp(z0: Array, z1: Array, t: Numbers) -> Array:
    """As `interpzoo.geometry.slerp`: along the great circle, with norms linear in t; exact at 0 and 1."""
    flat = [z.reshape(len(z), -1).astype(np.float64) for z in (z0, z1)]
    n0, n1 = (np.linalg.norm(z, axis=1, keepdims=True) for z in flat)
    straight = np.minimum(n0, n1) <= _NO_NORM * np.maximum(n0, n1)
    n0, n1 = (np.where(straight, 1.0, n) for n in (n0, n1))
    u, v = flat[0] / n0, flat[1] / n1
    w = 2 * np.arctan2(np.linalg.norm(u - v, axis=1, keepdims=True), np.linalg.norm(u + v, axis=1, keepdims=True))
    straight = straight | (w < _NEAR) | (w > np.pi - _NEAR)
    w = np.where(straight, 1.0, w)
    t = np.atleast_2d(t)
    norm = (1 - t) * n0 + t * n1
    shape = (len(z0), -1, *(1 for _ in z0.shape[1:]))
    s0 = np.where(straight, 1 - t, np.sin((1 - t) * w) / np.sin(w) * (norm / n0)).reshape(shape)
    s1 = np.where(straight, t, np.sin(t * w) / np.sin(w) * (norm / n1)).reshape(shape)
    return (s0 * z0[:, None] + s1 * z1[:, None]).astype(np.float32)


def even_positions(curve: Callable[[Numbers], Array], curves: int, steps: int) -> Numbers:
    """As `interpzoo.geometry.even_positions`: positions (B, steps) at which points of curves have even distances."""
    count = min(steps, MOST_PLACED)
    t = np.tile(np.linspace(0, 1, max(count, LEAST_SAMPLES)), (curves, 1))
    if steps > 2 and curves:
        first = _flat(curve(t))
        origin = first[:, :1].copy()
        first -= origin
        between = _placed(placing.place, t, first, count)[:, 1:-1]
        both = np.concatenate([first, _flat(curve(between)) - origin], 1)
        placed = _placed(placing.place_again, np.concatenate([t, between], 1), both, count)
        moving = np.linalg.norm(first, axis=(1, 2)) > STILL * np.linalg.norm(origin, axis=(1, 2))
        t = np.where(moving[:, None], placed, np.linspace(0, 1, count))
    if t.shape[1] != steps:
        t = placing.at(t, np.broadcast_to(np.linspace(0, 1, steps) * (t.shape[1] - 1), (curves, steps)))
    t[:, -1] = 1
    return t


def _flat(points: Array) -> Numbers:
    return points.reshape(*points.shape[:2], -1).astype(np.float64)


def _placed(how: Callable[[Numbers, Numbers, int], Numbers], t: Numbers, points: Numbers, count: int) -> Numbers:
    at_once = max(1, MOST_SQUARED // t.shape[1] ** 2)
    starts = range(0, len(t), at_once)
    parts = [(t[i : i + at_once], points[i : i + at_once]) for i in starts]
    return np.concatenate([how(some, _squared_distances(these), count) for some, these in parts])


def _squared_distances(points: Numbers) -> Numbers:
    products = points @ points.swapaxes(1, 2)
    squares = products.diagonal(axis1=1, axis2=2)
    return (squares[:, :, None] + squares[:, None] - 2 * products).clip(min=0)


LINES: Final = {"linear": lerp, "slerp": slerp}
"""The paths that need no torch, by the names of their interpolators."""
