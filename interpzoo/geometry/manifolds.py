"""Manifolds with distances and geodesics in closed form; points are (..., P) in float64."""

import math
from abc import ABC, abstractmethod
from typing import Final

import torch
from torch import Generator, Tensor
from typing_extensions import override

NEAREST: Final = 0.1
"""Smallest distance of a pair of near points, as a share of the largest: users divide by its square."""


class Manifold(ABC):
    """A space with distances, and with a shortest path between any two points."""

    @abstractmethod
    def displacement(self, p: Tensor, q: Tensor) -> Tensor:
        """A vector (..., D) from `p` to `q` (..., P), whose norm is their distance; shapes are broadcast."""

    @abstractmethod
    def between(self, p: Tensor, q: Tensor, t: Tensor) -> Tensor:
        """Points (N, T, P) at `t` (T,), float64 from 0 to 1, on the shortest geodesics from `p` to `q`, (N, P) each."""

    def midpoint(self, p: Tensor, q: Tensor) -> Tensor:
        """The points (N, P) halfway between `p` and `q`, (N, P) each."""
        return self.between(p, q, torch.tensor([0.5], dtype=torch.float64))[:, 0]

    def distance(self, p: Tensor, q: Tensor) -> Tensor:
        """Geodesic distance (...) of points (..., P)."""
        return torch.linalg.vector_norm(self.displacement(p, q), dim=-1)


class SampledManifold(Manifold):
    """A Riemannian manifold with the uniform measure of its metric, which points and pairs of near points follow."""

    coordinates: int
    """P: how many numbers describe a point."""

    @abstractmethod
    def sample(self, n: int, generator: Generator) -> Tensor:
        """`n` points (n, P), uniform."""

    @abstractmethod
    def near(self, p: Tensor, epsilon: float, generator: Generator) -> Tensor:
        """A point (N, P) for each of `p` (N, P), uniform among those at a distance from NEAREST epsilon to epsilon."""

    def contains(self, p: Tensor) -> Tensor:
        """Whether points (N, P) from `near` are on the manifold, (N,) bool: all of them where it has no boundary."""
        return torch.ones(len(p), dtype=torch.bool)

    def pairs(self, n: int, epsilon: float, generator: Generator) -> tuple[Tensor, Tensor]:
        """`n` pairs of points, (n, P) each, uniform among those at a distance from NEAREST epsilon to epsilon."""
        p = self.sample(n, generator)
        q = self.near(p, epsilon, generator)
        while (outside := ~self.contains(q)).any():
            p[outside] = self.sample(int(outside.sum()), generator)
            q[outside] = self.near(p[outside], epsilon, generator)
        return p, q

    @override
    def displacement(self, p: Tensor, q: Tensor) -> Tensor:
        """The difference of the coordinates, (..., P), scaled to the distance."""
        length = torch.linalg.vector_norm(q - p, dim=-1).clamp(min=1e-12)
        return (q - p) * (self.distance(p, q) / length)[..., None]

    @override
    @abstractmethod
    def distance(self, p: Tensor, q: Tensor) -> Tensor:
        """Geodesic distance (...) of points (..., P)."""


class Circle(Manifold):
    """A circle: the first coordinate is an angle, in radians by default, not reduced to [0, `period`) on a path.

    Any other coordinates lie on straight lines.
    """

    def __init__(self, period: float = 2 * math.pi) -> None:
        self.period = period

    @override
    def displacement(self, p: Tensor, q: Tensor) -> Tensor:
        difference = q - p
        return torch.cat([shorter_turn(difference[..., :1], self.period), difference[..., 1:]], -1)

    @override
    def between(self, p: Tensor, q: Tensor, t: Tensor) -> Tensor:
        return p[:, None] + t[:, None] * self.displacement(p, q)[:, None]

    def grid(self, n: int) -> Tensor:
        """`n` angles (n, 1) evenly around the circle, from 0."""
        return (torch.arange(n, dtype=torch.float64) * (self.period / n))[:, None]

    def sample(self, n: int, generator: Generator) -> Tensor:
        """`n` angles (n, 1), uniform in [0, `period`)."""
        return self.period * _uniform(n, 1, generator)

    def pairs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """`n` pairs of uniform angles, (n, 1) each: the first half of 2 `n` with the second."""
        first, last = self.sample(2 * n, generator).chunk(2)
        return first, last


class Cylinder(SampledManifold):
    """Angles theta in [0, 2 pi) beside lengths in [low, high]: d^2 = dtheta^2 + weight^2 dlength^2, which is flat."""

    coordinates = 2

    def __init__(self, low: float, high: float, weight: float) -> None:
        self.low, self.high, self.weight = low, high, weight

    @override
    def sample(self, n: int, generator: Generator) -> Tensor:
        turn, share = _uniform(n, 2, generator).T
        return torch.stack([2 * math.pi * turn, self.low + (self.high - self.low) * share], 1)

    @override
    def near(self, p: Tensor, epsilon: float, generator: Generator) -> Tensor:
        radius = _radii(len(p), epsilon, 2, generator)
        return self._moved(p, radius * _unit(torch.randn(p.shape, generator=generator, dtype=p.dtype)))

    @override
    def displacement(self, p: Tensor, q: Tensor) -> Tensor:
        angle, length = Circle().displacement(p, q).unbind(-1)
        return torch.stack([angle, self.weight * length], -1)

    @override
    def distance(self, p: Tensor, q: Tensor) -> Tensor:
        return torch.hypot(*self.displacement(p, q).unbind(-1))

    @override
    def between(self, p: Tensor, q: Tensor, t: Tensor) -> Tensor:
        return self._moved(p[:, None], t[:, None] * self.displacement(p, q)[:, None])

    @override
    def contains(self, p: Tensor) -> Tensor:
        return (p[:, 1] >= self.low) & (p[:, 1] <= self.high)

    def _moved(self, p: Tensor, displacement: Tensor) -> Tensor:
        angle = torch.remainder(p[..., 0] + displacement[..., 0], 2 * math.pi)
        return torch.stack([angle, p[..., 1] + displacement[..., 1] / self.weight], -1)


class Cap(SampledManifold):
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

    @override
    def near(self, p: Tensor, epsilon: float, generator: Generator) -> Tensor:
        # The area of a sphere within a distance d is proportional to 1 - cos d.
        share = _uniform(len(p), 1, generator)
        cosine = math.cos(epsilon) + share * (math.cos(NEAREST * epsilon) - math.cos(epsilon))
        direction = torch.randn(p.shape, generator=generator, dtype=p.dtype)
        tangent = _unit(direction - (direction * p).sum(1, keepdim=True) * p)
        return cosine * p + (1 - cosine.square()).sqrt() * tangent

    @override
    def distance(self, p: Tensor, q: Tensor) -> Tensor:
        return _angle(p, q)

    @override
    def between(self, p: Tensor, q: Tensor, t: Tensor) -> Tensor:
        return _arc(p, q, t)

    @override
    def contains(self, p: Tensor) -> Tensor:
        return p[:, 2] >= self.lowest


class Rotations(SampledManifold):
    """SO(3) as unit quaternions (w, x, y, z), w >= 0; q and -q are the same rotation.

    The distance is the angle of the rotation from one to the other, 2 arccos |<p, q>|.
    """

    coordinates = 4

    @override
    def sample(self, n: int, generator: Generator) -> Tensor:
        return _positive(_unit(torch.randn(n, 4, generator=generator, dtype=torch.float64)))

    @override
    def near(self, p: Tensor, epsilon: float, generator: Generator) -> Tensor:
        # The volume within an angle r is proportional to r - sin r, which is inverted by bisection.
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

    @override
    def displacement(self, p: Tensor, q: Tensor) -> Tensor:
        return super().displacement(p, _same_side(p, q))

    @override
    def distance(self, p: Tensor, q: Tensor) -> Tensor:
        return 2 * _angle(p, _same_side(p, q))

    @override
    def between(self, p: Tensor, q: Tensor, t: Tensor) -> Tensor:
        return _positive(_arc(p, _same_side(p, q), t))


class Covariances(SampledManifold):
    """Symmetric positive matrices [[a, b], [b, c]] as (a, b, c), with the Bures-Wasserstein distance.

    d(A, B)^2 = tr(A + B - 2 (A^1/2 B A^1/2)^1/2). With any roots X X^T = A and Y Y^T = B this is the least |X - Y O|^2
    over rotations O, and the geodesic is the square of the straight line from X to that Y O: nothing but 2x2 algebra.

    In the coordinates rho = (tr A)^1/2, sin beta = 2 (det A)^1/2 / tr A and the direction of the longer axis, the
    metric is d rho^2 + rho^2 / 4 times that of the unit sphere at latitude beta: curved, and the volume element is
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

    @override
    def near(self, p: Tensor, epsilon: float, generator: Generator) -> Tensor:
        """Uniform by the volumes of flat space, which curvature changes by O((epsilon / rho)^2)."""
        x = _root(p)
        direction = torch.randn(x.shape, generator=generator, dtype=p.dtype).flatten(1)
        # Along X J the matrix X X^T does not change: geodesics start at right angles to it.
        still = _unit(torch.stack([x[..., 1], -x[..., 0]], -1).flatten(1))
        direction = direction - (direction * still).sum(1, keepdim=True) * still
        return _square(x + (_radii(len(p), epsilon, 3, generator) * _unit(direction)).view_as(x))

    @override
    def distance(self, p: Tensor, q: Tensor) -> Tensor:
        x = _root(p)
        return torch.linalg.vector_norm(_turned(x, _root(q)) - x, dim=(-2, -1))

    @override
    def between(self, p: Tensor, q: Tensor, t: Tensor) -> Tensor:
        x = _root(p)
        return _square(torch.lerp(x[:, None], _turned(x, _root(q))[:, None], t.view(-1, 1, 1)))

    @override
    def contains(self, p: Tensor) -> Tensor:
        a, b, c = p.T
        trace, sine = a + c, 2 * (a * c - b.square()).clamp(min=0).sqrt() / (a + c)
        return (trace >= self.low**2) & (trace <= self.high**2) & (sine >= self.roundness)


def shorter_turn(difference: Tensor, period: float = 2 * math.pi) -> Tensor:
    """Differences of angles, the shorter way round: in [-`period` / 2, `period` / 2)."""
    return torch.remainder(difference + period / 2, period) - period / 2


def _uniform(n: int, columns: int, generator: Generator) -> Tensor:
    return torch.rand(n, columns, generator=generator, dtype=torch.float64)


def _radii(n: int, epsilon: float, dimension: int, generator: Generator) -> Tensor:
    """(n, 1): distances of points that are uniform in a shell of flat space."""
    low = NEAREST**dimension
    return epsilon * (low + (1 - low) * _uniform(n, 1, generator)) ** (1 / dimension)


def _unit(v: Tensor) -> Tensor:
    return v / torch.linalg.vector_norm(v, dim=-1, keepdim=True)


def _angle(p: Tensor, q: Tensor) -> Tensor:
    # arccos <p, q> loses half of its digits at small angles.
    return 2 * torch.atan2(torch.linalg.vector_norm(p - q, dim=-1), torch.linalg.vector_norm(p + q, dim=-1))


def _arc(p: Tensor, q: Tensor, t: Tensor) -> Tensor:
    """The points at `t` on great circles: (sin((1 - t) d) p + sin(t d) q) / sin d, and p where d = 0."""
    d, t = _angle(p, q)[:, None, None] / math.pi, t[:, None]  # torch.sinc(u) is sin(pi u) / (pi u)
    return _unit((1 - t) * torch.sinc((1 - t) * d) * p[:, None] + t * torch.sinc(t * d) * q[:, None])


def _positive(q: Tensor) -> Tensor:
    return torch.where(q[..., :1] < 0, -q, q)


def _same_side(p: Tensor, q: Tensor) -> Tensor:
    return torch.where((p * q).sum(-1, keepdim=True) < 0, -q, q)


def _product(p: Tensor, q: Tensor) -> Tensor:
    """The product of quaternions (N, 4)."""
    (pw, pv), (qw, qv) = p.split([1, 3], 1), q.split([1, 3], 1)
    return torch.cat([pw * qw - (pv * qv).sum(1, keepdim=True), pw * qv + qw * pv + torch.linalg.cross(pv, qv)], 1)


def _root(p: Tensor) -> Tensor:
    """X (..., 2, 2) with X X^T = A, the Cholesky factor."""
    a, b, c = p.unbind(-1)
    left = b / a.sqrt()
    return torch.stack([a.sqrt(), torch.zeros_like(a), left, (c - left.square()).sqrt()], -1).unflatten(-1, (2, 2))


def _square(x: Tensor) -> Tensor:
    """(a, b, c) of X X^T."""
    A = x @ x.mT
    return torch.stack([A[..., 0, 0], A[..., 0, 1], A[..., 1, 1]], -1)


def _turned(x: Tensor, y: Tensor) -> Tensor:
    """Y O (..., 2, 2) for the rotation O that brings it closest to X: the largest tr(O^T Y^T X)."""
    M = y.mT @ x
    cosine, sine = M[..., 0, 0] + M[..., 1, 1], M[..., 1, 0] - M[..., 0, 1]
    turn = torch.stack([cosine, -sine, sine, cosine], -1) / torch.hypot(cosine, sine)[..., None]
    return y @ turn.unflatten(-1, (2, 2))
