"""Manifolds with known geodesics: in closed form, or from a boundary-value solver."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.integrate import solve_bvp
from torch import Tensor

Surface = Callable[[Tensor], Tensor]
Acceleration = Callable[..., tuple[np.ndarray, np.ndarray]]


def sphere(z: Tensor) -> Tensor:
    """The unit sphere in its stereographic chart, (B, d) to (B, d + 1)."""
    squared = z.square().sum(1, keepdim=True)
    return torch.cat([2 * z, squared - 1], 1) / (1 + squared)


def sphere_inverse(x: Tensor) -> Tensor:
    """The chart of the nearest point of the sphere: its derivative is the pseudo-inverse of that of `sphere`."""
    x = x / x.norm(dim=1, keepdim=True)
    return x[:, :-1] / (1 - x[:, -1:])


def sphere_distance(a: Tensor, b: Tensor) -> Tensor:
    """Distance of latents along the great circle."""
    return 2 * torch.asin((sphere(a) - sphere(b)).norm(dim=1) / 2)


def cylinder(z: Tensor) -> Tensor:
    """A flat cylinder: lines stay geodesics."""
    return torch.stack([z[:, 0].cos(), z[:, 0].sin(), z[:, 1]], 1)


def swiss_roll(z: Tensor) -> Tensor:
    """A flat roll whose first coordinate is not its arc length."""
    u = z[:, 0]
    return torch.stack([u * u.cos(), u * u.sin(), z[:, 1]], 1)


def swiss_roll_arc(u: Tensor) -> Tensor:
    """Arc length of the spiral from 0 to u."""
    return (u * (1 + u * u).sqrt() + torch.asinh(u)) / 2


def paraboloid(z: Tensor) -> Tensor:
    """The hyperbolic paraboloid z = x^2 - y^2."""
    return torch.cat([z, z[:, :1].square() - z[:, 1:].square()], 1)


def torus(z: Tensor) -> Tensor:
    """Radii 2 and 1; angles around the axis and around the tube."""
    ring = 2 + z[:, 1].cos()
    return torch.stack([ring * z[:, 0].cos(), ring * z[:, 0].sin(), z[:, 1].sin()], 1)


def paraboloid_acceleration(
    x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Geodesic equation of z = f(x, y): (x'', y'') = -grad f (f_xx u^2 + f_yy v^2) / (1 + |grad f|^2)."""
    bend = (2 * u * u - 2 * v * v) / (1 + 4 * x * x + 4 * y * y)
    return -2 * x * bend, 2 * y * bend


def torus_acceleration(x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Geodesic equation of the torus with G = diag((2 + cos y)^2, 1)."""
    ring = 2 + np.cos(y)
    return 2 * np.sin(y) / ring * u * v, -ring * np.sin(y) * u * u


def bvp_length(acceleration: Acceleration, surface: Surface, a: Tensor, b: Tensor) -> float:
    """Length of the geodesic from `a` to `b`, both (2,)."""
    # Speed is constant along a geodesic: its value at the start is the length.
    z, v = bvp_geodesic(acceleration, a, b, 2)[:, :1].unbind(0)
    return float(torch.func.jvp(surface, (z,), (v,))[1].norm())


def bvp_geodesic(acceleration: Acceleration, a: Tensor, b: Tensor, n: int) -> Tensor:
    """Positions and velocities (2, n, 2) on the geodesic from `a` to `b`, by collocation at a tolerance of 1e-10."""
    start, end = a.numpy(), b.numpy()

    def derivative(_: np.ndarray, s: np.ndarray) -> np.ndarray:
        return np.stack([s[2], s[3], *acceleration(*s)])

    def ends(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        return np.concatenate([first[:2] - start, last[:2] - end])

    t = np.linspace(0, 1, 50)
    line = start[:, None] + np.outer(end - start, t)
    guess = np.concatenate([line, np.repeat((end - start)[:, None], 50, 1)])
    solved = solve_bvp(derivative, ends, t, guess, tol=1e-10, max_nodes=100_000)
    assert solved.success
    return torch.from_numpy(solved.sol(np.linspace(0, 1, n))).unflatten(0, (2, 2)).mT
