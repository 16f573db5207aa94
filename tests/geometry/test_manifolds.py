"""Distances, geodesics and pairs of the manifolds, against their definitions and against what a metric must be."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from interpzoo.geometry.manifolds import (
    NEAREST,
    Cap,
    Circle,
    Covariances,
    Cylinder,
    Rotations,
    SampledManifold,
    shorter_turn,
)

MANIFOLDS: dict[str, tuple[SampledManifold, float]] = {
    "cap": (Cap(math.pi / 3), 0.4),
    "rotations": (Rotations(), 0.5),
    "cylinder": (Cylinder(math.pi / 4, math.pi, 0.5), 0.5),
    "covariances": (Covariances(0.5, 0.9, 0.6), 0.1),
}
N = 300


def points(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def at(manifold: SampledManifold, p: Tensor, q: Tensor, t: float) -> Tensor:
    return manifold.between(p, q, torch.tensor([t], dtype=torch.float64))[:, 0]


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.fixture(params=MANIFOLDS)
def case(request: pytest.FixtureRequest) -> tuple[SampledManifold, float]:
    return MANIFOLDS[request.param]


class TestAnyManifold:
    def test_distance_is_a_metric(self, case: tuple[SampledManifold, float]) -> None:
        manifold, _ = case
        p, q, r = (manifold.sample(N, seeded(seed)) for seed in range(3))
        d = manifold.distance(p, q)
        assert bool((d > 0).all())
        torch.testing.assert_close(d, manifold.distance(q, p))
        torch.testing.assert_close(manifold.distance(p, p), torch.zeros(N, dtype=torch.float64), rtol=0, atol=1e-7)
        slack = d + manifold.distance(q, r) - manifold.distance(p, r)
        assert slack.min() > -1e-12
        assert slack.min() < 0.2 * slack.mean()  # random triangles come near to degenerate ones

    @pytest.mark.parametrize("t", [0.0, 0.3, 0.5, 1.0])
    def test_geodesics_have_constant_speed(self, case: tuple[SampledManifold, float], t: float) -> None:
        """The midpoint is at half the distance from both ends."""
        manifold, epsilon = case
        for p, q in (
            manifold.pairs(N, epsilon, seeded()),
            (manifold.sample(N, seeded(1)), manifold.sample(N, seeded(2))),
        ):
            d, between = manifold.distance(p, q), at(manifold, p, q, t)
            torch.testing.assert_close(manifold.distance(p, between), t * d, rtol=1e-6, atol=1e-7)
            torch.testing.assert_close(manifold.distance(between, q), (1 - t) * d, rtol=1e-6, atol=1e-7)

    def test_the_path_back_is_the_same(self, case: tuple[SampledManifold, float]) -> None:
        manifold, epsilon = case
        p, q = manifold.pairs(N, epsilon, seeded())
        there, back = at(manifold, p, q, 0.25), at(manifold, q, p, 0.75)
        assert manifold.distance(there, back).max() < 1e-7

    def test_pairs_are_near_but_not_too_near_and_on_the_manifold(self, case: tuple[SampledManifold, float]) -> None:
        manifold, epsilon = case
        p, q = manifold.pairs(5000, epsilon, seeded())
        d = manifold.distance(p, q)
        assert NEAREST * epsilon - 1e-9 <= d.min() < 0.25 * epsilon
        assert 0.99 * epsilon < d.max() <= epsilon + 1e-9
        assert bool(manifold.contains(p).all())
        assert bool(manifold.contains(q).all())

    def test_both_points_of_a_pair_have_the_same_law(self, case: tuple[SampledManifold, float]) -> None:
        manifold, epsilon = case
        p, q = manifold.pairs(20_000, epsilon, seeded())
        for moment in (1, 2):
            a, b = p**moment, q**moment
            error = ((a.var(0) + b.var(0)) / len(p)).sqrt()
            assert bool(((a.mean(0) - b.mean(0)).abs() < 4 * error).all())

    def test_displacements_are_as_long_as_the_distance_and_broadcast(self, case: tuple[SampledManifold, float]) -> None:
        manifold, _ = case
        p, q = manifold.sample(5, seeded(0)), manifold.sample(7, seeded(1))
        found = manifold.displacement(p[:, None], q)
        expected = torch.stack([manifold.distance(start.expand_as(q), q) for start in p])
        torch.testing.assert_close(torch.linalg.vector_norm(found, dim=2), expected)
        torch.testing.assert_close(manifold.distance(p[:, None], q), expected)

    def test_all_positions_of_a_path_at_once(self, case: tuple[SampledManifold, float]) -> None:
        manifold, epsilon = case
        p, q = manifold.pairs(9, epsilon, seeded())
        path = manifold.between(p, q, torch.linspace(0, 1, 5, dtype=torch.float64))
        torch.testing.assert_close(path[:, 1], at(manifold, p, q, 0.25))
        torch.testing.assert_close(path[:, 2], manifold.midpoint(p, q))

    def test_pairs_follow_the_generator(self, case: tuple[SampledManifold, float]) -> None:
        manifold, epsilon = case
        torch.manual_seed(1)
        first = manifold.pairs(50, epsilon, seeded(5))
        torch.manual_seed(2)
        again, other = manifold.pairs(50, epsilon, seeded(5)), manifold.pairs(50, epsilon, seeded(6))
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
        assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("name", "p", "volume"),
    [
        ("cap", (0.0, 0.0, 1.0), lambda d: 1 - d.cos()),
        ("rotations", (0.5, 0.5, -0.5, 0.5), lambda d: d - d.sin()),
        ("cylinder", (1.0, 2.0), torch.square),
        ("covariances", (0.3, 0.02, 0.25), lambda d: d**3),
    ],
)
def test_near_points_are_uniform_by_volume(name: str, p: tuple[float, ...], volume: object) -> None:
    manifold, epsilon = MANIFOLDS[name]
    start = points(p).expand(20_000, -1)
    d = manifold.distance(start, manifold.near(start, epsilon, seeded()))
    assert callable(volume)
    within = volume(d)
    low, high = volume(torch.tensor([NEAREST * epsilon, epsilon], dtype=torch.float64))
    share = ((within - low) / (high - low)).sort().values
    expected = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    assert (share - expected).abs().max() < 1.63 / math.sqrt(20_000)  # Kolmogorov and Smirnov at 1 %


class TestCircle:
    def test_the_shorter_turn(self) -> None:
        turns = torch.deg2rad(points((170, 190, -190, 350, 360, 725)))
        torch.testing.assert_close(torch.rad2deg(shorter_turn(turns)), points((170, -170, 170, -10, 0, 5)))
        assert shorter_turn(points((40, 30, -36)), 72).tolist() == [[-32, 30, -36]]

    def test_other_coordinates_are_straight(self) -> None:
        p, q = points((350, 45), (10, 50), (100, 45)), points((10, 75), (350, 50), (200, 80))
        path = Circle(360).between(p, q, torch.tensor([0, 0.5, 1], dtype=torch.float64))
        assert path.tolist() == [
            [[350, 45], [360, 60], [370, 75]],
            [[10, 50], [0, 50], [-10, 50]],
            [[100, 45], [150, 62.5], [200, 80]],
        ]
        assert Circle(360).distance(p, q).tolist() == pytest.approx([math.hypot(20, 30), 20, math.hypot(100, 35)])

    def test_angles_are_even_or_uniform(self) -> None:
        assert Circle(8).grid(4).tolist() == [[0], [2], [4], [6]]
        angles = Circle().sample(20_000, seeded())
        assert angles.shape == (20_000, 1)
        assert angles.histc(8, 0, 2 * math.pi).min() > 2300


class TestCap:
    manifold = Cap(math.pi / 3)

    def test_by_hand(self) -> None:
        zenith, tilted = points((0, 0, 1)), points((math.sin(0.8), 0, math.cos(0.8)))
        assert self.manifold.distance(zenith, tilted).item() == pytest.approx(0.8)
        expected = points((math.sin(0.4), 0, math.cos(0.4)))
        torch.testing.assert_close(at(self.manifold, zenith, tilted, 0.5), expected)

    def test_against_the_definitions(self) -> None:
        p, q = self.manifold.sample(N, seeded(0)), self.manifold.sample(N, seeded(1))
        torch.testing.assert_close(self.manifold.distance(p, q), (p * q).sum(1).acos())
        middle = (p + q) / torch.linalg.vector_norm(p + q, dim=1, keepdim=True)
        torch.testing.assert_close(at(self.manifold, p, q, 0.5), middle)

    def test_small_angles_keep_their_digits(self) -> None:
        p, q = points((0, 0, 1)), points((1e-9, 0, 1))
        assert self.manifold.distance(p, q).item() == pytest.approx(1e-9, rel=1e-6)

    def test_points_are_uniform(self) -> None:
        p = self.manifold.sample(20_000, seeded())
        torch.testing.assert_close(torch.linalg.vector_norm(p, dim=1), torch.ones(20_000, dtype=torch.float64))
        assert 0.5 <= p[:, 2].min() < 0.501
        assert p.mean(0).tolist() == pytest.approx([0, 0, 0.75], abs=0.02)


def matrices(q: Tensor) -> Tensor:
    """Rotation matrices (N, 3, 3) of quaternions (N, 4), entry by entry."""
    w, x, y, z = q.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


class TestRotations:
    manifold = Rotations()

    def test_by_hand(self) -> None:
        half = math.sqrt(0.5)
        still, quarter, turned = points((1, 0, 0, 0)), points((half, 0, 0, half)), points((0, 0, 1, 0))
        assert self.manifold.distance(still, quarter).item() == pytest.approx(math.pi / 2)
        assert self.manifold.distance(still, turned).item() == pytest.approx(math.pi)
        eighth = points((math.cos(math.pi / 8), 0, 0, math.sin(math.pi / 8)))
        torch.testing.assert_close(at(self.manifold, still, quarter, 0.5), eighth)

    def test_the_distance_is_the_angle_of_the_rotation_between(self) -> None:
        p, q = self.manifold.sample(N, seeded(0)), self.manifold.sample(N, seeded(1))
        between = matrices(p).mT @ matrices(q)
        trace = between.diagonal(dim1=1, dim2=2).sum(1)
        torch.testing.assert_close(self.manifold.distance(p, q), ((trace - 1) / 2).acos(), rtol=1e-6, atol=1e-6)

    def test_opposite_quaternions_are_one_rotation(self) -> None:
        p, q = self.manifold.sample(N, seeded(0)), self.manifold.sample(N, seeded(1))
        assert bool(((p * q).sum(1) < 0).any())
        torch.testing.assert_close(self.manifold.distance(p, -q), self.manifold.distance(p, q))
        torch.testing.assert_close(at(self.manifold, -p, q, 0.3), at(self.manifold, p, q, 0.3))
        assert bool((at(self.manifold, p, q, 0.3)[:, 0] >= 0).all())
        assert self.manifold.distance(p, -p).max() < 1e-7

    def test_near_rotations_across_the_sign(self) -> None:
        """cos(a / 2) passes 0: 170 and 190 degrees about x are 20 degrees apart."""
        p, q = (points((math.cos(a / 2), math.sin(a / 2), 0, 0)) for a in (math.radians(170), math.radians(190)))
        assert self.manifold.distance(p, -q).item() == pytest.approx(math.radians(20))
        middle = at(self.manifold, p, -q, 0.5)
        assert middle.abs()[0].tolist() == pytest.approx([0, 1, 0, 0], abs=1e-12)


class TestCylinder:
    manifold = Cylinder(math.pi / 4, math.pi, 0.5)

    def test_by_hand(self) -> None:
        p, q = points((0, 1)), points((0.3, 1.8))
        assert self.manifold.distance(p, q).item() == pytest.approx(0.5)  # 0.3 and half of 0.8
        torch.testing.assert_close(at(self.manifold, p, q, 0.5), points((0.15, 1.4)))

    def test_angles_turn_the_shorter_way(self) -> None:
        p, q = points((0.1, 1), (2 * math.pi - 0.1, 1)), points((2 * math.pi - 0.3, 1), (0.1, 1))
        assert self.manifold.distance(p, q).tolist() == pytest.approx([0.4, 0.2])
        middle = at(self.manifold, p, q, 0.5)
        assert middle[0].tolist() == pytest.approx([2 * math.pi - 0.1, 1])
        assert math.cos(middle[1, 0].item()) == pytest.approx(1)
        assert bool(((middle[:, 0] >= 0) & (middle[:, 0] <= 2 * math.pi)).all())


def root(A: Tensor) -> Tensor:
    """The symmetric root of positive matrices."""
    values, vectors = torch.linalg.eigh(A)
    return vectors @ torch.diag_embed(values.sqrt()) @ vectors.mT


def whole(p: Tensor) -> Tensor:
    a, b, c = p.T
    return torch.stack([a, b, b, c], 1).view(-1, 2, 2)


class TestCovariances:
    manifold = Covariances(0.5, 0.9, 0.6)

    def test_by_hand(self) -> None:
        """Matrices that commute: the distance is that of the semi-axes."""
        p, q = points((0.3**2, 0, 0.5**2), (0.4**2, 0, 0.4**2)), points((0.4**2, 0, 0.6**2), (0.7**2, 0, 0.7**2))
        assert self.manifold.distance(p, q).tolist() == pytest.approx([math.sqrt(0.02), 0.3 * math.sqrt(2)])
        middle = at(self.manifold, p, q, 0.5)
        torch.testing.assert_close(middle, points((0.35**2, 0, 0.55**2), (0.55**2, 0, 0.55**2)))

    def test_against_the_definitions(self) -> None:
        p, q = self.manifold.sample(N, seeded(0)), self.manifold.sample(N, seeded(1))
        A, B, one = whole(p), whole(q), torch.eye(2, dtype=torch.float64)
        half = root(A)
        cross = root(half @ B @ half)
        squared = (A + B - 2 * cross).diagonal(dim1=1, dim2=2).sum(1)
        torch.testing.assert_close(self.manifold.distance(p, q), squared.sqrt())
        T = torch.linalg.inv(half) @ cross @ torch.linalg.inv(half)
        torch.testing.assert_close(whole(at(self.manifold, p, q, 0.5)), (one + T) / 2 @ A @ (one + T) / 2)

    def test_the_volume_is_what_points_are_drawn_by(self) -> None:
        """Small steps along rho, sin beta and phi are at right angles, and span rho^2 / 4 however round the ellipse."""

        def matrix(rho: float, sine: float, phi: float) -> Tensor:
            cosine = math.sqrt(1 - sine**2)
            u, v = cosine * math.cos(phi), cosine * math.sin(phi)
            return rho**2 / 2 * points((1 + u, v, 1 - u))

        h = 1e-5
        for at in ((0.5, 0.7, 1.0), (0.8, 0.61, 4.0), (0.8, 0.95, 0.1)):
            steps = [matrix(*(value + h * (axis == i) for i, value in enumerate(at))) for axis in range(3)]
            lengths = [self.manifold.distance(matrix(*at), step).item() / h for step in steps]
            assert math.prod(lengths) == pytest.approx(at[0] ** 2 / 4, rel=1e-3)
            for i, j in ((0, 1), (0, 2), (1, 2)):
                apart = self.manifold.distance(steps[i], steps[j]).item() / h
                assert apart == pytest.approx(math.hypot(lengths[i], lengths[j]), rel=1e-3)

    def test_points_are_uniform(self) -> None:
        a, b, c = self.manifold.sample(20_000, seeded()).T
        rho, sine = (a + c).sqrt(), 2 * (a * c - b * b).sqrt() / (a + c)
        assert 0.5 <= rho.min() < 0.51 < 0.89 < rho.max() <= 0.9
        assert (rho**3).mean().item() == pytest.approx((0.5**3 + 0.9**3) / 2, rel=0.01)
        assert sine.mean().item() == pytest.approx(0.8, rel=0.005)
        assert b.mean().abs() < 0.005
        assert a.mean().item() == pytest.approx(c.mean().item(), rel=0.02)
