"""Closed-form paths between codes, in NumPy; `interpzoo.geometry.paths` has the same in torch."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from interpzoo.onnx.files import Array

_NEAR: Final = 1e-4  # angles (radians) this near to 0 or pi: there the great circle is a line, or not unique


def lerp(z0: Array, z1: Array, t: NDArray[np.float64]) -> Array:
    """As `interpzoo.geometry.lerp`: codes (B, ...) and positions (T,) to (B, T, ...), exact at 0 and 1."""
    shares = t.reshape(1, -1, *(1 for _ in z0.shape[1:])).astype(np.float32)
    a, b = z0[:, None], z1[:, None]
    return np.where(shares < 0.5, a + shares * (b - a), b - (1 - shares) * (b - a)).astype(np.float32)


def slerp(z0: Array, z1: Array, t: NDArray[np.float64]) -> Array:
    """As `interpzoo.geometry.slerp`: along the great circle through both codes, exact at 0 and 1."""
    flat = [z.reshape(len(z), -1).astype(np.float64) for z in (z0, z1)]
    norms = [np.linalg.norm(z, axis=1, keepdims=True) for z in flat]
    u, v = (z / np.maximum(norm, 1e-12) for z, norm in zip(flat, norms, strict=True))
    w = 2 * np.arctan2(np.linalg.norm(u - v, axis=1), np.linalg.norm(u + v, axis=1))[:, None]
    zero = (norms[0] == 0) | (norms[1] == 0)
    straight = (w < _NEAR) | (w > np.pi - _NEAR) | zero
    w = np.where(straight, 1.0, w)
    t = t[None]
    shape = (len(z0), -1, *(1 for _ in z0.shape[1:]))
    s0 = np.where(straight, 1 - t, np.sin((1 - t) * w) / np.sin(w)).reshape(shape)
    s1 = np.where(straight, t, np.sin(t * w) / np.sin(w)).reshape(shape)
    return (s0 * z0[:, None] + s1 * z1[:, None]).astype(np.float32)


LINES: Final = {"linear": lerp, "slerp": slerp}
"""The paths that need no torch, by the names of their interpolators."""
