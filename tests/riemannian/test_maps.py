"""Exponential and logarithm maps, parallel transport and analogies, and the algorithms of the paper."""

from __future__ import annotations

import math

import pytest
import torch
from interpzoo_riemannian import (
    NotConvergedWarning,
    analogy,
    exponential_map,
    geodesic,
    logarithm_map,
    metric,
    paper,
    parallel_transport,
)
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.geometry import segment_lengths
from tests.riemannian.surfaces import cylinder, paraboloid, sphere, sphere_distance, sphere_inverse, torus
from tests.riemannian.test_geodesics import latents, network


def norm(surface: object, z: Tensor, v: Tensor) -> Tensor:
    G = metric(surface, z)
    return (v[:, None] @ G @ v[:, :, None]).flatten().sqrt()


@pytest.mark.parametrize("surface", [sphere, cylinder, paraboloid, torus])
def test_the_exponential_inverts_the_logarithm(surface: object) -> None:
    a, b = 0.7 * latents(8, 2, seed=1), 0.7 * latents(8, 2, seed=2)
    v = logarithm_map(surface, a, b)
    path = exponential_map(surface, a, v)
    torch.testing.assert_close(path[:, -1], b, atol=1e-3, rtol=0)
    assert torch.equal(path[:, 0], a)


def test_the_exponential_inverts_the_logarithm_on_a_network() -> None:
    decoder = network(3, gain=1.5).double()
    a, b = latents(6, 3, seed=1), latents(6, 3, seed=2)
    path = exponential_map(decoder, a, logarithm_map(decoder, a, b, steps=40), steps=40)
    torch.testing.assert_close(path[:, -1], b, atol=1e-3, rtol=0)


def test_the_logarithm_is_as_long_as_the_geodesic() -> None:
    a, b = latents(8, 3, seed=1), latents(8, 3, seed=2)
    v = logarithm_map(sphere, a, b, steps=50)
    torch.testing.assert_close(norm(sphere, a, v), sphere_distance(a, b), rtol=2e-3, atol=0)


@pytest.mark.parametrize("surface", [sphere, paraboloid, torus])
def test_shooting_has_constant_speed(surface: object) -> None:
    a, v = 0.5 * latents(8, 2, seed=3), 0.5 * latents(8, 2, seed=4)
    path = exponential_map(surface, a, v, steps=50)
    speed = 49 * segment_lengths(surface, path)
    torch.testing.assert_close(speed, norm(surface, a, v)[:, None].expand_as(speed), rtol=5e-3, atol=0)


def test_shooting_on_the_sphere_follows_the_great_circle() -> None:
    a, v = latents(4, 2, seed=3), latents(4, 2, seed=4)
    path = exponential_map(sphere, a, v, steps=100)
    x, u = torch.func.jvp(sphere, (a,), (v,))
    length = u.norm(dim=1, keepdim=True)
    expected = x * length.cos() + u / length * length.sin()
    torch.testing.assert_close(sphere(path[:, -1]), expected, atol=1e-3, rtol=0)


def test_zero_velocity_stays_at_the_start() -> None:
    a = latents(2, 3)
    torch.testing.assert_close(exponential_map(sphere, a, 0 * a, steps=5), a[:, None].expand(-1, 5, -1))


def test_too_long_steps_are_refused() -> None:
    with pytest.raises(InputError, match=r"pair 0.*use more steps"):
        exponential_map(sphere, latents(1, 2), 100 * latents(1, 2, seed=1), steps=5)


def test_transport_keeps_lengths_and_angles() -> None:
    decoder = network(3).double()
    path = geodesic(decoder, latents(5, 3, seed=1), latents(5, 3, seed=2)).path
    v, w = latents(5, 3, seed=3), latents(5, 3, seed=4)
    end = path[:, -1]
    carried = parallel_transport(decoder, path, v), parallel_transport(decoder, path, w)
    for before, after in ((v, carried[0]), (w, carried[1]), (v + w, carried[0] + carried[1])):
        torch.testing.assert_close(norm(decoder, end, after), norm(decoder, path[:, 0], before))


def test_a_geodesic_transports_its_own_velocity() -> None:
    a, b = latents(5, 2, seed=1), latents(5, 2, seed=2)
    path = geodesic(sphere, a, b, steps=50, tolerance=1e-10).path
    carried = parallel_transport(sphere, path, logarithm_map(sphere, a, b, steps=50))
    back = logarithm_map(sphere, b, a, steps=50)
    torch.testing.assert_close(carried, -back, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("carry", [parallel_transport, paper.parallel_translation])
def test_around_a_triangle_a_vector_turns_by_its_area(carry: object) -> None:
    """An octant, away from the pole of the chart: three right angles, area pi / 2."""
    corners = sphere_inverse(torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, -1.0]]).double())
    v = torch.tensor([[0.3, 1.0]]).double()
    turned = v
    exact = carry is parallel_transport
    steps = 50 if exact else 200
    for start, end in ((0, 1), (1, 2), (2, 0)):
        path = geodesic(sphere, corners[start : start + 1], corners[end : end + 1], steps=steps, tolerance=1e-8).path
        turned = carry(sphere, path, turned)
    # The chart keeps angles.
    angle = math.atan2(float(v[0, 0] * turned[0, 1] - v[0, 1] * turned[0, 0]), float((v * turned).sum()))
    assert abs(angle) == pytest.approx(math.pi / 2, abs=1e-4 if exact else 1e-2)
    torch.testing.assert_close(turned.norm(), v.norm(), rtol=1e-3, atol=0)


def test_an_analogy_on_a_flat_manifold_is_a_parallelogram() -> None:
    a, b, c = (latents(4, 2, seed=seed) for seed in (1, 2, 3))
    path = analogy(cylinder, a, b, c)
    torch.testing.assert_close(path[:, 0], c)
    torch.testing.assert_close(path[:, -1], c + b - a, atol=1e-3, rtol=0)


def test_an_analogy_on_the_sphere_carries_the_great_circle() -> None:
    a, b, c = (0.5 * latents(8, 2, seed=seed) for seed in (1, 2, 3))
    x, y, start = sphere(a), sphere(b), sphere(c)
    angle = (x * y).sum(1, keepdim=True).acos()
    v = (y - angle.cos() * x) * angle / angle.sin()
    carried = v - (v * start).sum(1, keepdim=True) / (1 + (x * start).sum(1, keepdim=True)) * (x + start)
    expected = start * angle.cos() + carried / angle * angle.sin()
    found = sphere(analogy(sphere, a, b, c, steps=40)[:, -1])
    torch.testing.assert_close(found, expected, atol=3e-4, rtol=0)


def test_the_logarithm_warns_where_it_did_not_converge(monkeypatch: pytest.MonkeyPatch) -> None:
    from interpzoo_riemannian import shooting

    def hasty(*arguments: object, **options: object) -> object:
        return geodesic(*arguments, **{**options, "max_iterations": 1})

    monkeypatch.setattr(shooting, "geodesic", hasty)
    with pytest.warns(NotConvergedWarning, match="2 of 2 geodesics did not converge: pair 0, 1"):
        logarithm_map(torus, latents(2, 2), 2 + latents(2, 2, seed=1))


class TestPaper:
    @pytest.mark.parametrize("encoder", [None, sphere_inverse])
    def test_algorithm_1_agrees_with_the_solver(self, encoder: object) -> None:
        a, b = 0.6 * latents(6, 2, seed=1), 0.6 * latents(6, 2, seed=2)
        found = paper.geodesic_path(sphere, a, b, encoder=encoder, steps=12)
        assert bool(found.converged.all())
        expected = geodesic(sphere, a, b, steps=12)
        assert bool((expected.iterations < found.iterations).all())
        torch.testing.assert_close(found.energy, expected.energy, rtol=1e-3, atol=0)

    def test_a_diverging_algorithm_1_gives_the_straight_line(self) -> None:
        a, b = latents(3, 2, seed=1), latents(3, 2, seed=2)
        found = paper.geodesic_path(sphere, a, b, step_size=50.0, max_iterations=50)
        assert not bool(found.converged.any())
        assert bool(found.path.isfinite().all())

    def test_algorithm_2_is_right_to_first_order(self) -> None:
        a, b, v = (latents(6, 2, seed=seed) for seed in (1, 2, 3))
        errors: list[Tensor] = []
        for steps in (20, 40):
            path = geodesic(sphere, a, b, steps=steps, tolerance=1e-10).path
            exact = parallel_transport(sphere, path, v)
            through_encoder = paper.parallel_translation(sphere, path, v, encoder=sphere_inverse)
            translated = paper.parallel_translation(sphere, path, v)
            torch.testing.assert_close(translated, through_encoder)
            errors.append((translated - exact).norm())
        assert float(errors[0] / errors[1]) == pytest.approx(2, abs=0.3)

    def test_algorithm_3_agrees_with_the_exponential_map(self) -> None:
        a, v = latents(4, 2, seed=3), 0.5 * latents(4, 2, seed=4)
        shot = paper.geodesic_shooting(sphere, sphere_inverse, a, v, steps=100)
        torch.testing.assert_close(shot[:, -1], exponential_map(sphere, a, v, steps=100)[:, -1], rtol=0.04, atol=0.04)
