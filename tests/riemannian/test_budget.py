"""Geodesics within a time limit: what is promised of the best curves so far."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from interpzoo_riemannian import NotConvergedWarning, geodesic
from interpzoo_riemannian.clock import Clock
from interpzoo_riemannian.solver import Method
from torch import Tensor

from interpzoo.errors import ConfigError, InputError
from interpzoo.geometry import curve_energy, resample
from tests.riemannian.surfaces import sphere
from tests.riemannian.test_geodesics import latents, network
from tests.tiny import tiny_model


class Slow:
    """A sphere whose every latent takes 50 microseconds, on a clock of its own."""

    seconds = 0.0

    def __call__(self, z: Tensor) -> Tensor:
        self.seconds += 5e-5 * len(z)
        return sphere(z)


def energy(path: Tensor) -> Tensor:
    return curve_energy(sphere, resample(path, 191, smooth=True))


@pytest.mark.parametrize(("d", "method"), [(3, "gauss-newton"), (12, "auto"), (12, "quasi-newton")])
def test_a_search_ends_in_time_with_curves_no_worse_than_lines(
    monkeypatch: pytest.MonkeyPatch, d: int, method: Method
) -> None:
    slow = Slow()
    monkeypatch.setattr(Clock, "now", staticmethod(lambda: slow.seconds))
    a, b = latents(6, d, seed=1), latents(6, d, seed=2)
    found = geodesic(slow, a, b, method=method, tolerance=1e-12, max_iterations=10_000, budget=0.2)
    assert 0.1 < slow.seconds < 0.22
    assert torch.equal(found.path[:, 0], a)
    assert torch.equal(found.path[:, -1], b)
    line = energy(torch.stack([a, b], 1))
    assert bool((energy(found.path) <= line * (1 + 1e-5)).all())
    assert float((energy(found.path) / line).mean()) < 0.99
    assert not bool((found.converged & (found.remaining > 1e-12)).any())


def test_without_time_every_pair_has_its_line_and_nothing_is_promised() -> None:
    a, b = latents(130, 3, seed=1), latents(130, 3, seed=2)  # more than are solved together
    found = geodesic(sphere, a, b, budget=1e-3)
    torch.testing.assert_close(found.path, resample(torch.stack([a, b], 1), 20))
    assert not bool(found.converged.any())
    assert bool((found.remaining == 1).all())


@pytest.mark.parametrize("d", [2, 12])
def test_a_budget_that_is_not_spent_changes_nothing(d: int) -> None:
    decoder = network(d)
    a, b = latents(3, d, seed=1).float(), latents(3, d, seed=2).float()
    within, without = geodesic(decoder, a, b, steps=8, budget=3600), geodesic(decoder, a, b, steps=8)
    assert torch.equal(within.path, without.path)
    assert bool((within.remaining <= 1e-4)[within.converged].all())


@pytest.mark.parametrize("method", ["gauss-newton", "quasi-newton"])
def test_what_remains_near_a_minimum_is_what_a_longer_search_saves(method: Method) -> None:
    a, b = 0.4 * latents(8, 3, seed=5), 0.4 * latents(8, 3, seed=6)
    short = geodesic(sphere, a, b, steps=10, method=method, tolerance=1e-12, max_iterations=2)
    best = geodesic(sphere, a, b, steps=10, method="gauss-newton", tolerance=1e-9)
    saved = 1 - best.energy / short.energy
    assert bool((saved <= 3 * short.remaining + 1e-4).all())
    assert bool((short.remaining <= 3 * saved + 1e-4).all())


@pytest.mark.parametrize("budget", ["nan", "0", "-1", "soon"])
def test_a_budget_that_is_not_a_time_is_refused_in_one_line(budget: str) -> None:
    model = tiny_model(size=(8, 8))
    a, b = torch.zeros(2, 1, *model.latent_shape)
    with pytest.raises(ConfigError, match=r"budget = .*") as caught:
        model.interpolate_codes(a, b, [0.5], interpolator=f"geodesic budget={budget}")
    assert "\n" not in str(caught.value)
    value: Any = budget if budget == "soon" else float(budget)
    with pytest.raises(InputError, match=r"budget = .*: expected a number from 0.001 to 86400"):
        geodesic(sphere, latents(1, 2), latents(1, 2, seed=1), budget=value)


def test_a_path_by_name_takes_a_budget() -> None:
    model = tiny_model(size=(8, 8))
    a, b = torch.randn(2, 2, *model.latent_shape, generator=torch.Generator().manual_seed(0))
    with pytest.warns(NotConvergedWarning, match="2 of 2 geodesics did not converge"):
        found = model.solve(a, b, [0.0, 1.0], interpolator="geodesic budget=0.001")
    assert torch.equal(found.codes, torch.stack([a, b], 1))


def test_eight_threads_find_what_one_finds() -> None:
    decoder, pairs = network(4), [(latents(2, 4, seed=n).float(), latents(2, 4, seed=50 + n).float()) for n in range(8)]

    def solved(pair: tuple[Tensor, Tensor]) -> Tensor:
        return geodesic(decoder, *pair, steps=6).path

    with ThreadPoolExecutor(8) as pool:
        together = [*pool.map(solved, pairs)]
    for path, pair in zip(together, pairs, strict=True):
        assert torch.equal(path, solved(pair))
