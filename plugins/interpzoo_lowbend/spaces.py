"""Manifolds with distances, geodesics and pairs of near points in closed form.

Points are (N, k) in float64. Pairs are drawn uniformly from {(p, q) : NEAREST epsilon <= d(p, q) <= epsilon}: p is
uniform on the manifold, q uniform around it, and where q is not on the manifold both are drawn again.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Final

import torch
from torch import Generator, Tensor
from typing_extensions import override

NEAREST: Final = 0.1
"""Of epsilon: closer points are not paired, because the second difference divides what is left of them by d^2."""


class Space(ABC):
    """A Riemannian manifold, with the uniform measure of its metric."""

    coordinates: int
    """k: numbers that a point is given by."""

    @abstractmethod
    def sample(self, n: int, generator: Generator) -> Tensor:
        """`n` points (n, k), uniform."""

    @abstractmethod
    def near(self, p: Tensor, epsilon: float, generator: Generator) -> Tensor:
        """A point (N, k) for each of `p` (N, k), uniform among those NEAREST epsilon to epsilon away."""

    @abstractmethod
    def distance(self, p: Tensor, q: Tensor) -> Tensor:
        """Geodesic distance (N,) of points (N, k)."""

    @abstractmethod
    def between(self, p: Tensor, q: Tensor, t: float) -> Tensor:
        """The points (N, k) at `t` on the shortest geodesics from `p` (N, k) to `q` (N, k); 1/2 is their average."""

    def way(self, p: Tensor, q: Tensor) -> Tensor:
        """From `p` to `q` (N, k), (N, k) as long as their distance: the straight way between their coordinates."""
        way = q - p
        return way * (self.distance(p, q) / torch.linalg.vector_norm(way, dim=1).clamp(min=1e-12))[:, None]

    def contains(self, p: Tensor) -> Tensor:
        """Whether points (N, k) that `near` gave are on the manifold, (N,) bool; all are where it has no boundary."""
        return torch.ones(len(p), dtype=torch.bool)

    def pairs(self, n: int, epsilon: float, generator: Generator) -> tuple[Tensor, Tensor]:
        """`n` pairs of points, (n, k) each."""
        p = self.sample(n, generator)
        q = self.near(p, epsilon, generator)
        while (outside := ~self.contains(q)).any():
            p[outside] = self.sample(int(outside.sum()), generator)
            q[outside] = self.near(p[outside], epsilon, generator)
        return p, q


class Cap(Space):
    """Unit vectors (x, y, z) at most `angle` from the zenith (0, 0, 1), `angle` < pi / 2: d(p, q) = arccos <p, q>."""

    coordinates = 3

    def __init__(self, angle: float) -> None:
        self.lowest = math.cos(angle)

    @override
    def sample(self, n: int, generator: Generator) -> Tensor:
        height, turn = _uniform(n, 2, generator).T
        z = self.lowest + (1 - self.lowest) * height
        radius, azimuth = (1 - z.square()).sqrt(), 2 * math.pi * turn
        return torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), z], 1)

    def near(self, p: Tensor, epsilon: float, generator: Generator) -> Tensor:
        """See `Space.near`; areas on a sphere are as differences of cos d."""
        share = _uniform(len(p), 1, generator)
        cosine = math.cos(epsilon) + share * (math.cos(NEAREST * epsilon) - math.cos(epsilon))
        direction = torch.randn(p.shape, generator=generator, dtype=p.dtype)
        tangent = _unit(direction - (direction * p).sum(1, keepdim=True) * p)
        return cosine * p + (1 - cosine.square()).sqrt() * tangent

    @override
    def distance(self, p: Tensor, q: Tensor) -> Tensor:
        return _angle(p, q)

    def between(self, p: Tensor, q: Tensor, t: float) -> Tensor:
        """See `Space.between`; at 1/2 it is (p + q) / |p + q|."""
        return _arc(p, q, t)

    @override
    def contains(self, p: Tensor) -> Tensor:
        return p[:, 2] >= self.lowest


class Rotations(Space):
    """SO(3) as unit quaternions (w, x, y, z), of which q and -q are one: d is the angle of the rotation between two."""

    coordinates = 4

    def sample(self, n: int, generator: Generator) -> Tensor:
        """See `Space.sample`; w >= 0."""
        return _positive(_unit(torch.randn(n, 4, generator=generator, dtype=torch.float64)))

    def near(self, p: Tensor, epsilon: float, generator: Generator) -> Tensor:
        """See `Space.near`; the volume within an angle r is as r - sin r."""
        low, high = (r - math.sin(r) for r in (NEAREST * epsilon, epsilon))
        volume = low + _uniform(len(p), 1, generator) * (high - low)
        shortest, longest = torch.zeros_like(volume), torch.full_like(volume, epsilon)
        for _ in range(48):
            r = (shortest + longest) / 2
            short = r - r.sin() < volume
            shortest, longest = torch.where(short, r, shortest), torch.where(short, longest, r)
        half = (shortest + longest) / 4
        axis = _unit(torch.randn(len(p), 3, generator=generator, dtype=p.dtype))
        return _positive(_product(p, torch.cat([half.cos(), half.sin() * axis], 1)))

    def distance(self, p: Tensor, q: Tensor) -> Tensor:
        """See `Space.distance`: 2 arccos |<p, q>|."""
        return 2 * _angle(p, self._same_side(p, q))

    def between(self, p: Tensor, q: Tensor, t: float) -> Tensor:
        """See `Space.between`; at 1/2 it is p + sgn<p, q> q, normalised."""
        return _positive(_arc(p, self._same_side(p, q), t))

    @override
    def way(self, p: Tensor, q: Tensor) -> Tensor:
        return super().way(p, self._same_side(p, q))

    def _same_side(self, p: Tensor, q: Tensor) -> Tensor:
        return torch.where((p * q).sum(1, keepdim=True) < 0, -q, q)


class Cylinder(Space):
    """Angles theta of the circle beside lengths in [low, high]: d^2 = dtheta^2 + weight^2 dlength^2, which is flat."""

    coordinates = 2

    def __init__(self, low: float, high: float, weight: float) -> None:
        self.low, self.high, self.weight = low, high, weight

    def sample(self, n: int, generator: Generator) -> Tensor:
        """See `Space.sample`; theta in [0, 2 pi)."""
        turn, share = _uniform(n, 2, generator).T
        return torch.stack([2 * math.pi * turn, self.low + (self.high - self.low) * share], 1)

    @override
    def near(self, p: Tensor, epsilon: float, generator: Generator) -> Tensor:
        radius = _radii(len(p), epsilon, 2, generator)
        way = radius * _unit(torch.randn(p.shape, generator=generator, dtype=p.dtype))
        return _wrapped(p + way / torch.tensor([1, self.weight]))

    @override
    def distance(self, p: Tensor, q: Tensor) -> Tensor:
        way = self._way(p, q)
        return torch.hypot(way[:, 0], self.weight * way[:, 1])

    def between(self, p: Tensor, q: Tensor, t: float) -> Tensor:
        """See `Space.between`; theta the shorter way round."""
        return _wrapped(p + t * self._way(p, q))

    @override
    def contains(self, p: Tensor) -> Tensor:
        return (p[:, 1] >= self.low) & (p[:, 1] <= self.high)

    def way(self, p: Tensor, q: Tensor) -> Tensor:
        """See `Space.way`; theta the shorter way round, lengths by their weight."""
        return self._way(p, q) * torch.tensor([1, self.weight])

    def _way(self, p: Tensor, q: Tensor) -> Tensor:
        dtheta, dlength = (q - p).T
        return torch.stack([torch.remainder(dtheta + math.pi, 2 * math.pi) - math.pi, dlength], 1)


class Covariances(Space):
    """Symmetric positive matrices [[a, b], [b, c]] as (a, b, c), with the Bures-Wasserstein distance.

    d(A, B)^2 = tr(A + B - 2 (A^1/2 B A^1/2)^1/2). With any roots X X^T = A and Y Y^T = B this is the least |X - Y O|^2
    over rotations O, and the geodesic is the square of the straight line from X to that Y O: nothing but 2x2 algebra.

    In the coordinates rho = (tr A)^1/2, sin beta = 2 (det A)^1/2 / tr A and the direction of the longer axis, the
    metric is d rho^2 + rho^2 / 4 times that of the unit sphere at latitude beta: curved, and the volume is as
    rho^2 d rho d(sin beta). The manifold here has rho in [low, high] and sin beta >= `roundness` (1: all circles).
    """

    coordinates = 3

    def __init__(self, low: float, high: float, roundness: float) -> None:
        self.low, self.high, self.roundness = low, high, roundness

    @override
    def sample(self, n: int, generator: Generator) -> Tensor:
        size, shape, turn = _uniform(n, 3, generator).T
        squared = (self.low**3 + size * (self.high**3 - self.low**3)) ** (2 / 3)
        sine = self.roundness + (1 - self.roundness) * shape
        # A = rho^2 / 2 (I + cos beta (cos phi, sin phi; sin phi, -cos phi))
        phi, cosine = 2 * math.pi * turn, (1 - sine.square()).sqrt()
        u, v = cosine * phi.cos(), cosine * phi.sin()
        return torch.stack([1 + u, v, 1 - u], 1) * squared[:, None] / 2

    def near(self, p: Tensor, epsilon: float, generator: Generator) -> Tensor:
        """See `Space.near`; with the volumes of flat space, which curvature changes by O((epsilon / rho)^2)."""
        x = _root(p)
        way = torch.randn(x.shape, generator=generator, dtype=p.dtype)
        # Along X J the matrix X X^T does not change: geodesics start at right angles to it.
        still = _unit(torch.stack([x[..., 1], -x[..., 0]], -1).flatten(1))
        way = way.flatten(1) - (way.flatten(1) * still).sum(1, keepdim=True) * still
        return _square(x + (_radii(len(p), epsilon, 3, generator) * _unit(way)).view_as(x))

    @override
    def distance(self, p: Tensor, q: Tensor) -> Tensor:
        x = _root(p)
        return torch.linalg.vector_norm(_turned(x, _root(q)) - x, dim=(1, 2))

    @override
    def between(self, p: Tensor, q: Tensor, t: float) -> Tensor:
        x = _root(p)
        return _square(torch.lerp(x, _turned(x, _root(q)), t))

    @override
    def contains(self, p: Tensor) -> Tensor:
        a, b, c = p.T
        trace, sine = a + c, 2 * (a * c - b.square()).clamp(min=0).sqrt() / (a + c)
        return (trace >= self.low**2) & (trace <= self.high**2) & (sine >= self.roundness)


def _uniform(n: int, columns: int, generator: Generator) -> Tensor:
    return torch.rand(n, columns, generator=generator, dtype=torch.float64)


def _radii(n: int, epsilon: float, dimension: int, generator: Generator) -> Tensor:
    """(n, 1): distances of points uniform in a shell of flat space."""
    low = NEAREST**dimension
    return epsilon * (low + (1 - low) * _uniform(n, 1, generator)) ** (1 / dimension)


def _unit(v: Tensor) -> Tensor:
    return v / torch.linalg.vector_norm(v, dim=1, keepdim=True)


def _angle(p: Tensor, q: Tensor) -> Tensor:
    # arccos <p, q> loses half of its digits at small angles.
    return 2 * torch.atan2(torch.linalg.vector_norm(p - q, dim=1), torch.linalg.vector_norm(p + q, dim=1))


def _arc(p: Tensor, q: Tensor, t: float) -> Tensor:
    """The points at `t` on great circles: (sin((1 - t) d) p + sin(t d) q) / sin d, and p where d = 0."""
    d = _angle(p, q)[:, None] / math.pi  # torch.sinc(u) is sin(pi u) / (pi u)
    return _unit((1 - t) * torch.sinc((1 - t) * d) * p + t * torch.sinc(t * d) * q)


def _positive(q: Tensor) -> Tensor:
    return torch.where(q[:, :1] < 0, -q, q)


def _product(p: Tensor, q: Tensor) -> Tensor:
    """The product of quaternions (N, 4)."""
    (pw, pv), (qw, qv) = p.split([1, 3], 1), q.split([1, 3], 1)
    real = pw * qw - (pv * qv).sum(1, keepdim=True)
    return torch.cat([real, pw * qv + qw * pv + torch.linalg.cross(pv, qv)], 1)


def _wrapped(p: Tensor) -> Tensor:
    return torch.stack([torch.remainder(p[:, 0], 2 * math.pi), p[:, 1]], 1)


def _root(p: Tensor) -> Tensor:
    """X (N, 2, 2) with X X^T = A, the Cholesky factor."""
    a, b, c = p.T
    left = b / a.sqrt()
    return torch.stack([a.sqrt(), torch.zeros_like(a), left, (c - left.square()).sqrt()], 1).view(-1, 2, 2)


def _square(x: Tensor) -> Tensor:
    """(a, b, c) of X X^T."""
    A = x @ x.mT
    return torch.stack([A[:, 0, 0], A[:, 0, 1], A[:, 1, 1]], 1)


def _turned(x: Tensor, y: Tensor) -> Tensor:
    """Y O (N, 2, 2) for the rotation O that brings it closest to X: the largest tr(O^T Y^T X)."""
    M = y.mT @ x
    cosine, sine = M[:, 0, 0] + M[:, 1, 1], M[:, 1, 0] - M[:, 0, 1]
    turn = torch.stack([cosine, -sine, sine, cosine], 1) / torch.hypot(cosine, sine)[:, None]
    return y @ turn.view(-1, 2, 2)
